"""The 33 moves, from moves.json into flat tables that kernels index.

A move is a chain of powers, a power a row of casts, a cast a few frames of wind-up (startup), of danger (active) and
one more; frames of a cast can change how the caster moves. Counts of frames are at 60 a second in the file and halved
here, angles are in degrees, 0 ahead and 90 up.
"""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from puffer_envs.platform_fighter.config import PIXEL, RECOVERY_DIVISOR
from puffer_envs.platform_fighter.state import KEY_J, KEY_K

WEAPON_FOLDERS = ("unarmed", "spear", "hammer")
# In the order of the numbers that observations show, from FIRST_TYPE on.
NAMES = (
    *("NLight", "DLight", "SLight", "NSig", "DSig", "SSig"),  # on the ground: light, heavy
    *("NAir", "DAir", "SAir", "Recovery", "Groundpound"),
)
FIRST_TYPE = 2  # 1 is no move
NLIGHT, NSIG, NAIR, RECOVERY, GROUNDPOUND = 2, 5, 8, 11, 12
NONE = 1

# -- columns of `powers` -----------------------------------------------------------------------------------------------
FIRST_CAST, LAST_CAST, WAIT, MIN_CHARGE, MAX_CHARGE, STUN_FRAMES, ON_HIT, ON_MISS, ON_GROUND, TRAITS = range(10)
# bits of TRAITS
CHARGES, INSTANT, DRAGS, STEERS, HITS_AGAIN, STOPS_ON_HIT, PULLS_ALL = (1 << i for i in range(7))
# -- columns of `casts` and of `blows` ---------------------------------------------------------------------------------
STARTUP, ACTIVE_END, FIRST_BOX, LAST_BOX, HAS_POINT = range(5)
CAST_DAMAGE, VARIABLE, FIXED, AHEAD, DOWN, POINT_Y = range(6)
# -- columns of `changes`: what is so marked in CHANGED, and its numbers -----------------------------------------------
TARGETS, SETS_X, SETS_Y, ADDS_X, ADDS_Y, SETS_BOTH = (1 << i for i in range(6))
TARGET_X, TARGET_Y, MULTIPLE, BOTH_X, BOTH_Y, DAMP_X, DAMP_Y, SET_X, SET_Y, ADD_X, ADD_Y = range(11)
_MULTIPLE = 2.0  # of a target that names none
CHANGE_FRAMES = 9  # frames of a cast in which there can be changes


class Moves(NamedTuple):
    """The tables. Powers and casts have numbers of their own, through all moves."""

    starts: np.ndarray  # int32 [33], first power of each move: weapon * 11 + type - FIRST_TYPE
    keys: np.ndarray  # int32 [33], key that charges it
    powers: np.ndarray  # int32 [P, 10], -1 where no power follows
    on_hit_speed: np.ndarray  # float64 [P, 2], of the caster when it hits, where STOPS_ON_HIT
    casts: np.ndarray  # int32 [C, 5]
    blows: np.ndarray  # float64 [C, 6]; AHEAD and DOWN: direction of the force
    boxes: np.ndarray  # float64 [B, 4], capsules: x ahead and y of the middle, width, height in units
    changes_at: np.ndarray  # int32 [C, CHANGE_FRAMES], which change a frame brings, -1 none
    changed: np.ndarray  # int32 [F]
    changes: np.ndarray  # float64 [F, 11]


@cache
def load() -> Moves:
    """The tables of all moves."""
    moves = json.loads(Path(__file__).with_name("moves.json").read_text())["moves"]
    tables: dict[str, list] = {name: [] for name in Moves._fields}
    for folder in WEAPON_FOLDERS:
        for name in NAMES:
            _add_move(tables, moves[f"{folder}/{name}"])
    real = {"on_hit_speed", "blows", "boxes", "changes"}
    return Moves(**{name: np.array(rows, np.float64 if name in real else np.int32) for name, rows in tables.items()})


def _add_move(tables: dict[str, list], move: dict[str, Any]) -> None:
    first = len(tables["powers"])
    tables["starts"].append(first + move["start"])
    tables["keys"].append(KEY_K if move["key"] == "HEAVY" else KEY_J)
    for power in move["powers"]:
        _add_power(tables, power, first)


