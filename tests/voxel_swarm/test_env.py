"""The fast environment against its slow twin, step by step."""

import numpy as np
import pytest

from puffer_envs.contract.batched import MAX_PENDING
from puffer_envs.voxel_swarm import rewards
from puffer_envs.voxel_swarm.config import Config
from puffer_envs.voxel_swarm.env import VoxelSwarm
from puffer_envs.voxel_swarm.game import GAME
from puffer_envs.voxel_swarm.scent.straight import UNIT
from puffer_envs.voxel_swarm.state import BORDER, FILLED, UNREACHABLE, voxels_of
from tests.reference import voxel_swarm as slow


def cells(numbers: np.ndarray, size: int) -> set:
    return set(map(tuple, voxels_of(np.asarray(numbers), size).tolist()))


def twin_of(env: VoxelSwarm, index: int) -> slow.Swarm:
    """The slow twin in the same world."""
    state, config = env.state, env.config
    agents = [
        (tuple(voxel), bool(carrying))
        for voxel, carrying in zip(
            voxels_of(state.cells[index], config.grid_size).tolist(), state.carrying[index], strict=True
        )
    ]
    return slow.Swarm(
        config.grid_size,
        cells(np.flatnonzero(state.targets[index]), config.grid_size),
        agents,
        cells(np.flatnonzero(state.blocks[index] == FILLED), config.grid_size),
        config.metric,
        config.all_targets,
        config.collisions,
    )


def field_of(env: VoxelSwarm, index: int) -> dict:
    """The fast field as the twin has it."""
    size, unit = env.config.grid_size, 1 if env.config.metric == "walk" else UNIT
    values = env.state.field[index]
    inside = np.flatnonzero(values != BORDER)
    assert len(inside) == size**3
    keys = map(tuple, voxels_of(inside, size).tolist())
    found = zip(keys, values[inside].tolist(), strict=True)
    return {cell: None if value == UNREACHABLE else value / unit for cell, value in found}


def likely(rng: np.random.Generator, twin: slow.Swarm, kind: str) -> list[int]:
    """Actions of all agents: at random, or mostly those of a builder."""
    drawn = rng.integers(0, 8, len(twin.agents)).tolist()
    if kind == "random":
        return drawn
    built = slow.scripted_builder(twin)
    return [other if rng.random() < 0.3 else action for other, action in zip(drawn, built, strict=True)]


@pytest.mark.parametrize("metric", ["walk", "euclidean"])
@pytest.mark.parametrize(("size", "agents", "steps"), [(4, 3, 80), (5, 20, 60), (8, 10, 40)])
@pytest.mark.parametrize("kind", ["random", "builder"])
@pytest.mark.parametrize("options", [{}, {"all_targets": True}, {"collisions": True}], ids=["plain", "all", "solid"])
def test_games_agree_with_the_slow_twin(metric, size, agents, steps, kind, options) -> None:
    config = Config(
        grid_size=size, num_agents=agents, metric=metric, split="all", curriculum=False, max_steps=10_000, **options
    )
    env = VoxelSwarm(config, 2, seed=size + agents)
    env.reset()
    rng = np.random.default_rng(agents)
    twins = [twin_of(env, index) for index in range(2)]
    shared = [0, 0]
    for _ in range(steps):
        actions = [likely(rng, twin, kind) for twin in twins]
        env.step(np.array(actions, np.int32).reshape(-1))
        for index, twin in enumerate(twins):
            rows = slice(index * agents, (index + 1) * agents)
            terms = twin.step(actions[index])
            weights = list(env.spec.reward_weights.values())
            wanted = [[term[name] * w for name, w in zip(slow.TERMS, weights, strict=False)] for term in terms]
            np.testing.assert_allclose(env.reward_terms[rows, : len(slow.TERMS)], wanted, atol=1e-6)
            assert env.terminals[rows].all() == twin.terminal
            shared[index] = 0 if twin.terminal else shared[index] + twin.shared
            assert env.state.crowded[index] == shared[index]
            if twin.terminal:
                assert env.final_observations[rows, :83].tolist() == twin.observations()
                twins[index] = twin_of(env, index)
                continue
            assert twin_of(env, index).filled == twin.filled
            assert twin_of(env, index).agents == twin.agents
            if metric == "walk":
                assert field_of(env, index) == twin.distances()
            assert env.observations[rows, :83].tolist() == twin.observations()


def test_the_names_of_the_terms_agree() -> None:
    assert rewards.TERMS[: len(slow.TERMS)] == slow.TERMS


def test_no_episode_begins_where_it_ends() -> None:
    """Milestones carry their worlds where someone wants them, but for a shape that is whole."""
    env = VoxelSwarm(Config(grid_size=5, num_agents=4, max_steps=10_000), 1, seed=1)
    env.want_states(np.ones(len(env.spec.milestones), np.bool_))
    env.reset()
    rng, events = np.random.default_rng(0), []
    while not env.terminals.any():
        env.step(np.array(likely(rng, twin_of(env, 0), "builder"), np.int32))
        events += env.poll_events()
    assert env.spec.milestones[events[-1].milestone].name == "finished"
    assert [event.state is None for event in events] == [event.step == events[-1].step for event in events]
    env.load_state(0, events[0].state)
    assert env.held_at_start[0, events[0].milestone]


@pytest.mark.parametrize("action", [-1, 8, 1_000_000])
def test_what_is_no_action_does_nothing(action) -> None:
    env = VoxelSwarm(Config(grid_size=5, num_agents=4), 1, seed=1)
    env.reset()
    before = env.write_world(0)
    env.step(np.full(4, action, np.int32))
    assert env.write_world(0) == before


def test_each_agent_of_a_crowd_ends_its_episode() -> None:
    # With 10,240 agents at 256^3 an evaluation waited without end for the 240 episodes that had been dropped.
    env = VoxelSwarm(Config(num_agents=MAX_PENDING + 1), 1)
    env.reset(0)
    env.keep_episodes(True)
    env.request_reset(np.ones(1, np.bool_))
    env.step(np.zeros(env.num_agents, np.int32))
    assert [episode.row for episode in env.poll_episodes()] == list(range(env.num_agents))


def test_what_is_held_out_is_tested_unless_shapes_are_chosen() -> None:
    assert [test["split"] for test in GAME.evaluation_sets(Config(), {"grid_size"}).values()] == ["sizes", "families"]
    for config, given in ((Config(shapes="mine.jsonl"), ()), (Config(), {"family"}), (Config(), {"split"})):
        assert GAME.evaluation_sets(config, given) == {"": {"curriculum": False}}
