"""The rules, as a table of contents: how a game begins, and what happens in a tick."""

import math

import numpy as np

from puffer_envs.kit.jit import kernel, wide
from puffer_envs.kit.rng import uniform
from puffer_envs.territory import rewards
from puffer_envs.territory.config import BOT_START_TROOPS, CLUSTER_TICKS, SPAWN_CIRCLE, SPAWN_RADIUS, START_TROOPS
from puffer_envs.territory.rules import attacks, building, land, players
from puffer_envs.territory.state import (
    ATTACKER,
    DECIDED,
    END,
    GOES_ON,
    LATE,
    MAINLAND,
    TICK,
    Game,
    Rules,
    Scratch,
    State,
)


@kernel
def game_of(state: State, grounds: np.ndarray, coasts: np.ndarray, streams: np.ndarray, env: int) -> Game:
    """One game of a batch; ``grounds`` uint8 [maps, T], ``coasts`` uint64 [maps, T / 64], ``streams`` uint64 [E, 2]."""
    return Game(
        grounds[state.map[env]],
        coasts[state.map[env]],
        state.owner[env],
        state.border[env],
        state.box[env],
        state.tiles[env],
        state.troops[env],
        state.gold[env],
        state.built[env],
        state.sums[env],
        state.bots[env],
        state.attacks[env],
        state.force[env],
        state.heads[env],
        state.queued[env],
        state.nodes[env],
        state.structures[env],
        state.changes[env],
        state.numbers[env],
        state.fruitless[env],
        state.land_at[env],
        streams[env],
    )


# -- a step ------------------------------------------------------------------------------------------------------------
@kernel
def play(
    state: State,
    grounds: np.ndarray,
    coasts: np.ndarray,
    streams: np.ndarray,
    actions: np.ndarray,
    terms: np.ndarray,
    terminals: np.ndarray,
    truncations: np.ndarray,
    shares: np.ndarray,
    held: np.ndarray,
    rules: Rules,
    scratch: Scratch,
    first: int,
    last: int,
) -> bool:
    """A step of the environments from ``first`` to before ``last``.

    Args:
        actions: int32 [E * A, 1 or 2].
        terms: float32 [E * A, K], zeros; written.
        terminals: bool [E * A], False; written like ``truncations``.
        shares: float64 [M], share of the land that each milestone asks for.
        held: bool [E * A, M].

    Returns:
        whether any learner has a milestone that it does not hold.
    """
    more = False
    for env in range(first, last):
        game = game_of(state, grounds, coasts, streams, env)
        rows = slice(env * rules.learners, (env + 1) * rules.learners)
        area, enough = rules.land[state.map[env]], rules.enough[state.map[env]]
        rewards.begin(game, rules, area, scratch.before)
        _decide(game, rules, actions[rows], scratch)
        for i in range(rules.ticks):
            tick(game, rules, scratch)
            if i == 0:
                _carry_out(game, rules, actions[rows], scratch)
            rewards.rank(game, rules, terms[rows])
            game.numbers[TICK] += 1
            game.numbers[END] = _end(game, rules, enough)
            if game.numbers[END] != GOES_ON:
                break
        rewards.finish(game, rules, area, enough, scratch.before, terms[rows])
        rewards.note_land(game, rules, area)
        terminals[rows] = game.numbers[END] == DECIDED
        truncations[rows] = game.numbers[END] == LATE
        more |= rewards.shows_more(game, rules, area, shares, held[rows])
    return more


@kernel
def _decide(game: Game, rules: Rules, actions: np.ndarray, scratch: Scratch) -> None:
    """Whom the learners attack, and with how many troops, as they saw the world."""
    for learner in range(rules.learners):
        if game.tiles[learner + 1]:
            target, amount = players.decide(game, rules, learner + 1, wide(actions[learner, 0]), scratch)
            scratch.orders[learner, 0], scratch.orders[learner, 1] = target, amount


