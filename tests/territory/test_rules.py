"""Who may attack whom, what becomes of attacks, of the dead and of land that is cut off: worlds made by hand."""

import numpy as np
import pytest

from puffer_envs.kit import rng
from puffer_envs.territory.env import Territory
from puffer_envs.territory.rules import attacks, players
from puffer_envs.territory.state import ATTACKER, BORDER, ENTRIES, TARGET, TICK
from tests.territory.test_reference import assert_sound, tiles_of
from tests.territory.worlds import (
    EAST,
    MOST,
    NORTH,
    PLAINS,
    WAIT,
    WEST,
    at,
    board,
    inside,
    lakes,
    listed,
    owners,
    pairs,
    put,
    scattered,
    territory,
    twin_of,
)


def step(env: Territory, *actions: int) -> None:
    env.step(np.array(actions if actions else [WAIT] * env.num_agents))


# -- the end of players ------------------------------------------------------------------------------------------------
def test_who_is_hit_with_less_than_100_tiles_loses_all_and_the_gold(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=1, win_share=1.0)
    owner = board((2, 40, 40, 20, 6), (1, 40, 46, 20, 10), (3, 60, 40, 9, 11))  # 120, 200 and 99 tiles
    put(env, owner, troops=[0, 50_000, 5_000, 100], gold=[0, 10, 777, 3])
    seen = []
    for ticks in range(1, 60):
        step(env, NORTH + MOST, WAIT)
        seen.append(env.state.tiles[0, 2].item())
        assert_sound(env)
        assert env.state.gold[0, 1:3].sum() == 787 + 200 * ticks  # nothing gets lost
        if not seen[-1]:
            break
    assert min(seen[:-1]) >= 100
    assert seen[-1] == 0
    assert env.state.tiles[0, 1:].tolist() == [320, 0, 99]  # the third was not hit
    assert env.state.gold[0, 2] == 0


def test_the_dead_lose_their_troops_abroad_and_those_who_attacked_them_go_home(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=1, win_share=1.0)
    owner = board((2, 40, 40, 10, 10), (1, 40, 50, 10, 20), (3, 30, 30, 10, 20))
    war = listed((1, 2, 50_000.0), (2, 0, 3_000.0), (3, 2, 2_000.0), slots=12, seed=at(45, 49))
    put(env, owner, troops=[0, 10, 400, 10], **war)
    step(env)
    assert pairs(env) == [(1, 2)]  # its budget was used up; the last attack's was not
    assert (env.state.tiles[0, 2], env.state.troops[0, 2]) == (0, 0)
    assert 2_010 < env.state.troops[0, 3] < 2_030  # 10, growth, and the 2000 that found nobody
    assert_sound(env)
    step(env)
    assert pairs(env) == []
    assert not env.state.queued[0].any()
    assert 49_000 < env.state.troops[0, 1] < 50_000


# -- surrounded land ---------------------------------------------------------------------------------------------------
RING = board((2, 100, 100, 15, 15), (1, 40, 40, 11, 11), (2, 43, 43, 5, 5))


@pytest.mark.parametrize(
    ("change", "tick", "is_taken"),
    [
        (None, 58, True),  # 58 + 2 = 60
        (None, 59, False),
        (None, 57, False),
        ("water at the corner tile", 58, False),
        ("water beside", 58, False),  # a coast goes on with the border
        ("water inside", 58, False),  # its coast touches the border
        ("another's beside", 58, False),
        ("another's at a corner", 58, True),
        ("nobody's beside", 58, False),
        ("nobody's at a corner", 58, True),
        ("a way out", 58, False),
        ("a way over a corner", 58, False),  # a cluster hangs together over corners
    ],
)
def test_land_within_another_s_is_lost(tmp_path, change, tick, is_taken) -> None:
    owner, classes = RING.copy(), PLAINS.copy()
    if change == "water at the corner tile":
        classes[43, 42] = 0
    if change == "water beside":
        classes[45, 42] = 0
    if change == "water inside":
        classes[45, 45] = 0
    if change == "another's beside":
        owner[42, 45] = 3
    if change == "another's at a corner":
        owner[42, 42] = 3
    if change == "nobody's beside":
        owner[45, 48] = 0
    if change == "nobody's at a corner":
        owner[48, 48] = 0
    if change == "a way out":
        owner[45, 48:100], owner[45:101, 100] = 2, 2
    if change == "a way over a corner":
        owner[42, 42], owner[41, 41], owner[40, 40] = 2, 2, 2
    owner[classes == 0] = 0
    env = territory(tmp_path, classes, num_bots=2, win_share=1.0)
    put(env, owner, tick=tick)
    step(env)
    expected = owner.copy()
    if is_taken:
        expected[43:48, 43:48] = np.where(expected[43:48, 43:48] == 2, 1, 0)
    np.testing.assert_array_equal(owners(env), expected)
    assert_sound(env)


