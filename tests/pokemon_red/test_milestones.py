"""The milestone tables are well formed, and WAYFARER's agrees with the game's own files."""

import pytest

from puffer_envs.pokemon_red.milestones import GAMES, RED, TIERS, WAYFARER, Game, game_of
from puffer_envs.pokemon_red.rom.world_data import read_events, read_maps

LIMITS = {"event": 2560, "badge": 8, "map": 0xF8}


@pytest.fixture(params=GAMES.values(), ids=GAMES.keys())
def game(request: pytest.FixtureRequest) -> Game:
    return request.param


def test_names_are_unique(game: Game) -> None:
    names = [row.name for row in game.milestones]
    assert len(set(names)) == len(names)


def test_predecessors_stand_before(game: Game) -> None:
    names = [row.name for row in game.milestones]
    assert game.milestones[0].predecessor is None
    for i, row in enumerate(game.milestones[1:], start=1):
        assert row.predecessor in names[:i], row.name


def test_tiers_are_thirds_in_order(game: Game) -> None:
    tiers = [TIERS.index(row.tier) for row in game.milestones]
    assert tiers == sorted(tiers)
    counts = [tiers.count(i) for i in range(3)]
    assert max(counts) - min(counts) <= 1


def test_kinds_and_ranges(game: Game) -> None:
    keys = [(row.kind, row.index) for row in game.milestones]
    assert len(set(keys)) == len(keys)
    for row in game.milestones:
        assert 0 <= row.index < LIMITS[row.kind]
        assert row.deadline >= 128
    assert game.rest_house_maps <= game.map_names.keys()
    assert not set(game.required_events) & set(game.excluded_events)


def test_wayfarer_agrees_with_its_assets() -> None:
    events, maps = read_events(), read_maps()
    for row in WAYFARER.milestones:
        assert row.deadline <= 1024
        if row.kind == "event":
            assert events[row.index] == row.name
        if row.kind == "map":
            assert maps[row.index].name == row.name.removeprefix("enter_").upper()
    spoken = {map_id: name.replace("_", "") for map_id, name in ((m.id, m.name) for m in maps.values())}
    assert {map_id: name.upper() for map_id, name in WAYFARER.map_names.items()} == spoken
    assert WAYFARER.rest_house_maps == {m.id for m in maps.values() if "bed" in m.options}


def test_eight_milestones_lead_to_the_first_badge() -> None:
    names = [row.name for row in WAYFARER.milestones]
    assert names.index("badge_stone") >= 8


def test_unknown_titles_are_read_as_red() -> None:
    assert game_of("WAYFARER") is WAYFARER
    assert game_of("POKEMON RED") is RED
    assert game_of("POKEMON BLUE") is RED
