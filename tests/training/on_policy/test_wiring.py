"""What PPO stores of a scripted game and learns from it, against a network that is asked about one row at a time."""

from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch

from policies.protocol import ActorCritic
from tests.training.common.test_history import Stacking
from tests.training.on_policy.test_ppo import TinyActorCritic, make_learner
from tests.training.scripted import Script, random_course
from training.on_policy.config import PPOConfig
from training.on_policy.rollout import Rollout
from training.on_policy.runner import OnPolicy

CPU = torch.device("cpu")
NO_THETA = np.zeros(0)
close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)  # one row at a time rounds otherwise than all
STEPS, PAIRS = 6, 3
ROWS = 2 * PAIRS  # two agents a game
COURSE = {
    "truncated": [(3, 0), (6, 0), (7, 3)],  # (6, 0): by the last step of the first segment
    "terminal": [(3, 1)],
    "lost": [(3, 2)],
    "back": [(5, 2)],
    "retired": [(4, 3)],  # until its game ends with step 7
}
# The same as the learner must see it, decision by decision, of both segments and each row.
START = [
    *("100100 100000", "100100 000000", "100111 000000"),  # a row begins anew until its worker is back
    *("100000 010000", "100000 000000", "100000 000000"),  # to be retired begins nothing
]
MASK = [
    *("111111 111111", "111111 111111", "110001 111111"),  # lost by the third step; that of the return was none
    *("111100 011111", "111111 111111", "111111 111111"),  # retired by the fourth, which is still learned from
]
TERMINAL = [
    *("000000 000000", "001000 000000", "000000 000000"),
    *("000100 000000", "000000 000000", "000000 000000"),  # nothing follows for the retired
]
DONE = [
    *("001001 000000", "001000 000000", "001110 000000"),
    *("000100 100000", "000000 000000", "000000 000000"),
]


class Marks(NamedTuple):
    """What a course comes to, each bool [T, N]: a row of these for each decision."""

    start: torch.Tensor
    mask: torch.Tensor
    terminal: torch.Tensor
    done: torch.Tensor

    def of(self, segment: int) -> "Marks":
        return Marks(*(table[segment * STEPS : (segment + 1) * STEPS] for table in self))


def flags(table: list[str]) -> torch.Tensor:
    """bool [T, N]."""
    return torch.tensor([[mark == "1" for mark in line.replace(" ", "")] for line in table]).T


def marks_of(course: dict, steps: int) -> Marks:
    """By the life of each row."""
    marks = Marks(*torch.zeros((4, steps, ROWS), dtype=torch.bool))
    for row in range(ROWS):
        there = active = begins = True
        for t in range(steps):
            now = {name for name, moments in course.items() if (t + 1, row) in moments}
            was_there, was_active = there, active
            there = (there or "back" in now) and "lost" not in now
            alive, ended = was_there and there, bool(now & {"terminal", "truncated"})
            active = (ended and "asleep" not in now) or (active and not ended and "retired" not in now)
            marks.start[t, row], marks.mask[t, row] = begins, alive and was_active
            begins = ended or not alive
            retired = was_active and not active and not begins
            marks.terminal[t, row] = "terminal" in now or retired
            marks.done[t, row] = begins or retired
    return marks


class Remembering(TinyActorCritic):
    """A memory that is shown histories, and longer ones than a segment."""

    history, history_every = STEPS // 2, 3  # 7 decisions back, one more than a segment has

    def features(self, rows: torch.Tensor) -> torch.Tensor:
        ages = torch.linspace(-1, 1, self.history)[:, None]
        return (super().features(rows) * ages).sum(-2)


def scripted(policy: str = "memory", settings: PPOConfig | None = None, total_steps: int = 1, **course) -> OnPolicy:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    env = Script(PAIRS, agents_per_env=2, **course)
    network = {"history": Stacking, "both": Remembering}.get(policy, TinyActorCritic)
    options = (policy != "feed-forward",) if issubclass(network, TinyActorCritic) else ()
    actor_critic = network(env.spec.layout, env.spec.action, *options)
    settings = settings or PPOConfig(num_steps=STEPS, gamma=0.9)
    return OnPolicy(settings, total_steps, env, actor_critic, 1, 2, CPU)


