"""The replay against plain lists: what was written comes back, stacks stop at episodes, sequences stay in the ring."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies.protocol import Network
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.spec import EnvSpec
from tests.reference.returns import history
from training.common.history import History
from training.off_policy.replay import SequenceReplay, stride_of

ROW, STATE, H, L, STRIDE = 6, 3, 4, 12, 8
FRAME = slice(2, 5)
LAYOUT = ObsLayout(np.uint8, ("before", (2,)), ("frame", (3,)), ("after", (1,)))
SPEC = EnvSpec("none", LAYOUT, spaces.Discrete(1_000), {"pay": 1.0})


def network_of(state_size: int = STATE, history: int = H) -> Network:
    """What a replay asks of a network."""
    network = Network()
    network.state_size, network.history, network.history_field = state_size, history, "frame"
    return network


def replay_of(capacity: int = 192, num_rows: int = 3, length: int = L, **options) -> SequenceReplay:
    return SequenceReplay(capacity, num_rows, SPEC, network_of(), length, segment=16, **options)


def filled(steps: int, num_rows: int = 3, capacity: int = 192, seed: int = 0, **options):
    """A replay after `steps` decisions with random truncations and terminals, and the same as lists of records."""
    rng = np.random.default_rng(seed)
    replay = replay_of(capacity, num_rows, **options)
    streams = [[] for _ in range(num_rows)]
    first = np.ones(num_rows, np.bool_)
    state = torch.rand(num_rows, STATE)
    for _ in range(steps):
        rows = torch.from_numpy(rng.integers(0, 255, (num_rows, ROW), dtype=np.uint8))
        actions = torch.from_numpy(rng.integers(0, 1_000, num_rows))
        rewards = torch.from_numpy(rng.random(num_rows, dtype=np.float32))
        ends = rng.random(num_rows)
        terminal, truncated = ends < 0.05, (ends >= 0.05) & (ends < 0.15)
        everyone = np.arange(num_rows)
        replay.append(
            everyone, rows, state, torch.from_numpy(first.copy()), actions, rewards, torch.from_numpy(terminal)
        )
        for i in everyone:
            record = (rows[i].tolist(), state[i].tolist(), bool(first[i]), int(actions[i]), float(rewards[i]))
            streams[i].append((*record, bool(terminal[i]), False))
        state = torch.rand(num_rows, STATE)
        if truncated.any():
            final = torch.from_numpy(rng.integers(0, 255, (num_rows, ROW), dtype=np.uint8))
            replay.close(np.flatnonzero(truncated), final, state)
            for i in np.flatnonzero(truncated):
                streams[i].append((final[i].tolist(), state[i].tolist(), False, 0, 0.0, False, True))
        first = terminal | truncated
    return replay, streams


@pytest.mark.parametrize("steps", [40, 63, 200, 500])  # before and after the ring has come round
@pytest.mark.parametrize("stride", [1, STRIDE])
def test_sequences_hold_what_was_written(steps, stride):
    replay, streams = filled(steps, stride=stride)
    firsts, available = replay.starts()
    for stream, records in enumerate(streams):
        assert replay.count[stream] == len(records)
        for nth in range(int(available[stream])):
            start = int(firsts[stream]) + nth * stride
            batch = replay.gather(np.array([stream]), np.array([start]))
            wanted = records[start : start + L]
            assert batch.rows[:, 0].tolist() == [record[0] for record in wanted]
            assert batch.episode_start[:, 0].tolist() == [record[2] for record in wanted]
            assert batch.actions[:, 0].tolist() == [record[3] for record in wanted]
            np.testing.assert_allclose(batch.rewards[:, 0], [record[4] for record in wanted])
            assert batch.terminal[:, 0].tolist() == [record[5] for record in wanted]
            assert batch.truncated[:, 0].tolist() == [record[6] for record in wanted]
            np.testing.assert_allclose(batch.state[0], wanted[0][1])
            frames = [record[0][FRAME] for record in records]
            first = [record[2] for record in records]
            for k in range(L):
                assert batch.frames[k, 0].tolist() == history(frames, first, start + k, H)


def test_starts_never_reach_outside_the_ring():
    replay, _ = filled(500)
    first, available = replay.starts()
    assert (available > 0).all()
    assert (first - (H - 1) >= replay.count - replay.length).all()
    assert (first + (available - 1) * STRIDE + L <= replay.count).all()


def test_samples_are_uniform_over_starts():
    replay, _ = filled(80)
    _, available = replay.starts()
    generator = np.random.default_rng(0)
    states = torch.cat([replay.sample(64, generator).state for _ in range(200)])
    _, counts = np.unique(states.numpy(), axis=0, return_counts=True)
    expected = 64 * 200 / available.sum()
    assert len(counts) == available.sum()
    assert np.abs(counts - expected).max() < 6 * np.sqrt(expected)


def test_an_empty_replay_says_so():
    replay = replay_of(64, 2)
    with pytest.raises(ValueError, match="no sequence"):
        replay.sample(4, np.random.default_rng(0))


@pytest.mark.parametrize("steps", [30, 70, 333])
def test_segments_and_state_rebuild_the_replay(steps):
    replay, _ = filled(steps)
    copy = replay_of()
    state = replay.state_dict()
    for number in state["segments"]:
        copy.load_segment(number, replay.segment_dict(number))
    copy.load_state_dict(state)
    for seed in range(5):
        ours = replay.sample(16, np.random.default_rng(seed))
        theirs = copy.sample(16, np.random.default_rng(seed))
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_segments_never_change_once_complete():
    replay, _ = filled(100)
    before = {number: replay.segment_dict(number) for number in replay.segments()}
    before = {n: {k: v.clone() for k, v in parts.items()} for n, parts in before.items()}
    assert before
    zeros = torch.zeros(3, dtype=torch.bool)
    for _ in range(20):
        replay.append(
            np.arange(3), torch.ones(3, ROW, dtype=torch.uint8), torch.ones(3, STATE), zeros,
            torch.zeros(3, dtype=torch.long), torch.zeros(3), zeros,
        )  # fmt: skip
    for number in set(replay.segments()) & set(before):
        assert all(torch.equal(part, before[number][name]) for name, part in replay.segment_dict(number).items())


def test_another_size_is_refused():
    replay, _ = filled(20)
    other = replay_of(num_rows=4)
    with pytest.raises(ValueError, match="num-envs"):
        other.load_state_dict(replay.state_dict())


def test_acting_and_replay_see_the_same_history():
    rng = np.random.default_rng(3)
    layout = ObsLayout(np.uint8, ("frame", (1,)))
    ring = History(2, network_of(), layout)
    frames, first = [], []
    for k in range(30):
        fresh = np.array([k == 0, k == 0]) | (rng.random(2) < 0.2)
        frame = torch.full((2, 1), k, dtype=torch.uint8)
        stacked = ring.push(frame, torch.from_numpy(fresh))
        frames.append(frame.tolist())
        first.append(fresh)
        for row in range(2):
            wanted = history([f[row] for f in frames], [f[row] for f in first], k, H)
            assert stacked[row].tolist() == wanted


@pytest.mark.parametrize("sequence", range(1, 20))
@pytest.mark.parametrize("state_size", [0, STATE])
def test_every_record_is_trained(sequence, state_size):
    """Of a stream, all but those that only ever warm up or are bootstrapped from."""
    stride, burn_in, n_step = stride_of(sequence, state_size), 3, 2
    spec, network = SPEC, network_of(state_size, 1)
    replay = SequenceReplay(64, 1, spec, network, burn_in + sequence + n_step, stride=stride, segment=32)
    flags, count = torch.zeros(1, dtype=torch.bool), 60
    for _ in range(count):
        rows = torch.zeros(1, ROW, dtype=torch.uint8)
        replay.append(np.arange(1), rows, torch.zeros(1, state_size), flags, torch.zeros(1), torch.zeros(1), flags)
    (first,), (available,) = replay.starts()
    trained = {first + nth * stride + burn_in + k for nth in range(available) for k in range(sequence)}
    assert trained >= set(range(burn_in, count - n_step - sequence - stride))


def test_rows_of_floats_and_actions_of_numbers_come_back_as_they_were():
    layout = ObsLayout(np.float32, ("frame", (2,)))
    spec = EnvSpec("none", layout, spaces.Box(-1, 1, (3,), np.float32), {"pay": 1.0})
    replay = SequenceReplay(32, 2, spec, network_of(0, 1), 2, stride=1, segment=16)
    rows, actions = torch.randn(8, 2, 2), torch.rand(8, 2, 3) * 2 - 1
    flags = torch.zeros(2, dtype=torch.bool)
    for k in range(8):
        replay.append(np.arange(2), rows[k], torch.zeros(2, 0), flags, actions[k], torch.zeros(2), flags)
    batch = replay.gather(np.array([1, 0]), np.array([3, 5]))  # starts anywhere
    torch.testing.assert_close(batch.rows[0], torch.stack([rows[3, 1], rows[5, 0]]))
    torch.testing.assert_close(batch.actions[1], torch.stack([actions[4, 1], actions[6, 0]]))
    assert torch.equal(batch.frames, batch.rows)
