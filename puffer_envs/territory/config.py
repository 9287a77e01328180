"""Every number of the environment, with its unit and where it comes from."""

from typing import Annotated, NamedTuple

from annotated_types import Ge

# OpenFront's rules (its DefaultConfig), and those of its test configuration, with which the original was run.
REAL, CONSTANT = "real", "constant"


class Config(NamedTuple):
    """The environment's settings. `PRESETS` has the original's."""

    # -- the map
    map: str | None = None  # a folder with map.bin and manifest.json, or such a .bin; none: continents are generated
    map_size: int = 1024  # tiles along each edge of a generated map, 128 to 2048
    land_share: float = 0.7  # of a generated map
    map_seed: Annotated[int, Ge(0)] = 0  # of the generated maps
    num_maps: Annotated[int, Ge(1)] = 4  # generated maps; each game is played on one of them

    # -- who plays
    num_agents: int = 1  # learning players that share a map
    num_bots: int = 10  # scripted players of each map

    # -- time
    ticks_per_step: int = 10  # ticks of 100 ms of game time between two decisions; 1 in the original
    max_ticks: int = 10_000  # after which a game is cut off

    # -- the rules
    rules: str = REAL  # "real": terrain, posts and strength decide an attack; "constant": a tile a tick at one troop
    win_share: float = 0.8  # of the land that wins
    win_of_land: bool = True  # False: of all tiles, which maps with much water make impossible
    build: bool = False  # whether an action has a second part that builds cities and defence posts

    # -- what is seen
    local_view_size: int = 0  # tiles along each edge of the local view; 0: 128 up to maps of 512, 256 to 1024, then 512

    # -- rewards: weights of the named terms
    reward_rank: float = 1e-4  # (1 - rank / players alive) x 1, 2, 4 or 8 as the game goes on, a tick
    reward_land: float = 10.0  # what the own share of the land gained
    # With 10 it outweighed at first what land brings: a tile of nobody's costs 16 troops of 125,000.
    reward_army: float = 1.0  # what the own share of all troops gained, those of attacks included
    reward_win: float = 10.0  # the game is won
    reward_eliminated: float = -10.0  # the last tile is lost
    reward_timeout: float = 0.0  # the game is cut off


# -- constants of the rules --------------------------------------------------------------------------------------------
START_TROOPS, BOT_START_TROOPS = 25_000.0, 10_000.0
SPAWN_CIRCLE = 0.4  # radius of the circle on which players begin, in shorter edges of the map
SPAWN_RADIUS = 4  # tiles of the land that each begins with: 52 tiles
CAP_PER_LAND, CAP_POWER, CAP_BASE, CAP_FACTOR = 1000.0, 0.6, 50_000.0, 2.0  # troops that land feeds
CAP_PER_CITY = 250_000.0
BOT_CAP_DIVISOR, BOT_GROWTH = 3.0, 0.6
GROWTH_BASE, GROWTH_POWER, GROWTH_DIVISOR = 10.0, 0.73, 4.0
GOLD, BOT_GOLD = 100.0, 50.0  # a tick
MAGNITUDE = (0.0, 80.0, 100.0, 120.0)  # troops that a tile costs an attacker: water, plains, highland, mountain
SPEED = (0.0, 16.5, 20.0, 25.0)  # of the budget that a tile uses up
POST_RANGE, POST_MAGNITUDE, POST_SPEED = 30, 5.0, 3.0  # a defence post's tiles and factors
AGAINST_BOT = 0.8  # factor of the magnitude where a learner attacks a bot
BIG_DEFENDER, BIG_DEFENDER_WIDTH = 150_000.0, 50_000.0  # tiles at which a defender has become half as costly, decay
BIG_ATTACKER, BIG_LOSS_POWER, BIG_SPEED_POWER = 100_000.0, 0.35, 0.6  # tiles beyond which an attacker gains
ABSORB_BELOW = 100  # tiles below which a player who is hit loses all
IMMUNE_TICKS = 50  # of all players at the start
CLUSTER_TICKS = 20  # between two looks at a player's surrounded land
ATTACKS_PER_PLAYER = 4  # places for attacks, on average
MAX_STRUCTURES = 64  # cities and posts of a map
STRUCTURE_DISTANCE = 15  # tiles between two of them
CITY_COST, CITY_MAX = 125_000.0, 1_000_000.0  # doubles with each
POST_COST, POST_MAX = 50_000.0, 250_000.0  # so much more with each
THREAT_RANGE = 8  # tiles
INTENSITIES = (0.15, 0.30, 0.45, 0.60, 0.75)  # shares of the troops that an order sends
REWARD_TIMES, REWARD_FACTORS = (1_000, 2_500, 5_000), (1.0, 2.0, 4.0, 8.0)  # ticks, and the rank's factor before each
LAND_AT = (1_000, 2_500, 5_000)  # ticks at which the share of the land is noted


def reward_weights(config: Config) -> dict[str, float]:
    """Weights by name of term, in the order of the columns of `reward_terms`."""
    prefix = "reward_"
    return {name.removeprefix(prefix): getattr(config, name) for name in config._fields if name.startswith(prefix)}


def local_view_size(config: Config, width: int, height: int) -> int:
    """Tiles along each edge of the local view on a map of ``width`` x ``height``."""
    longer = max(width, height)
    return config.local_view_size or (128 if longer <= 512 else 256 if longer <= 1024 else 512)


PRESETS: dict[str, Config] = {
    "default": Config(),
    # The original: its test rules, a tick a step, and its rewards.
    "bridge": Config(
        rules=CONSTANT,
        ticks_per_step=1,
        win_of_land=False,
        reward_rank=1.0,
        reward_land=0.0,
        reward_army=0.0,
        reward_win=10_000.0,
        reward_eliminated=0.0,
        reward_timeout=-5_000.0,
    ),
}