class Witness:
    """Asks the network of one row at a time, and remembers what it must be asked with."""

    def __init__(self, policy: ActorCritic, row: int) -> None:
        self.policy, self.row = policy, row
        self.state, self.frames = torch.zeros(1, policy.state_size), []

    def see(self, observations: np.ndarray, begins: bool) -> tuple[float, torch.Tensor]:
        """The value, and the state before the decision; the memory moves on."""
        if begins:
            self.state, self.frames = torch.zeros_like(self.state), []
        self.frames.append(torch.from_numpy(observations[self.row].copy()))
        before = self.state
        value, self.state = self._ask(self.frames)
        return value, before

    def ahead(self, observations: np.ndarray) -> float:
        """The value of an observation that follows, which is left to be seen."""
        return self._ask([*self.frames, torch.from_numpy(observations[self.row].copy())])[0]

    def _ask(self, frames: list[torch.Tensor]) -> tuple[float, torch.Tensor]:
        given = frames[-1][None]
        if self.policy.history > 1:
            ages = range(self.policy.reach, -1, -self.policy.history_every)
            given = torch.stack([frames[max(0, len(frames) - 1 - age)] for age in ages])[None]
        with torch.no_grad():
            _, value, state = self.policy.step(given, self.state, torch.zeros(1, dtype=torch.bool))
        return value.item(), state


