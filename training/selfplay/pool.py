"""Snapshots of the network that learns, and how it has fared against each opponent."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from training.selfplay import elo
from training.store.checkpoint import save_file
from training.store.files import take_over

FOLDER = "league"  # of a run's snapshots
RECENT = 0.1  # weight of the last game in the score against an opponent


@dataclass
class Standing:
    """Of one opponent against the network that learns."""

    rating: float
    games: int = 0
    score: float = 0.5  # of the learner in the recent games, in [0, 1]


def snapshots_of(run: Path) -> dict[int, Path]:
    """The files of the weights that a run has kept for its league, by the decisions that it had made."""
    return {step_of(path): path for path in (run / FOLDER).glob("snapshot_*.pt")}


def step_of(path: Path) -> int:
    """Decisions that had been made when a snapshot was taken."""
    return int(path.stem.removeprefix("snapshot_"))


class Pool:
    """The snapshots and the players by rule, each by its name, with their standings.

    A snapshot's name is ``snapshot_<decisions>``; its weights are a file of that name in ``folder``, written once and
    only linked by checkpoints. The players by rule have no file.
    """

    def __init__(self, scripts: Iterable[str], folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep
        self.rating = elo.START  # of the network that learns
        self.standings = {name: Standing(elo.START) for name in scripts}
        self.snapshots: list[str] = []  # the oldest first

    def add(self, network: nn.Module, step: int, in_use: Collection[str]) -> None:
        """Keep the network as it is now; the oldest go, but for those that play."""
        name = f"snapshot_{step}"
        self.folder.mkdir(parents=True, exist_ok=True)
        save_file(self._path(name), network.state_dict())
        self.standings[name] = Standing(self.rating)
        self.snapshots.append(name)
        for old in [each for each in self.snapshots[: -self.keep] if each not in in_use]:
            self.snapshots.remove(old)
            del self.standings[old]
            self._path(old).unlink(missing_ok=True)

    def load(self, name: str, network: nn.Module) -> None:
        """Give a network the weights of a snapshot."""
        network.load_state_dict(torch.load(self._path(name), weights_only=True, map_location="cpu"))

    def draws(self, names: list[str], draw: str) -> np.ndarray:
        """Probability of each of these snapshots as opponent, float64 [n].

        With ``pfsp`` it falls with the square of how surely it is beaten (Vinyals et al. 2019, prioritised fictitious
        self-play), and never to nothing.
        """
        weights = np.ones(len(names))
        if draw == "pfsp":
            weights = np.array([max(1.0 - self.standings[name].score, 0.05) ** 2 for name in names])
        return weights / weights.sum()

    def enter(self, name: str, score: float) -> None:
        """A game of the network that learns against this opponent; ``score`` 1 is won, 0 lost."""
        standing = self.standings[name]
        self.rating, standing.rating = elo.after(self.rating, standing.rating, score)
        standing.games += 1
        standing.score += RECENT * (score - standing.score)

    def files(self) -> list[Path]:
        """Of all snapshots."""
        return [self._path(name) for name in self.snapshots]

    def state_dict(self) -> dict[str, Any]:
        """The ratings, and which snapshots there are."""
        standings = {name: asdict(standing) for name, standing in self.standings.items()}
        return {"rating": self.rating, "standings": standings, "snapshots": list(self.snapshots)}

    def load_state_dict(self, state: dict[str, Any], files: Mapping[str, Path]) -> None:
        """Inverse of `state_dict`; the files of the checkpoint become ours, and those of another future go.

        Raises:
            KeyError: the checkpoint lacks a snapshot that it names.
        """
        self.rating, self.snapshots = float(state["rating"]), list(state["snapshots"])
        self.standings = {name: Standing(**standing) for name, standing in state["standings"].items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.iterdir():
            path.unlink()
        for name in self.snapshots:
            take_over(files[self._path(name).name], self._path(name))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.pt"
