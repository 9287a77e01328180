"""The 33 moves: powers that follow one another, each a row of casts, and what a frame of them does to both"""

import json
import math
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import puffer_envs
from tests.reference.platform_fighter.capsules import PIXEL, Capsule
from tests.reference.platform_fighter.rules import AIR_EASE, MOVE_SPEED, toward

if TYPE_CHECKING:
    from tests.reference.platform_fighter.fighter import Fighter

Data = dict[str, Any]

MOVES: dict[str, Data] = json.loads(
    (Path(puffer_envs.__file__).parent / "platform_fighter" / "moves.json").read_text()
)["moves"]
ARMS = ("unarmed", "spear", "hammer")  # by weapon
ACTION_KEYS = {"LIGHT": "j", "HEAVY": "k"}
GROUND_CHECK = 1.54  # y below which a ground point counts as having hit the ground, on either ground
RECOVERY_DIVISOR = 1.426
DRAG = 2.0  # of a dealt position target that does not say otherwise


class MoveType(IntEnum):
    """The moves, by their number in the observation."""

    NLIGHT = 2
    DLIGHT = 3
    SLIGHT = 4
    NSIG = 5
    DSIG = 6
    SSIG = 7
    NAIR = 8
    DAIR = 9
    SAIR = 10
    RECOVERY = 11
    GROUNDPOUND = 12

    @classmethod
    def of(cls, *, on_floor: bool, heavy: bool, direction: int) -> "MoveType":
        """The move of a direction: 0 neutral, 1 down, 2 side."""
        if on_floor:
            return (
                (cls.NSIG, cls.DSIG, cls.SSIG)[direction] if heavy else (cls.NLIGHT, cls.DLIGHT, cls.SLIGHT)[direction]
            )
        if heavy:
            return (cls.RECOVERY, cls.GROUNDPOUND, cls.RECOVERY)[direction]
        return (cls.NAIR, cls.DAIR, cls.SAIR)[direction]


NAMES = {
    MoveType.NLIGHT: "NLight",
    MoveType.DLIGHT: "DLight",
    MoveType.SLIGHT: "SLight",
    MoveType.NSIG: "NSig",
    MoveType.DSIG: "DSig",
    MoveType.SSIG: "SSig",
    MoveType.NAIR: "NAir",
    MoveType.DAIR: "DAir",
    MoveType.SAIR: "SAir",
    MoveType.RECOVERY: "Recovery",
    MoveType.GROUNDPOUND: "Groundpound",
}


@dataclass
class Power:
    """A power while it runs. Times of the data are at 60 frames a second, ours at 30."""

    data: Data
    cast: int = 0  # number of the cast that runs
    frame: int = 0  # of that cast
    frames: int = 0  # of the power
    frames_of_recovery: int = 0
    has_hit: bool = False  # whether anything touched the opponent
    has_dealt: bool = False  # whether its one hit was dealt
    has_just_begun_cast: bool = True  # ground points are not looked at in the first active frame of a cast

    @property
    def stun(self) -> int:
        """Frames."""
        return self.data.get("stun", 0) // 2

    @property
    def recovery(self) -> int:
        """Frames that the last cast waits after its own."""
        return self.data.get("fixed_recovery", 0) // 2 + math.floor(
            self.data.get("recovery", 0) // 2 / RECOVERY_DIVISOR
        )

    @property
    def is_last(self) -> bool:
        """Whether nothing can follow it."""
        return "on_hit" not in self.data and "on_miss" not in self.data

    @property
    def in_last_cast(self) -> bool:
        """Whether no cast follows the one that runs."""
        return self.cast == len(self.data["casts"]) - 1

    def has(self, name: str) -> bool:
        """Whether the power has one of its rarer properties."""
        return bool(self.data.get("other", {}).get(name, False))

    def is_released(self, is_key_held: bool) -> bool:
        """Whether a charge ends: by letting the key go, or by itself."""
        if not self.data.get("is_charge", False):
            return False
        has_min_charge = self.frames > self.data.get("min_charge", 0) // 2
        return (has_min_charge and not is_key_held) or self.frames > self.data["casts"][-1]["startup"] // 2

    def change(self) -> Data | None:
        """What happens to velocities in this frame: the first entry of the cast that falls on it."""
        for change in self.data["casts"][self.cast].get("frames", []):
            if change["frame"] // 2 == self.frame:
                return change
        return None


