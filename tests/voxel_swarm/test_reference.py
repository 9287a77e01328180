"""The slow twin of the voxel swarm against examples worked by hand."""

import random

import numpy as np
import pytest

from tests.reference.voxel_swarm import (
    PICK_UP,
    PLACE,
    UP,
    Cell,
    Swarm,
    cells_of,
    euclidean_field,
    max_normalised,
    original_ended,
    original_observation,
    original_rewards,
    scripted_builder,
    walk_field,
)

FAR = {(3, 0, 3)}  # a target that is in nobody's way at G = 4


def box(x: range, y: range, z: range) -> set[Cell]:
    return {(a, b, c) for a in x for b in y for c in z}


def positions(swarm: Swarm) -> list[Cell]:
    return [position for position, _ in swarm.agents]


def carrying(swarm: Swarm) -> list[bool]:
    return [has_block for _, has_block in swarm.agents]


# Moves, blocks, order


def test_moves_and_the_edge_of_the_grid() -> None:
    swarm = Swarm(4, FAR, [((0, 0, 2), True)])
    walked = []
    for action in (0, 1, 1, 2, 3, UP, 5, 5):
        swarm.step([action])
        walked += positions(swarm)
    # x-1 and the second z+1 would leave the grid, so would the second y-1
    assert walked == [(0, 0, 2), (0, 0, 3), (0, 0, 3), (1, 0, 3), (1, 0, 2), (1, 1, 2), (1, 0, 2), (1, 0, 2)]


def test_climbing_needs_the_ground_or_a_block_below_the_own_cell() -> None:
    swarm = Swarm(4, FAR, [((1, 0, 1), True)])
    for blocks, height in [
        (set(), 1),  # y = 0: always
        (set(), 1),  # (1, 0, 1) is empty
        ({(1, 1, 1), (1, 2, 1)}, 1),  # blocks in the own cell and above help nobody
        ({(1, 0, 1)}, 2),
        ({(1, 0, 1)}, 2),  # (1, 1, 1) is empty
        ({(1, 1, 1)}, 3),
        ({(1, 2, 1)}, 3),  # the grid ends
    ]:
        swarm.filled = set(blocks)
        swarm.step([UP])
        assert positions(swarm) == [(1, height, 1)]


def test_agents_act_in_index_order() -> None:
    below, above = ((1, 0, 1), True), ((1, 1, 1), True)
    swarm = Swarm(4, FAR, [below, above])
    swarm.step([PLACE, UP])  # the block is there when agent 1 climbs
    assert positions(swarm) == [(1, 0, 1), (1, 2, 1)]
    swarm = Swarm(4, FAR, [above, below])
    swarm.step([UP, PLACE])  # it is not there yet when agent 0 tries
    assert positions(swarm) == [(1, 1, 1), (1, 0, 1)]


def test_a_filled_cell_keeps_the_block_in_hand() -> None:
    swarm = Swarm(4, FAR, [((3, 0, 3), True), ((3, 0, 3), True), ((0, 0, 0), False)])
    terms = swarm.step([PLACE, PLACE, PLACE])
    assert [term["placed"] for term in terms] == [1, 0, 0]
    assert carrying(swarm) == [False, True, False]
    assert swarm.filled == FAR


def test_pick_up_takes_a_wrong_block_or_air_but_never_a_right_block() -> None:
    wrong, right, empty = (1, 0, 1), (3, 0, 3), (2, 0, 2)
    swarm = Swarm(4, FAR, [(wrong, True), (wrong, False), (wrong, False), (right, False), (empty, True)])
    swarm.filled = {right}
    terms = swarm.step([PLACE, PICK_UP, PICK_UP, PICK_UP, PICK_UP])
    # agent 1 takes the block that agent 0 has just placed, agent 2 finds the cell empty and takes one out of the air
    assert [term["wrong"] for term in terms] == [1, 0, 0, 0, 0]
    assert [term["mended"] for term in terms] == [0, 1, 0, 0, 0]
    assert carrying(swarm) == [False, True, True, False, True]
    assert swarm.filled == {right}


