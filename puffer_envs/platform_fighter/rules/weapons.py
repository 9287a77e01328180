"""Weapons: spawners that make them, who picks one up, and who throws one away.

The first two rows of a match's spawners are the stage's; a dropped weapon is a spawner of its own behind them, until it
is picked up or has lain long enough. While any lies there, no new weapon is made.
"""

import numpy as np

from puffer_envs.kit import rng
from puffer_envs.kit.jit import copy, inlined_kernel, kernel
from puffer_envs.platform_fighter.config import (
    DROP_LOCK,
    DROP_X,
    DROP_Y,
    DROPPED_FRAMES,
    DROPPED_HEIGHT,
    FIRST_SPAWN_EARLIER,
    MOST_SPAWNERS,
    PICKUP_HEIGHT,
    PICKUP_WIDTH,
    SPAWN_ANIMATION,
    SPAWN_COOLDOWN,
    SPAWN_FAR,
    SPAWN_NEAR,
    SPAWN_YS,
    WEAPON_FRAMES,
    WEAPON_FRICTION,
    WEAPON_SIZE,
)
from puffer_envs.platform_fighter.rules import keys, physics
from puffer_envs.platform_fighter.rules.capsules import hurts
from puffer_envs.platform_fighter.state import (
    ACTIVE,
    ATTACK,
    CONTENT,
    COOLDOWN,
    COOLDOWN_BASE,
    DROPPED,
    EQUIPPED,
    FACING,
    FRAME,
    HAMMER,
    HURT_X,
    HURT_Y,
    KEY_H,
    LAST_SPAWN,
    MAX_SPAWNERS,
    NO_CONTACT,
    NUM_SPAWNERS,
    PICKUP_LOCK,
    PUNCH,
    READY,
    SEEN_X,
    SEEN_Y,
    SPAWNED_AT,
    SPAWNER_REALS,
    SPAWNER_WHOLES,
    SPEAR,
    SPOT_X,
    SPOT_Y,
    STATE,
    SURFACES,
    THREW,
    TOUCHED,
    WEAPON,
    Match,
    X,
    Y,
)

_HALF = WEAPON_SIZE / 2
_UNUSED = 1_000_000_000  # cooldown of a dropped weapon's spawner, which never makes another one


@kernel
def begin(match: Match) -> None:
    """The two spawners of the stage, without weapons yet."""
    match.spawner_real[:] = 0.0
    match.spawner_whole[:] = 0
    match.numbers[NUM_SPAWNERS] = 2
    least, most = SPAWN_COOLDOWN
    for i in range(2):
        real, whole = match.spawner_real[i], match.spawner_whole[i]
        real[SPOT_X], real[SPOT_Y] = _place(i, match.rng), SPAWN_YS[i]
        whole[COOLDOWN_BASE] = whole[COOLDOWN] = least + rng.randint(match.rng, most - least + 1)
        whole[LAST_SPAWN] = rng.randint(match.rng, FIRST_SPAWN_EARLIER + 1) - whole[COOLDOWN]


@inlined_kernel
def _place(number: int, stream: np.ndarray) -> float:
    x = SPAWN_NEAR + (SPAWN_FAR - SPAWN_NEAR) * rng.uniform(stream)
    return x if number == 0 else -x


# -- bodies ------------------------------------------------------------------------------------------------------------
@kernel
def look(match: Match) -> None:
    """Where weapons are said to be in this step: where their bodies are before it moves them."""
    for i in range(match.numbers[NUM_SPAWNERS]):
        if match.spawner_whole[i, ACTIVE]:
            match.spawner_real[i, SEEN_X] = match.spawner_real[i, X]
            match.spawner_real[i, SEEN_Y] = match.spawner_real[i, Y]


@kernel
def move(match: Match) -> None:
    """Weapons fall and lie."""
    for i in range(match.numbers[NUM_SPAWNERS]):
        if match.spawner_whole[i, ACTIVE]:
            physics.move(
                match.spawner_real[i],
                match.spawner_whole[i],
                _HALF,
                _HALF,
                WEAPON_FRICTION,
                True,
                match.platform,
                match.numbers[FRAME],
            )


@inlined_kernel
def _activate(real: np.ndarray, whole: np.ndarray, content: int, frame: int) -> None:
    """A weapon appears where its spawner is."""
    real[:SPOT_X] = 0.0
    real[X], real[Y] = real[SPOT_X], real[SPOT_Y]
    real[SEEN_X], real[SEEN_Y] = real[SPOT_X], real[SPOT_Y]
    whole[TOUCHED : TOUCHED + SURFACES] = NO_CONTACT
    whole[ACTIVE], whole[CONTENT] = 1, content
    whole[SPAWNED_AT] = whole[LAST_SPAWN] = frame


