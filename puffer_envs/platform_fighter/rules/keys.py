"""Keys: which are held and which have just been pressed, and which move they ask for."""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, wide
from puffer_envs.platform_fighter.moves import NAIR, NLIGHT, NONE, NSIG, RECOVERY
from puffer_envs.platform_fighter.state import (
    HELD,
    HORIZONTAL,
    KEY_A,
    KEY_D,
    KEY_J,
    KEY_K,
    KEY_S,
    KEY_W,
    LEFT,
    LEFT_RIGHT,
    NO_SIDE,
    NUM_KEYS,
    PRESSED,
    RIGHT,
    RIGHT_LEFT,
)


@inlined_kernel
def pack(action: np.ndarray) -> int:
    """An action, int8 [10], as bits; none where one of its parts is neither 0 nor 1."""
    bits = 0
    for i in range(NUM_KEYS):
        part = wide(action[i])
        if part < 0 or part > 1:
            return 0
        bits |= part << i
    return bits


@inlined_kernel
def take(whole: np.ndarray, keys: int) -> None:
    """The keys that a fighter holds in this step."""
    before = wide(whole[HELD])
    whole[HELD], whole[PRESSED] = keys, keys & ~before
    if (before ^ keys) & (KEY_A | KEY_D) == 0:
        return
    side = wide(whole[HORIZONTAL])
    if before & ~keys & KEY_A:
        side = RIGHT if side in (LEFT_RIGHT, RIGHT_LEFT) else NO_SIDE if side == LEFT else side
    if before & ~keys & KEY_D:
        side = LEFT if side in (LEFT_RIGHT, RIGHT_LEFT) else NO_SIDE if side == RIGHT else side
    if keys & ~before & KEY_D:
        side = RIGHT if side == NO_SIDE else LEFT_RIGHT if side == LEFT else side
    if keys & ~before & KEY_A:
        side = LEFT if side == NO_SIDE else RIGHT_LEFT if side == RIGHT else side
    whole[HORIZONTAL] = side


@inlined_kernel
def held(whole: np.ndarray, key: int) -> bool:
    """Whether a key is down."""
    return wide(whole[HELD]) & key != 0


@inlined_kernel
def pressed(whole: np.ndarray, key: int) -> bool:
    """Whether a key has gone down in this step."""
    return wide(whole[PRESSED]) & key != 0


@inlined_kernel
def direction(whole: np.ndarray) -> int:
    """-1, 0 or 1: left and right together are none."""
    return (1 if held(whole, KEY_D) else 0) - (1 if held(whole, KEY_A) else 0)


@inlined_kernel
def last_side(whole: np.ndarray) -> int:
    """-1, 0 or 1: of left and right together the one that was pressed last."""
    side = wide(whole[HORIZONTAL])
    if side in (LEFT, RIGHT_LEFT):
        return -1
    return 0 if side == NO_SIDE else 1


@inlined_kernel
def move_type(whole: np.ndarray, grounded: bool) -> int:
    """The move that the keys ask for: NONE, or a type of `moves`."""
    bits = wide(whole[HELD])
    heavy = bits & KEY_K != 0
    if not heavy and bits & KEY_J == 0:
        return NONE
    sideways, down = bits & (KEY_A | KEY_D) != 0, bits & KEY_S != 0
    which = 0 if bits & KEY_W or not (sideways or down) else 1 if down else 2
    if grounded:
        return (NSIG if heavy else NLIGHT) + which
    if heavy:
        return RECOVERY + (1 if which == 1 else 0)
    return NAIR + which