@pytest.mark.parametrize(
    ("blocks", "is_taken"),
    [
        ([(1, 0, 38, 10, 14), (2, 0, 42, 5, 5)], False),  # at the map's edge
        ([(2, 40, 40, 11, 11), (1, 44, 44, 3, 3)], False),  # it is around the other
        ([(1, 40, 40, 11, 11), (2, 44, 44, 3, 3), (1, 45, 45, 1, 1)], True),  # both
    ],
)
def test_edges_and_rings(tmp_path, blocks, is_taken) -> None:
    env = territory(tmp_path, win_share=1.0)
    owner = board(*blocks)
    put(env, owner, tick=58, gold=[0, 1, 20, 0])
    step(env)
    np.testing.assert_array_equal(owners(env), np.minimum(owner, 1) if is_taken else owner)
    assert env.state.gold[0, 1:3].tolist() == ([171, 0] if is_taken else [101, 70])


def test_a_lake_in_the_middle_does_not_save(tmp_path) -> None:
    owner, classes = board((1, 40, 40, 19, 19), (2, 43, 43, 13, 13)), PLAINS.copy()
    owner[49, 49] = classes[49, 49] = 0
    env = territory(tmp_path, classes, num_bots=2, win_share=1.0)
    put(env, owner, tick=58)
    step(env)
    np.testing.assert_array_equal(owners(env), np.minimum(owner, 1))


def test_a_front_that_winds_from_coast_to_coast_surrounds_nothing(tmp_path) -> None:
    # The second's land is a C whose bay has the bridge to the rest of it; the front around the C meets the bay's water
    # over two corners alone, and the other's tiles beside it reach further in all four directions.
    owner, classes = board((1, 42, 36, 15, 17), (2, 43, 40, 7, 9), (2, 20, 42, 10, 5)), PLAINS.copy()
    classes[41:48, 30:43] = classes[42:47, 43:48] = 0
    classes[44, 30:48] = PLAINS[44, 30:48]
    owner[classes == 0], owner[44, 30:48] = 0, 2
    env = territory(tmp_path, classes, num_bots=2, win_share=1.0)
    put(env, owner, tick=58)
    step(env)
    np.testing.assert_array_equal(owners(env), owner)


# -- orders ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("tick", "is_immune"), [(0, True), (49, True), (50, False)])
def test_players_cannot_be_attacked_at_first(tmp_path, tick, is_immune) -> None:
    env = territory(tmp_path, win_share=1.0)
    put(env, board((1, 40, 40, 20, 20), (2, 60, 40, 20, 20)), tick=tick, troops=[0, 10_000, 10, 10])
    step(env, EAST + MOST)
    assert (env.state.tiles[0, 2] == 400) == is_immune
    assert env.state.fruitless[0, 0] == is_immune
    step(env, WEST)  # nobody's land can be taken at once
    assert env.state.tiles[0, 1] > 400
    assert env.state.fruitless[0, 0] == is_immune


@pytest.mark.parametrize(
    ("blocks", "tick", "target"),
    [
        ([(2, 60, 40, 1, 11)], 60, 2),  # 11 of 20 tiles
        ([(2, 60, 40, 1, 10)], 60, 0),  # half of them: the lowest number
        ([(2, 60, 40, 1, 11)], 49, 0),
        ([(3, 60, 40, 1, 10), (2, 60, 50, 1, 10)], 60, 2),
        ([(3, 60, 40, 1, 9), (2, 60, 49, 1, 5)], 60, 3),
        ([(2, 59, 36, 1, 4), (2, 59, 60, 1, 4)], 60, 0),  # corners do not face east
    ],
)
def test_whom_most_of_the_border_faces_is_attacked(tmp_path, blocks, tick, target) -> None:
    env = territory(tmp_path)
    put(env, board((1, 40, 40, 20, 20), *blocks), tick=tick)
    twin = twin_of(env)
    step(env, EAST)
    assert pairs(env) == [(1, target)]
    twin.step([EAST])
    assert env.state.troops[0, 1] == pytest.approx(twin.player(1).troops)
    assert env.state.troops[0, 1] < 900  # 1000 less .15 of them, and growth


