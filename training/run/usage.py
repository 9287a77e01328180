"""`--help` that folds, and what is said of a flag that there is not."""

import contextlib
import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, get_args, get_type_hints

import tyro

from training.common.intrinsic import IntrinsicConfig
from training.off_policy.config import DQNConfig, SACConfig
from training.on_policy.config import PPOConfig
from training.run import ranges
from training.run.preflight import UserError
from training.selfplay.config import SelfPlayConfig

ALL = "all"
HELP = ("--help", "-h")
# Learner -> the groups of settings that others may not have.
OF_LEARNERS: dict[str, dict[str, Any]] = {
    "dqn": {"learner": DQNConfig(), "intrinsic": IntrinsicConfig()},
    "sac": {"learner": SACConfig()},
    "ppo": {"learner": PPOConfig(), "selfplay": SelfPlayConfig()},
}


def topic(argv: Sequence[str]) -> str | None:
    """The word after ``--help``, which names a group of settings; "" where none follows, None where nobody asks."""
    for place, word in enumerate(argv):
        if word in HELP:
            after = argv[place + 1 : place + 2]
            return after[0] if after and not after[0].startswith("-") else ""
    return None


def show(base: Any, topic: str, command: str) -> None:
    """Print what `base` has of a topic: the run's own settings and a line for each group, a group, or all.

    Raises:
        UserError: there is no such group.
        SystemExit: code 0, always otherwise.
    """
    groups = _groups(base)
    if topic not in ("", ALL, *groups):
        raise UserError(f"there are no settings '{topic}': use {command} --help {'|'.join(groups)}|{ALL}")
    folded = _folded(base, topic)
    with contextlib.suppress(SystemExit):
        tyro.cli(type(folded), args=["--help"], default=folded, prog=command)
    if topic == "":
        print("More settings by group, all of them with --help all:")
        for name, group in groups.items():
            count, sentence = len(list(ranges.settings(group))), (type(group).__doc__ or "").split("\n")[0]
            print(f"  --help {name:<11} {f'--{name}.*':<15} {count:>2} flags. {sentence}")
    raise SystemExit(0)


def _groups(base: Any) -> dict[str, Any]:
    """Groups of settings by the names of their flags."""
    values = {ranges.FLAG_NAMES.get(name, name): getattr(base, name) for name in ranges.fields_of(base)}
    return {name: value for name, value in values.items() if ranges.fields_of(value)}


def _folded(base: Any, topic: str) -> Any:
    """`base` as an instance of a class whose help has what is of the topic, and ranges beside the types."""
    hints, fields = get_type_hints(type(base), include_extras=True), []
    for field in dataclasses.fields(base):
        value, hint = getattr(base, field.name), hints[field.name]
        group = ranges.FLAG_NAMES.get(field.name, field.name) if ranges.fields_of(value) else ""
        told: Any = _with_range(hint)
        if topic not in (ALL, group):
            told = Annotated[hint, tyro.conf.Suppress]
        elif group and dataclasses.is_dataclass(value):
            value = _with_ranges(value)
            told = type(value)
        fields.append((field.name, told, value))
    return _retyped(base, fields)


def _with_ranges(group: Any) -> Any:
    """A dataclass of settings as an instance of a class whose help says their ranges."""
    hints = get_type_hints(type(group), include_extras=True)
    return _retyped(group, [(name, _with_range(hints[name]), getattr(group, name)) for name in ranges.fields_of(group)])


def _retyped(config: Any, fields: list[tuple[str, Any, Any]]) -> Any:
    """A dataclass with other annotations and values: name, annotation and value of each field."""
    typed = [(name, hint, dataclasses.field(default=None)) for name, hint, _ in fields]
    schema = dataclasses.make_dataclass(type(config).__name__, typed, bases=(type(config),), frozen=True)
    schema.__doc__ = type(config).__doc__
    return schema(**{name: value for name, _, value in fields})


def _with_range(hint: Any) -> Any:
    """An annotation whose place in the help says the range of a number, too."""
    kind = next((kind for kind in (int, float) if kind in _types(hint)), None)
    if kind is None:
        return hint
    return Annotated[hint, tyro.conf.arg(metavar=f"{kind.__name__.upper()}, {ranges.range_text(hint)}")]


def _types(hint: Any) -> set[Any]:
    """All that an annotation is made of."""
    return {hint}.union(*(_types(arg) for arg in get_args(hint) if isinstance(arg, type) or get_args(arg)))


# -- flags that there are not ------------------------------------------------------------------------------------------
def refuse(unknown: Sequence[str], base: Any, command: str, more: Iterable[str] = ()) -> None:
    """Say of the first of the arguments that nobody took what may have been meant; ``more`` are flags beside base's.

    Raises:
        UserError: always.
    """
    flag = next((word for word in unknown if word.startswith("-")), unknown[0]).split("=")[0].replace("_", "-")
    owners = [
        algo
        for algo, groups in OF_LEARNERS.items()
        if flag in {each.flag for name, group in groups.items() for each in ranges.settings(group, (name,))}
    ]
    if owners and base.algo not in owners:
        raise UserError(f"{flag} is a setting of --algo {' or '.join(owners)}, and this is {base.algo}: leave it out")
    flags = list(more)
    for each in ranges.settings(base):  # a table has a flag for each of its names, and is none itself
        flags += [f"{each.flag}.{name}" for name in each.value] if isinstance(each.value, dict) else [each.flag]
    meant = nearest(flag, flags)
    hint = f"did you mean {meant}? " if meant else ""
    raise UserError(f"there is no {flag}: {hint}{command} --help tells of all")


def nearest(flag: str, flags: Sequence[str]) -> str | None:
    """The flag that another one may have meant: its last word, the initials of it, or letters like it."""
    words = {each: each.lstrip("-").rsplit(".", 1)[-1] for each in flags}
    word = flag.lstrip("-").rsplit(".", 1)[-1]
    for each, last in words.items():
        if word in (last, "".join(part[:1] for part in last.split("-"))):
            return each
    if close := difflib.get_close_matches(flag, flags, 1):
        return close[0]
    close = difflib.get_close_matches(word, list(words.values()), 1)
    return next((each for each, last in words.items() if close and last == close[0]), None)
