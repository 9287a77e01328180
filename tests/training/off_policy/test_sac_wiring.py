"""What soft actor-critic stores of a scripted game, when it acts with what, how much it learns, and that it resumes."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from policies.generic import GenericSoft, PolicyConfig
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout
from tests.training.off_policy.test_sac import HIGH, LOW, Plain
from tests.training.off_policy.test_wiring import COURSE, PAIRS, STEPS, STORED, observed
from tests.training.scripted import Script
from tests.training.test_learning import collect
from training.off_policy.config import SACConfig
from training.off_policy.runner import OffPolicy
from training.off_policy.sac import SAC, SoftPlayer
from training.store import checkpoint

NO_THETA = np.zeros(0)
SETTINGS = SACConfig(
    gamma=0.5, batch_size=16, replay_ratio=2.0, replay_size=1, learning_starts=30, learning_rate=0.01, tau=0.25
)


class Numbers(Script):
    """Its actions are two numbers between bounds that are not alike."""

    def __init__(self, shape: tuple[int, ...] = (2,), **course) -> None:
        super().__init__(PAIRS, agents_per_env=2, **course)
        self.spec = replace(self.spec, action_space=spaces.Box(LOW.reshape(shape), HIGH.reshape(shape)))


class Small(GenericSoft):
    """The generic network, narrow."""

    def __init__(self, layout: ObsLayout, action: ActionSpec) -> None:
        super().__init__(layout, action, PolicyConfig(hidden=8))


def scripted(
    settings: SACConfig = SETTINGS,
    network: type = Small,
    shape: tuple[int, ...] = (2,),
    seed: int = 0,
    folder: Path = Path("unused"),
    **course,
) -> OffPolicy:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    env = Numbers(shape, **course)
    sac = SAC(network(env.spec.layout, env.spec.action), settings, env.spec.action, seed, "cpu")
    return OffPolicy(settings, None, env, sac, folder, seed=seed, sampling=seed, test_epsilon=0.0)


def step(learner: OffPolicy) -> tuple[list[dict[str, float]], list[float]]:
    """A decision with its learning: the figures of the updates, and what was paid."""
    learner.begin()
    told = list(learner.learn())
    return told, learner.finish(NO_THETA).total.tolist()


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def done(learner: OffPolicy) -> np.ndarray:
    """Each number of all actions as a share of its range, float64 [decisions, 2]."""
    acted = np.stack(learner.env.acted).reshape(-1, 2).astype(np.float64)
    return (acted - LOW) / (HIGH - LOW)


# -- what is stored ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(2,), (1, 2)])
def test_what_is_stored_is_what_was_done(shape):
    learner = scripted(shape=shape, **COURSE)  # five steps of anything, then the actor's
    collect(learner, STEPS)
    replay, acted = learner.replay, learner.env.acted
    assert acted[0].shape == (2 * PAIRS, *shape)
    assert len({number for each in acted for number in each.reshape(-1, 2)[:, 0].tolist()}) == STEPS * 2 * PAIRS
    for row, told in enumerate(STORED):
        for k, record in enumerate(told.split()):
            clock, final = int(record.strip("+.")), record.startswith("+")
            assert replay.truncated[row, k] == final
            assert replay.actions[row, k].tolist() == ([0, 0] if final else acted[clock][row].ravel().tolist())


def test_what_follows_a_cut_is_its_final_observation_and_what_follows_an_end_is_nothing():
    settings = replace(SETTINGS, alpha=1e-9, learning_rate=1e-12, critic_learning_rate=1e-12, tau=0.0)
    learner = scripted(settings, Plain, **COURSE)
    collect(learner, STEPS)
    with torch.no_grad():
        learner.algorithm.target.more += 10  # the lower of 13 and 10
    script, kinds = Script(PAIRS, agents_per_env=2), []
    for row, told in enumerate(STORED):
        stream = told.split()
        for k, (record, following) in enumerate(pairwise(stream)):
            if record.startswith("+"):
                continue
            script.clock = int(record.strip(".")) + 1  # that it leads to
            script._draw()
            wanted = float(script.rewards[row])
            if not record.endswith("."):
                clock, final = int(following.strip("+.")), following.startswith("+")
                lost = (row, final, clock) == (2, True, 2)  # its worker's end: where it was last seen
                wanted += 0.5 * (observed(clock, row, final and not lost)[0] + 10)
            figures, _ = learner.algorithm.update(learner.replay.gather(np.array([row]), np.array([k])))
            assert figures["target_mean"] == pytest.approx(wanted, rel=1e-5)
            kinds.append(record[-1] == "." or following[0])
    assert kinds.count(True) == 2
    assert kinds.count("+") == 3


# -- what acts ---------------------------------------------------------------------------------------------------------
def test_before_the_learning_anything_is_done_alike():
    learner, again, other = (scripted(replace(SETTINGS, learning_starts=10**6), seed=seed) for seed in (0, 0, 1))
    for each in (learner, again, other):
        collect(each, 400)
    shares = done(learner)
    assert shares.min() >= 0
    assert shares.max() <= 1
    for number in shares.T:  # 240 in each tenth, with a standard deviation of 15
        assert np.abs(np.histogram(number, 10, (0, 1))[0] - 240).max() < 60
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.1
    assert (shares == done(again)).all()
    assert (shares != done(other)).all()
    assert not learner.updates.started


def test_then_the_actor_draws_with_the_weights_that_were_taken_on():
    learner = scripted()
    sac, behaviour, env = learner.algorithm, learner.behaviour, learner.env
    apart = 0
    for decision in range(40):
        generator = torch.Generator()
        generator.set_state(behaviour.generator.get_state())
        random = behaviour.rng.bit_generator.state
        if learner.updates._running is not None:
            learner.updates._running.result()
            apart += not same(sac.acting, sac.policy)
        with torch.no_grad():
            seen = sac.acting.encode(torch.from_numpy(env.observations))
            wanted = sac.acting.act(seen).sample(generator).numpy()
        step(learner)
        assert (env.acted[-1] == wanted).all() == (decision >= 5)  # 5 x 6 rows are the first 30
        assert (behaviour.rng.bit_generator.state == random) == (decision >= 5)
    learner.close()
    assert apart > 30
    shares = done(learner)[30:]
    assert ((shares >= 0) & (shares <= 1)).all()


def test_what_was_learned_acts_from_its_taking_on():
    learner = scripted()
    collect(learner, 20)
    sac = learner.algorithm
    before = [parameter.clone() for parameter in sac.acting.parameters()]
    learner.updates.start(learner.replay.sample(16, np.random.default_rng(0)))
    learner.updates._running.result()
    assert not same(sac.acting, sac.policy)
    assert all(torch.equal(*pair) for pair in zip(sac.acting.parameters(), before, strict=True))
    assert learner.updates.take().keys() >= {"loss", "actor_loss", "alpha", "entropy"}
    assert same(sac.acting, sac.policy)
    assert not same(sac.acting, sac.target)
    learner.close()


def test_a_player_draws_or_takes_the_middle():
    learner = scripted(shape=(1, 2))
    sac = learner.algorithm
    with torch.no_grad():
        sac.acting.actor.bias += 0.5
        seen = sac.acting.encode(torch.from_numpy(Numbers().observations))
        mean = sac.acting.actor(sac.acting.trunk(seen))[:, :2]
    draws = []
    for player in (
        *(sac.player(Numbers((1, 2)), seed, 0.5) for seed in (0, 0, 1)),
        SoftPlayer(Numbers((1, 2)), sac.acting, True, 0, "cpu"),
    ):
        player.advance()
        draws.append(player.env.acted[0][:, 0])
    middle = LOW + (HIGH - LOW) * (1 + np.tanh(mean.numpy())) / 2
    np.testing.assert_allclose(draws[3], middle, rtol=1e-5)
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).all()
    assert (draws[0] != draws[3]).all()


# -- how much is learned, and that it goes on --------------------------------------------------------------------------
@pytest.mark.parametrize("ratio", [0.5, 8.0])
def test_the_replay_ratio_holds_from_learning_starts_on(ratio):
    settings = replace(SETTINGS, replay_ratio=ratio)
    learner = scripted(settings)
    for _ in range(40):
        learner.begin()
        list(learner.learn())
        due = ratio * max(0, learner.ledger.global_step - settings.learning_starts)
        assert due <= learner.trained < due + settings.batch_size
        learner.finish(NO_THETA)
    learner.close()
    assert learner.trained == pytest.approx(ratio * (39 * 6 - 30), abs=16)


@pytest.mark.parametrize(("steps", "starts"), [(4, 30), (300, 1200)])
def test_a_run_that_is_resumed_goes_on_bit_for_bit(steps, starts, tmp_path):
    """Before the learning begins, and with a segment on the disk and an update that nobody has taken."""
    settings = replace(SETTINGS, replay_ratio=4.0, learning_starts=starts)
    ours, theirs = (scripted(settings, seed=seed, folder=tmp_path / str(seed), **COURSE) for seed in (0, 7))
    for _ in range(steps):
        step(ours)
    files = ours.files()
    assert len(files) == (steps > 256)
    path = checkpoint.save(tmp_path / "saved", ours.ledger.global_step, ours.state_dict(), link_files=files)
    loaded = checkpoint.load(path, "cpu")
    assert (loaded.parts["learner"]["untaken"] is not None) == (steps > 256)
    theirs.load_state_dict(loaded.parts, loaded.files)
    theirs.env.clock = ours.env.clock
    theirs.env._draw()
    theirs.env.active[:] = ours.env.active
    told = [(step(ours), step(theirs)) for _ in range(20)]
    assert [one for one, _ in told] == [other for _, other in told]
    assert sum(len(figures) for (figures, _), _ in told) > 19
    np.testing.assert_array_equal(ours.env.acted[steps:], theirs.env.acted)
    for learner in (ours, theirs):
        learner.updates.take()
        learner.close()
    for name in ("policy", "target", "acting"):
        assert same(getattr(ours.algorithm, name), getattr(theirs.algorithm, name))
    assert torch.equal(ours.algorithm.log_alpha, theirs.algorithm.log_alpha)
    assert ours.algorithm.log_alpha != 0
    assert ours.algorithm.updates == theirs.algorithm.updates == ours.updates.started


def test_a_resumed_learner_learns_at_the_rates_that_it_is_given():
    slow, fast = (
        scripted(replace(SETTINGS, learning_rate=rate, critic_learning_rate=2 * rate)) for rate in (1e-5, 0.1)
    )
    fast.algorithm.load_state_dict(slow.algorithm.state_dict())
    assert [group["lr"] for group in fast.algorithm.optimizer.param_groups] == [0.1, 0.2]
