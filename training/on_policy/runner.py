"""PPO as a run uses it: segments of all rows, an update after each."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from policies.actions import Distribution
from policies.protocol import ActorCritic
from puffer_envs.contract.vector_env import VectorEnv
from training.common import texts
from training.common.acting import Acting, Player, Seen
from training.common.ledger import Ledger, Step
from training.common.opponents import Opponents
from training.common.transfer import restore_generator
from training.on_policy.config import PPOConfig
from training.on_policy.ppo import PPO
from training.on_policy.rollout import Rollout


class Decision(NamedTuple):
    """What a step of all rows will be stored with once it is known what came of it; zeros for those not active."""

    seen: Seen
    actions: Tensor  # [N, *action shape]
    logprobs: Tensor  # float32 [N]
    values: Tensor  # float32 [N]
    active: np.ndarray  # bool [N], the rows that are learned from


class OnPolicy:
    """`learner.Learner` over PPO: it fills a `Rollout` and updates on it; the environments go on from one to the next.

    The values that a segment bootstraps from are those of the decision after its last. So that decision, the first of
    the next segment, is made by the policy that the update is about to change; it is stored with its own probability,
    as all are.

    Args:
        total_steps: decisions of the whole run, over which an annealed learning rate falls.
        acting: seed of the actions, which are drawn on the device.
        order: seed of the order of rows.
        opponents: who plays the rows of a game of two that nobody learns from.
    """

    def __init__(
        self,
        settings: PPOConfig,
        total_steps: int,
        env: VectorEnv,
        policy: ActorCritic,
        acting: int,
        order: int,
        device: torch.device,
        opponents: Opponents | None = None,
    ) -> None:
        self.env, self.device, self.total_steps, self.opponents = env, device, total_steps, opponents
        self.policy = texts.read(policy.to(device), env.spec.texts)
        self.ppo = PPO(self.policy, settings, order, device)
        self.rollout = Rollout(env.spec, env.num_agents, policy, settings.num_steps, device)
        self.ledger = Ledger(env, {"env": 1.0})
        self.acting = Acting(env, self.policy, device)
        self.generator = torch.Generator(device).manual_seed(acting)
        self.t = 0  # steps of the segment that are stored
        self.learned = False  # whether a full segment has been learned from already
        self.trained, self.busy_seconds = 0, 0.0

    @property
    def env_seconds(self) -> float:
        return self.acting.env_seconds

    @property
    def full(self) -> bool:
        """Whether the segment waits for nothing but the value of what follows."""
        return self.t == self.rollout.num_steps

    # -- a decision --------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def begin(self) -> None:
        seen, active = self.acting.see(), self.env.active.copy()
        self.decision, state = self._decide(seen, active)
        actions = self.decision.actions
        # What a guest does is sent and not stored.
        sent = actions if self.opponents is None else self.opponents.play(seen, actions, state)
        self.acting.send(self.env.spec.action.to_env(sent.cpu().numpy()))
        self.acting.state = state

    def _decide(self, seen: Seen, active: np.ndarray) -> tuple[Decision, Tensor]:
        """What the policy does in the rows that are learned from, zeros in the others; and the recurrent state."""
        rows, distribution, values, state = self._ask(seen, active)
        actions = distribution.sample(self.generator)

        def everywhere(made: Tensor) -> Tensor:
            whole = made.new_zeros(len(active), *made.shape[1:])
            whole[rows] = made
            return whole

        logprobs, after = everywhere(distribution.log_prob(actions)), seen.state.clone()
        after[rows] = state
        return Decision(seen, everywhere(actions), logprobs, everywhere(values), active), after

    def _ask(self, seen: Seen, active: np.ndarray) -> tuple[slice | Tensor, Distribution, Tensor, Tensor]:
        """The policy's step in the active rows, and which those are; all where none is, for a network needs some."""
        some = active.any() and not active.all()
        rows = self.acting.to_device(np.flatnonzero(active)) if some else slice(None)
        return rows, *self.policy.step(seen.given[rows], seen.state[rows], seen.episode_start[rows])

    def learn(self) -> Iterator[dict[str, float]]:
        """Once the decision after a segment is made."""
        if self.full and not self.learned:
            yield self._update(self.decision.values)

    def learn_last(self) -> Iterator[dict[str, float]]:
        if self.full and not self.learned:
            yield self._update(self._values_ahead())
            self.learned = True

    def _update(self, following: Tensor) -> dict[str, float]:
        begin = time.perf_counter()
        self.rollout.look_ahead(following)
        figures = self.ppo.update(self.rollout, self.ledger.global_step / self.total_steps)
        self.trained += int(self.rollout.mask.sum())
        self.busy_seconds += time.perf_counter() - begin
        return figures

    @torch.no_grad()
    def _values_ahead(self) -> Tensor:
        """Of the present observations, which are left to be seen."""
        history = self.acting.history.state_dict()
        seen = self.acting.see()
        self.acting.history.load_state_dict(history)
        rows, _, values, _ = self._ask(seen, self.env.active)
        ahead = values.new_zeros(self.env.num_agents)
        ahead[rows] = values
        return ahead

    @torch.no_grad()
    def finish(self, theta: np.ndarray) -> Step:
        env, acting, rollout = self.env, self.acting, self.rollout
        acting.receive()
        if self.full:
            self.t, self.learned = 0, False
        seen, actions, logprobs, values, active = self.decision
        rollout.decide(self.t, seen, actions, logprobs, values)
        step = self.ledger.enter(env.rewards[:, None].copy(), env.poll_events())
        acting.episode_start[:] = step.began | ~step.alive
        # Nothing follows for a row that is learned from no more, though its game may go on.
        retired = active & ~env.active & ~acting.episode_start
        rewards = self.ppo.config.reward_scale * env.rewards
        results = (rewards, env.terminals | retired, acting.episode_start | retired, step.alive & active)
        rollout.receive(self.t, *[acting.to_device(result) for result in results])
        self._bootstrap(np.flatnonzero(env.truncations & env.masks & active))
        if self.opponents is not None:
            self.opponents.follow(step, self.ledger.global_step)
        self.t += 1
        return step

    def _bootstrap(self, truncated: np.ndarray) -> None:
        """The values of what the last actions of truncated episodes (rows, int64) led to."""
        if truncated.size:
            rows = self.acting.to_device(truncated)
            final = self.acting.to_device(self.env.final_observations[truncated])
            if self.policy.history > 1:
                final = self.acting.history.ahead(rows, final)
            goes_on = torch.zeros(len(rows), dtype=torch.bool, device=self.device)
            self.rollout.next_values[self.t, rows] = self.policy.step(final, self.acting.state[rows], goes_on)[1]

    # -- what a run asks beside -------------------------------------------------------------------------------------
    def player(self, env: VectorEnv, seed: int) -> "ActorCriticPlayer":
        return ActorCriticPlayer(env, texts.read(self.policy, env.spec.texts), False, seed, self.device)

    def rivals(self) -> dict[str, Callable[[VectorEnv, int], Player]]:
        oldest = None if self.opponents is None else self.opponents.oldest()
        if oldest is None:
            return {}
        return {"oldest": lambda env, seed: ActorCriticPlayer(env, oldest, False, seed, self.device)}

    def figures(self) -> dict[str, float]:
        of_opponents = {} if self.opponents is None else self.opponents.figures()
        return {"learning_rate": self.ppo.learning_rate} | of_opponents

    def files(self) -> list[Path]:
        return [] if self.opponents is None else self.opponents.files()

    def state_dict(self) -> dict[str, Any]:
        return {
            "learner": self.ppo.state_dict() | {"trained": self.trained},
            "collector": {
                "ledger": self.ledger.state_dict(),
                "rollout": self.rollout.state_dict(self.t),
                "acting": self.acting.state_dict(),
                "generator": self.generator.get_state(),
                "t": self.t,
                "learned": self.learned,
            },
            "opponents": {} if self.opponents is None else self.opponents.state_dict(),
        }

    def load_state_dict(self, parts: dict[str, Any], files: dict[str, Path]) -> None:
        self.ppo.load_state_dict(parts["learner"])
        self.trained = int(parts["learner"]["trained"])
        state = parts["collector"]
        self.ledger.load_state_dict(state["ledger"])
        self.rollout.load_state_dict(state["rollout"])
        self.acting.load_state_dict(state["acting"])
        restore_generator(self.generator, state["generator"])
        self.t, self.learned = int(state["t"]), bool(state["learned"])
        if self.opponents is not None:
            self.opponents.load_state_dict(parts["opponents"], files)

    def close(self) -> None:
        """Nothing to let go of."""


class ActorCriticPlayer(Player):
    """Draws its actions, or takes the likeliest ones."""

    def __init__(self, env: VectorEnv, policy: ActorCritic, likeliest: bool, seed: int, device: torch.device) -> None:
        super().__init__(env, policy, device)
        self.policy, self.likeliest = policy, likeliest
        self.generator = torch.Generator(device).manual_seed(seed)

    def choose(self, seen: Seen) -> np.ndarray:
        distribution, _, self.acting.state = self.policy.step(seen.given, seen.state, seen.episode_start)
        actions = distribution.mode() if self.likeliest else distribution.sample(self.generator)
        return self.env.spec.action.to_env(actions.cpu().numpy())
