"""The rules, as a table of contents: how an episode begins, and what happens in a step."""

import math

import numpy as np

from puffer_envs.dodge import rewards
from puffer_envs.dodge.config import (
    AIM_Z,
    BALL_FLOOR,
    BALL_GRAVITY,
    BOUNCE,
    BOUNCE_DRAG,
    DT,
    FARTHEST_Y,
    FAST_RADIUS,
    FAST_Z,
    GRAVITY,
    GROUND_Z,
    JUMP_ABOVE,
    JUMP_SPEED,
    LOWEST_Z,
    MAX_BALLS,
    NEAREST_Y,
    SLOW_X,
    SLOW_Y,
    SLOW_Z,
    SPEED,
    THROWER_WAITS,
    WIDEST_X,
    ZONE_X,
    ZONE_Y,
)
from puffer_envs.dodge.state import (
    ALONG_X,
    ALONG_Y,
    COUNTDOWN,
    JUMP,
    LEFT,
    NEAREST,
    NUM_BALLS,
    SPRINT,
    STEP,
    THROWN,
    VX,
    VY,
    VZ,
    WAITS,
    Arena,
    Rules,
    State,
    X,
    Y,
    Z,
)
from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.kit.rng import uniform


# -- all arenas --------------------------------------------------------------------------------------------------------
@inlined_kernel
def arena_of(state: State, streams: np.ndarray, env: int) -> Arena:
    """One arena of a batch; ``streams`` uint64 [E, 2]."""
    return Arena(state.player[env], state.balls[env], state.thrower[env], state.numbers[env], streams[env])


@kernel
def play(
    state: State,
    streams: np.ndarray,
    controls: np.ndarray,
    rules: Rules,
    terms: np.ndarray,
    facts: np.ndarray,
    terminals: np.ndarray,
    truncations: np.ndarray,
    thresholds: np.ndarray,
    held: np.ndarray,
    reached: np.ndarray,
) -> bool:
    """A decision in all arenas: ``frame_skip`` steps, fewer where an episode ends.

    Args:
        controls: float64 [E, 4], see `steer`.
        terms: float32 [E, K], zeros; written.
        facts: float64 [E, 3]; written like ``terminals`` and ``truncations``, bool [E].
        thresholds: int64 [M], the steps at which a milestone is reached.
        held: bool [E, M], milestones.
        reached: bool [E, M], all False; written: those that an arena shows in any of the steps and does not hold.

    Returns:
        whether any milestone was reached.
    """
    any_reached = False
    for env in range(state.numbers.shape[0]):
        arena = arena_of(state, streams, env)
        for _ in range(rules.frame_skip):
            step(arena, controls[env], rules, facts[env])
            distance = rewards.nearest(arena)
            facts[env, NEAREST] = min(facts[env, NEAREST], distance)
            hit = rewards.score(distance, terms[env])
            late = not hit and arena.numbers[STEP] >= rules.max_steps
            if not hit:
                any_reached |= rewards.reach(arena.numbers[STEP], thresholds, held[env], reached[env])
            terminals[env], truncations[env] = hit, late
            if hit or late:
                break
    return any_reached


@kernel
def begin_all(state: State, streams: np.ndarray, rules: Rules, envs: np.ndarray) -> None:
    """New episodes in arenas ``envs`` (indices)."""
    for i in range(envs.size):
        begin(arena_of(state, streams, envs[i]), rules)


# -- what a player does ------------------------------------------------------------------------------------------------
@kernel
def steer(actions: np.ndarray, sprint: int, jump: int, controls: np.ndarray) -> None:
    """Controls of all players from float32 [E, k] of -1 to 1; a row with any other number does nothing.

    Args:
        sprint: column of the sprint; jump: that of the jump, -1 where there is none.
        controls: float64 [E, 4], written.
    """
    for env in range(controls.shape[0]):
        valid = True
        for i in range(actions.shape[1]):
            valid &= -1 <= actions[env, i] <= 1
        row = controls[env]
        row[ALONG_X], row[ALONG_Y] = actions[env, 0] if valid else 0.0, actions[env, 1] if valid else 0.0
        row[SPRINT] = actions[env, sprint] if valid else -1.0
        row[JUMP] = actions[env, jump] if valid and jump >= 0 else -1.0


@kernel
def choose(actions: np.ndarray, controls: np.ndarray) -> None:
    """Controls of all players from int32 [E]: stand, +y, -y, -x, +x, without sprint; any other number is to stand."""
    for env in range(controls.shape[0]):
        row, action = controls[env], actions[env]
        row[ALONG_X] = 1.0 if action == 4 else -1.0 if action == 3 else 0.0
        row[ALONG_Y] = 1.0 if action == 1 else -1.0 if action == 2 else 0.0
        row[SPRINT] = row[JUMP] = -1.0


