"""What the tests of territory share: maps, worlds made by hand, and the slow twin in the same world."""

import bisect
from pathlib import Path
from typing import Any

import numpy as np

from puffer_envs.contract import state_file
from puffer_envs.territory import maps
from puffer_envs.territory.config import Config
from puffer_envs.territory.env import Territory
from puffer_envs.territory.state import (
    ATTACKER,
    EXPAND,
    LAYOUT,
    OFFSET,
    RATE,
    RESERVE,
    TARGET,
    TRIGGER,
    Game,
    Rules,
    Scratch,
)
from puffer_envs.territory.world import KIND
from tests.reference import territory as slow
from tests.reference.territory_board import Attack

WAIT = 8 * 5
NORTH, NORTH_EAST, EAST, SOUTH_EAST, SOUTH, SOUTH_WEST, WEST, NORTH_WEST = (direction * 5 for direction in range(8))
MOST = 4  # the greatest intensity, to be added to a direction: .75 of the troops
PLAINS = np.ones((128, 128), np.uint8)
NEVER = 10_000  # a bot's rate, for one that shall do nothing: it acts once, at tick 9999
ONES = {name: 1.0 for name in Config._fields if name.startswith("reward_")}


# -- maps --------------------------------------------------------------------------------------------------------------
def terrain(seed: int, height: int = 128, width: int = 128) -> np.ndarray:
    """Patches of all three classes, no water."""
    patches = np.random.default_rng(seed).choice([1, 1, 1, 2, 2, 3], (height // 4, width // 4))
    return np.kron(patches, np.ones((4, 4), int)).astype(np.uint8)


def lakes(seed: int) -> np.ndarray:
    """Land up to the map's edge, with water of all sizes in it."""
    rng = np.random.default_rng(seed)
    large = np.kron(rng.random((16, 16)) < 0.15, np.ones((8, 8), bool))
    return np.where(large | (rng.random((128, 128)) < 0.12), 0, terrain(seed)).astype(np.uint8)


def islands(seed: int) -> np.ndarray:
    """Discs of land in the sea, which touch here and there."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:128, :128]
    land = (y - 64) ** 2 + (x - 64) ** 2 < 20**2
    for _ in range(9):
        land |= (y - rng.integers(128)) ** 2 + (x - rng.integers(128)) ** 2 < rng.integers(5, 16) ** 2
    return np.where(land, terrain(seed), 0).astype(np.uint8)


def bridges(seed: int) -> np.ndarray:
    """Fields of 15 x 15 tiles, joined by bridges one tile wide."""
    land = np.zeros((128, 128), bool)
    for edge in range(16, 112, 20):
        for other in range(16, 112, 20):
            land[edge : edge + 15, other : other + 15] = True
            land[edge + 7, 16:111] = land[16:111, edge + 4] = True
    return np.where(land, terrain(seed), 0).astype(np.uint8)


def plains_to_the_edge(seed: int) -> np.ndarray:
    """Land everywhere, on a map that is no square."""
    return terrain(seed, 128, 256)


KINDS = {"lakes": lakes, "islands": islands, "bridges": bridges, "edges": plains_to_the_edge}


# -- environments ------------------------------------------------------------------------------------------------------
def territory(
    folder: Path, classes: np.ndarray = PLAINS, num_envs: int = 1, seed: int = 0, **options: Any
) -> Territory:
    """An environment on a map of these classes, at a beginning."""
    made = maps.Map("made", classes, 0, int(np.count_nonzero(classes)))
    path = folder / f"map{len(list(folder.iterdir()))}"
    maps.write(made, path)
    config = Config(**({"map": str(path), "num_bots": 2, "ticks_per_step": 1} | options))
    env = Territory(config, num_envs, seed=seed, num_threads=1)
    env.reset()
    return env


def inside(env: Territory, index: int = 0) -> tuple[Game, Rules, Scratch]:
    """What kernels are called with."""
    return env._game(index), env.rules, env._scratch[0]


def world_of(env: Territory, index: int = 0) -> dict[str, np.ndarray]:
    """The arrays of a world."""
    return state_file.unpack(KIND, env.write_world(index))


def changed(env: Territory, index: int = 0, **arrays: Any) -> bytes:
    """The world of an environment with some arrays replaced."""
    world = world_of(env, index)
    for name, values in arrays.items():
        array = np.asarray(values, world[name].dtype)
        world[name] = array.reshape(world[name].shape) if name == "tick" else array
    return state_file.pack(KIND, world)


def put(env: Territory, owner: np.ndarray, index: int = 0, **arrays: Any) -> None:
    """Begin in a world of these owners [H, W] in which nothing goes on and bots rest, apart from what is given.

    Who owns no tile has no troops and no gold, whatever is given.
    """
    players, slots = len(env.state.tiles[index]), len(env.state.force[index])
    bots = np.zeros((players, 7), int)
    bots[:, RATE], bots[:, OFFSET] = NEVER, NEVER - 1
    nothing = {
        "owner": np.asarray(owner, np.uint8).ravel(),
        "tick": 60,
        "troops": np.full(players, 1000.0),
        "gold": np.zeros(players),
        "bots": bots,
        "attacks": np.zeros((slots, 2), int),
        "force": np.zeros(slots),
        "entries": np.zeros((0, 3), int),
        "queued": np.zeros((0, 2), int),
        "structures": np.zeros((64, 2), int),
    }
    arrays = nothing | arrays
    for name in ("troops", "gold"):
        arrays[name] = np.where(np.isin(np.arange(players), owner), arrays[name], 0)
    env.load_state(index, changed(env, index, **arrays))


def scattered(env: Territory, seed: int, index: int = 0, **arrays: Any) -> None:
    """Begin in a world where all players own pieces of land here and there, some nobody, and all are at war."""
    rng, classes = np.random.default_rng(seed), env.maps[env.state.map[index]].classes
    (height, width), players = classes.shape, len(env.state.tiles[index])
    number = 6 * players
    y, x = rng.integers(height, size=number), rng.integers(width, size=number)
    nearest = np.argmin((np.mgrid[:height, :width][0][..., None] - y) ** 2 + (np.arange(width)[:, None] - x) ** 2, 2)
    owner = rng.integers(0, players, number)[nearest]
    owner = np.where(rng.random(owner.shape) < 0.02, rng.integers(0, players, owner.shape), owner)
    bots = np.zeros((players, 7), int)
    bots[:, RATE], bots[:, OFFSET] = rng.integers(4, 30, players), rng.integers(0, 4, players)
    bots[:, TRIGGER], bots[:, RESERVE], bots[:, EXPAND] = 5, 10, 10
    put(
        env,
        np.where(classes > 0, owner, 0),
        index,
        **{
            "troops": rng.uniform(500, 60_000, players),
            "gold": rng.uniform(0, 400_000, players),
            "bots": bots,
            "tick": 60,
        }
        | arrays,
    )


def drawn(rng: np.random.Generator, env: Territory) -> np.ndarray:
    """Actions of all rows, half of them to wait."""
    actions = np.stack([rng.integers(0, 45, env.num_agents), rng.integers(0, 3, env.num_agents)], 1)
    actions[rng.random(env.num_agents) < 0.5, 0] = WAIT
    return actions if env.config.build else actions[:, 0]


def term(env: Territory, name: str) -> list[float]:
    """A weighted term of the last step's rewards, of each row."""
    return env.reward_terms[:, list(env.spec.reward_weights).index(name)].tolist()


def field(env: Territory, row: int, name: str) -> np.ndarray:
    """A part of what a row sees."""
    return LAYOUT.unpack(env.observations[row], name)


# -- worlds by hand ----------------------------------------------------------------------------------------------------
def board(*blocks: tuple[int, int, int, int, int]) -> np.ndarray:
    """Owners of a map: (player, x, y, width, height), those named later on top."""
    owner = np.zeros((128, 128), np.uint8)
    for player, x, y, width, height in blocks:
        owner[y : y + height, x : x + width] = player
    return owner


def at(x: int, y: int) -> int:
    return y * 128 + x


def owners(env: Territory) -> np.ndarray:
    return env.state.owner[0].reshape(env.maps[0].classes.shape)


def pairs(env: Territory) -> list[tuple[int, int]]:
    """Attackers and targets of the attacks that go on, in the order of their places."""
    return [(attacker, target) for attacker, target in env.state.attacks[0][:, [ATTACKER, TARGET]].tolist() if attacker]


def listed(*attacks: tuple[int, int, float], slots: int, seed: int | None = None) -> dict[str, np.ndarray]:
    """Arrays of a world with these attacks (attacker, target, troops); with ``seed`` that tile is in all queues."""
    who, force = np.zeros((slots, 2), int), np.zeros(slots)
    for slot, (attacker, target, troops) in enumerate(attacks):
        who[slot], force[slot] = (attacker, target), troops
    arrays = {"attacks": who, "force": force}
    if seed is not None:
        arrays["queued"] = np.array([[slot, seed] for slot in range(len(attacks))])
        arrays["entries"] = np.array([[slot, 100, seed] for slot in range(len(attacks))])
    return arrays


# -- the slow twin -----------------------------------------------------------------------------------------------------
def twin_of(env: Territory, index: int = 0) -> slow.Game:
    """The slow twin in the same world, with random numbers of its own from the same state on."""
    classes, world = env.maps[env.state.map[index]].classes, world_of(env, index)
    game = slow.Game(classes, env.config, env.rng[index].copy())
    game.rng_row[:] = env.rng[index]
    game.owner[:] = world["owner"].reshape(classes.shape)
    game.tick = world["tick"].item()
    game.fruitless = world["fruitless"].tolist()
    for player in game.players:
        bot = world["bots"][player.number].tolist()
        player.tiles = int((game.owner == player.number).sum())
        player.troops, player.gold = float(world["troops"][player.number]), float(world["gold"][player.number])
        player.rate, player.offset, *_, player.enemy, player.since = bot
        player.trigger, player.reserve, player.expand = (hundredths / 100 for hundredths in bot[2:5])
    game.structures = [(tile, kind) for kind, tile in world["structures"].tolist() if kind]
    game._count_structures()
    for slot, (attacker, target) in enumerate(world["attacks"].tolist()):
        game.attacks[slot] = Attack(attacker, target, float(world["force"][slot])) if attacker else None
    for slot, bucket, tile in world["entries"].tolist():
        game.attacks[slot].put(bucket, tile)
    for attack in filter(None, game.attacks):
        attack.queued.clear()
    for slot, tile in world["queued"].tolist():
        game.attacks[slot].queued.add(tile)
    return game


def assert_same(world: dict[str, np.ndarray], twin: slow.Game) -> None:
    """Fail unless a world is the twin's, to the last entry of the attacks' queues."""
    assert world["tick"].item() == twin.tick
    np.testing.assert_array_equal(world["owner"].reshape(twin.owner.shape), twin.owner)
    np.testing.assert_allclose(world["troops"][1:], [player.troops for player in twin.players], rtol=1e-12)
    np.testing.assert_allclose(world["gold"][1:], [player.gold for player in twin.players], rtol=1e-12)
    assert world["fruitless"].tolist() == twin.fruitless
    bots = twin.players[twin.config.num_agents :]
    assert world["bots"][len(twin.players) - len(bots) + 1 :, -2:].tolist() == [[bot.enemy, bot.since] for bot in bots]
    assert [(tile, kind) for kind, tile in world["structures"].tolist() if kind] == twin.structures
    _assert_same_attacks(world, twin)


def _assert_same_attacks(world: dict[str, np.ndarray], twin: slow.Game) -> None:
    pairs = [(attack.attacker, attack.target) if attack else (0, 0) for attack in twin.attacks]
    found = zip(*world["attacks"].T.tolist(), strict=True)
    assert [pair if pair[0] else (0, 0) for pair in found] == pairs
    force = [attack.troops if attack else 0.0 for attack in twin.attacks]
    np.testing.assert_allclose(world["force"], force, rtol=1e-12, atol=1e-9)
    listed, queued = world["entries"], world["queued"]
    firsts, first_queued = listed[:, 0].tolist(), queued[:, 0].tolist()
    for slot, attack in enumerate(twin.attacks):
        entries = sorted((bucket, -before, tile) for bucket, before, tile in attack.queue) if attack else []
        mine = slice(bisect.bisect_left(firsts, slot), bisect.bisect_right(firsts, slot))
        assert listed[mine, 1:].tolist() == [[bucket, tile] for bucket, _, tile in entries]
        mine = slice(bisect.bisect_left(first_queued, slot), bisect.bisect_right(first_queued, slot))
        assert queued[mine, 1].tolist() == (sorted(attack.queued) if attack else [])
