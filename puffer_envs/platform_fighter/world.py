"""The `.state` of a match: fighters, spawners and platform, whatever the episode around them."""

import numpy as np

from puffer_envs.contract import state_file
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter.config import AIR_DODGE_COOLDOWN, AIR_JUMPS, JUMP_COOLDOWN, STOCKS
from puffer_envs.platform_fighter.state import (
    ACTIVE,
    AIR_JUMP_TIMER,
    CAST,
    CAST_FRAME,
    CONTENT,
    DODGE_COOLDOWN,
    DROPPED,
    FACING,
    FRAME,
    GROUNDED_DODGE,
    HAMMER,
    HELD,
    HIT_BY_MOVE,
    HORIZONTAL,
    JUMPS_IN_AIR,
    MAX_SPAWNERS,
    MOVE,
    NUM_KEYS,
    NUM_SPAWNERS,
    OUTWARD,
    POWER,
    POWER_FRAME,
    PRESSED,
    READY,
    RECOVERED,
    RECOVERIES_IN_ATTACK,
    RIGHT_LEFT,
    SIDE,
    SPEAR,
    STATE,
    STATES,
    STOCKS_LEFT,
    SURFACES,
    SWITCHING,
    TURN_JUMP_TIMER,
    WEAPON,
    State,
)

KIND = "platform_fighter/world"
_KEYS = (1 << NUM_KEYS) - 1
_MOST = 1 << 24  # frames and counts: anything beyond is no match


def pack(state: State, env: int) -> bytes:
    """The world of an environment."""
    return state_file.pack(KIND, {name: getattr(state, name)[env] for name in State._fields})


def restore(state: State, env: int, data: bytes) -> None:
    """Put a world into an environment.

    Raises:
        StateFileError: it is none of this version; the environment is as it was.
    """
    targets = {name: getattr(state, name)[env] for name in State._fields}
    arrays = state_file.unpack_like(KIND, data, targets)
    _check(arrays["whole"], arrays["spawner_whole"], arrays["numbers"])
    for name, target in targets.items():
        target[:] = arrays[name]


def _check(fighters: np.ndarray, spawners: np.ndarray, numbers: np.ndarray) -> None:
    """Refuse integers that kernels would go astray with: they look up tables without asking."""
    tables = m.load()
    bounds: list[tuple[np.ndarray, int, int]] = [
        (fighters, -_MOST, _MOST),
        (spawners, -_MOST, 1 << 30),
        (fighters[:, STATE], 0, len(STATES) - 1),
        (fighters[:, STOCKS_LEFT], 0, STOCKS),
        (fighters[:, WEAPON], 0, HAMMER),
        (fighters[:, [HELD, PRESSED]], 0, _KEYS),
        (fighters[:, HORIZONTAL], 0, RIGHT_LEFT),
        (fighters[:, DODGE_COOLDOWN], 0, AIR_DODGE_COOLDOWN),
        (fighters[:, [AIR_JUMP_TIMER, TURN_JUMP_TIMER]], 0, JUMP_COOLDOWN),
        (fighters[:, JUMPS_IN_AIR : RECOVERIES_IN_ATTACK + 1], 0, AIR_JUMPS),
        (fighters[:, [GROUNDED_DODGE, *range(SWITCHING, HIT_BY_MOVE + 1)]], 0, 1),
        (fighters[:, MOVE], 0, len(tables.starts) - 1),
        (fighters[:, POWER], 0, len(tables.powers) - 1),
        (fighters[:, CAST], 0, len(tables.casts) - 1),
        (fighters[:, [CAST_FRAME, POWER_FRAME, RECOVERED]], 0, _MOST),
        (fighters[:, SIDE : SIDE + SURFACES], 0, 4),
        (spawners[:, SIDE : SIDE + SURFACES], 0, 4),
        (spawners[:, [DROPPED, ACTIVE, READY]], 0, 1),
        (spawners[spawners[:, ACTIVE] > 0, CONTENT], SPEAR, HAMMER),
        (numbers[FRAME], 0, _MOST),
        (numbers[NUM_SPAWNERS], 2, MAX_SPAWNERS),
        (numbers[OUTWARD], 0, 1),
    ]
    facings = np.abs(fighters[:, FACING])
    if (facings != 1).any() or any(((found < low) | (found > high)).any() for found, low, high in bounds):
        raise StateFileError("the match's numbers make no match of platform_fighter")
