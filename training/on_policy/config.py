"""The settings of learners that train on what the policy has just done."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval


@dataclass(frozen=True)
class PPOConfig:
    """Proximal policy optimisation."""

    num_steps: Annotated[int, Ge(1)] = 32
    """Decisions of each row between two updates."""
    update_epochs: Annotated[int, Ge(1)] = 2
    """Passes over the decisions of an update."""
    num_minibatches: Annotated[int, Ge(1)] = 4
    """Gradient steps in a pass; of a network with a memory each takes whole rows, so that it sees them in order."""
    gamma: Annotated[float, Interval(ge=0, le=1)] = 0.99
    """Discount a step."""
    gae_lambda: Annotated[float, Interval(ge=0, le=1)] = 0.95
    """Weight of longer returns in generalised advantage estimation."""
    learning_rate: Annotated[float, Interval(gt=0, le=1)] = 1e-3
    """Learning rate of Adam at the start."""
    anneal: Literal["linear", "none"] = "linear"
    """linear: the learning rate falls to 0 at --total-steps, also where a resume has moved them; none: it stays."""
    adam_eps: Annotated[float, Interval(gt=0, le=1)] = 1e-5
    """What Adam adds to its divisor."""
    clip_coef: Annotated[float, Gt(0)] = 0.2
    """The ratio of new to old probability pays no more beyond 1 -+ this."""
    clip_vloss: bool = False
    """Whether values are kept within clip_coef of the old ones, too."""
    norm_adv: bool = True
    """Whether the advantages of a minibatch are normalised."""
    ent_coef: Annotated[float, Ge(0)] = 0.01
    """Weight of the entropy, which keeps actions varied."""
    vf_coef: Annotated[float, Ge(0)] = 0.5
    """Weight of the value's loss."""
    max_grad_norm: Annotated[float, Gt(0)] = 0.5
    """Gradients are clipped to this norm."""
    reward_scale: Annotated[float, Gt(0)] = 1.0
    """What rewards are multiplied by before they are learned from: a critic needs long to values of hundreds."""
    target_kl: Annotated[float, Gt(0)] | None = None
    """Approximate KL divergence after which an update goes no further; none: all epochs."""
