"""The curriculum: which milestones' states are kept, and from which of them the next episodes begin.

The manager knows no environment. The command carries messages between the two: events, episodes and failed starts
in; starts, pulls, the wish for states and evictions out. All chance comes from one generator of its own, so the same
messages give the same answers, and `state_dict` holds everything that an exact continuation needs.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval

from curriculum import index, sampling
from curriculum.index import StateEntry
from curriculum.posteriors import Posteriors
from curriculum.starts import A_NEW_GAME, Start, Starts
from curriculum.store import StateStore
from puffer_envs.contract.game import Inspection

if TYPE_CHECKING:
    from puffer_envs.contract.milestone import Milestone
    from puffer_envs.contract.records import Episode, Event, FailedStart

log = logging.getLogger(__name__)

VERSION = 2
Weight = Annotated[float, Ge(0)]
MAX_FAILURES = 2  # loads that may fail before a state is evicted


@dataclass(frozen=True)
class CurriculumConfig:
    """Where the episodes of the swarm begin."""

    enabled: bool = True
    """Off: every episode is a new game and no state is saved; the posteriors are still kept."""
    mode: Literal["mixture", "frontier"] = "mixture"
    """mixture: starts spread over all milestones, and a first-ever milestone pulls half of the rows to it.
    frontier: starts at the furthest milestone alone, and a first-ever one pulls all rows."""
    new_game_fraction: Annotated[float, Interval(ge=0, le=1)] = 0.25
    """New games are at least this share of all starts that are played; a pull may lower it for a while."""
    tier_weights: tuple[Weight, Weight, Weight] = (0.5, 0.3, 0.2)
    """Early, mid, late; renormalised over the tiers that have states."""
    keep_per_milestone: Annotated[int, Ge(1)] = 8
    """The newest so many states of each milestone are kept."""
    refresh_steps: Annotated[int, Ge(0)] = 100_000
    """With all places of a milestone taken, a new state is wanted when the newest is this many agent steps old."""
    half_life: Annotated[float, Gt(0)] = 100.0
    """Episodes that count for a milestone until an older one weighs half in its posterior; above 0, inf for never."""
    seed_dir: str = "savestates/wayfarer"
    """Folder of shipped states that a run begins with where they are of its world; empty for none."""

    def __post_init__(self) -> None:
        if not any(self.tier_weights):
            raise ValueError(f"tier_weights must not all be 0, got {self.tier_weights}")


class CurriculumManager:
    """Savestates, posteriors and the choice of starts of one run.

    Args:
        milestones: the table of the game, in the order of play.
        directory: ``savestates/<run>``; states that an index there names are used from the start.
        seed: of its own generator.
        world_id: what the game's states belong to (`Game.world_id`); states of another one are never used.
        inspect: a state as it is kept and described (`Game.inspect_state`).
        run_name: who is named as maker of the states; the folder's name if left out.
    """

    def __init__(
        self,
        milestones: "Sequence[Milestone]",
        directory: str | Path,
        config: CurriculumConfig | None = None,
        seed: int = 0,
        *,
        world_id: str = "",
        inspect: Callable[[bytes], Inspection] = Inspection,
        run_name: str | None = None,
        agents_per_env: int = 1,
    ) -> None:
        self.milestones = tuple(milestones)
        self.config = config or CurriculumConfig()
        self.posteriors = Posteriors(self.milestones, self.config.half_life)
        self.store = StateStore(Path(directory))
        self.world_id, self._inspect = world_id, inspect
        self.agents_per_env = agents_per_env
        self.run_name = run_name or self.store.directory.resolve().name
        self.global_step = 0  # the latest that any message told
        self._index = {milestone.name: m for m, milestone in enumerate(self.milestones)}
        self._tiers = np.array([sampling.TIERS.index(m.tier) for m in self.milestones], np.int64)  # [M]
        self._successors = sampling.next_milestones(self.milestones)
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._known = np.zeros(len(self.milestones), np.bool_)  # [M], a state of it exists or existed
        self._pull_to: int | None = None  # the furthest first-ever milestone that no pull has answered yet
        self._cut: set[int] = set()  # environments whose running episode a pull ends
        self._evicted: list[str] = []
        self.starts = Starts()
        self._just_shipped: set[str] = set()  # states that the constructor brought into the folder
        self._register_existing()

    # -- messages in ---------------------------------------------------------------------------------------------
    def on_event(self, event: "Event", global_step: int) -> str | None:
        """A row reached a milestone: keep the world if it is wanted; its new id, for ``env.add_state``."""
        self.global_step = max(self.global_step, global_step)
        m = event.milestone
        if event.state is None or not self.wanted()[m] or not self._storable(event.state):
            return None
        inspection = self._inspect(event.state)
        entry = self._describe(event, inspection, global_step)
        try:
            self.store.add(entry, inspection.state)
        except OSError as error:  # a full disk costs savestates, not the run
            log.warning("could not save %s: %s", entry.file, error)
            return None
        first = "" if self._known[m] else "for the first time "
        log.info("row %d reached %s %sat step %d: state %s", event.row, entry.milestone, first, global_step, entry.id)
        if not self._known[m]:
            self._known[m] = True
            self._pull_to = m if self._pull_to is None else max(m, self._pull_to)
        self._drop_oldest(m)
        return entry.id

    def on_episode(self, episode: "Episode", global_step: int) -> None:
        """An episode ended: posteriors (and with them the scores), and the use of its state."""
        self.global_step = max(self.global_step, global_step)
        cut = episode.row // self.agents_per_env in self._cut and episode.truncated
        self.posteriors.update(episode, cut)
        if (entry := self.store.entries.get(episode.start_state or "")) is not None:
            self.store.update(entry.id, uses=entry.uses + 1)

    def on_failure(self, failure: "FailedStart") -> None:
        """A state could not be loaded, so its row plays a new game; the second time it goes to quarantine."""
        self.starts.withdraw([failure.state_id], failure.row // self.agents_per_env)
        entry = self.store.entries.get(failure.state_id)
        if entry is None:
            return
        failures = entry.failures + 1
        self.store.update(entry.id, failures=failures)
        if failures >= MAX_FAILURES:
            self.store.quarantine(entry.id, f"could not be loaded {failures} times, at last: {failure.reason}")
            self._evicted.append(entry.id)

    def on_begin(self, env: int) -> None:
        """An environment has begun an episode, of its own or with a new worker: what it was told last is played.

        To be called after the other messages of a step, and before its evictions are drained and its starts chosen.
        """
        self._cut.discard(env)
        self.starts.begin(env)

    # -- answers -------------------------------------------------------------------------------------------------
    def next_start(self, env: int) -> str | None:
        """Where an environment begins its next episode but the running one: the id of a state, None for a new game."""
        self.starts.waiting.pop(env, None)
        state_id = self._sample()
        self.starts.waiting[env] = self._start_at(state_id)
        return state_id

    def pull(self, envs: Sequence[int]) -> dict[int, str]:
        """Environments to end now, and the state of a first-ever milestone that each begins from; once for each.

        It takes the place of what `next_start` said. Of several first-ever milestones since the last call the furthest
        counts.

        Args:
            envs: those that play. One whose worker is away may be about to begin from what it was told before.
        """
        m, self._pull_to = self._pull_to, None
        if m is None:
            return {}
        states = [entry.id for entry in self.store.entries.values() if entry.milestone == self.milestones[m].name]
        count = len(envs) if self.config.mode == "frontier" else len(envs) // 2
        if not states or not count:
            return {}
        chosen = sorted(self._rng.permutation(np.asarray(envs))[:count].tolist())
        self._cut.update(chosen)
        pulled = {env: states[i % len(states)] for i, env in enumerate(chosen)}
        self.starts.waiting |= {env: self._start_at(state_id) for env, state_id in pulled.items()}
        return pulled

    def wanted(self) -> np.ndarray:
        """Milestones whose states are worth their 20 ms now, bool [M]: places are free, or the newest is old."""
        wanted = np.full(len(self.milestones), self.config.enabled)
        if not self.config.enabled:
            return wanted
        steps: dict[str, list[int]] = {}
        for entry in self.store.entries.values():
            steps.setdefault(entry.milestone, []).append(entry.global_step)
        for name, saved in steps.items():
            full = len(saved) >= self.config.keep_per_milestone
            wanted[self._index[name]] = not full or self.global_step - max(saved) >= self.config.refresh_steps
        return wanted

    def load_bytes(self, state_id: str) -> bytes:
        """The world of a state, verified by sha256 (`store.StateStore.load`)."""
        return self.store.load(state_id)

    def ids(self) -> list[str]:
        """Ids of all states, in order of registration."""
        return list(self.store.entries)

    def drain_evicted(self) -> list[str]:
        """Ids that went out of use since the last call, for ``env.remove_state``: who would begin there does not."""
        evicted, self._evicted = self._evicted, []
        self.starts.withdraw(evicted)
        return evicted

    @property
    def theta(self) -> np.ndarray:
        """Posterior mean of each milestone, float64 [M]."""
        return self.posteriors.theta

    @property
    def alarm(self) -> np.ndarray:
        """Milestones whose theta is below .5 for sure, bool [M]."""
        return self.posteriors.alarm

    def spawn_mix(self) -> dict[str, float]:
        """Fractions of the recent starts: new games and the three tiers."""
        return self.starts.mix()

    def _start_at(self, state_id: str | None) -> Start:
        if state_id is None:
            return A_NEW_GAME
        return Start(state_id, sampling.TIERS.index(self.store.entries[state_id].tier))

    # -- sampling ------------------------------------------------------------------------------------------------
    def _sample(self) -> str | None:
        ids = self.ids()
        if not self.config.enabled or not ids:
            return None
        # The coin is tossed even if the answer is due: one number a start, whatever happened before.
        fraction = self.config.new_game_fraction
        if self._rng.random() < fraction or self.starts.new_game_due(fraction):
            return None
        return ids[sampling.draw(self._probabilities(), self._rng.random())]

    def _probabilities(self) -> np.ndarray:
        """Of all states in order of registration, float64 [S]."""
        of = np.array([self._index[entry.milestone] for entry in self.store.entries.values()])  # [S]
        if self.config.mode == "frontier":
            furthest = of == of.max()
            return furthest / furthest.sum()
        scores = sampling.milestone_scores(self.theta, self._successors)
        return sampling.state_probabilities(self._tiers[of], scores[of], self.config.tier_weights)

    # -- the stock of states -------------------------------------------------------------------------------------
    @staticmethod
    def _storable(state: bytes) -> bool:
        if 0 < len(state) <= index.MAX_STATE_BYTES:
            return True
        log.warning("a savestate of %d bytes is not kept: it must have 1 to %d", len(state), index.MAX_STATE_BYTES)
        return False

    def _describe(self, event: "Event", inspection: Inspection, global_step: int) -> StateEntry:
        milestone = self.milestones[event.milestone]
        name = index.state_id(milestone.name, global_step, event.row)
        if name in self.store.entries:  # two events of one row in one step whose names differ in punctuation only
            name = f"{name}.{sum(other.startswith(name) for other in self.store.entries)}"
        state = inspection.state
        return StateEntry(
            id=name,
            file=name + index.SUFFIX,
            sha256=index.digest(state),
            size=len(state),
            world_id=self.world_id,
            emulator=inspection.emulator,
            state_version=state[0],
            milestone=milestone.name,
            tier=milestone.tier,
            facts=dict(inspection.facts),
            step=event.step,
            global_step=global_step,
            made_by=self.run_name,
        )

    def _drop_oldest(self, m: int) -> None:
        name = self.milestones[m].name
        states = [entry.id for entry in self.store.entries.values() if entry.milestone == name]
        for state_id in states[: -self.config.keep_per_milestone]:
            self.store.remove(state_id)
            self._evicted.append(state_id)

    def _register_existing(self) -> None:
        """Take over what lies in the run's folder, then the shipped states that are not there yet."""
        if not self.config.enabled:
            return
        for entry, data in self.store.open():
            if problem := self._foreign(entry):
                self.store.quarantine_file(entry.file, problem)
            else:
                self.store.adopt(entry, data)
        if self.config.seed_dir and self.world_id:
            self._register_shipped(_shipped(self.config.seed_dir))
        self._known[[self._index[entry.milestone] for entry in self.store.entries.values()]] = True

    def _register_shipped(self, directory: Path) -> None:
        shipped = index.read_index(directory)  # a damaged one is an error: it is part of the program
        for entry in shipped:
            if entry.id not in self.store.entries and not self._foreign(entry):
                data = index.read_state(directory, entry)
                self.store.add(replace(entry, score=0.0, uses=0, failures=0), data)
                self._just_shipped.add(entry.id)

    def _foreign(self, entry: StateEntry) -> str | None:
        if entry.world_id != self.world_id:
            return f"a state of another world ({entry.world_id or 'none'})"
        if entry.milestone not in self._index:
            return f"a state of a milestone that this game does not have: {entry.milestone}"
        return None

    # -- checkpoints ---------------------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """Everything, the bytes of the states included; also writes scores and uses to the index."""
        scores = sampling.milestone_scores(self.theta, self._successors)
        for entry in list(self.store.entries.values()):
            self.store.update(entry.id, score=float(scores[self._index[entry.milestone]]))
        self.store.flush()
        return {
            "version": VERSION,
            "rng": json.dumps(self._rng.bit_generator.state),  # its integers have 128 bits
            "posteriors": self.posteriors.state_dict(),
            "states": self.store.state_dict(),
            "global_step": self.global_step,
            "known": self._known.copy(),
            "pull_to": self._pull_to,
            "cut": sorted(self._cut),
            "evicted": list(self._evicted),
            "starts": self.starts.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, with the folder made to agree (`store.StateStore.load_state_dict`).

        Raises:
            ValueError: the state is of another version, game or world.
        """
        if state["version"] != VERSION:
            raise ValueError(f"the curriculum in the checkpoint is of version {state['version']}, not {VERSION}")
        if others := {index.fields_of(saved)["world_id"] for saved in state["states"]} - {self.world_id}:
            raise ValueError(f"the checkpoint's savestates are of another world ({min(others) or 'none'})")
        self.posteriors.load_state_dict(state["posteriors"])
        saved_ids = {saved["id"] for saved in state["states"]}
        for state_id in self._just_shipped - saved_ids:  # ours of a moment ago, no orphans
            self.store.remove(state_id)
        self.store.load_state_dict(state["states"])
        self._rng.bit_generator.state = json.loads(state["rng"])
        self.global_step = int(state["global_step"])
        self._known[:] = np.asarray(state["known"])
        self._pull_to = state["pull_to"]
        self._cut = set(state["cut"])
        self._evicted = list(state["evicted"])
        self.starts.load_state_dict(state["starts"])


def _shipped(folder: str) -> Path:
    """A folder as named, or within the project where it is not found from the working directory."""
    path = Path(folder)
    if not path.is_absolute() and not path.is_dir():
        path = Path(__file__).resolve().parents[1] / folder
    if not path.is_dir():
        log.warning("--curriculum.seed-dir %s does not exist: the run begins without savestates", folder)
    return path
