"""What a fighter is: its body, its keys, what its states remember."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.reference.platform_fighter.attacks import Move, MoveType
from tests.reference.platform_fighter.capsules import Capsule
from tests.reference.platform_fighter.physics import Body, World
from tests.reference.platform_fighter.rules import (
    BOUNCE,
    FORCE_TO_SPEED,
    HURTBOX,
    LEFT,
    MAX_DAMAGE,
    PUNCH,
    RIGHT,
    STOCKS,
    State,
)

ORDER = ("W", "A", "S", "D", "space", "h", "l", "j", "k", "g")


def facing_of(direction: float) -> int:
    """Where a direction looks: no direction looks left."""
    return RIGHT if direction > 0 else LEFT


@dataclass
class Keys:
    """The keys of a step, and which of them were not down, or no longer are, since the step before."""

    held: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(ORDER, False))
    pressed: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(ORDER, False))
    sides: list[int] = field(default_factory=list)  # the sides held, in the order in which they were pressed

    def update(self, keys: Sequence[bool]) -> None:
        """Take the keys of a step."""
        before = self.held
        self.held = {key: bool(down) for key, down in zip(ORDER, keys, strict=True)}
        self.pressed = {key: self.held[key] and not before[key] for key in ORDER}
        self.sides = [side for side in self.sides if self.held[key_of(side)]]
        for side in (RIGHT, LEFT):
            if self.pressed[key_of(side)]:
                self.sides.append(side)

    @property
    def horizontal(self) -> int:
        """-1 left, 1 right, 0 neither or both."""
        return int(self.held["D"]) - int(self.held["A"])

    @property
    def vertical(self) -> int:
        """-1 down, 1 up, 0 neither or both."""
        return int(self.held["W"]) - int(self.held["S"])

    @property
    def last_side(self) -> int:
        """The side pressed last of those held, 0 if none is."""
        return self.sides[-1] if self.sides else 0


def key_of(side: int) -> str:
    """The key of a side."""
    return "D" if side == RIGHT else "A"


@dataclass
class Memory:
    """What a state keeps, also while it is not the fighter's; None: it never had it, and the observation says 0."""

    jumps_left: int | None = None
    recoveries_left: int | None = None
    jump_timer: int = 0
    dodge_timer: int | None = None
    stun_frames: int | None = None
    move_type: MoveType | None = None


@dataclass
class Fighter:
    """One of the two; `index` 0 moves first."""

    index: int
    start: tuple[float, float]
    facing: int
    world: World
    state: State = State.IN_AIR
    damage: float = 0
    stocks: int = STOCKS
    weapon: int = PUNCH
    keys: Keys = field(default_factory=Keys)
    memory: dict[State, Memory] = field(default_factory=lambda: {state: Memory() for state in State})
    timer: int = 0  # frames left of turning, dashing, KO or taunt; those do not go on at once
    dodge_cooldown: int = 0
    grounded_dodge: bool = False
    pending_stun: int = 0  # frames of the last hit that the state machine has not seen yet
    damage_velocity: tuple[float, float] = (0.0, 0.0)  # what hits add at the end of the own turn
    target_velocity: tuple[float, float] = (0.0, 0.0)  # what being dragged adds then
    damage_taken: float = 0  # in this step
    move: Move | None = None
    pickup_lock: int = -1  # the step before which it picks up nothing that was dropped
    opponent: "Fighter" = field(init=False, repr=False)
    body: Body = field(init=False)
    hurtbox: Capsule = field(init=False)  # where it was in its last turn

    def __post_init__(self) -> None:
        self.body = Body(*self.start, 0.87, 1.0, friction=0.7)
        self.world.bodies.append(self.body)
        self.hurtbox = Capsule(0.0, 0.0, *HURTBOX)
        self.memory[State.IN_AIR] = Memory(jumps_left=0, recoveries_left=0)

    @property
    def x(self) -> float:
        """World units, to the right."""
        return self.body.x

    @property
    def y(self) -> float:
        """World units, down."""
        return self.body.y

    @property
    def vx(self) -> float:
        """World units a second."""
        return self.body.vx

    @property
    def vy(self) -> float:
        """World units a second."""
        return self.body.vy

    @property
    def vulnerable(self) -> bool:
        """Whether hits count."""
        return self.state != State.DODGE

    @property
    def own(self) -> Memory:
        """What the current state remembers."""
        return self.memory[self.state]

    @property
    def on_platform(self) -> bool:
        """Whether the boxes of fighter and platform touch, from any side."""
        return self.body.touches(self.world.platform)

    @property
    def on_floor(self) -> bool:
        """Whether it counts as standing: on a ground or, not too far out, on the platform."""
        for ground in (self.world.ground_1, self.world.ground_2):
            if self.body.touches(ground) and self.y <= ground.origin_y:
                return True
        platform = self.world.platform
        is_above = self.y <= platform.y - 0.01
        return self.on_platform and is_above and platform.x - 1.25 <= self.x <= platform.x + 1.25

    def move_type(self) -> MoveType | None:
        """The attack that the keys held ask for."""
        held = self.keys.held
        if not (held["j"] or held["k"]):
            return None
        if held["W"]:
            direction = 0
        elif held["S"]:
            direction = 1
        else:
            direction = 2 if held["A"] or held["D"] else 0
        return MoveType.of(on_floor=self.on_floor, heavy=held["k"], direction=direction)

    def set_velocity(self, vx: float, vy: float) -> None:
        """Set both parts of the velocity."""
        self.body.vx, self.body.vy = vx, vy

    def take_hit(self, damage: float, stun: int, force: tuple[float, float]) -> None:
        """Damage at once, stun and velocity in the own turn; of several hits before it only the last one's."""
        self.damage = min(MAX_DAMAGE, self.damage + damage)
        self.damage_taken += damage
        self.pending_stun = stun
        force_x, force_y = force
        if self.on_floor and force_y > 0:
            force_y *= -BOUNCE
        self.damage_velocity = force_x * FORCE_TO_SPEED, force_y * FORCE_TO_SPEED

    def respawn(self) -> None:
        """Begin again at the own start, unarmed and undamaged."""
        self.body.x, self.body.y = self.start
        self.set_velocity(0.0, 0.0)
        self.damage, self.weapon, self.target_velocity = 0, PUNCH, (0.0, 0.0)
