"""Environments that can also run as nothing but their machines; a module of its own, as workers import it by name."""

import numpy as np

from puffer_envs.pokemon_red.emulator import PyBoyEmulator
from puffer_envs.pokemon_red.env import PokemonRed

RAW = 100  # an action from here on asks for bare emulation
RAW_STEPS = 16  # decisions of each machine in one such call: the pool's own time vanishes among them


class BarePokemonRed(PokemonRed):
    """The environment, and on demand only its machines: press, release after 8 frames, 24 in all, the last one drawn.

    So both run in the same processes, on the same machines, from the same savestates.
    """

    def send(self, actions: np.ndarray) -> None:
        if int(actions[0]) < RAW:
            super().send(actions)
            return
        draws = np.random.default_rng(int(actions[0])).integers(0, 7, (RAW_STEPS, self.num_envs)).tolist()
        for decisions in draws:
            for emulator, action in zip(self.machines, decisions, strict=True):
                assert isinstance(emulator, PyBoyEmulator)
                emulator.hold(action)
