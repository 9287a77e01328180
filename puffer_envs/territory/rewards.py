"""Rewards: one function per named term. A term says how much of its thing happened; the weights are in `config`."""

import numpy as np

from puffer_envs.kit.jit import kernel
from puffer_envs.territory.config import LAND_AT, REWARD_FACTORS, REWARD_TIMES, Config, reward_weights
from puffer_envs.territory.state import ATTACKER, END, LATE, TICK, Game, Rules

TERMS = tuple(reward_weights(Config()))  # columns of `reward_terms`
_RANK, _LAND, _ARMY, _WIN, _ELIMINATED, _TIMEOUT = range(len(TERMS))


@kernel
def rank_of(game: Game, player: int) -> int:
    """Place of a player among those alive, by tiles; of equals the lower number is before the other."""
    place = 1
    for other in range(1, game.tiles.size):
        ahead = game.tiles[other] > game.tiles[player]
        place += ahead or (game.tiles[other] == game.tiles[player] and other < player)
    return place


@kernel
def alive(game: Game) -> int:
    """Players who own a tile."""
    count = 0
    for player in range(1, game.tiles.size):
        count += game.tiles[player] > 0
    return count


@kernel
def begin(game: Game, rules: Rules, land: int, before: np.ndarray) -> None:
    """Remember in ``before``, float64 [A, 2], with which shares of land and troops a step begins."""
    for learner in range(rules.learners):
        before[learner, 0] = game.tiles[learner + 1] / land
        before[learner, 1] = army(game, learner + 1)


@kernel
def army(game: Game, player: int) -> float:
    """The share of all troops, at home and in attacks, that is a player's."""
    own = total = 0.0
    for other in range(1, game.troops.size):
        total += game.troops[other]
        own += game.troops[other] if other == player else 0.0
    for slot in range(game.force.size):
        total += game.force[slot]
        own += game.force[slot] if game.attacks[slot, ATTACKER] == player else 0.0
    return own / total if total > 0 else 0.0


@kernel
def rank(game: Game, rules: Rules, terms: np.ndarray) -> None:
    """A tick's share: nothing for the last of all, the more the later in the game."""
    factor, count = REWARD_FACTORS[len(REWARD_TIMES)], alive(game)
    for i in range(len(REWARD_TIMES) - 1, -1, -1):
        if game.numbers[TICK] < REWARD_TIMES[i]:
            factor = REWARD_FACTORS[i]
    for learner in range(rules.learners):
        if game.tiles[learner + 1]:
            terms[learner, _RANK] += (1 - rank_of(game, learner + 1) / count) * factor


@kernel
def finish(game: Game, rules: Rules, land: int, enough: float, before: np.ndarray, terms: np.ndarray) -> None:
    """The terms of a whole step, which began with the shares ``before``; ``enough`` tiles win."""
    for learner in range(rules.learners):
        tiles = game.tiles[learner + 1]
        terms[learner, _LAND] = tiles / land - before[learner, 0]
        terms[learner, _ARMY] = army(game, learner + 1) - before[learner, 1]
        terms[learner, _WIN] = tiles >= enough
        terms[learner, _ELIMINATED] = before[learner, 0] > 0 and tiles == 0
        terms[learner, _TIMEOUT] = game.numbers[END] == LATE


@kernel
def note_land(game: Game, rules: Rules, land: int) -> None:
    """The shares of the land, for the ticks at which they are noted that have not passed."""
    for learner in range(rules.learners):
        for i in range(len(LAND_AT)):
            if game.numbers[TICK] <= LAND_AT[i]:
                game.land_at[learner, i] = game.tiles[learner + 1] / land


@kernel
def shows_more(game: Game, rules: Rules, land: int, shares: np.ndarray, held: np.ndarray) -> bool:
    """Whether a learner's share of the land is that of a milestone that it does not hold; ``held`` bool [A, M]."""
    more = False
    for learner in range(rules.learners):
        for milestone in range(shares.size):
            more |= game.tiles[learner + 1] / land >= shares[milestone] and not held[learner, milestone]
    return more
