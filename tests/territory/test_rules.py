"""Who may attack whom, what becomes of attacks, of the dead and of land that is cut off: worlds made by hand."""

import numpy as np
import pytest

from puffer_envs.kit import rng
from puffer_envs.territory.env import Territory
from puffer_envs.territory.rules import attacks, land, players
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
    owner = board((2, 40, 40, 20, 6), (1, 40, 46, 20, 10), (3, 61, 40, 9, 11))  # 120, 200 and 99 tiles
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


def test_absorbed_land_falls_to_whoever_touches_it(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=2, win_share=1.0)
    owner = board(
        (2, 40, 40, 5, 1),  # its left end touches the first, its right end the third: in rows, from the left
        (1, 39, 40, 1, 1),
        (3, 45, 40, 1, 9),
        (2, 60, 40, 1, 5),  # touches the third at its lower end alone
        (3, 60, 45, 5, 1),
        (2, 80, 40, 1, 1),  # the fourth is east of it, the third south
        (4, 81, 40, 1, 1),
        (3, 80, 41, 1, 1),
        (2, 100, 100, 3, 3),  # touches nobody
    )
    put(env, owner, gold=[0, 5, 70, 0, 0], **listed((2, 3, 50.0), slots=16))
    game, rules, _ = inside(env)
    land.absorb(game, rules, 1, 2)
    owner[40, 40:45], owner[40:45, 60], owner[40, 80] = 1, 3, 4
    np.testing.assert_array_equal(owners(env), owner)
    assert game.gold[1:3].tolist() == [75, 0]
    assert (game.tiles[2], game.troops[2], pairs(env)) == (9, 1000, [(2, 3)])  # it lives on where it can
    game.owner[at(101, 99)] = 3
    land.absorb(game, rules, 1, 2)
    assert (game.tiles[2], game.troops[2], pairs(env)) == (0, 0, [])


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
        ("another's beside", 58, True),
        ("another's at a corner", 58, True),
        ("nobody's beside", 58, True),
        ("nobody's at a corner", 58, True),
        ("a way out", 58, False),
        ("a way over corners", 58, False),  # a cluster hangs together over corners
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
    if change == "a way over corners":
        for step_out in range(48, 101):
            owner[step_out, step_out] = 2
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


@pytest.mark.parametrize(
    ("x", "wars", "captor"),
    [
        (47, (), 1),  # ten sides of its tiles are beside the first, six beside the third
        (49, (), 3),
        (48, (), 1),  # eight and eight: the lowest number
        (47, ((3, 2, 10.0),), 3),
        (47, ((1, 2, 10.0), (3, 2, 20.0)), 3),
        (49, ((1, 2, 30.0), (3, 2, 20.0)), 1),
        (49, ((1, 2, 20.0), (3, 2, 20.0)), 1),
        (47, ((4, 2, 900.0), (3, 1, 10.0), (2, 3, 10.0)), 1),  # these say nothing
    ],
)
def test_a_pocket_between_two_falls_to_the_greatest_attacker_else_to_who_is_most_around_it(
    tmp_path, x, wars, captor
) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=2, win_share=1.0)
    owner = board((2, 100, 100, 15, 15), (1, 40, 40, 10, 12), (3, 50, 40, 10, 12), (2, x, 44, 4, 4), (4, 80, 80, 3, 3))
    put(env, owner, **listed(*wars, slots=16))
    game, rules, scratch = inside(env)
    land.capture_surrounded(game, rules, 2, scratch)
    owner[44:48, x : x + 4] = captor
    np.testing.assert_array_equal(owners(env), owner)
    assert not scratch.marks.any()
    assert not scratch.edge.any()
    assert_sound(env)


