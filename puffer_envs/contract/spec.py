"""What the rows of a game are, known before a single environment exists."""

from dataclasses import dataclass
from functools import cached_property

from gymnasium import spaces

from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.milestone import Milestone


@dataclass(frozen=True)
class EnvSpec:
    """What the rows of a game are."""

    name: str
    layout: ObsLayout
    action_space: spaces.Space
    reward_weights: dict[str, float]  # term -> weight, in the order of the columns of `reward_terms`
    milestones: tuple[Milestone, ...] = ()
    agents_per_env: int = 1
    texts: tuple[str, ...] = ()  # that the rows of the observations refer to by number
    scripts: tuple[str, ...] = ()  # players by rule that the game can seat itself (`VectorEnv.set_next_seats`)

    @cached_property
    def action(self) -> ActionSpec:
        """What an action is.

        Raises:
            ValueError: learners know no actions of this space.
        """
        return ActionSpec.of(self.action_space)
