"""The settings of a run, each with its sentence: `--help` is made from this file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from annotated_types import Ge

from curriculum.manager import CurriculumConfig
from puffer_envs import registry as env_registry
from training.evaluation.episodes import EvaluationConfig
from training.off_policy.config import DQNConfig, SACConfig
from training.on_policy.config import PPOConfig

LEARNERS = {"dqn": DQNConfig, "ppo": PPOConfig, "sac": SACConfig}  # by the names of `--algo`


@dataclass(frozen=True)
class RunConfig:
    """Train a swarm of environments."""

    env: str = env_registry.DEFAULT
    """Which game."""
    algo: Literal["dqn", "ppo", "sac"] = "dqn"
    """Which learner; the game's own where left out."""
    num_envs: Annotated[int, Ge(1)] = 32
    """Environments stepped together."""
    total_steps: Annotated[int, Ge(1)] = 5_000_000
    """Decisions of all environments together."""
    batch_size: Annotated[int, Ge(1)] | None = None
    """Transitions that an update trains on; the learner's default where left out."""
    model_size: Literal["slim", "large"] = "large"
    """Size of the network; the game's own where left out."""
    run_name: str = ""
    """Name of the run and of its folders; the game and the time where left out."""
    log_interval: Annotated[int, Ge(1)] = 5_000
    """Decisions between two log lines."""
    save_interval: Annotated[int, Ge(0)] = 100_000
    """Decisions between two checkpoints."""
    video_interval: Annotated[int, Ge(0)] = 0
    """Decisions between two videos; 0 is off."""
    seed: Annotated[int, Ge(0)] = 1
    """Seed of everything that is drawn."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    num_workers: Literal["auto"] | Annotated[int, Ge(0)] = "auto"
    """Processes that step the environments, 0 for none; auto is one for each core for emulators, else none."""
    torch_threads: Literal["auto"] | Annotated[int, Ge(1)] = "auto"
    """Threads of torch on the CPU; auto is half of the cores, at most 4, and 1 where a GPU learns."""
    preset: str = ""
    """A named set of settings, or several with commas."""
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
    selfplay: Any = None
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    game: Annotated[Any, tyro.conf.arg(name="env")] = None
    policy: Any = None

    @property
    def evaluation_sets(self) -> Mapping[str, Mapping[str, Any]]:
        """What the run is evaluated on: a name -> settings of the game beside the run's own."""
        return env_registry.resolve(self.env).evaluation_sets(self.game, ())

    @property
    def off_policy(self) -> bool:
        """Whether it learns from a replay."""
        return not isinstance(self.learner, PPOConfig)

    @property
    def workers(self) -> int | None:
        """`num_workers` as `puffer_envs.registry.make` takes it."""
        return None if self.num_workers == "auto" else self.num_workers
