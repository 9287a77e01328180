"""What a fighter sees: 32 numbers of its own, then the same 32 of the opponent; nothing is normalised but damage."""

from tests.reference.platform_fighter.fighter import Fighter
from tests.reference.platform_fighter.rules import MAX_DAMAGE, RIGHT
from tests.reference.platform_fighter.weapons import Weapons

MOST_X, MOST_Y, MOST_SPEED = 18.0, 7.0, 10.0
SPAWNERS = 4


def clip(value: float, most: float) -> float:
    """A number cut to [-most, most]."""
    return max(-most, min(most, value))


def of_fighter(fighter: Fighter, weapons: Weapons) -> list[float]:
    """The 32 numbers of one fighter; what its state does not know is 0, what it has not refreshed is stale."""
    own, on_floor, platform = fighter.own, fighter.on_floor, fighter.world.platform
    numbers = [
        clip(fighter.x, MOST_X),
        clip(fighter.y, MOST_Y),
        clip(fighter.vx, MOST_SPEED),
        clip(fighter.vy, MOST_SPEED),
        fighter.facing == RIGHT,
        on_floor,
        not on_floor,
        own.jumps_left or 0,
        fighter.state,
        own.recoveries_left or 0,
        own.dodge_timer or 0,
        own.stun_frames or 0,
        fighter.damage / MAX_DAMAGE,
        fighter.stocks,
        own.move_type or 0,
        fighter.weapon,
    ]
    for i in range(SPAWNERS):
        spawner = weapons.spawners[i] if i < len(weapons.spawners) else None
        if spawner is None or spawner.weapon is None:
            numbers += [0, 0, 0]
        else:
            numbers += [clip(spawner.x, MOST_X), clip(spawner.y, MOST_Y), spawner.type]
    numbers += [clip(platform.x, MOST_X), clip(platform.y, MOST_Y)]
    numbers += [clip(platform.vx, MOST_SPEED), clip(platform.vy, MOST_SPEED)]
    return [float(number) for number in numbers]