def test_full_hands_take_a_wrong_block_away() -> None:
    wrong = (1, 0, 1)
    swarm = Swarm(4, FAR, [(wrong, True), ((2, 0, 2), True)], {wrong})
    assert [term["mended"] for term in swarm.step([PICK_UP, PICK_UP])] == [1, 0]
    assert (carrying(swarm), swarm.filled) == ([True, True], set())


def test_agents_share_cells() -> None:
    swarm = Swarm(4, FAR, [((0, 0, 0), True), ((1, 0, 0), True), ((1, 0, 1), True)])
    swarm.step([2, 1, 1])
    assert positions(swarm) == [(1, 0, 0), (1, 0, 1), (1, 0, 2)]
    assert swarm.shared == 0
    swarm.step([1, 0, 3])
    assert positions(swarm) == [(1, 0, 1), (0, 0, 1), (1, 0, 1)]
    assert swarm.shared == 1


def test_moves_into_an_agent_are_refused() -> None:
    swarm = Swarm(4, FAR, [((0, 0, 0), True), ((1, 0, 0), True), ((1, 0, 1), True)], collisions=True)
    swarm.step([2, 2, 3])  # 0 meets 1, which then leaves its cell to 2
    assert positions(swarm) == [(0, 0, 0), (2, 0, 0), (1, 0, 0)]
    assert swarm.shared == 0


def test_three_in_one_cell_are_two_collisions() -> None:
    swarm = Swarm(4, FAR, [((1, 0, 1), True)] * 3 + [((0, 0, 0), True)])
    swarm.step([2, 2, 2, 0])
    assert swarm.shared == 2


# Rewards and ends


def test_iou_term() -> None:
    target = box(range(4), range(1), range(1))  # 4 cells
    swarm = Swarm(4, target, [((1, 0, 0), True), ((1, 0, 1), True), ((3, 3, 3), True)], {(0, 0, 0)})
    terms = swarm.step([PLACE, PLACE, 5])
    # before 1 of 4; after 2 right and 1 wrong, 2 of 5: .4 - .25 = .15, for all three
    assert [term["iou"] for term in terms] == pytest.approx([0.15] * 3)
    assert [(term["placed"], term["wrong"]) for term in terms] == [(1, 0), (0, 1), (0, 0)]
    terms = swarm.step([2, PICK_UP, 5])  # 2 of 4: .5 - .4
    assert terms[2] == pytest.approx({"placed": 0, "wrong": 0, "mended": 0, "iou": 0.1, "step": 1, "success": 0})


def test_success_is_paid_once_and_to_all_and_ends_the_episode() -> None:
    swarm = Swarm(4, FAR, [((3, 0, 3), True), ((0, 0, 0), False)], {(0, 0, 0)})
    terms = swarm.step([PLACE, 0])
    assert ([term["success"] for term in terms], swarm.terminal) == ([0, 0], False)  # a wrong block is left
    terms = swarm.step([0, PICK_UP])
    assert ([term["success"] for term in terms], swarm.terminal) == ([1, 1], True)
    terms = swarm.step([0, 0])
    assert ([term["success"] for term in terms], swarm.terminal) == ([0, 0], True)


def test_an_episode_is_cut_after_max_steps_unless_it_is_finished() -> None:
    # 150 * 4 / 8 + 8 * 5 / 3 = 75 + 13.3
    assert Swarm(4, box(range(1), range(1), range(4)) | FAR, [((0, 0, 0), True)] * 3).max_steps == 88
    swarm = Swarm(4, FAR, [((3, 0, 3), True)] * 2)
    assert swarm.max_steps == 79  # 75 + 8 * 1 / 2
    for _ in range(78):
        swarm.step([1, 1])
    assert not swarm.truncated
    swarm.step([1, 1])
    assert (swarm.truncated, swarm.terminal) == (True, False)
    swarm.steps = 78
    swarm.step([PLACE, 1])
    assert (swarm.truncated, swarm.terminal) == (False, True)


# The field


