"""What a game says of itself to the rest of the house."""

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np

from puffer_envs.contract.spec import EnvSpec
from puffer_envs.contract.vector_env import VectorEnv

_NOTHING: Mapping[str, Any] = MappingProxyType({})


# -- what a game leaves out, as functions ------------------------------------------------------------------------------
def _accept(config: Any) -> None:
    pass


def _no_memory(config: Any, num_envs: int) -> int:
    return 0


def _one_test(config: Any, given: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    return {"": {}}


def _as_it_is(config: Any, max_steps: int, idle_frames: int) -> Any:
    return config


def _no_versus(config: Any) -> bool:
    return False


def _no_world(config: Any) -> str:
    return ""


# -- what a game says --------------------------------------------------------------------------------------------------
class Column(NamedTuple):
    """A fact of an episode's end that has a place in episodes.csv, in the episode lines and in the dashboard."""

    name: str  # of the fact in `Episode.summary`
    title: str = ""  # in the dashboard
    align: str = ""  # in the dashboard: ">3" is right in 3 characters, "<14" left in 14; "" leaves it out there


class Table(NamedTuple):
    """A CSV file of the game's own, beside those that every run has."""

    file: str
    of: Literal["episode", "interval", "evaluation"]  # what a row is written of; an interval is that of the log lines
    # Of each column the figure that stands in it. Of an episode: `episode` (its number), `step`, `seconds` (since the
    # run began or went on), `length`, `return` and the facts of its end; of an interval and an evaluation: what
    # metrics.jsonl has of it and `step`, and of an evaluation the `seconds` that it took.
    columns: Mapping[str, str]


class Alias(NamedTuple):
    """A flag of the commands for one setting of the game, beside its ``--env.<setting>``."""

    setting: str
    help: str


class Inspection(NamedTuple):
    """What can be said of a savestate without loading it."""

    state: bytes  # as it is kept: plain where it came compressed
    facts: Mapping[str, int | None] = _NOTHING  # for the index; None where they cannot be read
    emulator: str = ""  # version of the emulator that reads it; "" for games without one


class Trial(NamedTuple):
    """What a world showed when it was loaded to try it."""

    facts: Mapping[str, int | None]  # as in `Inspection`
    held: tuple[str, ...]  # names of its milestones, in the table's order


@dataclass(frozen=True, kw_only=True, eq=False)
class Game:
    """The one place that says what a game is to the rest of the house: ``GAME`` in the game's ``game.py``.

    Only the first four fields must be given. A function of ``config`` takes an instance of `Config`.
    """

    name: str
    """As in the registry and `EnvSpec.name`."""
    Config: Any
    """NamedTuple of the settings, all with defaults."""
    spec: Callable[[Any], EnvSpec]
    """``spec(config)``: what the rows are; ValueError where no environment can be made of the settings."""
    make: Callable[..., VectorEnv]
    """``make(config, num_envs, *, seed, first_env, report_interval, buf)``: the environments, as a rule the
    `BatchedEnv` itself. Workers get it pickled, by its name."""
    presets: Mapping[str, Any] = field(default_factory=dict)
    """Named Configs for ``--preset``."""

    # -- where and with what it runs
    check: Callable[[Any], None] = _accept
    """``check(config)``: everything that can be known to fail before anything is started; raises ValueError."""
    in_workers: bool = False
    """Whether it runs in processes of its own: an emulator that hangs can only be killed with its process."""
    preload: tuple[str, ...] = ()
    """Modules that its workers share, beside those that come with `make`."""
    worker_options: Mapping[str, Any] = field(default_factory=dict)
    """More keywords of `make` where it is called in a worker."""
    memory_bytes: Callable[[Any, int], int] = _no_memory
    """``memory_bytes(config, num_envs)``: what a batch of environments takes; 0 where it is next to nothing."""
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    """Flags of the commands, without their dashes, for single settings of `Config`."""

    # -- how it is learned
    learners: tuple[str, ...] = ("ppo",)
    """Names for ``--algo`` that its actions allow, the default first."""
    network: str | None = None
    """Name in `policies.registry`; None: the generic network."""
    training_file: Path | None = None
    """Its training.toml (see `training`); None: the learner's defaults."""
    fixed: tuple[str, ...] = ()
    """Settings of `Config` that shape a checkpoint, so that ``--resume`` cannot change them."""

    # -- against whom
    versus: Callable[[Any], bool] = _no_versus
    """``versus(config)``: whether its two agents play against each other and a league may seat who plays the second
    (`VectorEnv.set_next_seats`); the first is the learner's. A game whose sides differ draws who has which."""
    outcome: str = ""
    """Fact that is 1 where the first agent won, 0 where it lost, .5 for a draw; "": the sign of its return says it."""

    # -- how it is evaluated
    evaluation_sets: Callable[[Any, Collection[str]], Mapping[str, Mapping[str, Any]]] = _one_test
    """``evaluation_sets(config, given)``: name of each -> settings beside the run's own. ``given`` are those that
    somebody chose by hand for this evaluation."""
    evaluation: Callable[[Any, int, int], Any] = _as_it_is
    """``evaluation(config, max_steps, idle_frames)``: the Config whose episodes can last ``max_steps`` decisions (0: as
    many as they may) and begin after 0 to ``idle_frames`` idle frames, where frames are what an emulator has."""
    frame_skip: str = ""
    """Setting of `Config` that says how many frames a step lasts: films show each of them."""
    export: Callable[[bytes], Any] | None = None
    """``export(world)``: a last world as what JSON knows, for ``--out`` of an evaluation."""

    # -- how its episodes are told: names of facts in `Episode.summary`
    columns: tuple[Column, ...] = ()
    """Facts with a column of their own."""
    tables: tuple[Table, ...] = ()
    """CSV files of its own."""
    headline: tuple[str, ...] = ()
    """Facts whose means stand in the line of an evaluation."""
    group: str = ""
    """Fact by whose values the table of an evaluation is split; "": by none."""
    places: tuple[str, ...] = ()
    """Numbers that say where a row is: no figures, as their mean says nothing."""

    # -- what of a running episode is sampled
    sense: Callable[[np.ndarray], Mapping[str, np.ndarray]] | None = None
    """``sense(observations)``: facts [N] behind rows of observations [N, R]; None: nothing but rewards is sampled."""
    step_columns: tuple[str, ...] = ()
    """Facts of `sense` that are columns of steps.csv."""
    position_columns: tuple[str, ...] = ()
    """Facts of `sense` that are columns of positions.csv, which is for heat maps; (): it is not written."""

    # -- savestates
    world_id: Callable[[Any], str] = _no_world
    """``world_id(config)``: what savestates belong to, 40 hex digits (a cartridge's SHA-1); "": to the game as such."""
    inspect_state: Callable[[bytes], Inspection] = Inspection
    """``inspect_state(state)``: a savestate from anywhere, as it is kept and as the index tells of it; never raises."""
    try_state: Callable[[Any], Callable[[bytes], Trial]] | None = None
    """``try_state(config)``: gets ready and returns what loads a foreign savestate, in a process that may hang or crash
    over it, and raises ValueError where it is refused; None: foreign savestates are not taken."""

    def training(self) -> dict[str, Any]:
        """What `training_file` holds.

        Settings of a run as ``--config`` takes them, where they differ from the learner's defaults; beside them the
        tables ``presets`` and ``machines``: name -> such settings, which ``--preset`` chooses by their name. A table
        ``learners``, here or in one of those, has settings for single learners by their names.
        """
        return {} if self.training_file is None else tomllib.loads(self.training_file.read_text())
