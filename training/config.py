"""The settings of a run, each with its sentence: `--help` is made from this file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from curriculum.manager import CurriculumConfig


@dataclass(frozen=True)
class DQNConfig:
    """Recurrent double Q-learning."""

    gamma: float = 0.99
    """Discount a step. At .997 the constant part of the values, mean reward / (1 - gamma), is 26 and is never reached:
    in a probe the values were at 20 and rising after 2,000,000 decisions, with gaps between actions of .05."""
    advantage_learning: float = 0.8
    """Share of an action's shortfall that is taken off its target once more: gaps 1 / (1 - .8) = 5 times as wide, so
    that noise does not turn the order of actions of almost the same worth. 0 is off."""
    n_step: int = 5
    """Steps of reward before the target bootstraps."""
    sequence: int = 16
    """Trained records of a sampled sequence."""
    burn_in: int = 4
    """Records before them that only warm up the recurrent state."""
    batch_size: int = 128
    """Transitions an update trains on; `--batch-size` sets it too. At the same replay ratio 128 makes four times the
    updates of 512; in single probes it had the starter in every episode at 400,000 decisions, 512 in none."""
    replay_ratio: float = 1.0
    """Trained transitions for each decision of an environment."""
    replay_size: int = 0
    """Records kept; 0 takes 200,000 for slim and 400,000 for large."""
    learning_starts: int = 10_000
    """Decisions before the first update."""
    learning_rate: float = 3e-4
    """Of Adam."""
    adam_eps: float = 1e-8
    """Of Adam; 1.5e-4 in the Rainbow line."""
    max_grad_norm: float = 5.0
    """Gradients are clipped to this norm."""
    tau: float = 0.01
    """The target network moves by this fraction at each update."""
    target_sync: int = 0
    """Copy the target network each so many updates instead; 0 is off."""
    epsilon_base: float = 0.4
    """Exploration of environment i of N: base^(1 + alpha i / (N - 1))."""
    epsilon_alpha: float = 7.0
    """See epsilon_base; 0 gives all environments the same."""
    epsilon_zeta: float = 2.0
    """A random action goes on for n decisions with a probability of n^-zeta, zeta above 1; 0: always for one."""
    boredom: int = 32
    """Decisions without a new place after which a row explores, whatever its epsilon; 0 is never, as it must be in a
    game that tells of no places."""
    epsilon_bored: float = 0.3
    """Its epsilon then."""
    epsilon_ramp: int = 100_000
    """Decisions over which epsilon falls from 1 to its place on the ladder."""

    def __post_init__(self) -> None:
        for name in ("burn_in", "sequence", "n_step"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, got {getattr(self, name)}")
        if self.epsilon_zeta != 0 and not self.epsilon_zeta > 1:
            raise ValueError(f"epsilon_zeta is 0 or above 1, got {self.epsilon_zeta}")


@dataclass(frozen=True)
class PPOConfig:
    """Proximal policy optimisation; the defaults are the voxel swarm's."""

    num_steps: int = 32
    """Decisions of each row between two updates."""
    update_epochs: int = 2
    """Passes over what they brought."""
    num_minibatches: int = 4
    """Gradient steps in a pass; of a network with a memory each takes whole rows, so that it sees them in order."""
    gamma: float = 0.99
    """Discount a step."""
    gae_lambda: float = 0.95
    """Weight of longer returns in generalised advantage estimation."""
    learning_rate: float = 1e-3
    """Of Adam at the start; it falls to 0 over the run."""
    adam_eps: float = 1e-5
    """Of Adam."""
    clip_coef: float = 0.2
    """The ratio of new to old probability pays no more beyond 1 -+ this."""
    clip_vloss: bool = False
    """Whether values are kept within clip_coef of the old ones, too."""
    norm_adv: bool = True
    """Whether the advantages of a minibatch are normalised."""
    ent_coef: float = 0.01
    """Weight of the entropy."""
    vf_coef: float = 0.5
    """Weight of the value's loss."""
    max_grad_norm: float = 0.5
    """Gradients are clipped to this norm."""
    target_kl: float | None = None
    """Approximate KL divergence after which an update goes no further; none: all epochs."""

    def __post_init__(self) -> None:
        for name in ("num_steps", "update_epochs", "num_minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, got {getattr(self, name)}")


LEARNERS = {"dqn": DQNConfig, "ppo": PPOConfig}  # by the names of `--algo`


@dataclass(frozen=True)
class IntrinsicConfig:
    """Rewards for the new: r_total = r_env + rnd r_rnd + novel r_novel + bayes r_bayes."""

    rnd: float = 0.1
    """Weight of random network distillation on the encoder's features."""
    novel: float = 0.05
    """Weight of 1 / visits^novel_power, visits in this episode of milestones, map and cell."""
    novel_power: float = 2.0
    """The original's .5 pays so much for the tenth visit that going in circles is worth as much as going on: in single
    probes with .5 no episode from the first companion left for the next map in 600 tries."""
    bayes: float = 0.05
    """Weight of 1 - theta of a milestone when it is reached."""
    rnd_hidden: int = 256
    """Width of the predictor and of the target of random network distillation."""
    rnd_learning_rate: float = 1e-4
    """Of the predictor's Adam."""
    rnd_gamma: float = 0.99
    """Discount of the sum of errors whose deviation is the unit of surprise."""
    rnd_clip: float = 5.0
    """Surprise is clipped to this."""


