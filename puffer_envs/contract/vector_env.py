"""The face that every game shows: buffers, what happens in them, and the channel to a curriculum and a checkpoint.

This is the only room that touches PufferLib. ``VectorEnv`` has two implementations: ``batched.BatchedEnv`` for games
that step all their rows in this process, and ``workers.pool.WorkerPool`` for those that need processes of their own.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.records import Episode, Event, FailedStart
from puffer_envs.contract.spec import EnvSpec

if TYPE_CHECKING:
    from pufferlib.pufferlib import PufferEnv
else:

    def _puffer_env() -> type:
        """PufferLib's ``PufferEnv`` without its networks: ``import pufferlib`` would load torch into every worker.

        The package's own ``__init__`` is passed over unless it has run already. The submodule stays in place, so a
        later ``import pufferlib`` is complete and has this very class.
        """
        if "pufferlib" in sys.modules:
            from pufferlib.pufferlib import PufferEnv

            return PufferEnv
        spec = find_spec("pufferlib")
        if spec is None:
            raise ModuleNotFoundError("PufferLib is missing: pip install pufferlib-core==3.0.18", name="pufferlib")
        sys.modules["pufferlib"] = module_from_spec(spec)  # an empty package that knows its files
        try:
            from pufferlib.pufferlib import PufferEnv
        finally:
            del sys.modules["pufferlib"]
        return PufferEnv

    PufferEnv = _puffer_env()

# Who plays an agent; from 1 on the scripts of `EnvSpec.scripts`, in their order, whose actions the game chooses itself.
LEARNER, GUEST = 0, -1

StepResult = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]


def allocate_buffers(
    spec: EnvSpec, num_envs: int, zeros: Callable[..., np.ndarray] = np.zeros
) -> dict[str, np.ndarray]:
    """Every array that an environment shares with its user, N = num_envs x agents_per_env rows.

    Args:
        zeros: ``zeros(shape, dtype)``; the worker pool passes one that carves from shared memory.
    """
    n = num_envs * spec.agents_per_env
    action = spec.action
    buffers = {
        "observations": zeros((n, spec.layout.size), spec.layout.dtype),
        "rewards": zeros((n,), np.float32),
        "terminals": zeros((n,), np.bool_),
        "truncations": zeros((n,), np.bool_),
        "masks": zeros((n,), np.bool_),  # False: the row is out of order, ignore it
        "active": zeros((n,), np.bool_),  # ours: False: the row goes on, nobody learns from it
        "actions": zeros((n, *action.shape), action.dtype),
        "teacher_actions": zeros((n, *action.shape), action.dtype),  # PufferLib asks for them
        # Ours, beside PufferLib's:
        "final_observations": zeros((n, spec.layout.size), spec.layout.dtype),  # valid where an episode just ended
        "reward_terms": zeros((n, len(spec.reward_weights)), np.float32),  # weighted
        "milestones_held": zeros((n, len(spec.milestones)), np.bool_),
        "novelty_keys": zeros((n,), np.uint64),  # where the last action led to: the key of episodic novelty
    }
    buffers["masks"][:] = buffers["active"][:] = True
    return buffers


class VectorEnv(PufferEnv):
    """The face of a batch of environments: PufferLib's, plus what a curriculum and a checkpoint need.

    All arrays are written in place and never rebound, so a view taken once stays current. ``send`` starts a step and
    ``recv`` waits for it; ``step`` is both. Rows of one environment are neighbours.

    A row whose mask is False is out of order (its worker died): ignore it. When its mask rises again, it has begun a
    new episode with the observation delivered then, and that step was none of its own.

    A row that is not ``active`` is stepped and not learned from, and a learner may decide nothing for it: it is
    eliminated, or an opponent plays it. Games clear it and nobody else; each episode begins active unless the game or
    `set_next_seats` says otherwise.
    """

    def __init__(self, spec: EnvSpec, num_envs: int, buf: dict[str, np.ndarray] | None = None) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}")
        self.spec = spec
        self.num_envs = num_envs
        self.num_agents = num_envs * spec.agents_per_env
        layout = spec.layout
        high = 255 if layout.dtype == np.uint8 else np.inf
        low = 0 if layout.dtype == np.uint8 else -np.inf
        self.single_observation_space = spaces.Box(low, high, (layout.size,), layout.dtype)
        keys = spec.action.kind == "multi_binary"  # which PufferLib knows as choices of two
        self.single_action_space = spaces.MultiDiscrete(np.full(spec.action.shape, 2)) if keys else spec.action_space
        buf = buf if buf is not None else allocate_buffers(spec, num_envs)
        super().__init__(buf)
        self.final_observations = buf["final_observations"]
        self.active = buf["active"]
        self.reward_terms = buf["reward_terms"]
        self.milestones_held = buf["milestones_held"]
        self.novelty_keys = buf["novelty_keys"]
        self.infos: list[dict[str, Any]] = []

    # -- stepping ------------------------------------------------------------------------------------------------
    def reset(self, seed: int | None = None) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """Start every row afresh; with a seed, the whole run that follows is a function of it."""
        raise NotImplementedError

    def step(self, actions: np.ndarray) -> StepResult:
        """One decision of every row, with automatic reset of the rows that end."""
        self.send(actions)
        return self.result()

    def result(self) -> StepResult:
        """Wait for the step that `send` began; ``(observations, rewards, terminals, truncations, infos)``."""
        self.recv()
        return self.observations, self.rewards, self.terminals, self.truncations, self.infos

    # -- opponents -----------------------------------------------------------------------------------------------
    def set_next_seats(self, env: int, seats: Sequence[int]) -> None:
        """Who plays each agent of one environment, from its next episode on until it is set anew.

        Args:
            seats: for each agent `LEARNER` (at first all are), `GUEST` (played from outside and not learned from) or
                n + 1 for script n of the spec, which is not learned from either and whose actions are ignored.
        """
        raise NotImplementedError

    # -- curriculum ----------------------------------------------------------------------------------------------
    def add_state(self, state_id: str, state: bytes) -> None:
        """Put a savestate where rows can start from it."""
        raise NotImplementedError

    def remove_state(self, state_id: str) -> None:
        """Forget a savestate; rows that were to start from it begin a new game."""
        raise NotImplementedError

    def set_next_start(self, env: int, state_id: str | None) -> None:
        """Start the next episode of one environment from a savestate (None: a new game). Holds for one reset.

        Raises:
            KeyError: when no such state was added.
        """
        raise NotImplementedError

    def request_reset(self, mask: np.ndarray) -> None:
        """End the environments of ``mask`` (bool [num_envs]) at the next step, as truncated."""
        raise NotImplementedError

    def want_states(self, wanted: np.ndarray) -> None:
        """Which milestones' events shall carry the world (bool [M], none at first); an emulator's costs 20 ms."""
        raise NotImplementedError

    def poll_events(self) -> list[Event]:
        """Milestones reached since the last call."""
        raise NotImplementedError

    def poll_episodes(self) -> list[Episode]:
        """Episodes finished since the last call; kept only after ``keep_episodes(True)``."""
        raise NotImplementedError

    def poll_failures(self) -> list[FailedStart]:
        """Savestates that could not be loaded since the last call."""
        raise NotImplementedError

    def keep_episodes(self, keep: bool, worlds: bool = False) -> None:
        """Record an `Episode` for each that ends; off by default, as fast games end thousands a second.

        Args:
            worlds: with the last world, in the episode of each environment's first agent.
        """
        raise NotImplementedError

    # -- worlds and whole rows -----------------------------------------------------------------------------------
    def save_state(self, env: int) -> bytes:
        """The world of one environment alone, for the curriculum."""
        raise NotImplementedError

    def load_state(self, env: int, state: bytes) -> None:
        """Begin a new episode of one environment in a saved world.

        Raises:
            state_file.StateFileError: the state is damaged or of another game; the row is as it was.
        """
        raise NotImplementedError

    def snapshot(self, env: int) -> bytes:
        """One environment whole, with RNG, counters and memory: after `restore` it goes on bit for bit."""
        raise NotImplementedError

    def restore(self, env: int, data: bytes) -> None:
        """Inverse of `snapshot`.

        Raises:
            state_file.StateFileError: the snapshot is damaged or of another game; the row is as it was.
        """
        raise NotImplementedError

    def render(self, env: int = 0) -> np.ndarray:
        """A picture of one environment, uint8 [H, W, 3]."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what the environment holds; more than once does no harm."""