@dataclass
class Move:
    """A move while it runs."""

    owner: "Fighter"
    kind: MoveType
    data: Data = field(init=False)
    power: Power = field(init=False)
    has_hit: bool = False  # whether the opponent was touched by any of its powers

    def __post_init__(self) -> None:
        self.data = MOVES[f"{ARMS[self.owner.weapon]}/{NAMES[self.kind]}"]
        self.power = Power(self.data["powers"][self.data["start"]])

    def step(self) -> bool:
        """Run one frame; whether the move is over."""
        power, is_over, following = self.power, False, None
        if power.is_released(self.owner.keys.held[ACTION_KEYS[self.data["key"]]]):
            following = power.data["on_miss"]
        else:
            is_over, following = self._run_cast(power)
        power.frames += 1
        if following is not None:
            self.power = Power(self.data["powers"][following])
        return is_over

    def _run_cast(self, power: Power) -> tuple[bool, int | None]:
        """One frame of the cast: whether the move is over, and the number of the power that follows now."""
        owner, cast, change = self.owner, power.data["casts"][power.cast], power.change()
        following = None
        startup = cast["startup"] // 2
        in_startup = power.frame < startup
        in_attack = not in_startup and power.frame < startup + cast["active"] // 2
        force = self._force(cast, change)

        if power.has("hitAllHitAgents") and self.has_hit and owner.opponent.vulnerable and not power.has_dealt:
            power.has_dealt = True
            owner.opponent.take_hit(cast.get("damage", 0), power.stun, force())
        if power.has("allowLeftRightMobility"):
            wish = owner.keys.horizontal * MOVE_SPEED
            owner.body.vx = toward(owner.vx, wish, AIR_EASE)
        if power.has("enableFloorDrag"):
            owner.body.vx = toward(owner.vx, 0.0, AIR_EASE)
        if change is not None:
            self._change_velocities(change)

        if in_attack:
            if self._has_landed(power, cast):
                following = power.data.get("on_ground", power.data.get("on_miss"))
            if self._hit(power, cast, force) and power.data.get("instant", False):
                following = power.data.get("on_hit", power.data.get("on_miss", following))
            if power.in_last_cast and power.is_last:
                power.frames_of_recovery += 1
        power.frame += 1
        if in_attack or in_startup:
            return False, following
        return self._recover(power)

    def _force(self, cast: Data, change: Data | None) -> Any:
        """The force of a hit in this frame, as a function: it grows with the damage that the opponent has then."""
        owner, power = self.owner, self.power
        if dragging(change):
            return lambda: (0.0, 0.0)
        angle = math.radians(cast.get("angle_deg", 0.0) or power.data.get("angle_deg", 0.0))
        facing = owner.facing

        def force() -> tuple[float, float]:
            total = owner.opponent.damage + cast.get("damage", 0)
            variable = cast.get("variable_force", 0.0) * (total / 70 + total**2 / 12000)
            size = cast.get("fixed_force", 0.0) + variable
            return math.cos(angle) * facing * size, -math.sin(angle) * size

        return force

    def _change_velocities(self, change: Data) -> None:
        """Drag the opponent, then set, damp, set and add to the own velocity, in this order."""
        owner = self.owner
        facing, body, opponent = owner.facing, owner.body, owner.opponent
        target = dragging(change)
        if target and self.has_hit:
            mult = target.get("mult", DRAG)
            x = owner.x + target.get("xOffset", 0) * PIXEL * facing
            y = owner.y + target.get("yOffset", 0) * PIXEL
            opponent.target_velocity = mult * (x - opponent.x), mult * (y - opponent.y)
        if "set_velocity" in change:
            speed, angle = change["set_velocity"][0], math.radians(change["set_velocity"][1])
            owner.set_velocity(math.cos(angle) * speed * facing, -math.sin(angle) * speed)
        damp = change.get("casterVelocityDampXY", {})
        if damp.get("activeX", False):
            body.vx *= damp.get("dampX", 1.0)
        if damp.get("activeY", False):
            body.vy *= damp.get("dampY", 1.0)
        set_x, set_y = change.get("set_velocity_xy", (None, None))
        if set_x is not None:
            body.vx = set_x * facing
        if set_y is not None:
            body.vy = -set_y
        add = change.get("casterVelocityAddXY", {})
        if add.get("activeX", False):
            body.vx += add.get("magnitudeX", 0.0) * facing
        if add.get("activeY", False):
            body.vy -= add.get("magnitudeY", 0.0)

    def _has_landed(self, power: Power, cast: Data) -> bool:
        """Whether the last ground point of the cast is low enough."""
        if power.has_just_begun_cast:
            power.has_just_begun_cast = False
            return False
        points = cast.get("ground_points", [])
        return bool(points) and self.owner.y + points[-1][1] * PIXEL > GROUND_CHECK

    def _hit(self, power: Power, cast: Data, force: Any) -> bool:
        """Try each hitbox; whether one touched an opponent that can be hit."""
        owner, opponent, has_touched = self.owner, self.owner.opponent, False
        for x, y, width, height in cast.get("hitboxes", []):
            centre = owner.x + x * PIXEL * owner.facing, owner.y + y * PIXEL
            if not (Capsule(*centre, width * PIXEL, height * PIXEL).hits(opponent.hurtbox) and opponent.vulnerable):
                continue
            has_touched = True
            if not power.has_hit and power.has("onHitVelocitySetActive"):
                self._stop_on_hit(power)
            power.has_hit = self.has_hit = True
            if not power.has_dealt:
                power.has_dealt = True
                opponent.take_hit(cast.get("damage", 0), power.stun, force())
        return has_touched

    def _stop_on_hit(self, power: Power) -> None:
        """Set the own velocity at a first hit: the magnitude counts for x only, and the facing does not."""
        other = power.data["other"]
        angle = math.radians(other.get("onHitVelocitySetDirectionDeg", 0.0))
        self.owner.set_velocity(math.cos(angle) * other.get("onHitVelocitySetMagnitude", 0.0), math.sin(angle))

    def _recover(self, power: Power) -> tuple[bool, int | None]:
        """A frame after those of the cast: the next cast or, when it waited long enough, the next power or the end."""
        if not power.in_last_cast:
            power.cast += 1
            power.frame = 0
            power.has_just_begun_cast = True
            return False, None
        if power.frames_of_recovery < power.recovery:
            power.frames_of_recovery += 1
            return False, None
        if power.is_last:
            return True, None
        on_miss = power.data.get("on_miss")
        return False, power.data.get("on_hit", on_miss) if power.has_hit else on_miss


def dragging(change: Data | None) -> Data | None:
    """Where a change drags the opponent to, if it does."""
    target = (change or {}).get("dealtPositionTarget", {})
    return target if target.get("active", False) else None
