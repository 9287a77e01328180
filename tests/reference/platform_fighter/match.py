"""A match: the order of a step, the signals, the reward terms, the end."""

import math
from collections.abc import Sequence

import numpy as np

from puffer_envs.kit import rng
from tests.reference.platform_fighter import observe, states
from tests.reference.platform_fighter.fighter import Fighter
from tests.reference.platform_fighter.physics import DT, World
from tests.reference.platform_fighter.rules import LEFT, MAX_STEPS, PUNCH, RIGHT, State
from tests.reference.platform_fighter.weapons import Weapons

STARTS = ((5.0, 0.0), (-5.0, 0.0))
DANGER_Y = 4.2
DAMAGE_SCALE = 140
MANY_KEYS = 3

# The terms of the reward and their weights. The terms themselves are not weighted.
WEIGHTS = {
    "danger_zone": 0.5,
    "damage_interaction": 1.0,
    "penalize_attack": -0.04,
    "many_keys": -0.01,
    "win": 50.0,
    "knockout": 8.0,
    "combo": 5.0,
    "equip": 10.0,
    "drop": 15.0,
    "approach": 0.0,
}


class Match:
    """One match on a stream of random numbers; it has begun already, `reset` begins the next one on the same stream."""

    def __init__(self, stream: np.ndarray) -> None:
        self.stream = stream
        self.reset()

    def reset(self) -> None:
        """Begin a new match from where the stream is: the sides, then the two spawners."""
        self.steps = 0
        self.terminal = self.truncated = False
        self.world = World()
        starts = STARTS if rng.uniform(self.stream) < 0.5 else STARTS[::-1]
        self.fighters = [
            Fighter(i, start, RIGHT if start[0] < 0 else LEFT, self.world) for i, start in enumerate(starts)
        ]
        for fighter in self.fighters:
            fighter.opponent = self.fighters[1 - fighter.index]
        self.weapons = Weapons(self.stream, self.world)
        self.rewards = [dict.fromkeys(WEIGHTS, 0.0) for _ in self.fighters]

    def step(self, keys: Sequence[Sequence[bool]]) -> None:
        """1/30 s with the ten keys of each fighter."""
        self.rewards = [dict.fromkeys(WEIGHTS, 0.0) for _ in self.fighters]
        self.terminal = False
        for fighter, own_keys in zip(self.fighters, keys, strict=True):
            fighter.damage_taken = 0
            fighter.keys.update(own_keys)
            if fighter.stocks <= 0:
                self.terminal = True
                self.signal("defeat", fighter)
        self.world.platform.steer()
        for fighter in self.fighters:
            states.turn(fighter, self.stream, self.signal)
        self.weapons.look()
        self.world.step()
        self.steps += 1
        self.weapons.update(self.fighters, self.steps, self.signal)
        self.truncated = self.steps >= MAX_STEPS
        for fighter in self.fighters:
            self._reward(fighter)

    def signal(self, name: str, fighter: Fighter) -> None:
        """Pay for an event of a fighter."""
        own, theirs = self.rewards[fighter.index], self.rewards[1 - fighter.index]
        if name == "equip":
            own["equip"] += fighter.weapon  # a hammer 2, a spear 1
        elif name == "drop":
            own["drop"] -= 1
        else:
            term = {"defeat": "win", "knockout": "knockout", "hit_during_stun": "combo"}[name]
            own[term] -= 1
            theirs[term] += 1

    def _reward(self, fighter: Fighter) -> None:
        """The terms of the state after a step."""
        terms = self.rewards[fighter.index]
        terms["danger_zone"] = -DT if fighter.y >= DANGER_Y else 0.0
        terms["damage_interaction"] = (fighter.opponent.damage_taken - fighter.damage_taken) / DAMAGE_SCALE
        terms["penalize_attack"] = DT if fighter.state == State.ATTACK else 0.0
        terms["many_keys"] = DT if sum(fighter.keys.held.values()) > MANY_KEYS else 0.0
        if State.KO not in (fighter.state, fighter.opponent.state):
            bearing = math.atan2(fighter.opponent.y - fighter.y, fighter.opponent.x - fighter.x)
            terms["approach"] = DT * (fighter.vx * math.cos(bearing) + fighter.vy * math.sin(bearing))

    def observe(self, i: int) -> list[float]:
        """The 64 numbers that fighter i sees: its own 32, then the opponent's."""
        sides = self.fighters[i], self.fighters[1 - i]
        return [number for fighter in sides for number in observe.of_fighter(fighter, self.weapons)]

    def place(self, i: int, x: float, y: float, facing: int, damage: float = 0, weapon: int = PUNCH) -> None:
        """Put fighter i somewhere, standing still."""
        fighter = self.fighters[i]
        fighter.body.x, fighter.body.y = x, y
        fighter.set_velocity(0.0, 0.0)
        fighter.state, fighter.facing, fighter.damage, fighter.weapon = State.STAND, facing, damage, weapon
