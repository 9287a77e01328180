"""What Q-learning stores of a scripted game and makes of it, against networks that are asked of one row at a time."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from policies.protocol import QNetwork
from tests.training.scripted import Script
from tests.training.test_learning import NO_BONUS, Forgetful, TinyPolicy, collect, make_learner
from training.common.intrinsic import IntrinsicConfig
from training.off_policy.config import DQNConfig
from training.off_policy.dqn import DQN
from training.off_policy.replay import SequenceBatch
from training.off_policy.runner import OffPolicy

PAIRS, STEPS = 3, 12
NO_THETA = np.zeros(0)
SETTINGS = DQNConfig(gamma=0.9, sequence=4, burn_in=3, n_step=2, batch_size=32, learning_starts=0, max_grad_norm=1e9)
COURSE = {
    "truncated": [(3, 0), (8, 0), (7, 3)],
    "terminal": [(3, 1)],
    "lost": [(3, 2)],
    "back": [(5, 2)],
    "retired": [(4, 3)],  # until its game ends with step 7
}
# What each stream holds: clocks of observations; + follows a truncation and is final, . follows nothing.
STORED = [
    *("0 1 2 +3 3 4 5 6 7 +8 8 9 10 11", "0 1 2. 3 4 5 6 7 8 9 10 11", "0 1 +2 5 6 7 8 9 10 11"),
    *("0 1 2 3. 7 8 9 10 11", "0 1 2 3 4 5 6 7 8 9 10 11", "0 1 2 3 4 5 6 7 8 9 10 11"),
]
BEGINS = [{0, 3, 8}, {0, 3}, {0, 5}, {0, 7}, {0}, {0}]  # clocks whose records begin an episode


def scripted(settings: DQNConfig = SETTINGS, network: type[QNetwork] = TinyPolicy, **course) -> OffPolicy:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    env = Script(PAIRS, agents_per_env=2, **course)
    dqn = DQN(network(env.spec.layout, env.spec.action), settings, "cpu")
    return OffPolicy(settings, NO_BONUS, env, dqn, Path("unused"), seed=0, sampling=0, test_epsilon=0.0)


def observed(clock: int, row: int, final: bool = False) -> list[int]:
    """Of the script, drawn once more."""
    env = Script(PAIRS, agents_per_env=2)
    env.clock = clock
    env._draw()
    return (env.final_observations if final else env.observations)[row].tolist()


@torch.no_grad()
def memory(network: QNetwork, rows: Tensor) -> Tensor:
    """The state after these rows of one episode [T, R], asked step by step."""
    state = torch.zeros(1, network.state_size)
    for row in rows[:, None]:
        _, state = network.step(network.encode(row, row), state, torch.zeros(1, dtype=torch.bool))
    return state[0]


def test_each_record_holds_the_state_before_it_and_none_is_of_an_inactive_row():
    learner = scripted(replace(SETTINGS, sequence=1), **COURSE)  # a state with every record
    collect(learner, STEPS)
    replay, env = learner.replay, learner.env
    for row, (told, begins) in enumerate(zip(STORED, BEGINS, strict=True)):
        records, since = told.split(), 0
        assert replay.count[row] == len(records)
        for k, record in enumerate(records):
            clock, final = int(record.strip("+.")), record.startswith("+")
            lost = (row, final, clock) == (2, True, 2)  # closed where it was last seen
            assert replay.rows[row, k].tolist() == observed(clock, row, final and not lost)
            assert replay.truncated[row, k] == final
            assert replay.terminal[row, k] == record.endswith(".")
            first = clock in begins and not final
            assert replay.episode_start[row, k] == first
            since = k if first else since
            if not first:
                wanted = memory(learner.algorithm.acting, replay.rows[row, since:k])
                torch.testing.assert_close(replay.states[row, k], wanted)
            if not final:
                assert replay.actions[row, k] == int(env.acted[clock][row])


def test_an_inactive_row_plays_on_with_its_memory():
    learner = scripted(**COURSE)
    collect(learner, 6)  # it retired with the fourth
    acting = learner.acting
    for row, since in ((3, 0), (4, 0), (0, 3)):
        seen = torch.tensor([observed(clock, row) for clock in range(since, 6)], dtype=torch.uint8)
        torch.testing.assert_close(acting.state[row], memory(learner.algorithm.acting, seen))
    assert acting.episode_start.tolist() == [False] * learner.env.num_agents


# -- the update --------------------------------------------------------------------------------------------------------
def disturbed(learner: OffPolicy) -> DQN:
    """Its networks, each with weights of its own."""
    dqn = learner.algorithm
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in dqn.target.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return dqn


def values_of(network: QNetwork, batch: SequenceBatch, column: int, burn_in: int) -> Tensor:
    """Of each record of one sequence, float32 [L, A], asked step by step; no gradient flows into the burn-in."""
    values, state = [], batch.state[[column]]
    for k, row in enumerate(batch.rows[:, [column]]):
        with torch.set_grad_enabled(k >= burn_in):
            q, state = network.step(network.encode(row, row), state, batch.episode_start[k, [column]])
        values.append(q[0])
    return torch.stack(values)


def loss_by_hand(dqn: DQN, batch: SequenceBatch, settings: DQNConfig) -> tuple[Tensor, float]:
    """Loss and mean target by plain loops: the online network chooses, the target network judges."""
    losses, targets = [], []
    for column in range(batch.rewards.shape[1]):
        online = values_of(dqn.policy, batch, column, settings.burn_in)
        with torch.no_grad():
            judged = values_of(dqn.target, batch, column, settings.burn_in)
        for k in range(settings.burn_in, settings.burn_in + settings.sequence):
            total, weight, at = 0.0, 1.0, k
            while at < k + settings.n_step and not batch.truncated[at, column]:
                total, weight = total + weight * batch.rewards[at, column].item(), weight * settings.gamma
                if batch.terminal[at, column]:
                    weight = 0.0
                    break
                at += 1
            total += weight * judged[at, online[at].argmax()].item()
            action = int(batch.actions[k, column])
            total -= settings.advantage_learning * (judged[k].max() - judged[k, action]).item()
            targets.append(total)
            if not batch.truncated[k, column]:
                losses.append(nn.functional.smooth_l1_loss(online[k, action], torch.tensor(total)))
    return torch.stack(losses).mean(), float(np.mean(targets))


def test_an_update_is_what_one_row_at_a_time_comes_to():
    learner = scripted(**COURSE)
    collect(learner, 60)
    dqn = disturbed(learner)
    batch = learner.replay.sample(40, np.random.default_rng(0))
    burn = SETTINGS.burn_in
    assert batch.truncated[burn:-2].any()
    assert batch.terminal[burn:-2].any()
    before = deepcopy(dqn)
    loss, target = loss_by_hand(before, batch, SETTINGS)
    loss.backward()
    figures, features = dqn.update(batch)
    assert figures["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert figures["target_mean"] == pytest.approx(target, rel=1e-4)
    for ours, theirs in zip(dqn.policy.parameters(), before.policy.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)
    trained = batch.rows[burn : burn + SETTINGS.sequence].flatten(0, 1)
    torch.testing.assert_close(features, before.target.encode(trained, trained).detach())


def test_gradients_are_clipped_to_their_norm():
    learner = scripted(replace(SETTINGS, max_grad_norm=1e-3), **COURSE)
    collect(learner, 30)
    figures, _ = learner.algorithm.update(learner.replay.sample(8, np.random.default_rng(0)))
    left = torch.cat([parameter.grad.flatten() for parameter in learner.algorithm.policy.parameters()]).norm().item()
    assert figures["grad_norm"] > 1e-2
    assert left == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("sync", [0, 2])
def test_which_weights_judge_and_which_act(sync):
    """A target that follows acts, too; where it is a copy each so many updates, the online network acts."""
    learner = scripted(replace(SETTINGS, tau=0.25, target_sync=sync), **COURSE)
    collect(learner, 30)
    dqn = disturbed(learner)
    for update in (1, 2, 3):
        before = [parameter.clone() for parameter in dqn.target.parameters()]
        dqn.update(learner.replay.sample(8, np.random.default_rng(update)))
        dqn.publish()
        acts = dqn.policy if sync else dqn.target
        parts = zip(before, *(each.parameters() for each in (dqn.policy, dqn.target, acts, dqn.acting)), strict=True)
        for old, online, judges, chosen, acting in parts:
            follows = (online if update == 2 else old) if sync else 0.75 * old + 0.25 * online
            torch.testing.assert_close(judges, follows)
            assert torch.equal(acting, chosen)


# -- how much is learned -----------------------------------------------------------------------------------------------
def test_the_replay_ratio_holds_from_learning_starts_on():
    settings = replace(SETTINGS, replay_ratio=2.0, learning_starts=64, batch_size=16)
    learner = scripted(settings, Forgetful)
    for _ in range(30):
        learner.begin()
        list(learner.learn())
        due = settings.replay_ratio * max(0, learner.ledger.global_step - settings.learning_starts)
        assert due <= learner.trained < due + settings.batch_size
        learner.finish(NO_THETA)
    learner.close()
    assert learner.trained > 200


@pytest.mark.parametrize("bonus", [NO_BONUS, IntrinsicConfig(rnd=1.0, novel=0.5)])
def test_a_run_that_is_resumed_learns_on_exactly(bonus):
    """In the middle of a step's credit: as many updates, of the same batches, and the same decisions after them."""
    settings = replace(SETTINGS, replay_ratio=0.3, learning_starts=20, batch_size=64)
    ours, theirs = (make_learner("dice", settings, seed, bonus=bonus) for seed in (0, 7))

    def step(learner: OffPolicy) -> tuple[list, list]:
        learner.begin()
        told = list(learner.learn())
        return told, learner.finish(np.full(2, 0.5)).total.tolist()

    while not 0 < ours.credit < 20 or ours.updates.started < 3:
        step(ours)
    parts = deepcopy(ours.state_dict())
    for name, tensor in vars(theirs.replay).items():  # its segments are files, of which others tell
        if isinstance(tensor, Tensor):
            tensor.copy_(getattr(ours.replay, name))
    theirs.load_state_dict(parts, {})
    for env in range(ours.env.num_envs):
        theirs.env.restore(env, ours.env.snapshot(env))
    told = [(step(ours), step(theirs)) for _ in range(60)]
    assert [one for one, _ in told] == [other for _, other in told]
    figures = [figures for (updates, _), _ in told for figures in updates]
    assert len(figures) > 3
    assert all(("rnd_loss" in each) == (bonus.rnd > 0) for each in figures)
    np.testing.assert_array_equal(ours.choice.actions, theirs.choice.actions)
    for learner in (ours, theirs):
        learner.close()


def test_the_network_that_acts_is_resumed_as_it_was():
    ours, theirs = (scripted(**COURSE) for _ in range(2))
    dqn = disturbed(ours)  # not published yet
    theirs.algorithm.load_state_dict(deepcopy(dqn.state_dict()))
    with torch.no_grad():
        for parameter in dqn.acting.parameters():
            parameter.mul_(2)
    theirs.algorithm.load_state_dict(deepcopy(dqn.state_dict()))
    for name in ("policy", "target", "acting"):
        pairs = zip(*(getattr(each, name).parameters() for each in (dqn, theirs.algorithm)), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)