# -- the end of a step -------------------------------------------------------------------------------------------------
@kernel
def drop(match: Match) -> None:
    """Who presses H with a weapon in hand throws it away, unless attacking."""
    for me in range(2):
        real, whole = match.real[me], match.whole[me]
        number = match.numbers[NUM_SPAWNERS]
        free = whole[STATE] != ATTACK and keys.pressed(whole, KEY_H)
        if not free or whole[WEAPON] == PUNCH or number >= MAX_SPAWNERS:
            continue
        spot, dropped = match.spawner_real[number], match.spawner_whole[number]
        spot[:] = 0.0
        dropped[:] = 0
        spot[SPOT_X], spot[SPOT_Y] = real[X] + whole[FACING] * DROP_X, real[Y] + DROP_Y
        dropped[DROPPED], dropped[CONTENT] = 1, whole[WEAPON]
        dropped[COOLDOWN] = _UNUSED
        rng.randint(match.rng, FIRST_SPAWN_EARLIER + 1)  # the original draws it for every spawner
        match.numbers[NUM_SPAWNERS] = number + 1
        whole[PICKUP_LOCK], whole[WEAPON] = match.numbers[FRAME] + DROP_LOCK, PUNCH
        match.signals[me, THREW] += 1


@kernel
def pick_up(match: Match) -> None:
    """Who reaches a weapon with empty hands takes it: spawned ones while H is held, dropped ones on a fresh press."""
    for i in range(match.numbers[NUM_SPAWNERS]):
        real, whole = match.spawner_real[i], match.spawner_whole[i]
        for me in range(2):
            fighter = match.whole[me]
            if not whole[ACTIVE] or not keys.held(fighter, KEY_H) or fighter[WEAPON] != PUNCH:
                continue
            if fighter[STATE] == ATTACK or not _may_take(fighter, whole, match.numbers[FRAME]):
                continue
            height = DROPPED_HEIGHT if whole[DROPPED] else PICKUP_HEIGHT
            x, y = match.real[me, HURT_X], match.real[me, HURT_Y]
            if hurts(x, y, real[SEEN_X], real[SEEN_Y], PICKUP_WIDTH, height):
                fighter[WEAPON] = whole[CONTENT]
                match.signals[me, EQUIPPED] += whole[CONTENT]
                whole[LAST_SPAWN] = match.numbers[FRAME]
                _empty(whole, match.rng)


@inlined_kernel
def _may_take(fighter: np.ndarray, whole: np.ndarray, frame: int) -> bool:
    if whole[DROPPED]:
        return keys.pressed(fighter, KEY_H) and frame >= fighter[PICKUP_LOCK]
    return whole[READY] != 0


@inlined_kernel
def _empty(whole: np.ndarray, stream: np.ndarray) -> None:
    """A spawner is without its weapon; those of the stage draw when they make another one."""
    whole[ACTIVE] = 0
    if not whole[DROPPED]:
        least, most = whole[COOLDOWN_BASE] // 2, int(whole[COOLDOWN_BASE] * 1.5)
        whole[COOLDOWN] = least + rng.randint(stream, most - least + 1)


@kernel
def update(match: Match) -> None:
    """New weapons, and the end of those that nobody took."""
    frame, before = match.numbers[FRAME], match.numbers[NUM_SPAWNERS]
    for i in range(2):
        _update_stage(match, i, frame, before)
    kept = 2
    for i in range(2, before):
        if not _is_done(match.spawner_real[i], match.spawner_whole[i], frame):
            if kept < i:
                copy(match.spawner_real[i], 0, SPAWNER_REALS, match.spawner_real[kept], 0)
                copy(match.spawner_whole[i], 0, SPAWNER_WHOLES, match.spawner_whole[kept], 0)
            kept += 1
    match.numbers[NUM_SPAWNERS] = kept


@inlined_kernel
def _update_stage(match: Match, number: int, frame: int, spawners: int) -> None:
    real, whole = match.spawner_real[number], match.spawner_whole[number]
    if whole[ACTIVE]:
        if frame - whole[LAST_SPAWN] >= SPAWN_ANIMATION:
            whole[READY] = 1
        if frame - whole[SPAWNED_AT] > WEAPON_FRAMES:
            _empty(whole, match.rng)
    elif frame - whole[LAST_SPAWN] >= whole[COOLDOWN] and spawners <= MOST_SPAWNERS:
        real[SPOT_X] = _place(number, match.rng)
        content = SPEAR if rng.randint(match.rng, 2) == 0 else HAMMER
        _activate(real, whole, content, frame)
        whole[READY] = 0


@inlined_kernel
def _is_done(real: np.ndarray, whole: np.ndarray, frame: int) -> bool:
    """Whether a dropped weapon is gone; it appears at the end of the step in which it is dropped."""
    if whole[COOLDOWN] == _UNUSED:
        whole[COOLDOWN] = 0
        _activate(real, whole, whole[CONTENT], frame)
        return False
    return not (whole[ACTIVE] and frame - whole[SPAWNED_AT] < DROPPED_FRAMES)
