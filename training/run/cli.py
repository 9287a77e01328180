"""The command line: default < preset < the resumed run's own settings < --config < flags."""

import argparse
import dataclasses
import os
import sys
import tomllib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tomli_w
import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from policies import registry as policy_registry
from puffer_envs import registry as env_registry
from puffer_envs.contract.game import Game
from training.common.intrinsic import IntrinsicConfig
from training.off_policy.config import DQNConfig
from training.on_policy.config import PPOConfig
from training.run import machine, ranges, usage
from training.run.config import LEARNERS, RunConfig
from training.run.preflight import UserError
from training.run.settle import settle
from training.selfplay.config import SelfPlayConfig

DECISIVE = ("env", "model_size", "algo")  # other settings depend on these
GAMES_OWN = ("model_size", "algo")  # of those, what a game can have a default of its own for
NUMBERS = ConstructorRegistry()  # how tyro reads them
CHOSEN_BY_NAME = ("presets", "machines")  # tables of a game's training.toml for --preset; --config passes them over


def parse(
    argv: Sequence[str],
    saved: tuple[dict[str, Any], Path] | None = None,
    command: str = "python -m train_big",
    more: Sequence[str] = (),
) -> RunConfig:
    """Settings of a run from its flags.

    Args:
        saved: settings that the flags are given beside, and the file that they come from.
        command: as it is called, for what it says; more: flags of its own that might have been meant.

    Raises:
        UserError: an unknown flag, game, size or preset, a value out of its range, or a file that cannot be read.
        SystemExit: from tyro, code 2, for what is no value of a setting's type, and 0 after `--help`.
    """
    first = _first_pass(argv, saved)
    game = _game(first.env)
    own = {name: each for name, each in game.training().items() if name not in DECISIVE}
    base = _with_table(_defaults(first, game), own, Path(f"defaults of {game.name}"))
    for name in filter(None, (first.preset or "").split(",")):
        base = _with_preset(base, name, game)
    for settings, file in zip(first.settings, first.files, strict=True):
        base = _with_table(base, settings, file)
    if (topic := usage.topic(argv)) is not None:
        usage.show(base, topic, command)
    try:
        with warnings.catch_warnings():  # of a bad default; `ranges.check` says it better
            warnings.simplefilter("ignore")
            config, unknown = tyro.cli(
                type(base), args=list(argv), default=base, prog=command, registry=NUMBERS, return_unknown_args=True
            )
    except ValueError as error:  # a settings class that checks itself
        raise UserError(str(error)) from error
    if unknown:
        usage.refuse(unknown, base, command, more)
    ranges.check(config)
    return settle(config, game)


@NUMBERS.primitive_rule
def _whole_number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[int] | None:
    """1e6 is a million."""
    if info.type is not int:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=lambda args: _whole(args[0]),
        is_instance=lambda value: type(value) is int,
        str_from_instance=lambda value: [str(value)],
    )


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise ValueError(f"{text} is no whole number") from None
        return int(number)


def _first_pass(argv: Sequence[str], saved: tuple[dict[str, Any], Path] | None) -> argparse.Namespace:
    """The few settings that decide which other flags there are and what their defaults are."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.set_defaults(**dict.fromkeys(DECISIVE))
    for name in (*DECISIVE, "preset", "run_name"):
        parser.add_argument(f"--{name.replace('_', '-')}", f"--{name}", dest=name)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--runs-dir", "--runs_dir", dest="runs_dir", type=Path, default=RunConfig.runs_dir)
    parser.add_argument("--resume", action="store_true")
    try:
        first, _ = parser.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise UserError(str(error)) from error
    if first.resume and not first.run_name:
        raise UserError("--resume needs the --run-name of the run to go on with")
    written = first.runs_dir / (first.run_name or "") / "config.toml"
    first.files = [written] if first.resume and written.is_file() else []
    first.files += [first.config] if first.config is not None else []
    first.settings = [read(file) for file in first.files]
    if saved is not None:
        first.settings.insert(0, saved[0])
        first.files.insert(0, saved[1])
    for name in (*DECISIVE, "preset"):
        written = [settings[name] for settings in first.settings if name in settings]
        if getattr(first, name) is None:
            setattr(first, name, written[-1] if written else None if name in GAMES_OWN else getattr(RunConfig, name))
    return first


def _game(name: str) -> Game:
    try:
        return env_registry.resolve(name)
    except ValueError as error:
        raise UserError(str(error)) from error


def _defaults(first: argparse.Namespace, game: Game) -> RunConfig:
    size = first.model_size or game.training().get("model_size", RunConfig.model_size)
    try:
        policy = policy_registry.preset(game.network, size)
    except ValueError as error:
        raise UserError(str(error)) from error
    algo: Any = first.algo or game.learners[0]
    if algo not in game.learners:
        raise UserError(f"{game.name} learns with --algo {' or '.join(game.learners)}, not with {algo}")
    schema = _schema_class(game, type(policy), LEARNERS[algo])
    return schema(env=game.name, algo=algo, model_size=size, game=game.Config(), policy=policy)


def _schema_class(game: Game, policy: type, learner: type) -> type[RunConfig]:
    """RunConfig with the game's, the policy's and the learner's own settings in the places of their flags."""
    intrinsic = IntrinsicConfig if learner is DQNConfig else None
    selfplay = SelfPlayConfig if learner is PPOConfig and game.versus(game.Config()) else None
    preset = f"A named set of settings, or several with commas: {', '.join(_preset_names(game))}."
    fields: list[tuple[str, Any, Any]] = [
        (flag, Annotated[str | None, tyro.conf.arg(help=alias.help)], dataclasses.field(default=None))
        for flag, alias in game.aliases.items()
    ]
    fields += [
        ("preset", Annotated[str, tyro.conf.arg(help=preset)], dataclasses.field(default="")),
        ("game", Annotated[game.Config, tyro.conf.arg(name="env")], dataclasses.field(default=game.Config())),
        ("policy", policy, dataclasses.field(default=policy())),
        ("learner", learner, dataclasses.field(default_factory=learner)),
        ("intrinsic", *_group(intrinsic)),
        ("selfplay", *_group(selfplay)),
    ]
    schema = dataclasses.make_dataclass("RunConfig", fields, bases=(RunConfig,), frozen=True)
    schema.__doc__ = RunConfig.__doc__
    return schema