@kernel
def _carry_out(game: Game, rules: Rules, actions: np.ndarray, scratch: Scratch) -> None:
    """The learners' orders at the end of a tick: what leaves has grown in it, and moves in the next."""
    for learner in range(rules.learners):
        player = learner + 1
        if game.tiles[player] == 0:
            continue
        if rules.builds and not building.build(game, rules, player, wide(actions[learner, 1]), scratch):
            game.fruitless[learner] += 1
        target, amount = scratch.orders[learner, 0], scratch.orders[learner, 1]
        if not players.order(game, rules, player, wide(actions[learner, 0]), target, amount, scratch):
            game.fruitless[learner] += 1


@kernel
def tick(game: Game, rules: Rules, scratch: Scratch) -> None:
    """What happens in a tick of 100 ms, the learners' orders apart."""
    count = rules.learners + rules.bots
    for player in range(rules.learners + 1, count + 1):
        if game.tiles[player]:
            players.play_bot(game, rules, player, scratch)
    for player in range(1, count + 1):
        if game.tiles[player] and game.numbers[TICK]:  # the core's players come to be in the first tick
            players.grow(game, rules, player)
    for slot in range(game.attacks.shape[0]):
        if game.attacks[slot, ATTACKER]:
            attacks.advance(game, rules, slot)
    for player in range(1, count + 1):
        if game.tiles[player] and (game.numbers[TICK] + player) % CLUSTER_TICKS == 0:
            land.capture_surrounded(game, rules, player, scratch)


@kernel
def _end(game: Game, rules: Rules, enough: float) -> int:
    anybody = False
    for player in range(1, rules.learners + 1):
        if game.tiles[player] >= enough:
            return DECIDED
        anybody |= game.tiles[player] > 0
    if not anybody:
        return DECIDED
    return LATE if game.numbers[TICK] >= rules.max_ticks else GOES_ON


# -- the beginning -----------------------------------------------------------------------------------------------------
@kernel
def begin(game: Game, rules: Rules) -> None:
    """A new game on an empty map."""
    count, turn = rules.learners + rules.bots, uniform(game.rng) * 2 * math.pi
    radius = SPAWN_CIRCLE * min(rules.width, rules.height)
    for player in range(1, count + 1):
        angle = turn + 2 * math.pi * (player - 1) / count
        x = math.floor(rules.width / 2 + radius * math.cos(angle))
        y = math.floor(rules.height / 2 + radius * math.sin(angle))
        centre = _nearest_free(game, rules, x, y)
        if centre >= 0:
            x, y = land.place(rules, centre)
            _settle(game, rules, player, x, y)
        game.troops[player] = BOT_START_TROOPS if player > rules.learners else START_TROOPS
    for player in range(rules.learners + 1, count + 1):
        players.draw_temper(game, player)


@kernel
def _nearest_free(game: Game, rules: Rules, x: int, y: int) -> int:
    """The tile of nobody on the mainland that lies nearest, of equals the first; -1 where there is none."""
    best, least = -1, 1 << 40
    for away in range(rules.width + rules.height):
        if away * away > least:
            break
        for v in range(max(0, y - away), min(rules.height, y + away + 1)):
            stride = 1 if abs(v - y) == away else max(1, 2 * away)  # the edge of a square
            for u in range(x - away, x + away + 1, stride):
                tile, distance = v * rules.width + u, (u - x) ** 2 + (v - y) ** 2
                nearer = distance < least or (distance == least and tile < best)
                if nearer and 0 <= u < rules.width and game.ground[tile] & MAINLAND and game.owner[tile] == 0:
                    best, least = tile, distance
    return best


@kernel
def _settle(game: Game, rules: Rules, player: int, x: int, y: int) -> None:
    """The land that a player begins with, around a tile."""
    for v in range(max(0, y - SPAWN_RADIUS), min(rules.height, y + SPAWN_RADIUS + 1)):
        for u in range(max(0, x - SPAWN_RADIUS), min(rules.width, x + SPAWN_RADIUS + 1)):
            tile, near = v * rules.width + u, (u - x + 0.5) ** 2 + (v - y + 0.5) ** 2 <= SPAWN_RADIUS**2
            if near and game.ground[tile] & MAINLAND and game.owner[tile] == 0:
                land.conquer(game, rules, tile, player)