@dataclass(frozen=True)
class EvaluationConfig:
    """Episodes from a new game, on environments and random numbers of their own."""

    interval: int = 250_000
    """Decisions between two evaluations; 0 is off."""
    episodes: int = 20
    """Episodes each."""
    max_steps: int = 1_024
    """Step cap of an episode; 0: the game's own."""
    epsilon: float = 0.05
    """Share of random actions of a Q-network: a deterministic emulator would play one episode over and over."""
    idle_frames: int = 63
    """An emulator's episodes begin after 0 to this many idle frames."""


@dataclass(frozen=True)
class RunConfig:
    """Train a swarm of environments."""

    env: str = "pokemon_red"
    """Which game."""
    algo: Literal["dqn", "ppo"] = "dqn"
    """Which learner; the game's own where left out."""
    num_envs: int = 32
    """Environments stepped together."""
    total_steps: int = 5_000_000
    """Decisions of all environments together."""
    batch_size: int | None = None
    """Transitions that an update trains on; the learner's default where left out."""
    model_size: Literal["slim", "large"] = "large"
    """Size of the network."""
    run_name: str = ""
    """Name of the run and of its folders; the game and the time where left out."""
    log_interval: int = 5_000
    """Decisions between two log lines."""
    save_interval: int = 100_000
    """Decisions between two checkpoints."""
    video_interval: int = 0
    """Decisions between two videos; 0 is off."""
    seed: int = 1
    """Of everything that is drawn."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    num_workers: Literal["auto"] | int = "auto"
    """Processes that step the environments, 0 for none; auto is one for each core for emulators, else none."""
    torch_threads: Literal["auto"] | int = "auto"
    """Threads of torch on the CPU; auto is half of the cores, at most 4, and 1 where a GPU learns."""
    rom: Path | None = None
    """A Game Boy ROM of your own; the built-in game where left out."""
    preset: str = ""
    """A named set of settings, or several with commas: document, red, original, community; bridge, auto, cuda-24gb,
    cuda-16gb, mps, cpu."""
    config: Path | None = None
    """A TOML file of settings; flags win over it, and it wins over a preset."""
    resume: bool = False
    """Go on from the newest valid checkpoint of --run-name."""
    runs_dir: Path = Path("runs")
    """Where the run's folder is made."""
    savestates_dir: Path = Path("savestates")
    """Where the run's savestates go."""
    dashboard: Literal["auto", "rich", "line", "plain"] = "auto"
    """What a terminal shows; auto is rich in a terminal and plain lines elsewhere."""
    learner: Any = None
    intrinsic: Any = None
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    game: Annotated[Any, tyro.conf.arg(name="env")] = None
    policy: Any = None

    @property
    def tests(self) -> dict[str, dict[str, Any]]:
        """What the run is evaluated on: a name -> settings of the game beside the run's own."""
        if getattr(self.game, "shapes", None) is not None:  # a library of one's own has no parts held out
            return {"": {"curriculum": False}}
        return TESTS.get(self.env, {"": {}})

    @property
    def workers(self) -> int | None:
        """`num_workers` as `puffer_envs.registry.make` takes it."""
        return None if self.num_workers == "auto" else self.num_workers


# What a game trains with where it differs from the above.
GAMES: dict[str, dict[str, Any]] = {
    "territory": {
        "num_envs": 16,
        "total_steps": 1_000_000,
        "log_interval": 5_000,
        "save_interval": 100_000,
        "learner": {
            "num_steps": 64,
            "update_epochs": 3,
            "gamma": 0.995,  # lambda is .95: with .8 a run lost one game in five again after 40,000 decisions
            "learning_rate": 5e-4,
            "vf_coef": 0.01,  # .5 does as well: 1,480 ticks to a win after 60,000 decisions, 1,540 with this
            "ent_coef": 0.005,
        },
        "evaluation": {"interval": 100_000, "episodes": 20, "max_steps": 0},
    },
    "voxel_swarm": {
        "total_steps": 10_000_000,
        "log_interval": 500_000,
        "save_interval": 5_000_000,
        "evaluation": {"interval": 2_000_000, "episodes": 40, "max_steps": 0},
        "curriculum": {"refresh_steps": 1_000_000},
    },
}

# What a game is evaluated on (`RunConfig.tests`).
TESTS: dict[str, dict[str, dict[str, Any]]] = {
    "voxel_swarm": {
        "sizes": {"split": "sizes", "curriculum": False},
        "families": {"split": "families", "curriculum": False},
    },
}

# Presets by machine, of the games whose environments and observations fill one; `auto` is that of this machine.
HARDWARE: dict[str, dict[str, dict[str, Any]]] = {
    "territory": {
        name: {
            "num_envs": num_envs,
            "learner": {"num_steps": num_steps, "num_minibatches": num_envs * num_steps // minibatch},
            "game": {"local_view_size": local_view_size},
        }
        for name, num_envs, minibatch, num_steps, local_view_size in (
            ("cuda-24gb", 8, 256, 1024, 256),
            ("cuda-16gb", 4, 128, 512, 256),
            ("mps", 4, 64, 512, 256),
            ("cpu", 2, 32, 256, 128),
        )
    },
}

# Named sets of settings of the learner; the games keep theirs beside their Config.
PRESETS: dict[str, dict[str, Any]] = {
    # The original design document's own constants: one-step targets, a synced target, one epsilon for all.
    "document": {
        "learner": {
            "gamma": 0.99,
            "advantage_learning": 0.0,
            "n_step": 1,
            "batch_size": 128,
            "tau": 0.0,
            "target_sync": 4_000,
            "epsilon_base": 0.05,
            "epsilon_alpha": 0.0,
            "epsilon_zeta": 0.0,
            "boredom": 0,
            "epsilon_ramp": 5_000_000,
        },
        "intrinsic": {"novel": 0.05, "novel_power": 0.5},
    },
}
