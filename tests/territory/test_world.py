"""Saved worlds: they go on as what they were saved from, and whatever is no world of these games is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from puffer_envs.contract import state_file
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.territory.config import Config
from puffer_envs.territory.env import Territory
from puffer_envs.territory.state import CITY, ENTRIES, STRUCTURES, TICK
from puffer_envs.territory.world import KIND
from tests.territory.test_reference import assert_sound
from tests.territory.worlds import changed, drawn, islands, lakes, pairs, scattered, terrain, territory, world_of

PLAYERS, PLACES, TILES = 4, 16, 128 * 128


def at_war(folder: Any, seed: int = 0) -> Territory:
    """A game with structures, and attacks that go on, one of them in the first place."""
    options = {"num_agents": 2, "num_bots": 2, "build": True, "ticks_per_step": 3, "win_share": 1.0}
    env = territory(folder, lakes(1), seed=seed, max_ticks=900, **options)
    scattered(env, seed, gold=np.full(PLAYERS + 1, 1e6))
    random = np.random.default_rng(seed)
    while len(pairs(env)) < 4 or not env.state.attacks[0, 0, ENTRIES] or env.state.numbers[0, STRUCTURES] < 3:
        env.step(drawn(random, env))
    assert env.state.numbers[0, TICK] < 100
    return env


# -- going on ----------------------------------------------------------------------------------------------------------
def test_a_loaded_world_goes_on_as_the_one_that_was_saved(tmp_path) -> None:
    env, other = at_war(tmp_path), at_war(tmp_path, seed=1)
    world = world_of(env)
    assert len(world["entries"]) > 50
    assert np.count_nonzero(world["structures"][:, 0]) > 2
    other.read_world(0, env.write_world(0))
    assert_sound(other)
    assert other.write_world(0) == env.write_world(0)
    other.rng[0] = env.rng[0]
    random, ended = np.random.default_rng(5), False
    while not ended:
        actions = drawn(random, env)
        env.step(actions)
        other.step(actions)
        assert other.write_world(0) == env.write_world(0)
        assert other.rewards.tolist() == env.rewards.tolist()
        ended = env.terminals.any() or env.truncations.any()


def test_a_loaded_world_begins_an_episode_of_its_own(tmp_path) -> None:
    env = at_war(tmp_path)
    env.state.fruitless[0] = 3, 4
    state, key = env.save_state(0), env.rng[0].tolist()
    env.load_state(0, state)
    assert not env.state.fruitless.any()
    assert env.rng[0].tolist() != key
    saved, loaded = (state_file.unpack(KIND, data) for data in (state, env.save_state(0)))
    assert saved.pop("fruitless").tolist() == [3, 4]
    for name, values in saved.items():
        np.testing.assert_array_equal(loaded[name], values, name)


def test_nothing_of_the_former_game_is_left(tmp_path) -> None:
    """A reset leaves the same world whatever was played before."""
    env, fresh = at_war(tmp_path), territory(tmp_path, lakes(1), num_agents=2, num_bots=2, build=True, max_ticks=900)
    env.state.fruitless[0] = 3, 4
    for each in (env, fresh):
        each.reset(seed=9)
        assert_sound(each)
    assert env.write_world(0) == fresh.write_world(0)
    assert env.observations.tobytes() == fresh.observations.tobytes()
    assert not env.state.queued.any()
    assert not env.state.heads.any()


def test_a_world_finds_its_map_among_others() -> None:
    options = {"map_size": 128, "num_maps": 2, "num_bots": 1}
    env, other = (Territory(Config(map_seed=seed, **options), 8, num_threads=1) for seed in (0, 1))
    env.reset(seed=1)
    other.reset(seed=1)
    assert set(env.state.map.tolist()) == {0, 1}
    first, second = env.state.map.tolist().index(0), env.state.map.tolist().index(1)
    for index in range(8):
        other.load_state(index, env.save_state(second))
    assert other.state.map.tolist() == [0] * 8
    assert_sound(other)
    with pytest.raises(StateFileError, match="another map"):
        other.load_state(0, env.save_state(first))


# -- what is refused ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("classes", "options", "message"),
    [
        (islands(1), {}, "this world is on another map; give the --env.map, or size and seed, it was saved with"),
        (terrain(0, 128, 256), {}, "this world is on another map; give"),
        (lakes(1), {"num_agents": 1}, "this is a world of 2 learners and 2 bots, not of 1 and 2"),
        (lakes(1), {"num_agents": 1, "num_bots": 3}, "this is a world of 2 learners and 2 bots, not of 1 and 3"),
        (lakes(1), {"max_ticks": 61}, r"the world is at tick \d+, a game ends at tick 61"),
    ],
)
def test_worlds_of_other_games_are_refused(tmp_path, classes, options, message) -> None:
    state = at_war(tmp_path).save_state(0)
    env = territory(tmp_path, classes, **({"num_agents": 2, "num_bots": 2} | options))
    before = env.snapshot(0)
    for read in (env.load_state, env.read_world):
        with pytest.raises(StateFileError, match=message) as error:
            read(0, state)
        assert "\n" not in str(error.value)
    assert env.snapshot(0) == before


def set_to(name: str, *place: Any, value: Any) -> Callable[[dict[str, np.ndarray]], None]:
    """Write one element of an array."""

    def spoil(world: dict[str, np.ndarray]) -> None:
        world[name][place] = value

    return spoil


def cast(name: str, make: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict[str, np.ndarray]], None]:
    """Make another array of one."""

    def spoil(world: dict[str, np.ndarray]) -> None:
        world[name] = make(world[name])

    return spoil


def last_priority(world: dict[str, np.ndarray]) -> None:
    world["entries"][0, 1] = 4 * int(world["tick"]) + 192


SPOILT = {
    "a player too many": set_to("owner", 70, value=PLAYERS + 1),
    "an owner of water": lambda world: world["owner"].__setitem__(int(np.flatnonzero(lakes(1) == 0)[0]), 1),
    "wide owners": cast("owner", lambda owner: owner.astype(np.int64)),
    "tiles too few": cast("owner", lambda owner: owner[:-1]),
    "tiles in rows": cast("owner", lambda owner: owner.reshape(128, 128)),
    "a tick before the first": set_to("tick", value=-1),
    "the last tick": set_to("tick", value=900),
    "troops that are no number": set_to("troops", 2, value=np.nan),
    "infinite troops": set_to("troops", 1, value=np.inf),
    "less than no troops": set_to("troops", 1, value=-1.0),
    "narrow troops": cast("troops", lambda troops: troops.astype(np.float32)),
    "gold that is no number": set_to("gold", 2, value=np.nan),
    "debts": set_to("gold", 2, value=-1.0),
    "force that is no number": set_to("force", 0, value=np.nan),
    "negative force": set_to("force", 0, value=-0.5),
    "places too many": cast("force", lambda force: np.zeros(PLACES + 1)),
    "attacks too few": cast("attacks", lambda attacks: attacks[:-1]),
    "an attacker too many": set_to("attacks", 0, 0, value=PLAYERS + 1),
    "an attacker below nobody": set_to("attacks", 0, 0, value=-1),
    "a target too many": set_to("attacks", 0, 1, value=PLAYERS + 1),
    "a target below nobody": set_to("attacks", 0, 1, value=-1),
    "an entry of no place": set_to("entries", 0, 0, value=PLACES),
    "an entry before all places": set_to("entries", 3, 0, value=-1),
    "an entry before all priorities": set_to("entries", 3, 1, value=-1),
    "an entry behind all priorities": last_priority,
    "an entry beyond the map": set_to("entries", -1, 2, value=TILES),
    "an entry before the map": set_to("entries", 0, 2, value=-1),
    "more entries than tiles": cast("entries", lambda entries: np.resize(entries, (TILES + 1, 3))),
    "entries in a row": cast("entries", np.ravel),
    "a front of no place": set_to("queued", 0, 0, value=PLACES),
    "a front before all places": set_to("queued", 0, 0, value=-1),
    "a front beyond the map": set_to("queued", 0, 1, value=TILES),
    "a front before the map": set_to("queued", -1, 1, value=-1),
    "a structure of no kind": set_to("structures", 63, 0, value=3),
    "a structure below all kinds": set_to("structures", 0, 0, value=-1),
    "a structure beyond the map": set_to("structures", 0, 1, value=TILES),
    "a structure before the map": set_to("structures", 63, 1, value=-1),
    "structures too few": cast("structures", lambda structures: structures[:-1]),
    "a bot that never comes": set_to("bots", PLAYERS, 0, value=0),
    "a bot that goes back": set_to("bots", PLAYERS, 0, value=-5),
    "an enemy too many": set_to("bots", PLAYERS, 5, value=PLAYERS + 1),
    "an enemy below nobody": set_to("bots", 3, 5, value=-1),
    "bots too few": cast("bots", lambda bots: bots[:-1]),
    "orders of too many": cast("fruitless", lambda fruitless: np.resize(fruitless, 3)),
    "players that are none": cast("players", lambda players: players[:1]),
}


@pytest.fixture(scope="module")
def war(tmp_path_factory: pytest.TempPathFactory) -> Territory:
    return at_war(tmp_path_factory.mktemp("war"))


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_worlds_that_make_no_sense_are_refused(war, spoil) -> None:
    before, world = war.snapshot(0), world_of(war)
    spoil(world)
    state = state_file.pack(KIND, world)
    assert state != war.write_world(0)
    for read in (war.load_state, war.read_world):
        with pytest.raises(StateFileError, match=r"^(the world's|the world is|this is a world of)") as error:
            read(0, state)
        assert "\n" not in str(error.value)
    assert war.snapshot(0) == before


@pytest.mark.parametrize("name", ["map", "players", "tick", "owner", "troops", "attacks", "entries", "queued", "bots"])
def test_worlds_that_lack_something_are_refused(war, name) -> None:
    before, world = war.snapshot(0), world_of(war)
    del world[name]
    with pytest.raises(StateFileError, match=f"another version of territory: '{name}'"):
        war.load_state(0, state_file.pack(KIND, world))
    assert war.snapshot(0) == before


def test_the_last_allowed_values_are_no_mistakes(war) -> None:
    """The bounds are not too narrow: a world at all of them is read, and played on."""
    env = Territory(war.config, 1, num_threads=1)
    env.reset(seed=0)
    world = world_of(war)
    tick = 899
    entries, bots, structures = world["entries"], world["bots"], world["structures"]
    slot = int(entries[-1, 0])
    entries = np.concatenate([entries, [[slot, 4 * tick + 191, TILES - 1]]])
    bots[3:, 5] = PLAYERS
    structures[63] = CITY, TILES - 1
    env.load_state(0, changed(war, tick=tick, entries=entries, bots=bots, structures=structures))
    env.step(np.array([[40, 0], [40, 0]]))
    assert env.truncations.all()
