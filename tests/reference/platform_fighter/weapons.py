"""Spears and hammers: two spawners that make new ones, those that fighters dropped, and who picks them up."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from puffer_envs.kit import rng
from tests.reference.platform_fighter.capsules import Capsule
from tests.reference.platform_fighter.fighter import Fighter
from tests.reference.platform_fighter.physics import Body, World
from tests.reference.platform_fighter.rules import HAMMER, PUNCH, SPEAR, State

NEAR, FAR = 2.6, 6.5  # x of new weapons
COOLDOWN = (500, 700)  # steps
HEAD_START = 350
LIFETIME = 350
LIFETIME_DROPPED = 250
SPAWN_FRAMES = 30  # steps before a new weapon can be had: an animation as long, which the specification does not say
MOST_SPAWNERS = 2
LOCK = 15  # steps for which who dropped a weapon picks up no dropped one
PIXELS = 48  # of a picture, in a world unit
BOX = (40 / PIXELS, 16 / PIXELS + 0.5)
REACH, REACH_DROPPED = (1.5, 0.83), (1.5, 16 / PIXELS)  # capsules
DROP_X, DROP_Y = 0.1, 0.27  # from the fighter, x forwards

RANDOM = 1  # type of a spawner in the observation; that of a dropped weapon is 1 + the weapon

Signal = Callable[[str, Fighter], None]


def randint(stream: np.ndarray, low: int, high: int) -> int:
    """An integer from low to high, both included."""
    return low + int(rng.randint(stream, high - low + 1))


class Weapon:
    """A weapon that lies, or falls, somewhere. Others see it where it was before the last step of the world."""

    def __init__(self, kind: int, x: float, y: float, now: int, world: World) -> None:
        self.kind, self.born, self.world = kind, now, world
        self.x, self.y = x, y
        self.body = Body(x, y, *BOX, friction=1e11)
        world.bodies.append(self.body)

    def look(self) -> None:
        """See where it is now."""
        self.x, self.y = self.body.x, self.body.y

    def vanish(self) -> None:
        """Be gone."""
        self.world.remove(self.body)

    def is_in_reach(self, fighter: Fighter, reach: tuple[float, float]) -> bool:
        """Whether a fighter's hurtbox touches the capsule around it."""
        return Capsule(self.x, self.y, *reach).hits(fighter.hurtbox)


@dataclass
class Spawner:
    """Makes weapons on one of the grounds, one at a time."""

    side: int  # 1 right, -1 left
    y: float
    stream: np.ndarray
    world: World
    x: float = field(init=False)
    weapon: Weapon | None = None
    is_open: bool = False  # whether the weapon can be taken
    is_done = False

    def __post_init__(self) -> None:
        self.x = self._place()
        self.first_cooldown = self.cooldown = randint(self.stream, *COOLDOWN)
        self.last = randint(self.stream, 0, HEAD_START) - self.cooldown  # step of the last spawn or pickup

    def _place(self) -> float:
        return self.side * (NEAR + (FAR - NEAR) * float(rng.uniform(self.stream)))

    @property
    def type(self) -> int:
        """In the observation."""
        return RANDOM

    def is_taken_by(self, fighter: Fighter, now: int) -> bool:
        """Whether a fighter with empty hands takes the weapon."""
        is_free = self.is_open and self.weapon is not None and fighter.weapon == PUNCH
        return is_free and fighter.keys.held["h"] and self.weapon.is_in_reach(fighter, REACH)

    def hand_out(self, now: int) -> None:
        """The weapon was taken."""
        self.last = now
        self._despawn()

    def update(self, now: int, spawners: int) -> None:
        """Open, take back or make the weapon; with a dropped one about, make none."""
        if self.weapon is not None:
            self.is_open = self.is_open or now - self.last >= SPAWN_FRAMES
            if now - self.weapon.born > LIFETIME:
                self._despawn()
        elif now - self.last >= self.cooldown and spawners <= MOST_SPAWNERS:
            self.x = self._place()
            kind = SPEAR if randint(self.stream, 0, 1) == 0 else HAMMER
            self.weapon = Weapon(kind, self.x, self.y, now, self.world)
            self.last, self.is_open = now, False

    def _despawn(self) -> None:
        half = int(self.first_cooldown * 0.5), int(self.first_cooldown * 1.5)
        self.cooldown = randint(self.stream, *half)
        self.weapon.vanish()
        self.weapon = None


@dataclass
class Dropped:
    """The place of a weapon that a fighter dropped; the weapon comes at the end of the same step."""

    kind: int
    x: float
    y: float
    world: World
    weapon: Weapon | None = None
    is_done: bool = False
    has_spawned: bool = False

    @property
    def type(self) -> int:
        """In the observation."""
        return RANDOM + self.kind

    def is_taken_by(self, fighter: Fighter, now: int) -> bool:
        """Whether a fighter with empty hands takes the weapon: the key must be pressed anew."""
        is_free = now >= fighter.pickup_lock and self.weapon is not None and fighter.weapon == PUNCH
        return is_free and fighter.keys.pressed["h"] and self.weapon.is_in_reach(fighter, REACH_DROPPED)

    def hand_out(self, now: int) -> None:
        """The weapon was taken."""
        self.weapon.vanish()
        self.weapon = None

    def update(self, now: int, spawners: int) -> None:
        """Show the weapon once; be done when it was taken or is too old."""
        if not self.has_spawned:
            self.has_spawned = True
            self.weapon = Weapon(self.kind, self.x, self.y, now, self.world)
        elif self.weapon is None:
            self.is_done = True
        elif now - self.weapon.born >= LIFETIME_DROPPED:
            self.hand_out(now)
            self.is_done = True


class Weapons:
    """All spawners, in the order of the observation."""

    def __init__(self, stream: np.ndarray, world: World) -> None:
        self.stream, self.world = stream, world
        self.spawners: list[Spawner | Dropped] = [Spawner(1, 0.7, stream, world), Spawner(-1, 2.7, stream, world)]

    def look(self) -> None:
        """See where the weapons are."""
        for spawner in self.spawners:
            if spawner.weapon is not None:
                spawner.weapon.look()

    def update(self, fighters: list[Fighter], now: int, signal: Signal) -> None:
        """After the world's step: drop, pick up, spawn."""
        free = [fighter for fighter in fighters if fighter.state != State.ATTACK]
        for fighter in free:
            if fighter.keys.pressed["h"] and fighter.weapon != PUNCH:
                self._drop(fighter, now)
                signal("drop", fighter)
        for spawner in self.spawners:
            for fighter in free:
                self._pick_up(spawner, fighter, now, signal)
        number = len(self.spawners)
        for spawner in self.spawners:
            spawner.update(now, number)
        self.spawners = [spawner for spawner in self.spawners if not spawner.is_done]

    def _drop(self, fighter: Fighter, now: int) -> None:
        randint(self.stream, 0, HEAD_START)  # drawn as for any spawner, and never used
        x, y = fighter.x + DROP_X * fighter.facing, fighter.y + DROP_Y
        self.spawners.append(Dropped(fighter.weapon, x, y, self.world))
        fighter.pickup_lock = now + LOCK
        fighter.weapon = PUNCH

    def _pick_up(self, spawner: Spawner | Dropped, fighter: Fighter, now: int, signal: Signal) -> None:
        if spawner.is_taken_by(fighter, now):
            fighter.weapon = spawner.weapon.kind
            signal("equip", fighter)
            spawner.hand_out(now)
