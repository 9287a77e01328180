"""The rules, as a table of contents: how a match begins, and what happens in a frame."""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.kit.rng import uniform
from puffer_envs.platform_fighter import rewards
from puffer_envs.platform_fighter.config import (
    FIGHTER_HEIGHT,
    FIGHTER_WIDTH,
    FRICTION,
    LEARNER,
    PLATFORM_START,
    START_X,
    START_Y,
    STOCKS,
)
from puffer_envs.platform_fighter.moves import Moves
from puffer_envs.platform_fighter.rules import keys, physics, scripts, states, weapons
from puffer_envs.platform_fighter.state import (
    DODGE,
    FACING,
    FRAME,
    HOME_X,
    HOME_Y,
    IN_AIR,
    KO,
    LOST,
    NO_CONTACT,
    NUM_KEYS,
    OUTWARD,
    STATE,
    STOCKS_LEFT,
    SURFACES,
    TOUCHED,
    Match,
    State,
    X,
    Y,
)

_HALF_WIDTH, _HALF_HEIGHT = FIGHTER_WIDTH / 2, FIGHTER_HEIGHT / 2


# -- all matches -------------------------------------------------------------------------------------------------------
@inlined_kernel
def match_of(state: State, signals: np.ndarray, streams: np.ndarray, env: int) -> Match:
    """One match of a batch; ``signals`` float64 [E, 2, NUM_SIGNALS], ``streams`` uint64 [E, 2]."""
    return Match(
        state.real[env],
        state.whole[env],
        state.spawner_real[env],
        state.spawner_whole[env],
        state.platform[env],
        state.numbers[env],
        signals[env],
        streams[env],
    )


@kernel
def play(
    state: State,
    signals: np.ndarray,
    streams: np.ndarray,
    actions: np.ndarray,
    seats: np.ndarray,
    moves: Moves,
    frame_skip: int,
    max_steps: int,
    terms: np.ndarray,
    facts: np.ndarray,
    terminals: np.ndarray,
    truncations: np.ndarray,
    held: np.ndarray,
    reached: np.ndarray,
) -> bool:
    """A step of all matches: ``frame_skip`` frames, fewer where a match ends.

    Args:
        actions: int8 [2 E, 10], held in all frames; those of scripts are written, in each anew.
        seats: int8 [2 E], scripts by their places in `config.OPPONENTS`; all below have their keys from ``actions``.
        terms: float32 [2 E, K], zeros; written.
        facts: float64 [2 E, NUM_FACTS]; written like ``terminals`` and ``truncations``, bool [2 E].
        held: bool [2 E, M], milestones.
        reached: bool [2 E, M], all False; written: those that a fighter shows in any of the frames and does not hold.

    Returns:
        whether any milestone was reached.
    """
    any_reached = False
    for env in range(state.numbers.shape[0]):
        match, first = match_of(state, signals, streams, env), 2 * env
        both = slice(first, first + 2)
        for _ in range(frame_skip):
            for me in range(2):
                if seats[first + me] > LEARNER:
                    choose(match, me, seats[first + me], actions[first + me])
            over = step(match, keys.pack(actions[first]), keys.pack(actions[first + 1]), moves)
            late = not over and match.numbers[FRAME] >= max_steps
            rewards.score(match, terms[both])
            rewards.note(match, facts[both])
            any_reached |= rewards.reach(match, held[both], reached[both])
            terminals[both], truncations[both] = over, late
            if over or late:
                break
    return any_reached


@kernel
def choose(match: Match, me: int, script: int, pressed: np.ndarray) -> None:
    """Write the keys of a scripted fighter for the next frame into ``pressed``, int8 [10]."""
    bits = scripts.keys_of(script, match, me, match.numbers[FRAME] + 1)
    for key in range(NUM_KEYS):
        pressed[key] = np.int8((bits >> key) & 1)


@kernel
def begin_all(state: State, signals: np.ndarray, streams: np.ndarray, envs: np.ndarray) -> None:
    """New matches of environments ``envs`` (indices)."""
    for i in range(envs.size):
        begin(match_of(state, signals, streams, envs[i]))


# -- one match ---------------------------------------------------------------------------------------------------------
@kernel
def begin(match: Match) -> None:
    """A new match: a fair coin says who begins on the right."""
    match.real[:] = 0.0
    match.whole[:] = 0
    match.numbers[FRAME], match.numbers[OUTWARD] = 0, 1
    match.platform[:] = 0.0
    match.platform[0], match.platform[1] = PLATFORM_START
    first_is_right = uniform(match.rng) < 0.5
    for me in range(2):
        real, whole = match.real[me], match.whole[me]
        x = START_X if first_is_right == (me == 0) else -START_X
        real[X], real[Y] = x, START_Y
        real[HOME_X], real[HOME_Y] = x, START_Y
        whole[TOUCHED : TOUCHED + SURFACES] = NO_CONTACT
        whole[STATE], whole[STOCKS_LEFT] = IN_AIR, STOCKS
        whole[FACING] = 1 if x < 0 else -1
    weapons.begin(match)


@kernel
def step(match: Match, first_keys: int, second_keys: int, moves: Moves) -> bool:
    """A frame of a match; whether it is over: a fighter began the frame without stocks.

    Args:
        first_keys: bits of the keys that the first fighter holds.
    """
    match.signals[:] = 0.0
    over = False
    for me in range(2):
        whole = match.whole[me]
        keys.take(whole, first_keys if me == 0 else second_keys)
        if whole[STOCKS_LEFT] <= 0:
            match.signals[me, LOST] = 1.0
            over = True
    physics.drive(match.platform, match.numbers)
    for me in range(2):
        states.act(
            match.real[me],
            match.whole[me],
            match.signals[me],
            match.real[1 - me],
            match.whole[1 - me],
            match.signals[1 - me],
            match.platform,
            moves,
            match.rng,
        )
    weapons.look(match)
    physics.move_platform(match.platform)
    for me in range(2):
        falls = match.whole[me, STATE] not in (DODGE, KO)
        physics.move(
            match.real[me],
            match.whole[me],
            _HALF_WIDTH,
            _HALF_HEIGHT,
            FRICTION,
            falls,
            match.platform,
            match.numbers[FRAME],
        )
    weapons.move(match)
    match.numbers[FRAME] += 1
    weapons.drop(match)
    weapons.pick_up(match)
    weapons.update(match)
    return over