class Expected:
    """What must be stored of these segments, and of the decision after them."""

    def __init__(self, segments: int, state_size: int) -> None:
        self.values, self.next_values, self.rewards = torch.zeros(3, segments * STEPS + 1, ROWS)
        self.state = torch.zeros(segments * STEPS + 1, ROWS, state_size)
        self.given: list[torch.Tensor] = []  # what the policy was shown

    def of(self, segment: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Values, next values, rewards [T, N], and the state [N, S] before the first step."""
        part = slice(segment * STEPS, (segment + 1) * STEPS)
        return self.values[part], self.next_values[part], self.rewards[part], self.state[part.start]


def advantages(values, following, rewards, marks: Marks, gamma: float, lam: float) -> torch.Tensor:
    """Sums of temporal differences by plain loops, float32 [T, N]."""
    _, mask, terminal, done = marks
    out = torch.zeros(STEPS, ROWS)
    for t, n in np.ndindex(STEPS, ROWS):
        for k in range(t, STEPS):
            ahead = 0.0 if terminal[k, n] else gamma * following[k, n]
            out[t, n] += (gamma * lam) ** (k - t) * (rewards[k, n] + ahead - values[k, n]) * mask[k, n]
            if done[k, n]:
                break
    return out


def check(learner: OnPolicy, expected: Expected, marks: Marks, segment: int) -> None:
    """Compare what a full segment holds."""
    rollout, marks = learner.rollout, marks.of(segment)
    mask = marks.mask
    rollout.look_ahead(learner.decision.values)
    for found, wanted in zip(
        (rollout.episode_start, rollout.mask, rollout.terminals, rollout.dones), marks, strict=True
    ):
        assert torch.equal(found, wanted)
    values, following, rewards, state = expected.of(segment)
    close(rollout.values[mask], values[mask])
    kept = mask[0] & ~rollout.episode_start[0]
    close(rollout.state[kept], state[kept])
    close(rollout.rewards, rewards)
    follows = mask & ~rollout.terminals
    close(rollout.next_values[follows], following[follows])
    found, returns = rollout.advantages(0.9, 0.8)
    wanted = advantages(values, following, rewards, marks, 0.9, 0.8)
    close(found[mask], wanted[mask])
    close(returns[mask], (wanted + values)[mask])
    shown = torch.stack(expected.given[segment * STEPS : (segment + 1) * STEPS])
    assert torch.equal(rollout.given(torch.arange(STEPS * ROWS)), shown.flatten(0, 1))
    sent = np.stack(learner.env.acted[segment * STEPS : (segment + 1) * STEPS])
    assert rollout.actions.tolist() == sent.tolist()


def test_what_a_course_comes_to():
    for found, table in zip(marks_of(COURSE, 2 * STEPS), (START, MASK, TERMINAL, DONE), strict=True):
        assert torch.equal(found, flags(table))


@pytest.mark.parametrize("policy", ["memory", "history", "both"])
@pytest.mark.parametrize(("course", "segments"), [(COURSE, 2), (random_course(0, ROWS, 25 * STEPS + 1), 25)])
def test_a_segment_is_what_one_row_at_a_time_comes_to(policy, course, segments):
    learner, marks = scripted(policy, **course), marks_of(course, segments * STEPS + 1)
    env, witnesses = learner.env, [Witness(learner.policy, row) for row in range(ROWS)]
    expected = Expected(segments, learner.policy.state_size)
    for t in range(segments * STEPS + 1):
        for n, witness in enumerate(witnesses):
            expected.values[t, n], expected.state[t, n] = witness.see(env.observations, bool(marks.start[t, n]))
        learner.begin()
        expected.given.append(learner.decision.seen.given)
        for n, witness in enumerate(witnesses):  # the script does not wait to be received
            follows = env.final_observations if env.truncations[n] else env.observations
            expected.next_values[t, n] = witness.ahead(follows)
        expected.rewards[t] = torch.from_numpy(env.rewards)
        if learner.full:
            check(learner, expected, marks, t // STEPS - 1)
        learner.finish(NO_THETA)
    assert expected.state[STEPS].any() == (policy != "history")  # there is something to remember


def test_a_memory_learns_from_the_histories_that_it_acted_on():
    """In whole rows, in the order of the steps: a new network finds the probabilities that it acted by."""
    learner = scripted("both", PPOConfig(num_steps=STEPS, num_minibatches=2, learning_rate=1e-30), **COURSE)
    for _ in range(2 * STEPS):
        learner.begin()
        list(learner.learn())
        learner.finish(NO_THETA)
    rollout, index = learner.rollout, torch.tensor([4, 0, 3])
    state, start = rollout.state[index], rollout.episode_start[:, index]
    distribution, values = learner.policy.sequence(rollout.sequences(index), state, start)
    mask = rollout.mask[:, index]
    close(distribution.log_prob(rollout.actions[:, index])[mask], rollout.logprobs[:, index][mask])
    close(values[mask], rollout.values[:, index][mask])


# -- rows that nobody learns from ------------------------------------------------------------------------------------
def filled(**course) -> OnPolicy:
    """A learner whose segment waits for its update."""
    learner = scripted(settings=PPOConfig(num_steps=STEPS, num_minibatches=1, update_epochs=1), **course)
    while not learner.full:
        learner.begin()
        learner.finish(NO_THETA)
    learner.begin()
    learner.rollout.look_ahead(learner.decision.values)
    return learner


def without(rollout: Rollout, row: int) -> Rollout:
    """The segment of the other rows."""
    others, left = [n for n in range(ROWS) if n != row], deepcopy(rollout)
    for name, tensor in rollout.tensors().items():
        setattr(left, name, tensor[others] if name == "state" else tensor[:, others])
    return left


def gradients(learner: OnPolicy, rollout: Rollout) -> list[torch.Tensor]:
    ppo = deepcopy(learner.ppo)
    ppo.update(rollout, 0.0)
    return [parameter.grad for parameter in ppo.policy.parameters()]


def test_the_gradient_is_that_of_the_active_rows_alone():
    learner = scripted(settings=PPOConfig(num_steps=STEPS, num_minibatches=1, update_epochs=1))
    learner.env.active[3] = False
    for _ in range(STEPS):
        learner.begin()
        learner.finish(NO_THETA)
    learner.begin()
    learner.rollout.look_ahead(learner.decision.values)
    for ours, alone in zip(
        gradients(learner, learner.rollout), gradients(learner, without(learner.rollout, 3)), strict=True
    ):
        torch.testing.assert_close(ours, alone, rtol=1e-4, atol=1e-7)
    other = gradients(learner, without(learner.rollout, 4))
    assert not torch.allclose(other[0], gradients(learner, learner.rollout)[0], rtol=1e-4)
    assert not learner.rollout.actions[:, 3].any()  # and nothing is decided for it


def test_what_a_row_does_after_it_retired_counts_for_nothing():
    learner = filled(retired=[(4, 3)])
    spoilt = deepcopy(learner.rollout)
    for name in ("rewards", "values", "next_values", "logprobs"):
        getattr(spoilt, name)[4:, 3] = -50.0
    for ours, theirs in zip(gradients(learner, learner.rollout), gradients(learner, spoilt), strict=True):
        torch.testing.assert_close(ours, theirs)
    last = learner.rollout.rewards[3, 3] - learner.rollout.values[3, 3]
    assert learner.rollout.advantages(0.9, 0.8)[0][3, 3] == last  # and nothing follows its last step


def test_only_what_is_learned_from_counts_as_trained():
    learner = scripted(**COURSE)
    figures: list[dict[str, float]] = []
    while not figures:
        learner.begin()
        figures += learner.learn()
        learner.finish(NO_THETA)
    assert learner.trained == sum(line.split()[0].count("1") for line in MASK) == ROWS * STEPS - 5


def test_rewards_are_learned_from_in_their_scale_and_told_as_they_are():
    learners = [scripted(settings=PPOConfig(num_steps=STEPS, reward_scale=scale)) for scale in (1.0, 0.25)]
    for learner in learners:
        learner.begin()
        learner.finish(NO_THETA)
    plain, scaled = (learner.rollout.rewards[0] for learner in learners)
    assert plain.any()
    assert scaled.tolist() == (0.25 * plain).tolist()
    assert learners[0].ledger.returns.tolist() == learners[1].ledger.returns.tolist()


# -- the update --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("anneal", "wanted"), [("linear", [0.75, 0.5, 0.0]), ("none", [1.0, 1.0, 1.0])])
def test_the_learning_rate_falls_to_nothing_at_the_end(anneal, wanted):
    settings = PPOConfig(num_steps=STEPS, learning_rate=0.01, anneal=anneal)
    learner = scripted(settings=settings, total_steps=4 * STEPS * ROWS)
    rates = []
    while len(rates) < 4:
        learner.begin()
        rates += [learner.figures()["learning_rate"] for _ in learner.learn()]
        learner.finish(NO_THETA)
    assert [rates[0], rates[1], rates[3]] == pytest.approx([0.01 * share for share in wanted])


def test_gradients_are_clipped_to_their_norm():
    learner = filled()
    ppo = learner.ppo
    ppo.config = replace(ppo.config, max_grad_norm=1e-3)
    figures = ppo.update(learner.rollout, 0.0)
    left = torch.cat([parameter.grad.flatten() for parameter in ppo.policy.parameters()]).norm().item()
    assert figures["grad_norm"] > 1e-2
    assert left == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize(("policy", "count"), [("memory", ROWS), ("feed-forward", ROWS * STEPS)])
def test_each_epoch_takes_all_in_an_order_of_its_own(policy, count):
    learner = scripted(policy, PPOConfig(num_steps=STEPS, update_epochs=3, num_minibatches=2))
    parts = learner.ppo._minibatches(learner.rollout)
    assert [len(part) for part in parts] == [count // 2] * 6
    epochs = [torch.cat(parts[2 * i : 2 * i + 2]).tolist() for i in range(3)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(count))] * 3
    assert len({tuple(epoch) for epoch in [*epochs, range(count)]}) == 4


# -- the end of a run ------------------------------------------------------------------------------------------------
def one_segment(probe: str = "memory", memory: bool = True, steps: int = 8) -> OnPolicy:
    """A run whose steps are those of one segment, before its last update."""
    learner = make_learner(probe, memory, PPOConfig(num_steps=steps), steps=1)
    while not learner.full:
        learner.begin()
        assert not list(learner.learn())
        learner.finish(NO_THETA)
    return learner


def test_a_run_of_one_segment_makes_one_update():
    """It bootstraps from the observations after the last step, which are left to be seen by whoever goes on."""
    learner = one_segment()
    env, acting = learner.env, learner.acting
    rows, begins = torch.from_numpy(env.observations.copy()), torch.from_numpy(acting.episode_start.copy())
    with torch.no_grad():
        wanted = [learner.policy.step(rows[[n]], acting.state[[n]], begins[[n]])[1].item() for n in range(len(rows))]
    assert len(list(learner.learn_last())) == 1
    goes_on = ~learner.rollout.dones[-1]
    assert goes_on.any()
    torch.testing.assert_close(learner.rollout.next_values[-1][goes_on], torch.tensor(wanted)[goes_on])
    assert (learner.ppo.updates, learner.trained) == (1, learner.rollout.mask.numel())
    assert not list(learner.learn_last())
    learner.begin()
    assert not list(learner.learn())  # a resumed run does not learn from it once more
    learner.finish(NO_THETA)
    assert learner.t == 1


def test_the_last_look_is_no_step_of_the_history():
    ours, theirs = scripted("history"), scripted("history")
    for learner in (ours, theirs):
        for _ in range(STEPS):
            learner.begin()
            learner.finish(NO_THETA)
    list(ours.learn_last())
    for learner in (ours, theirs):
        learner.begin()
    assert torch.equal(ours.decision.seen.given, theirs.decision.seen.given)


@pytest.mark.parametrize("last", [True, False])
def test_a_run_that_is_resumed_goes_on_exactly(last):
    """After its last update, and inside a segment: the same draws, the same orders, the same weights."""
    ours, theirs = one_segment("dice"), make_learner("dice", True, PPOConfig(num_steps=8), seed=7)
    if last:
        list(ours.learn_last())
    theirs.load_state_dict(deepcopy(ours.state_dict()), {})
    for env in range(ours.env.num_envs):
        theirs.env.restore(env, ours.env.snapshot(env))
    for learner in (ours, theirs):
        learner.total_steps = 10_000
    figures: tuple[list, list] = ([], [])
    for _ in range(20):
        for learner, told in zip((ours, theirs), figures, strict=True):
            learner.begin()
            told += learner.learn()
            learner.finish(NO_THETA)
        assert torch.equal(ours.decision.actions, theirs.decision.actions)
    assert len(figures[0]) == 2 + (not last)
    assert figures[0] == figures[1]
