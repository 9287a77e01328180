"""The `.state` of a game: who owns what, who attacks whom with which tiles in mind; all else follows from it."""

import numpy as np

from puffer_envs.contract import state_file
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.kit.jit import kernel, wide
from puffer_envs.territory.config import MAX_STRUCTURES
from puffer_envs.territory.rules import front, land
from puffer_envs.territory.state import (
    ATTACKER,
    BORDER,
    BUCKETS_BEYOND,
    CHANGES,
    ENEMY,
    ENTRIES,
    EXPAND,
    MAX_CHANGES,
    NEXT,
    NO_BUILDING,
    POST,
    RATE,
    STRUCTURES,
    TARGET,
    TICK,
    TILE,
    TRIGGER,
    Game,
    Rules,
)

KIND = "territory/world"
MOST = 1e12  # troops or gold
_FAR = 1 << 20  # beyond any map


# -- clearing and counting ---------------------------------------------------------------------------------------------
@kernel
def clear(game: Game) -> None:
    """An empty map without players. The queues are emptied one by one: most of their memory was never touched."""
    for slot in range(game.attacks.shape[0]):
        front.close(game, slot)
    game.owner[:] = 0
    game.border[:] = 0
    game.attacks[:] = 0
    game.structures[:] = 0
    game.bots[:] = 0
    game.numbers[:] = 0
    game.fruitless[:] = 0
    for player in range(game.tiles.size):
        game.troops[player] = game.gold[player] = 0.0
        game.tiles[player] = game.sums[player, 0] = game.sums[player, 1] = 0
        game.built[player, :] = 0
        game.box[player, 0] = game.box[player, 1] = _FAR
        game.box[player, 2] = game.box[player, 3] = -1
    game.numbers[CHANGES] = MAX_CHANGES + 1  # all has to be pooled


@kernel
def occupy(game: Game, rules: Rules, owner: np.ndarray) -> None:
    """Give out the tiles of an empty map, as in ``owner`` uint8 [T], and count what follows from it."""
    for tile in range(owner.size):
        game.owner[tile] = owner[tile]
    for tile in range(owner.size):
        player = wide(owner[tile])
        if player:
            (x, y), box = land.place(rules, tile), game.box[player]
            game.tiles[player] += 1
            game.sums[player, 0] += x
            game.sums[player, 1] += y
            box[0], box[1] = min(box[0], x), min(box[1], y)
            box[2], box[3] = max(box[2], x), max(box[3], y)
            if land.touches_others(game, rules, tile, player):
                front.set_bit(game.border, tile)
    for place in range(game.structures.shape[0]):
        kind = game.structures[place, 0]
        if kind != NO_BUILDING:
            game.numbers[STRUCTURES] += 1
            game.built[game.owner[game.structures[place, 1]], kind] += 1


@kernel
def entries(game: Game, out: np.ndarray) -> int:
    """All queues' entries into ``out``, int32 [n, 3]: attack, priority, tile; those put in first come first."""
    count = 0
    for slot in range(game.attacks.shape[0]):
        left, priority = game.attacks[slot, ENTRIES], 0
        while left:
            node, first = game.heads[slot, priority], count
            while node:
                out[count, 0], out[count, 1], out[count, 2] = slot, priority, game.nodes[node - 1, TILE]
                node = game.nodes[node - 1, NEXT]
                count += 1
                left -= 1
            _reverse(out[first:count])
            priority += 1
    return count


