"""An environment whose course is written down in advance, so that a test can say of every step what it must come to."""

from collections.abc import Collection

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.records import Episode, Event
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.contract.vector_env import VectorEnv

SIZE, ACTIONS, PLACES = 6, 3, 4
# Chances of what a step brings to a row that is there
CHANCES = {"truncated": 0.05, "terminal": 0.05, "lost": 0.03, "retired": 0.03, "reached": 0.1, "": 0.74}
COMES_BACK = 0.4  # to one that is away
SLEEPS = 0.2  # through the next episode, after one that ended

Moments = Collection[tuple[int, int]]  # (clock, row): what the step that leads to this clock brings to the row


class Script(VectorEnv):
    """Every observation and reward is random, and none comes twice; the actions change nothing and are kept.

    Args:
        truncated: episodes cut then; the final observation is another than what the next episode begins with.
        terminal: episodes that end for good.
        lost: workers that die.
        back: workers that are there again.
        retired: rows that become inactive, until their episode ends.
        reached: rows that come to the one milestone.
        asleep: rows that are inactive from the episode on that begins then.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        truncated: Moments = (),
        terminal: Moments = (),
        lost: Moments = (),
        back: Moments = (),
        retired: Moments = (),
        reached: Moments = (),
        asleep: Moments = (),
        agents_per_env: int = 1,
    ) -> None:
        layout = ObsLayout(np.uint8, ("noise", (SIZE,)))
        spec = EnvSpec("script", layout, spaces.Discrete(ACTIONS), {"pay": 1.0}, agents_per_env=agents_per_env)
        super().__init__(spec, num_envs)
        self.truncated, self.terminal, self.lost, self.back, self.retired = truncated, terminal, lost, back, retired
        self.reached, self.asleep = reached, asleep
        self.clock = 0
        self.acted: list[np.ndarray] = []
        self._draw()

    def _draw(self) -> None:
        random = np.random.default_rng([7, self.clock])
        self.observations[:] = random.integers(0, 256, self.observations.shape)
        self.final_observations[:] = random.integers(0, 256, self.observations.shape)
        self.rewards[:] = random.normal(size=self.num_agents)
        self.novelty_keys[:] = random.integers(0, PLACES, self.num_agents)

    def _now(self, moments: Moments) -> list[int]:
        return [row for clock, row in moments if clock == self.clock]

    def send(self, actions: np.ndarray) -> None:
        self.acted.append(actions.copy())
        self.clock += 1
        self._draw()
        self.terminals[:] = self.truncations[:] = False
        self.active[self._now(self.retired)] = False
        self.terminals[self._now(self.terminal)] = True
        self.truncations[self._now(self.truncated)] = True
        self.active[self.terminals | self.truncations] = True
        self.active[self._now(self.asleep)] = False
        self.masks[self._now(self.lost)] = False
        self.masks[self._now(self.back)] = True

    def recv(self) -> tuple[()]:
        return ()

    def poll_events(self) -> list[Event]:
        return [Event(row, 0, 1, None) for row in self._now(self.reached)]

    def poll_episodes(self) -> list[Episode]:
        nothing = np.zeros(0)
        ended = np.flatnonzero((self.terminals | self.truncations) & self.masks)
        return [
            Episode(row, 1, bool(self.truncations[row]), nothing, None, nothing, nothing, {}) for row in ended.tolist()
        ]

    def keep_episodes(self, keep: bool, worlds: bool = False) -> None:
        """None are told of."""


def random_course(seed: int, num_rows: int, steps: int) -> dict[str, list[tuple[int, int]]]:
    """Arguments of `Script`: rows end, retire, are lost and come back by chance, each for itself."""
    rng = np.random.default_rng(seed)
    course: dict[str, list[tuple[int, int]]] = {name: [] for name in (*CHANCES, "back", "asleep") if name}
    for row in range(num_rows):
        away = False
        for clock in range(1, steps + 1):
            if away:
                name = "back" if rng.random() < COMES_BACK else ""
            else:
                name = str(rng.choice(list(CHANCES), p=list(CHANCES.values())))
            if name:
                course[name].append((clock, row))
            if name in ("truncated", "terminal") and rng.random() < SLEEPS:
                course["asleep"].append((clock, row))
            away = name == "lost" or (away and name != "back")
    return course
