"""The settings of a run, each with its sentence: `--help` is made from this file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from curriculum.manager import CurriculumConfig
from training.evaluation.episodes import EvaluationConfig
from training.off_policy.config import DQNConfig
from training.on_policy.config import PPOConfig

LEARNERS = {"dqn": DQNConfig, "ppo": PPOConfig}  # by the names of `--algo`


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
