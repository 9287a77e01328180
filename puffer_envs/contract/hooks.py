"""What a game fills in: its rules, its episodes and its worlds, behind the order that `batched` gives them."""

from typing import Any

import numpy as np

from puffer_envs.contract.vector_env import VectorEnv


class Hooks(VectorEnv):
    """The hooks of a game that steps all its rows in this process. `batched.BatchedEnv` calls them."""

    # -- must be filled in -------------------------------------------------------------------------------------------
    def act(self) -> None:
        """Apply ``self.actions`` to every row."""
        raise NotImplementedError

    def score(self) -> None:
        """Write unweighted reward terms of this step into ``self.reward_terms`` [N, K] (cleared beforehand)."""
        raise NotImplementedError

    def finish(self) -> None:
        """Set ``self.terminals`` and ``self.truncations`` (cleared beforehand) for rows whose episode ends."""
        raise NotImplementedError

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        """Write the observations of ``rows`` (indices) into ``out`` [N, ...] at the same indices."""
        raise NotImplementedError

    def begin(self, env: int, state: bytes | None) -> None:
        """Put one environment at the start of an episode: a new game, or the world in ``state``.

        Fresh episode memory, and the loaded world's totals taken as the reward baseline.

        Raises:
            state_file.StateFileError: the state cannot be loaded and the environment is as it was.
        """
        raise NotImplementedError

    def write_world(self, env: int) -> bytes:
        """The world of one environment: what `begin` reads."""
        raise NotImplementedError

    def read_world(self, env: int, world: bytes) -> None:
        """Put one environment's world back exactly as `write_world` saw it, without beginning an episode.

        Raises:
            state_file.StateFileError: the world is damaged; the environment is as it was.
        """
        raise NotImplementedError

    # -- may be -------------------------------------------------------------------------------------------------------
    def begin_new(self, envs: np.ndarray) -> None:
        """New games of several environments (indices), as `begin` one by one; fast games do it in one call."""
        for env in envs.tolist():
            self.begin(env, None)

    @staticmethod
    def pack_state(state: bytes) -> bytes:
        """A savestate as it shall be kept for `begin`: as it is, or in a smaller form that `begin` reads too.

        Packing what is packed changes nothing: the pool packs a state once, before it goes to all workers.
        """
        return state

    def play_scripts(self, rows: np.ndarray, scripts: np.ndarray) -> None:
        """Write the actions of players by rule into ``self.actions`` at ``rows`` (indices); ``scripts`` int8 [n] are
        their places in `EnvSpec.scripts`. Called before `act` where the spec has scripts and any row is played so."""
        raise NotImplementedError

    def can_begin(self, env: int) -> bool:
        """Whether an episode could begin in the world of an environment as it is now; not where its end is reached."""
        return True

    def prepare(self) -> None:
        """Work ahead by a few milliseconds: a worker calls it when it has nothing to do. It changes no result."""

    def row_arrays(self) -> dict[str, np.ndarray]:
        """The game's own arrays of first axis num_envs (or N) that make up a row beside its world."""
        return {}

    def summary(self, row: int) -> dict[str, Any]:
        """The game's own facts of a row whose episode ends, for `Episode.summary`."""
        return {}

    def metrics(self) -> dict[str, float]:
        """The game's own figures for the periodic info dict, as means over its rows; called once a report."""
        return {}
