"""On-policy segments: T decisions of all rows, as the policy that is then updated made them."""

import time
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from policies.protocol import ActorCritic
from puffer_envs.contract.vector_env import VectorEnv
from training.common.history import History
from training.common.ledger import Ledger, Step
from training.on_policy.returns import gae


class Rollout:
    """Storage of one segment on the device, written in place: T steps of N rows.

    Args:
        row_size: elements of an observation row, of ``dtype``.
        history: observations that a policy is given at once; those before the segment are kept, too.
    """

    def __init__(
        self,
        num_steps: int,
        num_rows: int,
        row_size: int,
        dtype: torch.dtype,
        state_size: int,
        device: torch.device,
        history: int = 1,
    ) -> None:
        if num_steps < history - 1:
            raise ValueError(f"num_steps is {num_steps}; a policy that sees {history} observations needs {history - 1}")
        shape = (num_steps, num_rows)
        self.seen = torch.zeros((history - 1 + num_steps, num_rows, row_size), dtype=dtype, device=device)
        self.former = torch.zeros(shape, dtype=torch.int64, device=device)  # earlier ones of the episode, at most H - 1
        self.first = torch.zeros(shape, dtype=torch.bool, device=device)  # the row begins an episode
        self.actions = torch.zeros(shape, dtype=torch.int64, device=device)
        self.logprobs = torch.zeros(shape, device=device)
        self.values = torch.zeros(shape, device=device)
        self.rewards = torch.zeros(shape, device=device)
        self.terminals = torch.zeros(shape, dtype=torch.bool, device=device)
        self.ended = torch.zeros(shape, dtype=torch.bool, device=device)  # terminal or truncated
        self.following = torch.zeros(shape, device=device)  # value of what the action led to
        self.alive = torch.zeros(shape, dtype=torch.bool, device=device)  # False: the row's worker was away
        self.state = torch.zeros((num_rows, state_size), device=device)  # recurrent state before the first step

    @property
    def rows(self) -> Tensor:
        """The observations of the segment, [T, N, R]: a view."""
        return self.seen[len(self.seen) - len(self.first) :]

    def go_on(self) -> None:
        """Make room for the next segment; the end of this one is what comes before it."""
        lead = len(self.seen) - len(self.first)
        if lead:
            self.seen[:lead] = self.seen[-lead:].clone()

    def stacked(self, index: Tensor) -> Tensor:
        """What a policy is given of decisions numbered t N + n, int64 [B]: rows [B, R], or histories [B, H, R]."""
        t, n = index // self.first.shape[1], index % self.first.shape[1]
        lead = len(self.seen) - len(self.first)
        if not lead:
            return self.rows[t, n]
        ages = torch.arange(lead, -1, -1, device=index.device)
        return self.seen[(t + lead)[:, None] - ages.minimum(self.former[t, n][:, None]), n[:, None]]

    def look_ahead(self, last: Tensor) -> None:
        """Complete `following`, which is known where episodes were cut; ``last`` float32 [N] follows the last step."""
        ahead = torch.cat([self.values[1:], last[None]])
        self.following.copy_(torch.where(self.ended, self.following, ahead))

    def advantages(self, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
        """Advantages and returns, float32 [T, N] (`returns.gae`)."""
        return gae(self.rewards, self.values, self.following, self.terminals, self.ended, gamma, lam)

    def state_dict(self, steps: int | None = None) -> dict[str, Tensor]:
        """All tensors by name, of the first ``steps`` steps (default: of all).

        Pictures are large: a segment of 64 games can take .9 GB, of which a checkpoint needs what is filled.
        """
        end = len(self.first) if steps is None else steps
        ends = {"seen": len(self.seen) - len(self.first) + end, "state": len(self.state)}
        # By way of NumPy: with a slice of a tensor, all that it is a slice of would be saved
        parts = {name: tensor[: ends.get(name, end)].cpu().numpy() for name, tensor in vars(self).items()}
        return {name: torch.from_numpy(part) for name, part in parts.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Inverse of `state_dict`; steps that were not saved stay as they are."""
        for name, tensor in vars(self).items():
            tensor[: len(state[name])].copy_(state[name])


class Decision(NamedTuple):
    """What a step of all rows will be stored with once it is known what came of it."""

    rows: Tensor  # [N, R]
    given: Tensor  # what the policy was given: the rows or their histories
    state: Tensor  # before it
    first: Tensor
    actions: Tensor  # int64 [N]
    logprobs: Tensor
    values: Tensor


class RolloutCollector:
    """Fills a `Rollout` by acting in the environments; they and the recurrent state go on from segment to segment.

    The values that a segment bootstraps from are those of the decision after its last. So that decision, the first of
    the next segment, is made by the policy that the update is about to change; it is stored with its own probability,
    as all are.

    Args:
        seed: of the actions, which are drawn on the device.
    """

    def __init__(self, env: VectorEnv, policy: ActorCritic, rollout: Rollout, seed: int, device: torch.device) -> None:
        self.env, self.policy, self.rollout, self.device = env, policy, rollout, device
        self.ledger = Ledger(env, {"env": 1.0})
        self.state = torch.zeros((env.num_agents, policy.state_size), device=device)
        self.first = torch.ones(env.num_agents, dtype=torch.bool, device=device)
        self.history = History(env, policy, device)
        self.former = torch.zeros(env.num_agents, dtype=torch.int64, device=device)  # see `Rollout`
        self.generator = torch.Generator(device).manual_seed(seed)
        self.t = 0  # steps of the segment that are stored
        self.env_seconds = 0.0  # from the order to step until the last answer

    @torch.no_grad()
    def begin(self) -> bool:
        """Draw actions and start the step; True if that completed a segment, to be learned from before `finish`."""
        rows, state = self._to_device(self.env.observations), self.state
        given = self.history.push(rows, self.first)
        logits, values, self.state = self.policy.step(given, state, self.first)
        actions, logprobs = draw(logits, self.generator)
        self._sent = time.perf_counter()
        self.env.send(self.env.spec.actions(actions.cpu().numpy()))
        self.decision = Decision(rows, given, state, self.first, actions, logprobs, values)
        complete = self.t == len(self.rollout.rows)
        if complete:
            self.rollout.look_ahead(values)
            self.t = 0
        return complete

    @torch.no_grad()
    def finish(self) -> Step:
        """Wait for the step and store it."""
        env, rollout, decision, t = self.env, self.rollout, self.decision, self.t
        env.recv()
        self.env_seconds += time.perf_counter() - self._sent
        if t == 0:
            rollout.state.copy_(decision.state)
            rollout.go_on()
        self.former = torch.where(decision.first, 0, (self.former + 1).clamp(max=self.policy.history - 1))
        rollout.former[t] = self.former
        rollout.rows[t], rollout.first[t], rollout.values[t] = decision.rows, decision.first, decision.values
        rollout.actions[t], rollout.logprobs[t] = decision.actions, decision.logprobs
        step = self.ledger.enter(env.rewards[:, None].copy(), env.poll_events())
        rollout.rewards[t] = self._to_device(env.rewards)
        rollout.terminals[t] = self._to_device(env.terminals)
        rollout.alive[t] = self._to_device(step.alive)
        self.first = rollout.ended[t] = self._to_device(step.began | ~step.alive)
        self._bootstrap(t)
        self.t += 1
        return step

    def _bootstrap(self, t: int) -> None:
        """The value of what a truncated episode's last action led to."""
        truncated = np.flatnonzero(self.env.truncations & self.env.masks)
        if truncated.size:
            rows = torch.from_numpy(truncated).to(self.device)
            final = self._to_device(self.env.final_observations[truncated])
            if self.policy.history > 1:
                final = torch.cat([self.decision.given[rows, 1:], final[:, None]], 1)
            nothing = torch.zeros(len(rows), dtype=torch.bool, device=self.device)
            self.rollout.following[t, rows] = self.policy.step(final, self.state[rows], nothing)[1]

    def _to_device(self, array: np.ndarray) -> Tensor:
        """A copy: the environments write on."""
        return torch.from_numpy(array.copy()).to(self.device, non_blocking=True)

    def state_dict(self) -> dict[str, Any]:
        """All but the environments and the policy."""
        return {
            "ledger": self.ledger.state_dict(),
            "rollout": self.rollout.state_dict(self.t),
            "state": self.state,
            "first": self.first,
            "history": self.history.state_dict(),
            "former": self.former,
            "generator": self.generator.get_state(),
            "t": self.t,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.ledger.load_state_dict(state["ledger"])
        self.rollout.load_state_dict(state["rollout"])
        self.state = state["state"].to(self.device)
        self.first = state["first"].to(self.device)
        self.history.load_state_dict(state["history"])
        self.former = state["former"].to(self.device)
        self.generator.set_state(state["generator"])
        self.t = int(state["t"])


def draw(logits: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Actions int64 [N] drawn from logits [N, A], and the logarithms of their probabilities [N].

    The winner of a race of exponential clocks whose rates are the probabilities: for 640 rows of 8 a tenth faster
    than `torch.multinomial`.
    """
    logprobs = logits.log_softmax(-1)
    clocks = torch.empty_like(logprobs).exponential_(generator=generator)
    actions = (logprobs.exp() / clocks).argmax(-1)
    return actions, logprobs.gather(-1, actions[:, None])[:, 0]


class ActorCriticPlayer:
    """`learner.Player`: drawn actions, or the likeliest ones."""

    def __init__(self, env: VectorEnv, policy: ActorCritic, likeliest: bool, seed: int, device: torch.device) -> None:
        self.env, self.policy, self.likeliest, self.device = env, policy, likeliest, device
        self.first = np.ones(env.num_agents, np.bool_)
        self.state = torch.zeros((env.num_agents, policy.state_size), device=device)
        self.history = History(env, policy, device)
        self.generator = torch.Generator(device).manual_seed(seed)

    @torch.inference_mode()
    def choose(self) -> np.ndarray:
        rows, first = (torch.from_numpy(array.copy()).to(self.device) for array in (self.env.observations, self.first))
        logits, _, self.state = self.policy.step(self.history.push(rows, first), self.state, first)
        actions = logits.argmax(-1) if self.likeliest else draw(logits, self.generator)[0]
        return self.env.spec.actions(actions.cpu().numpy().astype(np.int32))