def test_walk_distance_under_a_slab_leads_round_by_the_only_step() -> None:
    source = (0, 2, 0)
    distances = walk_field(4, {(3, 0, 3)}, {source})
    assert distances[0, 3, 0] == 1  # down is free
    assert distances[3, 2, 3] == 6  # 3 + 3 sideways in mid-air
    assert distances[3, 1, 3] == 7  # up, on the block
    assert distances[0, 1, 0] == 13  # right below the source, but it cannot climb: 6 there, 1 up, 6 back
    assert distances[0, 0, 0] == 14  # as far, and one more level
    distances = walk_field(4, set(), {source})  # nowhere to climb
    assert {cell for cell, distance in distances.items() if distance is None} == box(range(4), range(2), range(4))


@pytest.mark.parametrize("seed", range(20))
def test_every_walk_is_one_move_longer_than_the_best_that_follows(seed: int) -> None:
    rng = random.Random(seed)
    cells = list(cells_of(4))
    filled, sources = set(rng.sample(cells, rng.randrange(20))), set(rng.sample(cells, rng.randrange(4)))
    distances = walk_field(4, filled, sources)
    for x, y, z in cells:
        after = {(x - 1, y, z), (x + 1, y, z), (x, y, z - 1), (x, y, z + 1), (x, y - 1, z)}
        if y == 0 or (x, y - 1, z) in filled:
            after.add((x, y + 1, z))
        best = min((distances[cell] for cell in after if distances.get(cell) is not None), default=None)
        expected = 0 if (x, y, z) in sources else None if best is None else best + 1
        assert distances[x, y, z] == expected


def test_sources() -> None:
    target = {(0, 0, 0), (1, 0, 0)}
    swarm = Swarm(4, target, [((3, 0, 3), True)], {(0, 0, 0), (3, 0, 0)})
    assert swarm.sources() == {(1, 0, 0)}
    assert swarm.distances()[0, 0, 0] == 1
    swarm.all_targets = True
    assert swarm.distances()[0, 0, 0] == 0
    swarm.filled.add((1, 0, 0))
    assert swarm.sources() == {(3, 0, 0)}  # to be taken away
    swarm.filled.remove((3, 0, 0))
    assert set(swarm.distances().values()) == {None}


def test_euclidean_distance_in_128ths() -> None:
    distances = euclidean_field(4, {(0, 0, 0)})
    assert distances[1, 1, 0] == 181 / 128  # 1.41421 * 128 = 181.02
    assert distances[1, 1, 1] == 222 / 128  # 1.73205 * 128 = 221.7
    assert distances[0, 3, 0] == 3  # no climbing here