@kernel
def _reverse(rows: np.ndarray) -> None:
    for i in range(len(rows) // 2):
        for column in range(rows.shape[1]):
            other = rows[len(rows) - 1 - i, column]
            rows[len(rows) - 1 - i, column] = rows[i, column]
            rows[i, column] = other


@kernel
def put_back(game: Game, listed: np.ndarray, queued: np.ndarray) -> None:
    """Fill the queues as `entries` gave them; ``queued`` int32 [m, 2], attack and tile, are counted as the fronts."""
    for i in range(listed.shape[0]):
        front.put(game, wide(listed[i, 0]), wide(listed[i, 1]), wide(listed[i, 2]))
    game.queued[:] = 0
    game.attacks[:, BORDER] = 0
    for i in range(queued.shape[0]):
        front.set_bit(game.queued[queued[i, 0]], wide(queued[i, 1]))
        game.attacks[queued[i, 0], BORDER] += 1


# -- bytes -------------------------------------------------------------------------------------------------------------
def pack(game: Game, crc: int, rules: Rules) -> bytes:
    """The world of a game on the map of a checksum."""
    used = int(game.attacks[:, ENTRIES].sum())
    listed = np.zeros((used, 3), np.int32)
    entries(game, listed)
    slots = np.flatnonzero(game.attacks[:, ATTACKER])
    queued = [
        np.stack([np.full(tiles.size, slot), tiles], 1)
        for slot in slots
        if (tiles := _tiles_in(game.queued[slot])).size
    ]
    arrays = {
        "map": np.array(crc, np.uint32),
        "players": np.array([rules.learners, rules.bots]),
        "tick": np.array(game.numbers[TICK]),
        "owner": game.owner,
        "troops": game.troops,
        "gold": game.gold,
        "bots": game.bots,
        "attacks": game.attacks[:, [ATTACKER, TARGET]],
        "force": game.force,
        "entries": listed,
        "queued": np.concatenate(queued).astype(np.int32) if queued else np.zeros((0, 2), np.int32),
        "structures": game.structures,
        "fruitless": game.fruitless,
    }
    return state_file.pack(KIND, arrays)


def _tiles_in(bits: np.ndarray) -> np.ndarray:
    """Tiles whose bits are set, ascending."""
    return np.flatnonzero(np.unpackbits(bits.astype("<u8").view(np.uint8), bitorder="little"))


def unpack(data: bytes, crcs: list[int], grounds: np.ndarray, rules: Rules) -> dict[str, np.ndarray]:
    """A world's arrays, with ``map`` as the number of its map.

    Raises:
        StateFileError: they make no world of these maps and players.
    """
    world = state_file.unpack(KIND, data)
    try:
        if int(world["map"]) not in crcs:
            raise StateFileError(
                "this world is on another map; give the --env.map, or size and seed, it was saved with"
            )
        number = crcs.index(int(world["map"]))
        if world["players"].tolist() != [rules.learners, rules.bots]:
            learners, bots = world["players"].tolist()
            raise StateFileError(
                f"this is a world of {learners} learners and {bots} bots, not of {rules.learners} and {rules.bots}"
            )
        _check(world, grounds[number], rules)
    except StateFileError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise StateFileError(f"this is a world of another version of territory: {error}") from error
    return world | {"map": np.array(number)}


def _check(world: dict[str, np.ndarray], ground: np.ndarray, rules: Rules) -> None:
    """Refuse what would make a kernel write out of bounds, or play what is no game."""
    tiles, players = ground.size, rules.learners + rules.bots
    slots = world["force"].size
    shapes = {
        "owner": (tiles,),
        "troops": (players + 1,),
        "gold": (players + 1,),
        "bots": (players + 1, 7),
        "attacks": (slots, 2),
        "force": (4 * players,),
        "structures": (MAX_STRUCTURES, 2),
        "fruitless": (rules.learners,),
    }
    for name, shape in shapes.items():
        if world[name].shape != shape:
            raise StateFileError(f"the world's {name} has shape {world[name].shape}, not {shape}")
    for name in ("tick", "attacks", "bots", "entries", "queued", "structures", "fruitless"):
        if world[name].dtype.kind not in "iu":
            raise StateFileError(f"the world's {name} are no whole numbers")
    owner, tick = world["owner"], int(world["tick"])
    if owner.dtype != np.uint8 or owner.max(initial=0) > players or (owner[ground < 16] != 0).any():
        raise StateFileError("the world's tiles belong to players that do not exist, or lie in the water")
    if not 0 <= tick < rules.max_ticks:
        raise StateFileError(f"the world is at tick {tick}, a game ends at tick {rules.max_ticks}")
    for name in ("troops", "gold", "force"):
        if world[name].dtype != np.float64 or not ((world[name] >= 0) & (world[name] <= MOST)).all():
            raise StateFileError(f"the world's {name} are no numbers from 0 to {MOST:g}")
    listed, queued, structures = world["entries"], world["queued"], world["structures"]
    within = (
        _between(world["attacks"], 0, players)
        and _between(listed[:, 0], 0, slots - 1)
        and _between(listed[:, 1], 0, 4 * tick + BUCKETS_BEYOND - 1)
        and _between(listed[:, 2], 0, tiles - 1)
        and len(listed) <= tiles
        and _between(queued[:, 0], 0, slots - 1)
        and _between(queued[:, 1], 0, tiles - 1)
        and _between(structures[:, 0], NO_BUILDING, POST)
        and _between(structures[:, 1], 0, tiles - 1)
        and _between(world["bots"][:, ENEMY], 0, players)
        and (world["bots"][rules.learners + 1 :, RATE] > 0).all()
        and _between(world["bots"][:, TRIGGER : EXPAND + 1], 0, 100)
        and _fit(world["attacks"], listed, queued, tiles)
    )
    if not within:
        raise StateFileError("the world's attacks, bots or structures are of another game")


def _fit(attacks: np.ndarray, listed: np.ndarray, queued: np.ndarray, tiles: int) -> bool:
    """Whether only attacks that there are have entries, and each queued tile has one and counts once."""
    entries, counted = (pairs[:, 0].astype(np.int64) * tiles + pairs[:, -1] for pairs in (listed, queued))
    used = attacks[:, 0] > 0
    return bool(
        used[listed[:, 0]].all() and np.isin(counted, entries).all() and len(np.unique(counted)) == len(counted)
    )


def _between(values: np.ndarray, least: int, most: int) -> bool:
    return not values.size or bool(least <= values.min() and values.max() <= most)


def restore(game: Game, rules: Rules, world: dict[str, np.ndarray]) -> None:
    """Make a game what `unpack` gave; its map is chosen already."""
    clear(game)
    game.structures[:] = world["structures"]
    occupy(game, rules, world["owner"])
    for name in ("gold", "bots", "force", "fruitless"):
        getattr(game, name)[:] = world[name]
    game.troops[:] = np.floor(world["troops"])
    game.attacks[:, [ATTACKER, TARGET]] = world["attacks"]
    put_back(game, world["entries"].astype(np.int32), world["queued"].astype(np.int32))
    game.numbers[TICK] = int(world["tick"])