def _add_power(tables: dict[str, list], power: dict[str, Any], first: int) -> None:
    others = power.get("other", {})
    traits = {
        CHARGES: power.get("is_charge"),
        INSTANT: power.get("instant"),
        DRAGS: others.get("enableFloorDrag"),
        STEERS: others.get("allowLeftRightMobility"),
        HITS_AGAIN: others.get("hitAllHitAgents"),
        STOPS_ON_HIT: others.get("onHitVelocitySetActive"),
        PULLS_ALL: others.get("targetAllHitAgents"),
    }
    begin = len(tables["casts"])
    for cast in power["casts"]:
        _add_cast(tables, cast, power.get("angle_deg", 0.0))
    tables["powers"].append(
        (
            begin,
            len(tables["casts"]) - 1,
            power.get("fixed_recovery", 0) // 2 + math.floor(power.get("recovery", 0) // 2 / RECOVERY_DIVISOR),
            power.get("min_charge", 0) // 2,
            power["casts"][-1]["startup"] // 2,
            power.get("stun", 0) // 2,
            *(first + power[name] if name in power else -1 for name in ("on_hit", "on_miss", "on_ground")),
            sum(bit for bit, has in traits.items() if has),
        )
    )
    angle = math.radians(others.get("onHitVelocitySetDirectionDeg", 0.0))
    # The original multiplies only the horizontal part.
    speed = math.cos(angle) * others.get("onHitVelocitySetMagnitude", 0.0), math.sin(angle)
    tables["on_hit_speed"].append(speed)


def _add_cast(tables: dict[str, list], cast: dict[str, Any], angle: float) -> None:
    boxes, points = cast.get("hitboxes", []), cast.get("ground_points", [])
    startup, begin = cast["startup"] // 2, len(tables["boxes"])
    tables["boxes"].extend([number * PIXEL for number in box] for box in boxes)
    end = len(tables["boxes"])
    tables["casts"].append((startup, startup + cast["active"] // 2, begin, end, len(points) > 0))
    direction = math.radians(cast.get("angle_deg", 0.0) or angle)
    tables["blows"].append(
        (
            *(cast.get(name, 0.0) for name in ("damage", "variable_force", "fixed_force")),
            *(math.cos(direction), -math.sin(direction)),
            points[-1][1] * PIXEL if points else 0.0,
        )
    )
    at = [-1] * CHANGE_FRAMES
    for change in cast.get("frames", []):
        frame = change["frame"] // 2
        if at[frame] < 0:  # of two for one frame the first one counts
            at[frame] = len(tables["changed"])
            _add_change(tables, change)
    tables["changes_at"].append(at)


def _add_change(tables: dict[str, list], change: dict[str, Any]) -> None:
    target = change.get("dealtPositionTarget", {})
    damp, add = change.get("casterVelocityDampXY", {}), change.get("casterVelocityAddXY", {})
    speed, degrees = change.get("set_velocity", (0.0, 0.0))
    x, y = change.get("set_velocity_xy", (None, None))
    marks = {
        TARGETS: target.get("active"),
        SETS_BOTH: "set_velocity" in change,
        SETS_X: x is not None,
        SETS_Y: y is not None,
        ADDS_X: add.get("activeX"),
        ADDS_Y: add.get("activeY"),
    }
    tables["changed"].append(sum(bit for bit, has in marks.items() if has))
    tables["changes"].append(
        (
            target.get("xOffset", 0) * PIXEL,
            target.get("yOffset", 0) * PIXEL,
            target.get("mult", _MULTIPLE),
            math.cos(math.radians(degrees)) * speed,
            -math.sin(math.radians(degrees)) * speed,
            damp.get("dampX", 1.0) if damp.get("activeX") else 1.0,
            damp.get("dampY", 1.0) if damp.get("activeY") else 1.0,
            *(x or 0.0, -(y or 0.0)),
            *(add.get("magnitudeX", 0.0), -add.get("magnitudeY", 0.0)),
        )
    )
