"""ActionSpec from each kind of space, and what the contract's door lets through."""

import numpy as np
import pytest
from gymnasium import spaces

from puffer_envs.contract.actions import ActionSpec, check, valid

DISCRETE = spaces.Discrete(700)
MULTI_DISCRETE = spaces.MultiDiscrete([3, 5])
MULTI_BINARY = spaces.MultiBinary(4)
BOX = spaces.Box(np.float32([-1, 0]), np.float32([1, 10]))


@pytest.mark.parametrize(
    ("space", "kind", "parts", "shape", "dtype", "size", "num_inputs"),
    [
        (DISCRETE, "discrete", (700,), (), np.int32, 1, 700),
        (MULTI_DISCRETE, "multi_discrete", (3, 5), (2,), np.int32, 2, 3 + 5),
        (MULTI_BINARY, "multi_binary", (2, 2, 2, 2), (4,), np.int8, 4, 4),
        (spaces.MultiBinary((2, 3)), "multi_binary", (2,) * 6, (2, 3), np.int8, 6, 6),
        (BOX, "box", (), (2,), np.float32, 2, 2),
        (spaces.Box(-1, 1, (2, 3), np.float64), "box", (), (2, 3), np.float32, 6, 6),
        (spaces.Box(-1, 1, ()), "box", (), (), np.float32, 1, 1),
    ],
)
def test_the_spec_of_each_kind(space, kind, parts, shape, dtype, size, num_inputs) -> None:
    spec = ActionSpec.of(space)
    assert (spec.kind, spec.parts, spec.shape, spec.dtype) == (kind, parts, shape, np.dtype(dtype))
    assert (spec.size, spec.num_inputs) == (size, num_inputs)
    assert (spec.low is None) == (spec.high is None) == (kind != "box")


def test_the_bounds_of_a_box() -> None:
    spec = ActionSpec.of(BOX)
    assert (spec.low.tolist(), spec.high.tolist()) == ([-1, 0], [1, 10])
    assert spec.low.dtype == spec.high.dtype == np.float32


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Discrete(3, start=1), "start at 0"),
        (spaces.MultiDiscrete([3, 4], start=[0, 1]), "start at 0"),
        (spaces.MultiDiscrete([[2, 3], [4, 5]]), r"one axis, not shape \(2, 2\)"),
        (spaces.MultiDiscrete([]), "at least"),
        (spaces.Box(0, 255, (2,), np.uint8), "floats, not uint8"),
        (spaces.Box(-np.inf, np.inf, (2,)), "finite bounds"),
        (spaces.Box(np.float32([0, 0]), np.float32([1, np.inf])), "finite bounds"),
        (spaces.Box(-1e300, 1e300, (1,), np.float64), "finite bounds"),  # no float32 holds them
        (spaces.Box(1, 1, (2,)), "low below high"),
        (spaces.Tuple((DISCRETE, BOX)), "must be Discrete, MultiDiscrete, MultiBinary or Box"),
        (spaces.Text(3), "must be Discrete, MultiDiscrete, MultiBinary or Box"),
    ],
)
def test_other_spaces_are_refused_in_one_sentence(space, message) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        ActionSpec.of(space)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("space", [DISCRETE, MULTI_DISCRETE, MULTI_BINARY, spaces.MultiBinary((2, 3)), BOX])
def test_what_the_space_samples_passes(space) -> None:
    spec = ActionSpec.of(space)
    space.seed(0)
    actions = np.stack([space.sample() for _ in range(50)])
    taken = check(spec, actions, 50)
    assert taken.dtype == spec.dtype
    np.testing.assert_array_equal(taken, actions)
    assert valid(spec, taken).tolist() == [True] * 50
    assert check(spec, taken, 50) is taken  # nothing is copied where all is as the buffer has it
    np.testing.assert_array_equal(check(spec, actions.tolist(), 50), taken)


@pytest.mark.parametrize(
    ("space", "actions"),
    [
        (DISCRETE, np.zeros((3, 1), int)),
        (DISCRETE, np.zeros(2, int)),
        (DISCRETE, np.int64(0)),  # no broadcasting
        (DISCRETE, np.zeros(1, int)),
        (MULTI_DISCRETE, np.zeros(3, int)),
        (MULTI_DISCRETE, np.zeros(2, int)),
        (MULTI_DISCRETE, np.zeros((1, 2), int)),
        (MULTI_DISCRETE, np.zeros((3, 1), int)),
        (MULTI_BINARY, np.zeros((4, 3), int)),
        (BOX, np.float32(0)),
        (BOX, np.zeros((3, 2, 1), np.float32)),
        (MULTI_DISCRETE, [[0, 0], [0], [0, 0]]),
    ],
)
def test_a_wrong_shape_is_refused(space, actions) -> None:
    spec = ActionSpec.of(space)
    with pytest.raises(ValueError, match=r"actions must .*shape \(3,.*\)") as refusal:
        check(spec, actions, 3)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("space", "dtype"),
    [
        *(
            (space, dtype)
            for space in (DISCRETE, MULTI_DISCRETE)
            for dtype in (float, "f4", bool, complex, object, str)
        ),
        *((MULTI_BINARY, dtype) for dtype in (float, complex, object)),
        *((BOX, dtype) for dtype in (bool, complex, object)),
    ],
)
def test_a_wrong_dtype_is_refused(space, dtype) -> None:
    spec = ActionSpec.of(space)
    wanted = "floats" if space is BOX else "integers"
    with pytest.raises(ValueError, match=f"^actions must be {wanted}, not "):
        check(spec, np.zeros((3, *spec.shape)).astype(dtype), 3)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">i4"])
