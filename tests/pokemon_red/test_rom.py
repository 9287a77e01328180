"""WAYFARER: the cartridge, its rules about time and text, its facts in WRAM, its length, and the golden trace."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from puffer_envs.pokemon_red.rom import ROM_PATH, build
from puffer_envs.pokemon_red.rom.world_data import AssetError, paginate, read_events, read_maps
from tests.pokemon_red import golden
from tests.pokemon_red.scripted_player import MOVES, Atlas, Console

FREE = 0
PAGE_FRAMES, IGNORED_FRAMES = 8, 24
FIRST_LETTER = 0x9C21  # of the text box, in VRAM
BLANK = 128


@pytest.fixture
def console() -> Iterator[Console]:
    one = Console()
    yield one
    one.close()


@pytest.fixture(scope="module")
def trace() -> golden.Trace:
    return golden.load()


def press_all(console: Console, keys: str) -> None:
    for key in keys.split():
        console.press(key)


# ---- the cartridge


def test_header() -> None:
    rom = ROM_PATH.read_bytes()
    assert len(rom) == 32768
    assert rom[0x134:0x144].rstrip(b"\0") == b"WAYFARER"
    assert rom[0x147] == 0, "no mapper"
    assert set(rom[0x104:0x134]) == {0xFF}, "no logo of somebody else"
    assert (-sum(rom[0x134:0x14D]) - 25) & 0xFF == rom[0x14D], "header checksum"


@pytest.mark.skipif(not shutil.which("sdcc"), reason="SDCC is not installed")
def test_rebuild_is_the_committed_rom(tmp_path: Path) -> None:
    assert build.compile_rom(tmp_path) == ROM_PATH.read_bytes()


@pytest.mark.parametrize("address", ["D35E", "C400", "CC20", "DF00"])
def test_statics_on_shared_addresses_are_refused(address: str) -> None:
    area = "_DATA                               0000C510    000000AB =        171. bytes (REL,CON)\n"
    build.check_statics(area)
    with pytest.raises(AssetError):
        build.check_statics(area + f"     0000{address}  _cur_map\n")
    with pytest.raises(AssetError):
        build.check_statics(area.replace("C510", address))


# ---- the assets


def test_world_is_closed() -> None:
    """Every warp ends on a free cell of a known map, and every map can be left."""
    atlas = Atlas()
    assert 18 <= len(atlas.maps) <= 22
    for game_map in atlas.maps.values():
        assert game_map.warps
        for warp in game_map.warps:
            assert atlas.kind((warp.map_id, warp.to_x, warp.to_y)) in ("walk", "wild"), (game_map.name, warp)
            assert (warp.map_id, warp.to_x, warp.to_y) not in atlas.warps


def test_every_event_can_happen() -> None:
    events = read_events()
    assert len(events) >= 30
    set_somewhere = {thing.options.get("event") for one in read_maps().values() for thing in one.things}
    assert set(events) - set_somewhere == {"first_win"}


def test_texts_fit_two_pages() -> None:
    for one in read_maps().values():
        for thing in one.things:
            for text in thing.texts.values():
                assert all(len(page.split("\n")) <= 4 for page in paginate(text).split("\f"))
    with pytest.raises(AssetError):
        paginate("word " * 40)


# ---- time and text


def test_new_game(console: Console) -> None:
    memory = console.pyboy.memory
    assert console.facts.place == (0x26, 3, 4)
    assert console.facts.money == 3000
    assert [memory[a] for a in (0xD163, 0xD164, 0xD356, 0xD057, 0xCD6B, 0xCFC4, 0xD719)] == [0, 255, 0, 0, 0, 0, 0x25]
    assert not any(memory[0xD747:0xD887])
    console.press("right")
    assert console.facts.place == (0x26, 4, 4)


@pytest.mark.parametrize("key", MOVES)
def test_a_decision_is_a_cell(console: Console, key: str) -> None:
    """A press of 8 frames turns and walks, 16 frames of gliding, free before frame 24."""
    press_all(console, "up right")
    _, x, y = console.facts.place
    dx, dy = MOVES[key]
    console.press(key)
    assert console.facts.place == (0x26, x + dx, y + dy)
    before = console.facts.place
    console.pyboy.tick(120, False)
    assert console.facts.place == before, "nothing happens by itself"


def test_page_appears_and_waits(console: Console) -> None:
    press_all(console, "up up left left left")  # to the shelf, which blocks the last two steps' end
    press_all(console, "up")
    memory = console.pyboy.memory
    console.pyboy.button_press("a")
    console.pyboy.tick(PAGE_FRAMES, False)
    console.pyboy.button_release("a")
    assert memory[0xCFC4] & 1
    assert memory[FIRST_LETTER] != BLANK
    console.pyboy.tick(600, False)
    assert memory[0xCFC4] & 1, "nothing advances by itself"
    console.press("a")
    console.press("a")
    assert not memory[0xCFC4] & 1


@pytest.mark.parametrize("closing", ["b", "start"])
def test_menu(console: Console, closing: str) -> None:
    memory = console.pyboy.memory
    console.press("start")
    assert memory[0xCFC4] & 1
    console.press("down")
    assert memory[0xCC26] == 1
    console.press(closing)
    assert not memory[0xCFC4] & 1


def test_joypad_is_never_ignored_for_long(trace: golden.Trace) -> None:
    """Frame by frame through a whole game: short silences, and none at the end of a decision."""
    console = Console(trace.idle_frames)
    memory, run, longest = console.pyboy.memory, 0, 0
    for letter in trace.keys:
        for frame in range(24):
            if frame == 0:
                console.pyboy.button_press(golden.KEYS[letter])
            if frame == 8:
                console.pyboy.button_release(golden.KEYS[letter])
            console.pyboy.tick(1, False)
            run = run + 1 if memory[0xCD6B] else 0
            longest = max(longest, run)
        assert memory[0xCD6B] == FREE
        assert memory[0xFF40] & 0x80, "the screen is on"
    assert 0 < longest <= IGNORED_FRAMES
    console.close()


# ---- the whole game


def test_golden_trace(trace: golden.Trace) -> None:
    assert trace.rom_sha256 == hashlib.sha256(ROM_PATH.read_bytes()).hexdigest(), "record the golden trace anew"
    assert len(trace.checkpoints) == golden.CHECKPOINTS
    at = {row[0] for row in trace.checkpoints}
    assert golden.replay(trace.idle_frames, trace.keys, at) == trace.checkpoints


def test_length_of_the_acts(trace: golden.Trace) -> None:
    """What the scripted player needs, as a promise to those who train on it."""
    badges = [next(row[0] for row in trace.checkpoints if row[-1] >= want) for want in (1, 3, 7)]
    grain = len(trace.keys) / golden.CHECKPOINTS + 1
    assert badges[0] <= 200
    assert 450 - grain <= badges[1] - badges[0] <= 700 + grain
    assert len(trace.keys) <= 2500


def test_scripted_player_wins_the_first_badge_anew(trace: golden.Trace) -> None:
    """The player still chooses the recorded keys."""
    from tests.pokemon_red.scripted_player import ACT_1, play

    console = Console(trace.idle_frames)
    recording = play(console, ACT_1, limit=200)
    assert "beat_leader_1" in recording.events
    assert trace.keys.startswith("".join(golden.LETTERS[key] for key in recording.keys))
    memory = console.pyboy.memory
    assert memory[0xD356] == memory[0xD72A] == 1
    assert memory[0xD163] == 1
    assert memory[0xD717] == memory[0xD164] == memory[0xD16B]
    console.close()


def test_same_state_and_keys_give_the_same_bytes(trace: golden.Trace) -> None:
    console = Console(trace.idle_frames)
    for letter in trace.keys[:120]:
        console.press(golden.KEYS[letter])
    state = io.BytesIO()
    console.pyboy.save_state(state)
    dumps = []
    for _ in range(2):
        state.seek(0)
        console.pyboy.load_state(state)
        for letter in trace.keys[120:180]:
            console.press(golden.KEYS[letter])
        after = io.BytesIO()
        console.pyboy.save_state(after)
        dumps.append(after.getvalue())
    assert dumps[0] == dumps[1]
    console.close()


def test_defeat(trace: golden.Trace) -> None:
    """Back to the last rest house, healed, half the money gone, no event lost."""
    console = Console(trace.idle_frames)
    facts, memory = console.facts, console.pyboy.memory
    letters = iter(trace.keys)
    while facts.in_battle != 2:
        console.press(golden.KEYS[next(letters)])
    money, events, rest = facts.money, bytes(memory[0xD747:0xD887]), memory[0xD719]
    memory[0xD16D] = 1
    for _ in range(20):
        console.press("a")
        if facts.in_battle == 255:
            break
    assert facts.in_battle == 255
    for _ in range(3):
        console.press("a")
    assert facts.in_battle == 0
    assert facts.place[0] == rest
    assert facts.hp == facts.max_hp
    assert facts.money == money // 200 * 100
    assert bytes(memory[0xD747:0xD887]) == events
    console.close()


# ---- odds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "level", "least", "most"),
    [
        ("wild", 5, 0.95, 1.00),
        ("scout", 5, 0.70, 0.90),
        ("mason", 5, 0.05, 0.50),
        ("mason", 6, 0.30, 0.50),
        ("mason", 8, 0.77, 0.93),
    ],
)
def test_odds_of_mashing_a(name: str, level: int, least: float, most: float) -> None:
    from benchmarks.wayfarer_players import mash

    assert least <= mash((name, level, 250))[2] <= most


@pytest.mark.slow
def test_odds_of_running() -> None:
    from benchmarks.wayfarer_players import run_away

    assert 0.65 <= run_away(250) <= 0.85