@pytest.mark.parametrize(
    ("change", "is_taken"),
    [
        (None, True),
        ("no other land", False),  # it is the main part then, which falls to one who is all around alone
        ("no other land, one around", True),
        ("other land with a shorter edge", False),  # 8 tiles of edge, the pocket has 12
        ("other land with an equal edge", True),  # but a later one is not the main part
        ("an island with a long coast", True),
        ("an island with a short coast", False),
        ("nobody's on one side", False),  # others' land is not around it
        ("nobody's on one side, but for a tile", True),
    ],
)
def test_the_main_part_does_not_fall_to_several(tmp_path, change, is_taken) -> None:
    change, classes = change or "", PLAINS.copy()
    others = [] if "no other land" in change else [(2, 100, 100, 15, 15)]
    if "other land with" in change:
        others = [(2, 10, 10, 3, 3)] if "shorter" in change else [(2, 10, 10, 4, 4)]
    if "island" in change:
        size = 10 if "long" in change else 3
        others = [(2, 100, 100, size, size)]
        classes[98:120, 98:120] = 0
        classes[100 : 100 + size, 100 : 100 + size] = 1
    owner = board(*others, (1, 40, 40, 10, 12), (3, 50, 40, 10, 12), (2, 47, 44, 4, 4))
    if "one around" in change:
        owner[owner == 3] = 1
    if "one side" in change:
        owner[owner == 3] = 0
        owner[40:44, 50:52] = owner[48:52, 50:52] = 0
        owner[44, 51] = 3 if "a tile" in change else 0
    owner[classes == 0] = 0
    env = territory(tmp_path, classes, num_agents=2, num_bots=2, win_share=1.0)
    put(env, owner)
    game, rules, scratch = inside(env)
    land.capture_surrounded(game, rules, 2, scratch)
    if is_taken:
        owner[44:48, 47:51] = 1
    np.testing.assert_array_equal(owners(env), owner)


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
    assert (pairs(env) == []) == is_immune
    assert env.state.fruitless[0, 0] == is_immune
    step(env, WEST)  # nobody's land can be taken at once
    assert (env.state.tiles[0, 2] == 400) == is_immune
    step(env)
    assert (owners(env)[40:60, 39] == 1).any()
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


def test_an_order_s_troops_grow_before_they_leave_and_move_a_tick_later(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=1, win_share=1.0)
    put(env, board((1, 40, 40, 20, 20), (2, 90, 90, 20, 20)), troops=[0, 10_000, 10_000, 0])
    step(env, EAST + MOST, WAIT)
    grown = env.state.troops[0, 2]
    assert grown > 10_100
    assert env.state.troops[0, 1] == grown - 7_500  # .75 of what was seen
    assert (pairs(env), env.state.force[0, 0], env.state.tiles[0, 1]) == ([(1, 0)], 7_500, 400)
    step(env)
    assert env.state.tiles[0, 1] > 400


def test_an_order_hits_whom_it_was_meant_for(tmp_path) -> None:
    env = territory(tmp_path, num_agents=1, num_bots=3)
    put(env, board((1, 40, 40, 20, 20), (2, 60, 40, 1, 12), (3, 60, 52, 1, 8)))
    game, rules, scratch = inside(env)
    assert players.decide(game, rules, 1, EAST + MOST, scratch) == (2, 750)
    assert players.decide(game, rules, 1, NORTH, scratch) == (0, 150)
    assert players.decide(game, rules, 1, WAIT, scratch)[0] == -1
    for y in range(40, 50):
        land.conquer(game, rules, at(60, y), 3)
    assert players.decide(game, rules, 1, EAST + MOST, scratch) == (3, 750)
    game.troops[1] = 500  # it has lost some meanwhile
    assert players.order(game, rules, 1, EAST + MOST, 2, 750, scratch)
    assert (pairs(env), game.force[0], game.troops[1]) == ([(1, 2)], 500, 0)
    assert tiles_of(game.queued[0]).tolist() == [at(60, 50), at(60, 51)]
    game.troops[1] = 500
    for y in (50, 51):
        land.conquer(game, rules, at(60, y), 3)
    assert not players.order(game, rules, 1, EAST + MOST, 2, 100, scratch)  # nobody of his is there any more
    assert game.troops[1] == 500


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
DRAWN = -1  # one of the neighbours