def test_integers_of_any_size_are_taken(dtype) -> None:
    for space in (DISCRETE, MULTI_DISCRETE, MULTI_BINARY, BOX):
        spec = ActionSpec.of(space)
        taken = check(spec, np.ones((3, *spec.shape), dtype), 3)
        assert taken.dtype == spec.dtype
        assert (taken == 1).all()
        assert valid(spec, taken).all()


def test_keys_may_be_bools() -> None:
    spec = ActionSpec.of(MULTI_BINARY)
    keys = np.array([[True, False, False, True]])
    assert check(spec, keys, 1).tolist() == [[1, 0, 0, 1]]


@pytest.mark.parametrize("number", [2**32, 2**63 - 1, -(2**32), -(2**63)])
@pytest.mark.parametrize("space", [DISCRETE, MULTI_DISCRETE, MULTI_BINARY])
def test_a_large_number_does_not_wrap_into_the_range(space, number) -> None:
    spec = ActionSpec.of(space)
    actions = np.zeros((2, *spec.shape), np.int64)
    actions[1] = number
    assert valid(spec, check(spec, actions, 2)).tolist() == [True, False]


def test_a_large_unsigned_number_does_not_wrap_into_the_range() -> None:
    assert check(ActionSpec.of(DISCRETE), np.array([2**64 - 1, 3], np.uint64), 2).tolist() == [2**31 - 1, 3]
    assert check(ActionSpec.of(MULTI_BINARY), np.full((1, 4), 256), 1).tolist() == [[127] * 4]


def test_a_box_refuses_nan_alone() -> None:
    spec = ActionSpec.of(BOX)
    with pytest.raises(ValueError, match="row 1 has NaN"):
        check(spec, np.float32([[0, 0], [0, np.nan], [0, 0]]), 3)
    actions = np.array([[0, 1], [np.inf, 0], [0, -np.inf], [1e300, 0]])
    assert valid(spec, check(spec, actions, 4)).tolist() == [True, False, False, False]


def test_rows_out_of_range() -> None:
    assert valid(ActionSpec.of(DISCRETE), np.int32([0, 699, 700, -1])).tolist() == [True, True, False, False]
    parts = np.int32([[0, 0], [2, 4], [3, 0], [0, 5], [-1, 0], [0, -1]])
    assert valid(ActionSpec.of(MULTI_DISCRETE), parts).tolist() == [True, True, False, False, False, False]
    keys = np.int8([[0, 1, 0, 1], [0, 0, 0, 2], [-1, 0, 0, 0]])
    assert valid(ActionSpec.of(MULTI_BINARY), keys).tolist() == [True, False, False]
    numbers = np.float32([[-1, 0], [1, 10], [1.001, 0], [0, -0.001], [0, np.nan]])
    assert valid(ActionSpec.of(BOX), numbers).tolist() == [True, True, False, False, False]
    scalars = ActionSpec.of(spaces.Box(-1, 1, ()))
    assert valid(scalars, np.float32([0, 2])).tolist() == [True, False]
    planes = ActionSpec.of(spaces.Box(-1, 1, (2, 3)))
    actions = np.zeros((2, 2, 3), np.float32)
    actions[1, 1, 2] = 2
    assert valid(planes, actions).tolist() == [True, False]


def test_a_policys_actions_as_the_environments_take_them() -> None:
    one = ActionSpec.of(DISCRETE).to_env(np.array([0, 699]))
    assert (one.tolist(), one.dtype) == ([0, 699], np.int32)
    keys = ActionSpec.of(spaces.MultiBinary((2, 2))).to_env(np.array([[0, 1, 1, 0]]))
    assert (keys.tolist(), keys.dtype) == ([[[0, 1], [1, 0]]], np.int8)
    clipped = ActionSpec.of(BOX).to_env(np.float32([[-2, 3], [0.5, 12]]))
    assert (clipped.tolist(), clipped.dtype) == ([[-1, 3], [0.5, 10]], np.float32)
    assert ActionSpec.of(spaces.Box(-1, 1, ())).to_env(np.float32([[0.5], [3]])).tolist() == [0.5, 1]
