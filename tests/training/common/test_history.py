"""A policy that asks for a history is given the same rows while it acts and while it learns."""

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from policies.actions import Categorical
from policies.blocks import unpack
from policies.protocol import ActorCritic
from tests.probes import PROBES
from training.on_policy.config import PPOConfig
from training.on_policy.runner import ActorCriticPlayer, OnPolicy

HISTORY, STEPS, ENVS = 3, 8, 5
CPU = torch.device("cpu")
NO_THETA = np.zeros(0)


class Stacking(ActorCritic):
    """One layer over all rows of a history; it keeps what it was given."""

    state_size, history = 0, HISTORY

    def __init__(self, layout, action):
        super().__init__()
        self.layout = layout
        self.layer = nn.Linear(HISTORY * sum(int(np.prod(field.shape)) for field in layout), action.num_inputs + 1)
        self.given: list[Tensor] = []

    def step(self, rows, state, episode_start):
        self.given.append(rows.clone())
        x = torch.cat([unpack(rows, field).flatten(1) for field in self.layout], -1)
        out = self.layer(x)
        return Categorical(out[:, :-1]), out[:, -1], state


def parts(probe, num_steps=STEPS):
    torch.manual_seed(0)
    make, config, _, _ = PROBES[probe]
    env = make(config, ENVS, seed=0)
    env.reset(0)
    policy = Stacking(env.spec.layout, env.spec.action)
    return env, policy, OnPolicy(PPOConfig(num_steps=num_steps), 1, env, policy, 0, 0, CPU)


def stacks(rows, first):
    """Of each step and row the last HISTORY rows of its episode, the first one repeated; plain loops."""
    out = np.zeros((*first.shape, HISTORY, rows.shape[-1]), rows.dtype)
    for t, n in np.ndindex(first.shape):
        begin = max(i for i in range(t + 1) if first[i, n])
        for k in range(HISTORY):
            out[t, n, k] = rows[max(begin, t - (HISTORY - 1 - k)), n]
    return out


def test_it_learns_from_what_it_acted_on():
    _, policy, learner = parts("truncated_walk")
    rows, firsts = [], []
    for segment in range(4):
        policy.given.clear()
        acted = []
        if segment:  # the decision after the segment before is the first of this one
            acted.append(learner.decision.seen)
            learner.finish(NO_THETA)
        while True:
            learner.begin()
            if learner.full:
                break
            acted.append(learner.decision.seen)
            learner.finish(NO_THETA)
        rows += [seen.rows.numpy() for seen in acted]
        firsts += [seen.episode_start.numpy() for seen in acted]
        wanted = stacks(np.stack(rows), np.stack(firsts))[-STEPS:]
        given = torch.stack([seen.given for seen in acted])
        np.testing.assert_array_equal(given, wanted)
        index = torch.randperm(STEPS * ENVS)
        np.testing.assert_array_equal(learner.rollout.given(index), given.flatten(0, 1)[index])
    assert np.stack(firsts)[1:].any()  # episodes begin within segments


def test_the_value_after_a_truncation_is_of_the_history_that_ends_there():
    env, policy, learner = parts("truncated_walk")
    while not env.truncations.any():
        policy.given.clear()
        learner.begin()
        learner.finish(NO_THETA)
    cut = np.flatnonzero(env.truncations)
    given, final = policy.given[-1], torch.from_numpy(env.final_observations[cut])
    torch.testing.assert_close(given[:, -1], final)
    torch.testing.assert_close(given[:, :-1], learner.decision.seen.given[torch.from_numpy(cut), 1:])


def test_a_player_is_given_histories_too():
    env, policy, _ = parts("truncated_walk")
    player, seen, first = ActorCriticPlayer(env, policy, True, 0, CPU), [], []
    for _ in range(12):
        seen.append(env.observations.copy())
        first.append(player.acting.episode_start.copy())
        player.advance()
    assert np.stack(first)[1:].any()
    np.testing.assert_array_equal(torch.stack(policy.given), stacks(np.stack(seen), np.stack(first)))


def test_a_resumed_learner_goes_on_with_its_histories():
    (env, policy, ours), (other_env, other, theirs) = parts("truncated_walk"), parts("truncated_walk")
    for _ in range(STEPS + 3):
        ours.begin()
        ours.finish(NO_THETA)
    other.load_state_dict(policy.state_dict())
    saved = ours.state_dict()
    seen = saved["collector"]["rollout"]["seen"]
    assert len(seen) == HISTORY - 1 + 3  # no more than the segment has
    assert seen.untyped_storage().nbytes() == seen.nbytes  # nor is more of it written
    theirs.load_state_dict(deepcopy(saved), {})
    for i in range(ENVS):
        other_env.restore(i, env.snapshot(i))
    for _ in range(STEPS):
        ours.begin()
        theirs.begin()
        torch.testing.assert_close(theirs.decision.seen.given, ours.decision.seen.given)
        ours.finish(NO_THETA)
        theirs.finish(NO_THETA)
        if ours.t == STEPS:  # of which three were saved
            for learner in (ours, theirs):
                learner.rollout.look_ahead(torch.zeros(ENVS))
            for name, tensor in ours.rollout.state_dict().items():
                torch.testing.assert_close(theirs.rollout.state_dict()[name], tensor)