@pytest.mark.parametrize(
    ("share", "wars", "enemy", "since", "free", "launched", "remembered"),
    [
        (0.7, (), 0, 0, True, (0, 0.1), (0, 0)),  # land of nobody comes first
        (0.7, ATTACKED, 2, 150, True, (0, 0.1), (2, 150)),
        (0.7, (), 0, 0, False, (DRAWN, 0.25), (DRAWN, 200)),  # any neighbour
        (0.7, ((4, 3, 300.0),), 0, 0, False, (DRAWN, 0.25), (DRAWN, 200)),  # whoever attacks it
        (0.7, ((1, 3, 500.0), *ATTACKED[1:]), 0, 0, False, (DRAWN, 0.25), (DRAWN, 200)),
        (0.7, ATTACKED, 2, 100, False, (2, 0.25), (2, 100)),  # an enemy is remembered for 100 ticks
        (0.59, ATTACKED, 2, 100, False, (2, 0.25), (2, 100)),  # and attacked with what there is
        (0.3, (), 4, 150, False, (4, 0.25), (4, 150)),
        (0.24, (), 4, 150, False, None, (4, 150)),  # nothing but the reserve
        (0.7, ATTACKED, 2, 99, False, (DRAWN, 0.25), (DRAWN, 200)),
        (0.7, ATTACKED, 5, 150, False, (DRAWN, 0.25), (DRAWN, 200)),  # the dead are forgotten
        (0.7, (), 1, 150, False, None, (1, 150)),  # no neighbour
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
    drawn = (2, 4)[rng.randint(env.rng[0].copy(), 2)]
    for tick in (199, 201, 200):
        assert game.bots[3, -2:].tolist() == [enemy, since]
        assert not game.queued.any()
        game.numbers[TICK] = tick
        players.play_bot(game, rules, 3, scratch)
    new = [slot for slot, pair in enumerate(pairs(env)) if pair[0] == 3]
    if launched:
        target, stays = launched
        target = drawn if target == DRAWN else target
        opposing = sum(force for attacker, hit, force in wars if (attacker, hit) == (target, 3))
        assert [pairs(env)[slot] for slot in new] == [(3, target)]
        force = np.floor(CAP * share - CAP * stays)
        assert game.troops[3] == np.floor(CAP * share) - force
        assert game.force[new[0]] == pytest.approx(force - opposing)
    else:
        assert new == []
    assert game.bots[3, -2:].tolist() == [drawn if remembered[0] == DRAWN else remembered[0], remembered[1]]


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


def test_bots_without_neighbours_remember_who_attacks_them_most(tmp_path) -> None:
    owner = board((1, 30, 30, 20, 20), (2, 60, 30, 20, 20), (3, 90, 30, 20, 20))  # three islands
    env, bots = territory(tmp_path, np.minimum(owner, 1), num_agents=1, num_bots=2), np.zeros((4, 7), int)
    bots[:] = 1, 0, 60, 25, 10, 0, 0
    wars = listed((1, 3, 100.0), (2, 3, 300.0), (2, 1, 900.0), slots=12)
    put(env, owner, bots=bots, troops=np.full(4, CAP * 0.7), **wars)
    game, rules, scratch = inside(env)
    players.play_bot(game, rules, 3, scratch)
    assert game.bots[3, -2:].tolist() == [2, 60]
    assert len(pairs(env)) == 3  # it cannot get there
    game.force[1] = 10  # and goes on to think of it
    players.play_bot(game, rules, 3, scratch)
    assert game.bots[3, -2:].tolist() == [2, 60]


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
    for amount, seeds in ((300, [40]), (200, [50, 51]), (100, [40])):  # its front is that of the last
        border = np.array([at(59, y) for y in seeds], np.int32)
        assert attacks.launch(game, rules, 1, 2, amount, border)
        assert pairs(env) == [(1, 2)]
        assert tiles_of(game.queued[0]).tolist() == [at(60, y) for y in seeds]
        assert game.attacks[0, [BORDER, ENTRIES]].tolist() == [len(seeds), len(seeds)]
        assert_sound(env)
    assert not attacks.launch(game, rules, 1, 2, 100, np.array([at(40, 40)], np.int32))  # touches nobody of his
    assert (game.force[0], game.troops[1], tiles_of(game.queued[0]).tolist()) == (600, 400, [at(60, 40)])


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
        before, abroad = game.troops.sum() + game.force.sum(), game.force.sum()
        done.append(attacks.launch(game, rules, int(player), int(target), amount, seeds))
        met = min(amount, meeting.sum()) if target and done[-1] else 0
        assert game.troops.sum() + game.force.sum() == pytest.approx(before - 2 * met)
        assert done[-1] or game.force.sum() == abroad
        assert_sound(env)
    assert {True, False} == set(done)
