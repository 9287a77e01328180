"""A network acting on the rows of an environment: what it is shown, what it remembers, and which rows begin anew."""

import time
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from policies.protocol import Network
from puffer_envs.contract.vector_env import VectorEnv
from training.common.history import History
from training.common.transfer import to_device


class Seen(NamedTuple):
    """What a network decides on: one observation of all rows, on its device."""

    rows: Tensor  # [N, R], packed
    given: Tensor  # what the network is shown: the rows, or the history of its field [N, H, F]
    state: Tensor  # float32 [N, S], recurrent, before the decision
    episode_start: Tensor  # bool [N], the observation begins an episode


class Acting:
    """Frame history and recurrent state of all rows.

    Whoever plays says which rows begin anew, in ``episode_start``, and stores the recurrent state that a decision left.
    """

    def __init__(self, env: VectorEnv, network: Network, device: torch.device | str) -> None:
        n = env.num_agents
        self.env, self.device = env, torch.device(device)
        self.episode_start = np.ones(n, np.bool_)  # the next observation begins an episode
        self.state = torch.zeros((n, network.state_size), device=device)
        self.history = History(n, network, env.spec.layout, device)
        self.env_seconds = 0.0  # from the orders to step until the last answers
        self._sent = 0.0

    def see(self) -> Seen:
        """The present observations; the history moves on."""
        rows, episode_start = self.to_device(self.env.observations), self.to_device(self.episode_start)
        return Seen(rows, self.history.push(rows, episode_start), self.state, episode_start)

    def send(self, actions: np.ndarray) -> None:
        """Order a step."""
        self._sent = time.perf_counter()
        self.env.send(actions)

    def receive(self) -> None:
        """Wait for it."""
        self.env.recv()
        self.env_seconds += time.perf_counter() - self._sent

    def to_device(self, array: np.ndarray) -> Tensor:
        """A copy on the device: the environments write on at once."""
        return to_device(array, self.device)

    def state_dict(self) -> dict[str, Any]:
        """History, recurrent state, and which rows begin anew."""
        return {
            "history": self.history.state_dict(),
            "state": self.state,
            "episode_start": self.episode_start.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.history.load_state_dict(state["history"])
        self.state = state["state"].to(self.device)
        self.episode_start[:] = state["episode_start"]


class Player:
    """A network playing in environments that nobody learns from: evaluations, videos, matches.

    A subclass says what it chooses; `advance` is the one loop that plays, so that no memory is ever forgotten or kept
    beyond its episode.
    """

    def __init__(self, env: VectorEnv, network: Network, device: torch.device | str) -> None:
        self.env, self.acting = env, Acting(env, network, device)

    def choose(self, seen: Seen) -> np.ndarray:
        """Actions of all rows as the environments take them; the recurrent state moves on."""
        raise NotImplementedError

    @torch.inference_mode()
    def advance(self) -> None:
        """One decision of all rows."""
        self.step(self.decide())

    def step(self, actions: np.ndarray) -> None:
        """A step with what was decided; again with the same where a decision is to last several."""
        env = self.env
        there = env.masks.copy()
        env.step(actions)
        # A row whose worker is away, or has just come back, begins an episode, too.
        self.follow(env.terminals | env.truncations | ~(there & env.masks))

    def decide(self) -> np.ndarray:
        """Actions of all rows for the present observations."""
        return self.choose(self.acting.see())

    def follow(self, began: np.ndarray) -> None:
        """The rows, bool [N], whose next observation begins an episode."""
        self.acting.episode_start[:] = began


class Against(Player):
    """Two players in games of two: one plays the first agents, the other the second ones."""

    def __init__(self, first: Player, second: Player) -> None:
        self.env, self.players = first.env, (first, second)

    def decide(self) -> np.ndarray:
        actions, theirs = (player.decide() for player in self.players)
        actions[1::2] = theirs[1::2]
        return actions

    def follow(self, began: np.ndarray) -> None:
        for player in self.players:
            player.follow(began)