def test_max_normalised_against_the_original() -> None:
    scent = max_normalised({(4, 0, 4)}, 8)
    figures = [scent[4, 0, 4], scent[4, 1, 4], scent[0, 0, 0], scent[7, 7, 7], scent.mean()]
    assert figures == pytest.approx([0.946219, 0.867771, 0.386156, 0.108012, 0.441302], abs=1e-5)
    pyramid = set()
    for y, k in enumerate((4, 3, 2, 1)):
        pyramid |= box(*[range((8 - k) // 2, (8 - k) // 2 + k) if axis != 1 else range(y, y + 1) for axis in range(3)])
    assert len(pyramid) == 30
    scent = max_normalised(pyramid, 8)
    figures = [scent[4, 0, 4], scent[4, 3, 4], scent[0, 0, 0], scent[7, 7, 7], scent.mean()]
    assert figures == pytest.approx([0.996628, 0.838563, 0.588410, 0.024956, 0.551653], abs=1e-5)
    assert max_normalised(set(cells_of(2)), 2) == pytest.approx(np.ones((2, 2, 2)))


# Observations


def corner_bytes(dx0: list[int], dx1: list[int], outside: int) -> list[int]:
    """27 bytes at (0, 0, 0) from those of (x, 0, 0), (x, 0, 1), (x, 1, 0), (x, 1, 1); the rest is outside."""
    out = [outside] * 3
    rows = [[*out, outside, a, b, outside, c, d] for a, b, c, d in (dx0, dx1)]
    return [*out, *out, *out, *rows[0], *rows[1]]


def test_observation_in_a_corner() -> None:
    swarm = Swarm(4, {(1, 0, 0)}, [((0, 0, 0), True), ((1, 1, 1), True), ((1, 1, 1), False)], {(0, 0, 1)})
    row = swarm.observations()[0]
    assert len(row) == 83
    assert row[:27] == corner_bytes([0, 255, 0, 0], [0, 0, 0, 0], 128)
    # distances 1 2 2 3 and 0 1 1 2, so 0 -1 -1 -2 and +1 0 0 -1 against the own one: 128 + 63 of each
    assert row[27:54] == corner_bytes([128, 65, 65, 2], [191, 128, 128, 65], 0)
    assert row[54:81] == corner_bytes([0, 0, 0, 0], [0, 0, 0, 255], 0)  # two others
    assert row[81:] == [32, 255]  # 1 / 8 * 255 = 31.9


def test_a_crowd_looks_like_one() -> None:
    swarm = Swarm(4, FAR, [((0, 0, 0), True)] * 6)
    first, *others = [row[54:81] for row in swarm.observations()]
    assert first == corner_bytes([0, 0, 0, 0], [0, 0, 0, 0], 0)  # nobody acts before it
    assert others == [corner_bytes([255, 0, 0, 0], [0, 0, 0, 0], 0)] * 5


def test_scent_under_an_overhang() -> None:
    swarm = Swarm(8, {(4, 2, 4)}, [((4, 1, 4), False)], {(7, 0, 7)})
    # the source is right above, but from here it is 3 + 3 sideways, 1 up and 3 + 3 back: 13
    scent = np.array(swarm.observations()[0][27:54]).reshape(3, 3, 3)
    assert scent[1, 2, 1] == 2  # it cannot step up: -2, though the distance there is 0
    assert scent[0, 2, 1] == scent[2, 2, 2] == 254  # 1 and 2 from the source: clipped to +2
    assert scent[2, 1, 1] == scent[1, 1, 2] == 191  # towards the step: +1
    assert scent[0, 1, 0] == 2  # away from it: -2
    assert scent[1, 0, 1] == 65  # the ground below: -1
    assert swarm.observations()[0][81:] == [255, 0]  # 13 is more than 8


def test_scent_where_no_way_leads() -> None:
    swarm = Swarm(4, {(1, 3, 1)}, [((1, 1, 1), True)])
    row = swarm.observations()[0]
    scent = np.array(row[27:54]).reshape(3, 3, 3)
    assert (scent == 2).all()  # layers 0 to 2 are cut off from layer 3
    assert row[81] == 255
    swarm.agents = [((1, 2, 1), True)]
    scent = np.array(swarm.observations()[0][27:54]).reshape(3, 3, 3)
    assert (scent[:, :2] == 2).all()  # the own layer and the one below
    assert scent[1, 2, 1] == 2  # above, but not to be climbed to
    assert (scent[:, 2] == 254).sum() == 8


def test_scent_when_all_is_built() -> None:
    swarm = Swarm(4, FAR, [((0, 0, 0), False)], set(FAR))
    row = swarm.observations()[0]
    assert row[27:54] == [128] * 27
    assert row[81:] == [255, 0]


def test_euclidean_scent() -> None:
    swarm = Swarm(4, {(2, 0, 2)}, [((1, 0, 1), True)], metric="euclidean")
    row = swarm.observations()[0]
    scent = np.array(row[27:54]).reshape(3, 3, 3)
    # own distance 362/256; beside it 1: a difference of 106/256, 63 * .4141 = 26.09; above 443/256: -81/256, -19.93
    assert (scent[2, 1, 1], scent[1, 2, 1], scent[2, 1, 2]) == (154, 108, 217)  # 63 * 362/256 = 89.09
    assert row[81] == 45  # 362/256 / 8 * 255 = 45.08


# The player


TABLE = box(range(1, 6), range(3, 4), range(1, 6)) | box(range(3, 4), range(3), range(3, 4))  # a top on one leg
CRANE = box(range(1, 2), range(7), range(1, 2)) | box(range(1, 7), range(6, 7), range(1, 2)) | {(6, 5, 1), (6, 4, 1)}
RING = {(x, y, 3) for x in range(1, 7) for y in range(6) if x in (1, 6) or y in (0, 5)}
HANGING = {(0, y, 0) for y in range(8)} | {(x, 7, 0) for x in range(8)} | {(7, y, 0) for y in range(1, 8)}
SHAPES = {
    "table": TABLE,
    "crane": CRANE,
    "ring": RING,
    "hanging": HANGING,
    "tower": box(range(4, 5), range(8), range(4, 5)),
    "cube": box(range(2, 6), range(4), range(2, 6)),
    "cup": box(range(3, 4), range(3), range(3, 4)) | box(range(2, 5), range(2, 6), range(2, 5)) - {(3, 4, 3)},
}


def build(swarm: Swarm) -> None:
    while not swarm.terminal and not swarm.truncated:
        terms = swarm.step(scripted_builder(swarm))
        assert not any(term["wrong"] for term in terms)
    assert swarm.terminal


@pytest.mark.parametrize("agents", [1, 10])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_builder_finishes_shapes_with_overhangs(shape: str, agents: int) -> None:
    spawns = random.Random(agents)
    swarm = Swarm(8, SHAPES[shape], [((spawns.randrange(8), 0, 0), True) for _ in range(agents)])
    build(swarm)


@pytest.mark.parametrize("seed", range(8))
def test_the_builder_finishes_any_grounded_connected_shape(seed: int) -> None:
    rng = random.Random(seed)
    target = {(2, 0, 2)}
    while len(target) < 40:
        cell = [*rng.choice(sorted(target))]
        axis = rng.randrange(3)
        cell[axis] = min(max(cell[axis] + rng.choice((-1, 1)), 0), 5)
        target.add(tuple(cell))
    build(Swarm(6, target, [((0, 0, z), True) for z in range(4)]))


def test_the_builder_mends() -> None:
    swarm = Swarm(8, set(TABLE), [((0, 0, z), True) for z in range(4)], {(7, 0, 7), (3, 4, 3), (0, 5, 0)})
    build(swarm)


def test_full_hands_cannot_mend() -> None:
    # once the target is full, blocks in hand and wrong blocks together never become fewer
    swarm = Swarm(4, FAR, [((0, 0, 0), True), ((1, 0, 0), False)], FAR | {(0, 0, 1), (1, 0, 1)})
    rng = random.Random(0)
    for _ in range(300):
        swarm.step([rng.randrange(8), rng.randrange(8)])
        assert len(swarm.wrong_blocks) + sum(carrying(swarm)) >= 3


# The original's rules


def test_original_rewards() -> None:
    target = box(range(4), range(1), range(1))
    filled = {(0, 0, 0), (0, 0, 1)}
    agents = [((0, 0, 0), False), ((0, 0, 1), True), ((1, 0, 0), False), ((1, 0, 0), True), ((3, 3, 3), False)]
    # all: 20 * 1/4 - .1 = 4.9; then +100, -2, -5, and nothing for the last two
    assert original_rewards(agents, filled, target) == pytest.approx([104.9, 2.9, -0.1, 4.9, 4.9])


def test_original_end() -> None:
    target = box(range(4), range(1), range(5))
    built = sorted(target)
    assert not original_ended(set(built[:17]), target, 149)  # 17 / 20 is .85, not more
    assert original_ended(set(built[:18]) | {(0, 3, 0)}, target, 1)
    assert original_ended(set(), target, 150)


def test_original_observation() -> None:
    scent = np.arange(64.0).reshape(4, 4, 4)
    row = original_observation((0, 0, 3), True, {(0, 0, 3), (1, 1, 2)}, scent)
    assert len(row) == 58
    assert row[:3] == [0, 0, 0.75]
    # (dx, dy, dz) is number 9 (dx + 1) + 3 (dy + 1) + dz + 1
    assert [i for i, block in enumerate(row[3:30]) if block] == [13, 24]
    smells = {12: 2, 13: 3, 15: 6, 16: 7, 21: 18, 22: 19, 24: 22, 25: 23}  # scent of (x, y, z) is 16 x + 4 y + z
    assert row[30:57] == [smells.get(i, 0) for i in range(27)]
    assert row[57] == 1