def test_an_order_that_nothing_comes_of_costs_nothing(tmp_path) -> None:
    classes = PLAINS.copy()
    classes[:40] = 0
    env = territory(tmp_path, classes, num_agents=2)
    put(env, board((1, 0, 40, 20, 20), (2, 60, 60, 20, 20)), troops=[0, 900, 5, 0, 0])
    step(env, NORTH + MOST, WAIT)  # water
    step(env, WEST + MOST, WAIT)  # beyond the map
    step(env, WAIT, WAIT)
    assert pairs(env) == []
    assert env.state.fruitless[0].tolist() == [2, 0]
    assert env.state.troops[0, 1] > 900
    env.state.troops[0, 2] = 6  # .15 of them are less than one
    step(env, WAIT, NORTH)
    assert env.state.fruitless[0].tolist() == [2, 1]


# -- bots --------------------------------------------------------------------------------------------------------------
STRIPS = board((1, 30, 30, 20, 20), (2, 50, 30, 20, 20), (3, 70, 30, 20, 20), (4, 90, 30, 20, 20))
CAP = 2 * (400**0.6 * 1000 + 50_000) / 3
ATTACKED = ((1, 3, 100.0), (4, 3, 300.0), (2, 3, 200.0))


@pytest.mark.parametrize(
    ("share", "wars", "enemy", "since", "free", "launched", "remembered"),
    [
        (0.7, (), 0, 0, True, (0, 0.1), (0, 0)),  # land of nobody comes first
        (0.7, ATTACKED, 2, 150, True, (0, 0.1), (2, 150)),
        (0.7, ATTACKED[::2], 0, 0, False, (2, 0.25), (2, 200)),  # who attacks it with the most
        (0.7, (*ATTACKED[::2], (2, 1, 900.0)), 0, 0, False, (2, 0.25), (2, 200)),
        (0.7, ATTACKED, 0, 0, False, (4, 0.25), (4, 200)),
        (0.7, ATTACKED, 2, 100, False, (2, 0.25), (2, 100)),  # an enemy is remembered for 100 ticks
        (0.7, ATTACKED, 2, 99, False, (4, 0.25), (4, 200)),
        (0.7, ATTACKED, 5, 150, False, (4, 0.25), (4, 200)),  # the dead are forgotten
        (0.7, ((1, 3, 500.0), *ATTACKED[1:]), 0, 0, False, None, (0, 200)),  # who attacks is no neighbour
        (0.7, (), 1, 150, False, None, (0, 150)),
        (0.59, ATTACKED, 0, 0, False, None, (0, 0)),  # not strong enough
        (0.59, ATTACKED, 2, 99, False, None, (0, 99)),
        (0.2, (), 0, 0, True, (0, 0.1), (0, 0)),
    ],
)
def test_what_bots_do(tmp_path, share, wars, enemy, since, free, launched, remembered) -> None:
    """The third of five attacks from 60% of its cap on; 10% of it stay at home, or 25% in a war."""
    classes = np.minimum(STRIPS, 1)
    classes[30:32, 10:30] = classes[60, 50:70] = 1
    classes[50, 75] = free
    env = territory(tmp_path, classes, num_agents=2, num_bots=3, win_share=1.0)
    bots = np.zeros((6, 7), int)
    bots[3:] = 7, 4, 60, 25, 10, enemy, since  # 200 is 28 x 7 + 4
    put(env, STRIPS, tick=200, bots=bots, troops=np.full(6, CAP * share), **listed(*wars, slots=20))
    game, rules, scratch = inside(env)
    for tick in (199, 201, 200):
        assert game.bots[3, -2:].tolist() == [enemy, since]
        assert not game.queued.any()
        game.numbers[TICK] = tick
        players.play_bot(game, rules, 3, scratch)
    new = [slot for slot, pair in enumerate(pairs(env)) if pair[0] == 3]
    if launched:
        target, stays = launched
        opposing = sum(force for attacker, hit, force in wars if (attacker, hit) == (target, 3))
        assert [pairs(env)[slot] for slot in new] == [(3, target)]
        force = np.floor(CAP * share - CAP * stays)
        assert game.troops[3] == pytest.approx(CAP * share - force)
        assert game.force[new[0]] == pytest.approx(force - opposing)
    else:
        assert new == []
    assert game.bots[3, -2:].tolist() == list(remembered)


def test_bots_draw_an_enemy_among_their_neighbours(tmp_path) -> None:
    env = territory(tmp_path, np.minimum(STRIPS, 1), num_agents=2, num_bots=2)
    bots, drawn = np.zeros((5, 7), int), set()
    bots[:] = 1, 0, 60, 25, 10, 0, 0
    for _ in range(12):
        put(env, STRIPS, bots=bots, troops=np.full(5, CAP * 0.7))
        game, rules, scratch = inside(env)
        stream = env.rng[0].copy()
        players.play_bot(game, rules, 3, scratch)
        assert pairs(env) == [(3, (2, 4)[rng.randint(stream, 2)])]
        drawn.add(pairs(env)[0])
    assert len(drawn) == 2


