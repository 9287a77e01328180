"""The `.state` of an arena: the player, the balls in the air and the clock of throws, whatever the episode around."""

import numpy as np

from puffer_envs.contract import state_file
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.dodge.config import GROUND_Z, MAX_BALLS, ZONE_X, ZONE_Y
from puffer_envs.dodge.state import COUNTDOWN, NUM_BALLS, STEP, WAITS, Rules, State, X, Y, Z

KIND = "dodge/world"
_MOST_STEPS = 1 << 24  # anything beyond is no arena


def pack(state: State, env: int) -> bytes:
    """The world of an environment."""
    return state_file.pack(KIND, {name: getattr(state, name)[env] for name in State._fields})


def restore(state: State, env: int, data: bytes, rules: Rules) -> None:
    """Put a world into an environment.

    Raises:
        StateFileError: it is none of this version or of these settings; the environment is as it was.
    """
    targets = {name: getattr(state, name)[env] for name in State._fields}
    arrays = state_file.unpack_like(KIND, data, targets)
    _check(arrays["player"], arrays["numbers"], rules)
    for name, target in targets.items():
        target[:] = arrays[name]


def _check(player: np.ndarray, numbers: np.ndarray, rules: Rules) -> None:
    """Refuse what no episode of these settings comes to."""
    bounds = ((NUM_BALLS, 0, MAX_BALLS), (STEP, 0, _MOST_STEPS), (WAITS, 0, int(rules.thrower)))
    inside = abs(player[X]) <= ZONE_X and abs(player[Y]) <= ZONE_Y and player[Z] >= GROUND_Z
    if not inside or any(not low <= numbers[column] <= high for column, low, high in bounds):
        raise StateFileError("the arena's numbers make no arena of dodge with these settings")
    if not 1 <= (steps := numbers[COUNTDOWN]) <= rules.interval:
        raise StateFileError(f"another level's: the next ball comes in {steps} steps, here in 1 to {rules.interval}")
