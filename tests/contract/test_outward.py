"""What Gymnasium and PettingZoo may send beside the contract's own actions, and how games of two look from there."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from puffer_envs.adapters.outward import AgentsEnv, BatchEnv, SingleEnv, parallel_env
from puffer_envs.contract.batched import BatchedEnv
from tests.action_probes import ALL_PROBES

FIGHTER = "platform_fighter"
KEYS = 10


def probe(name: str, num_envs: int = 1) -> BatchedEnv:
    env = ALL_PROBES[name].make(ALL_PROBES[name].config, num_envs)
    env.reset(seed=0)
    return env


def fight(**settings: Any) -> AgentsEnv:
    env = parallel_env(FIGHTER, **settings)
    env.reset(seed=0)
    return env


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(np.array_equal(first[agent], second[agent]) for agent in first | second)


# -- keys as floats ----------------------------------------------------------------------------------------------------
def test_a_single_key_is_down_above_one_half() -> None:
    """The corridor of keys wants 1, 0, 1: what is exactly one half is up."""
    half, above = 0.5, np.nextafter(np.float32(0.5), np.float32(1))
    for keys, cell in (((1.0, 0.0, 1.0), 1), ((above, half, above), 1), ((half, 0.0, 1.0), 0), ((1.0, above, 1.0), 0)):
        for dtype in (np.float32, np.float64):
            env = SingleEnv(probe("keys_corridor"))
            seen, *_ = env.step(np.array(keys, dtype))
            assert seen.tolist().index(1) == cell
    env = SingleEnv(probe("keys_corridor"))
    assert env.step([0.9, 0.1, 0.8])[0].tolist() == [0, 1, 0]


def test_a_batch_of_floats_presses_what_their_bits_would() -> None:
    by_floats, by_bits = BatchEnv(probe("keys_corridor", 40)), BatchEnv(probe("keys_corridor", 40))
    random, moved = np.random.default_rng(0), 0
    for _ in range(30):
        floats = random.random((40, 3), np.float32)
        seen, wanted = by_floats.step(floats), by_bits.step((floats > 0.5).astype(np.int8))
        for one, other in zip(seen[:4], wanted[:4], strict=True):
            np.testing.assert_array_equal(one, other)
        moved += int(seen[0][:, 1].sum())
    assert moved > 0


def test_fighters_take_the_originals_floats() -> None:
    by_floats, by_bits, idle, random = fight(), fight(), fight(), np.random.default_rng(0)
    for _ in range(60):
        floats = {agent: random.random(KEYS, np.float32) for agent in by_floats.agents}
        seen, rewards, *_ = by_floats.step(floats)
        wanted, terms, *_ = by_bits.step({agent: (keys > 0.5).astype(np.int8) for agent, keys in floats.items()})
        unmoved, *_ = idle.step(dict.fromkeys(idle.agents, np.full(KEYS, 0.5)))
        assert same(seen, wanted)
        assert rewards == terms
    assert not same(seen, unmoved)


def test_one_fighter_may_send_floats_and_the_other_bits() -> None:
    mixed, by_bits, random = fight(), fight(), np.random.default_rng(0)
    for _ in range(40):
        first, second = random.random(KEYS), random.integers(0, 2, KEYS, np.int8)
        seen, *_ = mixed.step({"agent_0": first, "agent_1": second})
        wanted, *_ = by_bits.step({"agent_0": first > 0.5, "agent_1": second})
        assert same(seen, wanted)


@pytest.mark.parametrize("number", [np.nan, -0.01, 1.01, np.inf])
def test_floats_that_are_no_keys_are_refused(number: float) -> None:
    keys = np.full((1, 3), 0.2)
    keys[0, 1] = number
    env = probe("keys_corridor")
    for step in (lambda: SingleEnv(env).step(keys[0]), lambda: BatchEnv(env).step(keys)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            step()
    fighters = fight()
    for agent in fighters.agents:
        actions = dict.fromkeys(fighters.agents, np.zeros(KEYS)) | {agent: np.full(KEYS, number)}
        with pytest.raises(ValueError, match="between 0 and 1"):
            fighters.step(actions)
    assert not env.episode_step.any()  # nobody has been stepped


def test_the_contracts_own_door_takes_no_floats_for_keys() -> None:
    env = probe("keys_corridor")
    with pytest.raises(ValueError, match="integers"):
        env.step(np.ones((1, 3), np.float32))
    with pytest.raises(ValueError, match="shape"):
        SingleEnv(env).step(np.ones(4, np.float32))


@pytest.mark.parametrize(("name", "action"), [("identity", 1.0), ("parts_corridor", [1.0, 1.0])])
def test_choices_that_are_no_keys_stay_integers(name: str, action: Any) -> None:
    with pytest.raises(ValueError, match="integers"):
        SingleEnv(probe(name)).step(action)
    with pytest.raises(ValueError, match="integers"):
        BatchEnv(probe(name)).step(np.array([action]))


def test_numbers_of_a_box_are_no_keys() -> None:
    by_single, plain = SingleEnv(probe("target")), probe("target")
    reward = by_single.step(np.array([0.7], np.float32))[1]
    plain.step(np.array([[0.7]], np.float32))
    assert reward == plain.rewards[0]


# -- a game of two -----------------------------------------------------------------------------------------------------
def test_a_game_of_two_is_pettingzoos_also_against_a_script() -> None:
    """Both fighters are agents whoever plays them; what is sent for a script's is ignored."""
    env, other, random = fight(opponent="based"), fight(opponent="based"), np.random.default_rng(0)
    assert env.agents == ["agent_0", "agent_1"]
    assert env.env.active.tolist() == [True, False]
    x = []
    for _ in range(60):
        first, second = random.random(KEYS), random.random(KEYS)
        seen, *_ = env.step({"agent_0": first, "agent_1": second})
        wanted, *_ = other.step({"agent_0": first, "agent_1": np.zeros(KEYS)})
        assert same(seen, wanted)
        x.append(seen["agent_1"][0])
    assert max(x) - min(x) > 1  # the script walks


def test_a_game_of_two_is_no_environment_of_gymnasium() -> None:
    for make in (gymnasium.make, gymnasium.make_vec):
        with pytest.raises(ValueError, match="has 2 agents: use parallel_env"):
            make("puffer_envs/PlatformFighter-v0", opponent="based")
