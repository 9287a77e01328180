"""The books of the rows against what the games themselves add up."""

import numpy as np
import pytest

from tests.probes import PROBES
from training.common.ledger import Ledger


@pytest.mark.parametrize("probe", ["dice", "pair"])
def test_every_episode_has_the_return_and_the_length_of_its_own(probe):
    make, config, _, _ = PROBES[probe]
    env = make(config, 8)
    env.reset(0)
    ledger, random, finished = Ledger(env, {"env": 1.0}), np.random.default_rng(0), []
    agents = env.spec.agents_per_env
    started, earned = np.zeros(env.num_envs, np.int64), np.zeros((env.num_envs, agents))
    for step in range(1, 121):
        env.step(random.integers(0, env.spec.action.num_inputs, env.num_agents))
        earned += env.rewards.reshape(earned.shape)
        for each in ledger.enter(env.rewards[:, None].copy(), env.poll_events()).episodes:
            game = each.episode.row // agents
            assert (each.start_step, each.end_step) == (started[game], step * env.num_agents)
            assert each.total == pytest.approx(earned[game].mean(), rel=1e-5)
            started[game], earned[game] = step * env.num_agents, 0.0
            finished.append(each)
    assert len(finished) > 3 * env.num_envs
    assert len({each.episode_id for each in finished}) == len(finished)
