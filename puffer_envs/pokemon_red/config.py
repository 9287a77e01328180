"""Every number of the environment, with its unit and where it comes from."""

from typing import Annotated, NamedTuple

from annotated_types import Ge

Count = Annotated[int, Ge(0)]
Some = Annotated[int, Ge(1)]


class Config(NamedTuple):
    """The environment's settings; the defaults are for the built-in game. `PRESETS` has the others."""

    # -- the cartridge
    rom: str | None = None  # path of a Game Boy ROM; none: the built-in game
    init_state: str | None = None  # savestate in which new games begin; none: the first moment the player can walk

    # -- a decision, in frames of 1/60 s (the original agent's 24; released after 8, so that a walk is one cell)
    frames_per_step: Some = 24
    press_frames: Some = 8
    wait_presses: Count = 50  # presses of A, a decision long each, while the game ignores the joypad: 20 s of cutscene
    idle_frames: Count = 15  # an episode waits 0 to this many frames first: rows from one savestate shall not be clones

    # -- an episode, in decisions; it ends by truncation only
    new_game_steps: Some = 1_024  # from a new game
    savestate_steps: Some = 384  # from a savestate
    patience_steps: Some = 128  # without a new coordinate or milestone

    # -- rewards: weights of the named terms (spec, but for cells; terms of upstream that it leaves out weigh 0)
    reward_badge: float = 5.0  # a badge
    reward_required_event: float = 2.0  # an event that the story cannot go on without
    reward_event: float = 0.5  # any other event
    reward_map: float = 0.5  # first entry of a map in the episode
    reward_coordinate: float = 0.1  # first visit of a cell in the episode
    reward_level: float = 0.5  # a level of the party, beyond its best
    reward_heal: float = 0.1  # party healed in a rest house, once a visit
    reward_defeat: float = -0.2  # the whole party fainted
    reward_item: float = 0.0  # a key item for the first time
    reward_hm: float = 0.0  # a hidden machine for the first time
    reward_seen: float = 0.0  # a species seen
    reward_caught: float = 0.0  # a species owned
    level_knee: Annotated[float, Ge(0)] = 15.0  # sum of levels up to which a level counts in full
    level_tail: Annotated[float, Ge(0)] = 0.25  # what a level counts beyond it


def reward_weights(config: Config) -> dict[str, float]:
    """Weights by name of term, in the order of the columns of `reward_terms`."""
    prefix = "reward_"
    return {name.removeprefix(prefix): getattr(config, name) for name in config._fields if name.startswith(prefix)}


def visited_capacity(config: Config) -> int:
    """Slots of a row's set of visited coordinates: a power of two, at most half of them ever taken."""
    cells = 1 + max(config.new_game_steps, config.savestate_steps)
    return 1 << (2 * cells - 1).bit_length()


_DEFAULT = Config()

# Pokemon Red: the original agent's 19,816 decisions. Its fights and mazes outlast the built-in game's patience, and on
# its large maps cells at the built-in game's price would outweigh the story.
_RED = _DEFAULT._replace(new_game_steps=19_816, savestate_steps=2_048, patience_steps=2_048, reward_coordinate=0.02)

PRESETS: dict[str, Config] = {
    "default": _DEFAULT,
    "red": _RED,
    # The original agent's composite, all weights 1. It paid a required event as event, as required and once more.
    "original": _RED._replace(
        reward_badge=1.0,
        reward_required_event=3.0,
        reward_event=1.0,
        reward_map=0.0,
        reward_coordinate=1.0,
        reward_level=0.0,
        reward_heal=0.0,
        reward_defeat=-1.0,
        reward_item=1.0,
    ),
    # The community's winning run: its published weights; it paid a required event (7) as an event (.75) as well.
    "community": _RED._replace(
        reward_badge=3.0,
        reward_required_event=7.75,
        reward_event=0.75,
        reward_map=0.0,
        reward_coordinate=0.019,
        reward_level=1.05,
        reward_heal=0.0,
        reward_defeat=0.0,
        reward_item=3.0,
        reward_hm=7.5,
        reward_seen=2.5,
        reward_caught=2.5,
    ),
}