def _group(settings: type | None) -> tuple[Any, Any]:
    """Annotation and field of a group of settings that not every run has."""
    if settings is None:
        return Annotated[None, tyro.conf.Suppress], dataclasses.field(default=None)
    return settings, dataclasses.field(default_factory=settings)


def _with_preset(base: RunConfig, name: str, game: Game) -> RunConfig:
    """A preset is the game's (beside its Config), or the learner's or a machine's (both in its training.toml)."""
    names = _preset_names(game)
    if name not in names:
        raise UserError(f"there is no preset '{name}' for {game.name}; the presets are {', '.join(names)}")
    if name in game.presets:
        return dataclasses.replace(base, game=game.presets[name])
    training = game.training()
    named = training.get("machines", {}) | training.get("presets", {})
    return _with_table(base, named[machine.hardware() if name == "auto" else name], Path(f"preset {name}"))


def _with_table(base: RunConfig, table: dict[str, Any], source: Path) -> RunConfig:
    """With the settings of a table that hold by themselves, and those that it has for the learner."""
    own = {name: each for name, each in _settings(table).items() if name != "learners"}
    its = table.get("learners", {})
    if unknown := [algo for algo in its if algo not in LEARNERS]:
        raise UserError(f"{source} sets 'learners.{unknown[0]}'; the learners are {', '.join(LEARNERS)}")
    return with_settings(with_settings(base, own, source), its.get(base.algo, {}), source)


def _preset_names(game: Game) -> list[str]:
    training = game.training()
    machines = {"auto", *training["machines"]} if "machines" in training else set()
    return sorted({*game.presets, *training.get("presets", {}), *machines})


def _settings(table: dict[str, Any]) -> dict[str, Any]:
    """Of a file the settings that hold by themselves."""
    return {key: value for key, value in table.items() if key not in CHOSEN_BY_NAME}


def read(path: Path) -> dict[str, Any]:
    """A file of settings as nested tables; a game's training.toml is one, without what its presets set.

    Raises:
        UserError: it cannot be read, or is no file of settings.
    """
    try:
        settings = tomllib.loads(path.read_text())
    except OSError as error:
        raise UserError(f"cannot read the settings in {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no valid TOML: {error}") from error
    if isinstance(settings.get("env"), dict):
        raise UserError(f"the game's own settings stand in a table [game] in {path}: `env` is the game's name")
    return _settings(settings)


def with_settings(config: Any, settings: dict[str, Any], source: Path) -> Any:
    """A copy of a dataclass or NamedTuple of settings with those of a (nested) table in place of its own.

    Raises:
        UserError: a key that does not exist, or a value of another type.
    """
    current = config._asdict() if hasattr(config, "_asdict") else _shallow(config)
    changes: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in current:
            raise UserError(f"{source} sets '{key}', which is no setting here; there are {', '.join(sorted(current))}")
        if isinstance(value, dict) and not isinstance(current[key], dict):
            if not ranges.fields_of(current[key]):
                raise UserError(f"{source} has a table '{key}', where a value belongs")
            changes[key] = with_settings(current[key], value, source)
        else:
            changes[key] = _converted(current[key], value, key, source)
    try:
        return config._replace(**changes) if hasattr(config, "_replace") else dataclasses.replace(config, **changes)
    except ValueError as error:
        raise UserError(f"{source}: {error}") from error


def _converted(old: Any, new: Any, key: str, source: Path) -> Any:
    if isinstance(old, Path) or (old is None and key == "config"):
        return Path(new)
    if "auto" in (old, new):  # or a number: `ranges.check` knows where it can be which
        return new
    if isinstance(old, tuple):
        return tuple(new)
    if isinstance(old, float) and isinstance(new, int) and not isinstance(new, bool):
        return float(new)
    if type(old) is int and isinstance(new, float) and new.is_integer():
        return int(new)
    if old is not None and type(old) is not type(new):
        raise UserError(f"{source} sets '{key}' to {new!r}, but it is {type(old).__name__}, for instance {old!r}")
    return new


def to_toml(config: RunConfig) -> str:
    """The whole resolved configuration; `--config` reads it back, and a run that begins with it is a new one."""
    return tomli_w.dumps(plain(dataclasses.replace(config, resume=False)))


def saved_settings(config: RunConfig) -> dict[str, Any]:
    """What the run of this name wrote down when it began."""
    return read(config.runs_dir / config.run_name / "config.toml")


def _shallow(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def plain(value: Any) -> Any:
    """Settings as TOML knows them: tables, lists, strings and numbers; what is None is left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = _shallow(value)
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return os.fspath(value) if isinstance(value, Path) else value


def fail(error: UserError) -> int:
    """One sentence on stderr, and the exit code of a mistake in the call."""
    print(f"error: {error}", file=sys.stderr)
    return 2
