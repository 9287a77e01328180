"""Who sits opposite in games of two: snapshots of the network that learns, players by rule, or itself."""

import logging
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policies.protocol import ActorCritic
from puffer_envs.contract.vector_env import GUEST, LEARNER, VectorEnv
from training.common.acting import Seen
from training.common.clock import every
from training.common.ledger import Step, score
from training.common.transfer import restore_generator, to_device
from training.selfplay.config import SelfPlayConfig
from training.selfplay.pool import Pool

log = logging.getLogger(__name__)

ITSELF = ""  # the opponent that is no opponent: the network plays, and learns from, both seats


class League:
    """`opponents.Opponents` for an environment of two agents, of which the first is the learner's.

    For each match it is drawn at the begin of an episode who plays the next one, so that the environments know in time;
    the first two are played by one.
    The matches against one snapshot share a forward pass. At most ``config.live`` snapshots play at a time: each is
    drawn for a share of the matches and then no more, until its last match has ended and another takes its place.

    Args:
        env: two agents an environment.
        policy: the network that learns.
        outcome: fact of `Episode.summary` that is 1 where the first agent won, 0 where it lost, .5 for a draw; "": the
            sign of its return says it.
        folder: where the snapshots go.
        seed: of who is drawn, and of what the guests do.
    """

    def __init__(
        self,
        env: VectorEnv,
        policy: ActorCritic,
        config: SelfPlayConfig,
        outcome: str,
        folder: Path,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.env, self.policy, self.config, self.outcome = env, policy, config, outcome
        self.device = torch.device(device)
        self.pool = Pool(config.scripts, folder, config.keep)
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.step = 0
        self.terms: dict[str, int] = {}  # matches that each snapshot in use was drawn for; the last to come is last
        self.networks: dict[str, ActorCritic] = {}  # of the snapshots that play
        self.playing = [ITSELF] * env.num_envs
        self.planned = [ITSELF] * env.num_envs
        for match in range(env.num_envs):
            self._plan(match)
        self.playing[:] = self.planned  # from the first reset on

    # -- who plays ---------------------------------------------------------------------------------------------------
    def _plan(self, match: int) -> None:
        """Draw who plays the next episode, and tell the environment."""
        self.planned[match] = opponent = self._draw()
        scripts = self.env.spec.scripts
        seat = LEARNER if opponent == ITSELF else scripts.index(opponent) + 1 if opponent in scripts else GUEST
        self.env.set_next_seats(match, (LEARNER, seat))

    def _draw(self) -> str:
        config = self.config
        names = ["snapshot", *config.scripts]
        weights = np.array([config.snapshots, *config.scripts.values()])
        drawn = names[self.rng.choice(len(names), p=weights / weights.sum())]
        if drawn != "snapshot":
            return drawn
        if config.draw == "latest" or not self.pool.snapshots:
            return ITSELF
        return self._draw_snapshot()

    def _draw_snapshot(self) -> str:
        in_use = self._in_use()
        self.terms = {name: terms for name, terms in self.terms.items() if name in in_use}
        candidates = self.pool.snapshots
        if len(in_use) >= self.config.live:
            share = max(1, 2 * self.env.num_envs // self.config.live)
            # Where all have had their share the last to come goes on, so that the others come to their end
            candidates = [name for name in in_use if self.terms[name] < share] or list(self.terms)[-1:]
        name = candidates[self.rng.choice(len(candidates), p=self.pool.draws(candidates, self.config.draw))]
        self.terms[name] = self.terms.get(name, 0) + 1
        return name

    def _in_use(self) -> list[str]:
        """Snapshots that play or are to play, in the order in which they came."""
        names = {*self.playing, *self.planned}
        return [name for name in self.pool.snapshots if name in names]

    # -- a decision --------------------------------------------------------------------------------------------------
    def play(self, seen: Seen, actions: Tensor, state: Tensor) -> Tensor:
        sent = actions.clone()
        guests = self._guests()
        for name in [name for name in self.networks if name not in guests]:
            del self.networks[name]
        for name, matches in guests.items():
            rows = to_device(2 * np.array(matches) + 1, self.device)
            network = self._network(name)
            distribution, _, after = network.step(seen.given[rows], seen.state[rows], seen.episode_start[rows])
            sent[rows] = distribution.sample(self.generator)
            state[rows] = after
        return sent

    def _guests(self) -> dict[str, list[int]]:
        """Matches of each snapshot that plays."""
        guests: dict[str, list[int]] = {}
        for match, name in enumerate(self.playing):
            if name != ITSELF and name not in self.env.spec.scripts:
                guests.setdefault(name, []).append(match)
        return guests

    def _network(self, name: str) -> ActorCritic:
        if name not in self.networks:
            network = deepcopy(self.policy).requires_grad_(False)
            self.pool.load(name, network)
            self.networks[name] = network
        return self.networks[name]

    # -- what came of it -----------------------------------------------------------------------------------------------
    def follow(self, step: Step, global_step: int) -> None:
        for finished in step.episodes:
            opponent = self.playing[finished.episode.row // 2]
            if opponent != ITSELF:
                self.pool.enter(opponent, score(finished.episode, self.outcome))
        before, self.step = self.step, global_step
        if every(self.config.snapshot_interval, before, global_step):
            self._take_snapshot(global_step)
        for match in np.flatnonzero(step.began[::2]).tolist():
            self.playing[match] = self.planned[match]
            self._plan(match)

    def oldest(self) -> ActorCritic | None:
        if not self.pool.snapshots:
            return None
        network = deepcopy(self.policy).requires_grad_(False)
        self.pool.load(self.pool.snapshots[0], network)
        return network

    def _take_snapshot(self, step: int) -> None:
        try:
            self.pool.add(self.policy, step, self._in_use())
        except OSError as error:
            log.warning("no snapshot at %s for the league: %s; training goes on", f"{step:,}", error)

    def figures(self) -> dict[str, float]:
        """Ratings, and the recent score against each player by rule and against the snapshots."""
        pool = self.pool
        figures = {"league/rating": pool.rating, "league/snapshots": float(len(pool.snapshots))}
        for name in self.config.scripts:
            figures[f"league/score/{name}"] = pool.standings[name].score
        met = [pool.standings[name].score for name in pool.snapshots if pool.standings[name].games]
        return figures | ({"league/score/snapshots": float(np.mean(met))} if met else {})

    # -- checkpoints -------------------------------------------------------------------------------------------------
    def files(self) -> list[Path]:
        return self.pool.files()

    def state_dict(self) -> dict[str, Any]:
        return {
            "pool": self.pool.state_dict(),
            "rng": self.rng.bit_generator.state,
            "generator": self.generator.get_state(),
            "step": self.step,
            "terms": dict(self.terms),
            "playing": list(self.playing),
            "planned": list(self.planned),
        }

    def load_state_dict(self, state: dict[str, Any], files: dict[str, Path]) -> None:
        """The seats themselves come back with the environments' rows."""
        self.pool.load_state_dict(state["pool"], files)
        self.rng.bit_generator.state = state["rng"]
        restore_generator(self.generator, state["generator"])
        self.step, self.terms = int(state["step"]), dict(state["terms"])
        self.playing, self.planned = list(state["playing"]), list(state["planned"])
        self.networks.clear()
