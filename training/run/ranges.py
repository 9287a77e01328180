"""What values a setting can have: written in the annotation beside its default, checked here and nowhere else.

``Annotated[float, Interval(ge=0, le=1)]`` is a range (of `annotated_types`), ``Literal`` a choice; a float without a
range is any finite one.
"""

import dataclasses
import math
import operator
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Lt

from training.run.preflight import UserError

FLAG_NAMES = {"game": "env"}  # groups of settings whose flags have another name
BOUNDS = {  # kind -> what holds, and how it is said
    Ge: (operator.ge, "at least"),
    Gt: (operator.gt, "above"),
    Le: (operator.le, "at most"),
    Lt: (operator.lt, "below"),
}


def check(config: Any) -> None:
    """Refuse the first setting that is out of its range.

    Raises:
        UserError: it names the flag, the value and the range.
    """
    for flag, _, hint, value in settings(config):
        if not fits(hint, value):
            raise UserError(f"{flag} {value}: it must be {range_text(hint)}")


class Setting(NamedTuple):
    """One setting of a run."""

    flag: str
    path: str  # dotted, in a file of settings
    hint: Any  # annotation
    value: Any


def settings(config: Any, groups: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Each setting of a dataclass or NamedTuple, and of those within it."""
    hints = get_type_hints(type(config), include_extras=True)
    for name in fields_of(config):
        value, path = getattr(config, name), (*groups, name)
        if fields_of(value):
            yield from settings(value, path)
        else:
            flag = ".".join(FLAG_NAMES.get(part, part) for part in path).replace("_", "-")
            yield Setting(f"--{flag}", ".".join(path), hints[name], value)


def fields_of(config: Any) -> tuple[str, ...]:
    """Names of the fields of a dataclass or NamedTuple; none of anything else."""
    if dataclasses.is_dataclass(config):
        return tuple(field.name for field in dataclasses.fields(config))
    return getattr(config, "_fields", ())


def fits(hint: Any, value: Any) -> bool:
    """Whether an annotation allows a value; of the types it looks at numbers alone."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = _bounds(hint)
        if not bounds:
            return fits(args[0], value)
        return _is_number(args[0], value) and all(BOUNDS[kind][0](value, bound) for kind, bound in bounds.items())
    if origin in (Union, types.UnionType):
        return any(fits(arg, value) for arg in args)
    if origin is Literal:
        return value in args
    if origin is tuple:
        kinds = args[:1] * len(value) if args[-1] is ... else args
        return len(kinds) == len(value) and all(fits(*pair) for pair in zip(kinds, value, strict=True))
    if hint in (int, float):
        return _is_number(hint, value) and math.isfinite(value)
    return value is None if hint is type(None) else not isinstance(hint, type) or isinstance(value, hint)


def range_text(hint: Any) -> str:
    """What an annotation allows, in words; "" where that is any value of its type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = _bounds(hint)
        if not bounds:
            return range_text(args[0])
        if bounds.keys() == {Ge, Le}:
            return f"from {bounds[Ge]} to {bounds[Le]}"
        return " and ".join(f"{BOUNDS[kind][1]} {bound}" for kind, bound in bounds.items())
    if origin in (Union, types.UnionType):
        return " or ".join(text for arg in args if (text := range_text(arg)))
    if origin is Literal:
        return " or ".join(str(arg) for arg in args)
    if origin is tuple:
        each = range_text(args[0])
        return f"{each} each" if args[-1] is ... or not each else f"{len(args)} numbers, {each} each"
    words = {float: "a finite number", int: "a whole number", str: "text", bool: "true or false", type(None): "none"}
    return words.get(hint, "")


def _bounds(hint: Any) -> dict[type, Any]:
    """Kind of each bound of an ``Annotated`` -> the bound."""
    found = [mark for mark in hint.__metadata__ if isinstance(mark, Interval | Ge | Gt | Le | Lt)]
    single = [bound for mark in found for bound in (mark if isinstance(mark, Interval) else (mark,))]
    return {type(bound): getattr(bound, type(bound).__name__.lower()) for bound in single}


def _is_number(kind: type, value: Any) -> bool:
    number = int if kind is int else (int, float)
    return isinstance(value, number) and not isinstance(value, bool) and not math.isnan(value)