# -- attacks meet ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("first", "second", "left"),
    [(500, 800, [(2, 1, 300.0)]), (500, 500, []), (800, 500, [(1, 2, 300.0)])],
)
def test_attacks_on_each_other_cancel_troop_for_troop(tmp_path, first, second, left) -> None:
    env = territory(tmp_path)
    put(env, board((1, 40, 40, 20, 20), (2, 60, 40, 20, 20)))
    game, rules, _ = inside(env)
    west, east = (np.array([at(x, y) for y in range(40, 60)], np.int32) for x in (59, 60))
    assert attacks.launch(game, rules, 1, 2, first, west)
    assert attacks.launch(game, rules, 2, 1, second, east)
    assert [(*pair, game.force[slot]) for slot, pair in enumerate(pairs(env))] == left
    assert game.troops[1:3].tolist() == [1000 - first, 1000 - second]
    assert_sound(env)


def test_a_second_attack_joins_the_first(tmp_path) -> None:
    env = territory(tmp_path)
    put(env, board((1, 40, 40, 20, 20), (2, 60, 40, 20, 20)))
    game, rules, _ = inside(env)
    for amount, seed, width in ((300, at(59, 40), 1), (200, at(59, 50), 2), (100, at(59, 40), 2)):
        assert attacks.launch(game, rules, 1, 2, amount, np.array([seed], np.int32))
        assert pairs(env) == [(1, 2)]
        assert game.attacks[0, [BORDER, ENTRIES]].tolist() == [width, width]
    assert (game.force[0], game.troops[1]) == (600, 400)


def test_no_place_is_left(tmp_path) -> None:
    """5 players, 20 places, 25 attacks that there could be."""
    env = territory(tmp_path, num_agents=1, num_bots=4)
    wars = [(p, q, 50.0) for p in range(1, 6) for q in range(6) if p != q and {p, q} != {1, 2} and (p, q) > (1, 0)]
    put(env, board((1, 40, 40, 20, 20), (2, 60, 40, 20, 20), (3, 40, 60, 20, 20)), **listed(*wars[:20], slots=20))
    game, rules, _ = inside(env)
    east, south = np.array([at(59, 45)], np.int32), np.array([at(45, 59)], np.int32)
    assert not attacks.launch(game, rules, 1, 2, 100, east)
    assert not attacks.launch(game, rules, 1, 0, 100, np.array([at(40, 40)], np.int32))
    assert (game.troops[1], game.force.sum(), len(pairs(env))) == (1000, 1000, 20)
    assert attacks.launch(game, rules, 1, 3, 40, south)  # meets one and stops it
    assert game.troops[1] == 960
    assert attacks.launch(game, rules, 1, 3, 100, south)  # ends that and joins its own
    assert game.force[wars.index((1, 3, 50.0))] == 140
    free = wars.index((3, 1, 50.0))
    assert game.attacks[free, ATTACKER] == 0
    assert attacks.launch(game, rules, 1, 2, 100, east)  # in the place that is free now
    assert game.attacks[free, [ATTACKER, TARGET]].tolist() == [1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_an_order_moves_troops_and_loses_none_but_those_that_meet(tmp_path, seed) -> None:
    env = territory(tmp_path, lakes(seed), num_agents=2, num_bots=4)
    scattered(env, seed)
    game, rules, _ = inside(env)
    random, done = np.random.default_rng(seed), []
    for _ in range(200):
        player, target = random.permutation(7)[:2]
        if player == 0:
            continue
        border = tiles_of(game.border)
        seeds = border[game.owner[border] == player].astype(np.int32)
        amount = int(random.integers(0, 1 + int(game.troops[player] / 2)))
        meeting = game.force[(game.attacks[:, ATTACKER] == target) & (game.attacks[:, TARGET] == player)]
        met = min(amount, meeting.sum()) if target and amount >= 1 else 0
        before, abroad = game.troops.sum() + game.force.sum(), game.force.sum()
        done.append(attacks.launch(game, rules, int(player), int(target), amount, seeds))
        assert game.troops.sum() + game.force.sum() == pytest.approx(before - 2 * met)
        assert done[-1] or met or game.force.sum() == abroad
        assert_sound(env)
    assert {True, False} == set(done)