# -- one arena ---------------------------------------------------------------------------------------------------------
@kernel
def begin(arena: Arena, rules: Rules) -> None:
    """An empty arena, anywhere in the time between two balls: in the original the clock of throws runs on."""
    arena.player[:] = 0.0
    arena.player[Z] = GROUND_Z
    arena.balls[:] = 0.0
    arena.thrower[:] = 0.0
    arena.numbers[:] = 0
    arena.numbers[COUNTDOWN] = 1 + math.floor(uniform(arena.rng) * rules.interval)
    if rules.thrower and arena.numbers[COUNTDOWN] <= THROWER_WAITS:
        place_thrower(arena, rules)


@inlined_kernel
def step(arena: Arena, controls: np.ndarray, rules: Rules, facts: np.ndarray) -> None:
    """A sixtieth of a second."""
    move_player(arena.player, controls, rules)
    facts[LEFT] += move_balls(arena)
    facts[THROWN] += throw(arena, rules)
    arena.numbers[STEP] += 1


@inlined_kernel
def move_player(player: np.ndarray, controls: np.ndarray, rules: Rules) -> None:
    """Speed as the controls say, whatever it was; a jump rises from the ground alone."""
    speed = SPEED * (1 + (controls[SPRINT] + 1) / 2 * rules.sprint)
    player[VX], player[VY] = controls[ALONG_X] * speed, controls[ALONG_Y] * speed
    player[X] = min(max(player[X] + player[VX] * DT, -ZONE_X), ZONE_X)
    player[Y] = min(max(player[Y] + player[VY] * DT, -ZONE_Y), ZONE_Y)
    jumps = controls[JUMP] > JUMP_ABOVE
    if player[Z] > GROUND_Z:
        player[VZ] -= GRAVITY * DT
    elif jumps:
        player[VZ] = JUMP_SPEED
    else:
        return
    player[Z] += player[VZ] * DT
    if player[Z] <= GROUND_Z:
        player[Z], player[VZ] = GROUND_Z, 0.0


@inlined_kernel
def move_balls(arena: Arena) -> int:
    """Fly, bounce and leave; the others close up in their order. The number of those that left."""
    balls, count, kept = arena.balls, arena.numbers[NUM_BALLS], 0
    for i in range(count):
        ball = balls[i]
        ball[VZ] -= BALL_GRAVITY * DT
        ball[X] += ball[VX] * DT
        ball[Y] += ball[VY] * DT
        ball[Z] += ball[VZ] * DT
        if ball[Z] <= BALL_FLOOR and ball[VZ] < 0:
            ball[Z] = BALL_FLOOR
            ball[VZ] *= -BOUNCE
            ball[VX] *= BOUNCE_DRAG
            ball[VY] *= BOUNCE_DRAG
        gone = ball[Z] < LOWEST_Z or ball[Y] < NEAREST_Y or ball[Y] > FARTHEST_Y or abs(ball[X]) > WIDEST_X
        if not gone:
            if kept < i:
                _copy(ball, balls[kept])
            kept += 1
    for i in range(kept, count):
        balls[i, :] = 0.0
    arena.numbers[NUM_BALLS] = kept
    return count - kept


@inlined_kernel
def throw(arena: Arena, rules: Rules) -> int:
    """The next ball once its time has come, and the thrower a while before; the number of balls thrown."""
    numbers, thrown = arena.numbers, 0
    numbers[COUNTDOWN] -= 1
    if numbers[COUNTDOWN] == 0:
        if numbers[NUM_BALLS] == MAX_BALLS:
            for i in range(1, MAX_BALLS):
                _copy(arena.balls[i], arena.balls[i - 1])
            numbers[NUM_BALLS] -= 1
        if not numbers[WAITS]:  # nobody was seen who has aimed already
            aim(arena, rules)
        _copy(arena.thrower, arena.balls[numbers[NUM_BALLS]])
        arena.thrower[:] = 0.0
        numbers[NUM_BALLS] += 1
        numbers[WAITS], numbers[COUNTDOWN] = 0, rules.interval
        thrown = 1
    if rules.thrower and numbers[COUNTDOWN] == THROWER_WAITS:
        place_thrower(arena, rules)
    return thrown


@inlined_kernel
def place_thrower(arena: Arena, rules: Rules) -> None:
    aim(arena, rules)
    arena.numbers[WAITS] = 1


@kernel
def aim(arena: Arena, rules: Rules) -> None:
    """Where the next ball comes from, and the speed that takes it to where the player is now."""
    place, flight = arena.thrower, rules.flight
    if rules.fast:
        angle = (2 * uniform(arena.rng) - 1) * rules.angle
        place[X], place[Y], place[Z] = FAST_RADIUS * math.sin(angle), FAST_RADIUS * math.cos(angle), FAST_Z
    else:
        place[X], place[Y], place[Z] = -SLOW_X + 2 * SLOW_X * uniform(arena.rng), SLOW_Y, SLOW_Z
    place[VX] = (arena.player[X] - place[X]) / flight
    place[VY] = (arena.player[Y] - place[Y]) / flight
    place[VZ] = ((AIM_Z - place[Z]) + BALL_GRAVITY / 2 * flight * flight) / flight


@inlined_kernel
def _copy(source: np.ndarray, target: np.ndarray) -> None:
    for i in range(6):
        target[i] = source[i]
