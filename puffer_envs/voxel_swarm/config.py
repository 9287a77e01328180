"""Every number of the environment, with its unit and where it comes from."""

from typing import Annotated, NamedTuple

from annotated_types import Ge, Interval

Count = Annotated[int, Ge(0)]
Share = Annotated[float, Interval(ge=0, le=1)]

WALK, EUCLIDEAN = "walk", "euclidean"
RELATIVE, MAX_NORMALISED = "relative", "max_normalised"


class Config(NamedTuple):
    """The environment's settings. `PRESETS` has the original's."""

    # -- the world
    grid_size: int = 8  # cells along each edge, 4 to 256
    num_agents: Count = 0  # agents that share an environment; 0: ten at 8 cells, and as the square of the size beyond
    max_steps: Count = 0  # decisions an episode may last; 0: 150 G / 8, and eight for each voxel an agent has to place
    collisions: bool = False  # whether a move into a cell where another agent is fails

    # -- the shapes to build
    shapes: str | None = None  # a JSON-lines file of shapes; none: the built-in library
    split: str = "train"  # of the built-in library: train, sizes or families (held out), all
    family: str = ""  # only the built-in shapes of this family, for instance castle; none: of all
    curriculum: bool = True  # the shapes with the fewest voxels first, then more and more of them
    easy_share: Share = 0.2  # share of the shapes that an environment begins with (the original's)
    easy_episodes: Count = 2  # new shapes of an environment from that share alone
    growing_episodes: Count = 4  # and so many more until it may draw from all

    # -- the scent
    metric: str = WALK  # what a distance is: steps of an agent ("walk") or a straight line ("euclidean")
    reading: str = RELATIVE  # what an agent smells: differences to its own cell, or the original's 1 - d / max d
    all_targets: bool = False  # whether targets go on smelling once they are filled

    # -- rewards: weights of the named terms, in units of a block well placed
    reward_placed: float = 1.0  # a block placed on an unfilled target
    reward_wrong: float = -1.0  # a block placed elsewhere
    reward_mended: float = 1.0  # a wrong block taken away
    reward_iou: float = 10.0  # what the swarm's IoU gained in the step, shared
    reward_step: float = -0.01  # a decision
    reward_success: float = 10.0  # the shape is whole, shared
    # Terms of the original, which pays what is, not what happens: standing on a filled target pays at every step.
    reward_on_target: float = 0.0  # own cell is filled and a target
    reward_on_wrong: float = 0.0  # own cell is filled and no target
    reward_match: float = 0.0  # share of the targets that are filled
    reward_empty_handed: float = 0.0  # without a block on an unfilled target

    # -- the end: the share of targets filled that ends an episode; none: the shape is whole and nothing else stands
    success_recall: Annotated[float, Interval(gt=0, le=1)] | None = None


def reward_weights(config: Config) -> dict[str, float]:
    """Weights by name of term, in the order of the columns of `reward_terms`."""
    prefix = "reward_"
    return {name.removeprefix(prefix): getattr(config, name) for name in config._fields if name.startswith(prefix)}


def agents_of(config: Config) -> int:
    """Agents of an environment: the density on the ground is that of ten agents at 8 cells."""
    return config.num_agents or max(1, 10 * config.grid_size**2 // 64)


PRESETS: dict[str, Config] = {
    "default": Config(),
    # The original: static scent, rewards for what is, an end at .85 of the targets.
    "original": Config(
        num_agents=5,
        max_steps=150,
        metric=EUCLIDEAN,
        reading=MAX_NORMALISED,
        all_targets=True,
        reward_placed=0.0,
        reward_wrong=0.0,
        reward_mended=0.0,
        reward_iou=0.0,
        reward_step=-0.1,
        reward_success=0.0,
        reward_on_target=100.0,
        reward_on_wrong=-2.0,
        reward_match=20.0,
        reward_empty_handed=-5.0,
        success_recall=0.85,
    ),
}
