"""The settings of learners that train from a replay."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval


@dataclass(frozen=True)
class DQNConfig:
    """Recurrent double Q-learning."""

    # At .997 the constant part of the values, mean reward / (1 - gamma), is 26 and is never reached: in a probe the
    # values were at 20 and rising after 2,000,000 decisions, with gaps between actions of .05.
    gamma: Annotated[float, Interval(ge=0, le=1)] = 0.99
    """Discount a step."""
    # Gaps are 1 / (1 - .8) = 5 times as wide.
    advantage_learning: Annotated[float, Interval(ge=0, lt=1)] = 0.8
    """Share of an action's shortfall that is taken off its target once more, so that noise does not turn the order of
    actions of almost the same worth; 0 is off."""
    n_step: Annotated[int, Ge(1)] = 5
    """Steps of reward before the target bootstraps."""
    sequence: Annotated[int, Ge(1)] = 16
    """Trained records of a sampled sequence."""
    burn_in: Annotated[int, Ge(0)] = 4
    """Records before them that only warm up the recurrent state."""
    # At the same replay ratio 128 makes four times the updates of 512; in single probes it had the starter in every
    # episode at 400,000 decisions, 512 in none.
    batch_size: Annotated[int, Ge(1)] = 128
    """Transitions an update trains on; `--batch-size` sets it too."""
    replay_ratio: Annotated[float, Ge(0)] = 1.0
    """Trained transitions for each decision of an environment."""
    replay_size: Annotated[int, Ge(0)] = 0
    """Records kept; 0 takes 200,000 for slim and 400,000 for large."""
    learning_starts: Annotated[int, Ge(0)] = 10_000
    """Decisions before the first update."""
    learning_rate: Annotated[float, Interval(gt=0, le=1)] = 3e-4
    """Learning rate of Adam."""
    # 1.5e-4 in the Rainbow line.
    adam_eps: Annotated[float, Interval(gt=0, le=1)] = 1e-8
    """What Adam adds to its divisor."""
    max_grad_norm: Annotated[float, Gt(0)] = 5.0
    """Gradients are clipped to this norm."""
    reward_scale: Annotated[float, Gt(0)] = 1.0
    """What rewards are multiplied by before they are learned from."""
    tau: Annotated[float, Interval(ge=0, le=1)] = 0.01
    """The target network moves by this fraction at each update."""
    target_sync: Annotated[int, Ge(0)] = 0
    """Copy the target network each so many updates instead; 0 is off."""
    epsilon_base: Annotated[float, Interval(ge=0, le=1)] = 0.4
    """Exploration of environment i of N: base^(1 + alpha i / (N - 1))."""
    epsilon_alpha: Annotated[float, Ge(0)] = 7.0
    """How much less the last environments explore, see epsilon_base; 0 gives all the same."""
    epsilon_zeta: Annotated[float, Gt(1)] | Literal[0] = 2.0
    """A random action goes on for n decisions with a probability of n^-zeta, zeta above 1; 0: always for one."""
    boredom: Annotated[int, Ge(0)] = 32
    """Decisions without a new place after which a row explores, whatever its epsilon; 0 is never, as it must be in a
    game that tells of no places."""
    epsilon_bored: Annotated[float, Interval(ge=0, le=1)] = 0.3
    """Epsilon of a row that is bored."""
    epsilon_ramp: Annotated[int, Ge(0)] = 100_000
    """Decisions over which epsilon falls from 1 to its place on the ladder."""


@dataclass(frozen=True)
class SACConfig:
    """Soft actor-critic."""

    gamma: Annotated[float, Interval(ge=0, le=1)] = 0.99
    """Discount a step."""
    n_step: Annotated[int, Ge(1)] = 1
    """Steps of reward before the target bootstraps; the entropy of those between is left out."""
    batch_size: Annotated[int, Ge(1)] = 256
    """Transitions an update trains on; `--batch-size` sets it too."""
    replay_ratio: Annotated[float, Ge(0)] = 64.0
    """Trained transitions for each decision of an environment: `batch_size` times the updates for each decision."""
    replay_size: Annotated[int, Ge(0)] = 0
    """Records kept; 0 takes 200,000 for slim and 400,000 for large."""
    learning_starts: Annotated[int, Ge(0)] = 5_000
    """Decisions before the first update, which are drawn from all actions alike."""
    learning_rate: Annotated[float, Interval(gt=0, le=1)] = 3e-4
    """Learning rate of Adam for the actor and the temperature."""
    critic_learning_rate: Annotated[float, Interval(gt=0, le=1)] = 1e-3
    """Learning rate of Adam for the critics and the encoder."""
    tau: Annotated[float, Interval(ge=0, le=1)] = 0.005
    """The target networks move by this fraction at each update."""
    alpha: Annotated[float, Gt(0)] | Literal["auto"] = "auto"
    """What a unit of entropy is worth; auto is learned."""
    target_entropy: float | Literal["auto"] = "auto"
    """Entropy that a learned alpha aims at, of actions from -1 to 1; auto is minus their number."""
    reward_scale: Annotated[float, Gt(0)] = 1.0
    """What rewards are multiplied by before they are learned from: a unit of entropy is worth `alpha` of these."""

    # No memory to warm up, and transitions by themselves: what `protocol.ReplaySettings` asks beside.
    @property
    def burn_in(self) -> int:
        return 0

    @property
    def sequence(self) -> int:
        return 1
