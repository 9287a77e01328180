"""Environments that can also run as nothing but their machines; a module of its own, as workers import it by name."""

import numpy as np

from puffer_envs.pokemon_red.emulator import PyBoyEmulator
from puffer_envs.pokemon_red.env import PokemonRed

RAW = 100  # RAW + 32 x a seed + decisions (1 to 31), as the action of all rows, asks for bare emulation


class BarePokemonRed(PokemonRed):
    """The environment, and on demand only its machines: press, release after 8 frames, 24 in all, the last one drawn.

    So both run in the same processes, on the same machines, from the same savestates.
    """

    def send(self, actions: np.ndarray) -> None:
        if int(actions[0]) < RAW:
            super().send(actions)
            return
        seed, decisions = divmod(int(actions[0]) - RAW, 32)
        draws = np.random.default_rng(seed).integers(0, 7, (decisions, self.num_envs)).tolist()
        for row in draws:
            for emulator, action in zip(self.machines, row, strict=True):
                assert isinstance(emulator, PyBoyEmulator)
                emulator.hold(action)
