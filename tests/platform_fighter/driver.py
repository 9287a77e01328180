"""Single matches of the kernels, to be placed, stepped and looked at by hand."""

from typing import Any

import numpy as np

from puffer_envs.platform_fighter import kernels, moves, observe
from puffer_envs.platform_fighter import state as s
from puffer_envs.platform_fighter.env import Config, PlatformFighter

LETTERS = "wasd_hljkg"  # keys in the order of actions; _ is space
NAMES = (
    *("x", "y", "vx", "vy", "right", "grounded", "aerial", "jumps", "state", "recoveries", "dodge", "stun", "damage"),
    *("stocks", "move", "weapon"),
)
IDLE = 30  # steps after which both fighters stand


def bits(letters: str) -> int:
    """Keys as `kernels.step` takes them."""
    return sum(1 << LETTERS.index(letter) for letter in letters)


class Driver:
    """One match. The fighter on the right is number 0."""

    def __init__(self, seed: int = 0) -> None:
        self.env = PlatformFighter(Config(), 1, seed=seed)
        self.env.reset()
        while self.env.state.real[0, 0, s.X] < 0:
            self.env.begin_new(np.array([0]))
        self.match = self.env.match(0)

    def stand(self) -> None:
        """Let both fighters fall and stand."""
        for _ in range(IDLE):
            self.step()

    def place(self, me: int, x: float, y: float, facing: int, **more: Any) -> None:
        """Put a fighter somewhere, standing at rest; ``more`` are its damage and its weapon."""
        real, whole = self.match.real[me], self.match.whole[me]
        real[: s.HURT_X] = 0
        real[s.X], real[s.Y] = real[s.HURT_X], real[s.HURT_Y] = x, y
        whole[s.TOUCHED : s.TOUCHED + s.SURFACES] = s.NO_CONTACT
        whole[s.STATE], whole[s.FACING] = s.STAND, facing
        real[s.DAMAGE] = more.get("damage", real[s.DAMAGE])
        whole[s.WEAPON] = more.get("weapon", whole[s.WEAPON])

    def step(self, first: str = "", second: str = "") -> bool:
        """One step with these keys held; whether the match is over."""
        return kernels.step(self.match, bits(first), bits(second), moves.load())

    def fighter(self, me: int) -> dict[str, float]:
        """What a fighter's observation says of it, the platform and the spawners."""
        rows = np.zeros((2, 2 * s.FIELDS), np.float32)
        observe.write_rows(self.env.state, rows, np.array([0]))
        return dict(zip(NAMES, rows[me, : len(NAMES)].tolist(), strict=True)) | {"row": rows[me]}


def states(driver: Driver, *held: str, me: int = 0) -> list[int]:
    """The states after steps with these keys."""
    seen = []
    for letters in held:
        driver.step(*((letters, "") if me == 0 else ("", letters)))
        seen.append(int(driver.match.whole[me, s.STATE]))
    return seen
