"""The index: what it refuses, what can be saved of a damaged one, and that it is written whole or not at all."""

import contextlib
import dataclasses
import json
import os
from pathlib import Path

import pytest

from curriculum import index
from curriculum.index import IndexDamaged, StateDamaged, StateEntry
from tests.curriculum.conftest import CAVE, DOOR, FIELD, fill, make_manager, world


def make_entry(n: int = 0, **changes) -> StateEntry:
    data = world(n)
    name = index.state_id("Mt. Moon", 100 * n, n)
    facts = {
        **{"id": name, "file": f"{name}.state", "sha256": index.digest(data), "size": len(data)},
        **{"world_id": "a" * 40, "emulator": "2.7.0", "state_version": 15},
        **{
            "milestone": "Mt. Moon",
            "tier": "mid",
            "facts": {"map": 59, "badges": 1},
            "step": 7,
            "global_step": 100 * n,
        },
        "made_by": "run",
    }
    return StateEntry(**(facts | changes))


@pytest.fixture
def states(tmp_path):
    """A folder with three states and its index."""
    entries = [make_entry(n) for n in range(3)]
    for n, entry in enumerate(entries):
        (tmp_path / entry.file).write_bytes(world(n))
    index.write_index(tmp_path, entries)
    return tmp_path


def test_round_trip(states):
    assert index.read_index(states) == [make_entry(n) for n in range(3)]
    assert [index.read_state(states, entry) for entry in index.read_index(states)] == [world(n) for n in range(3)]


def test_the_format_of_the_shipped_states_is_read_and_written(tmp_path):
    shipped = Path(__file__).parents[2] / "savestates" / "wayfarer"
    entries = index.read_index(shipped)
    assert entries[0].facts == {"map": 0x28, "badges": 0}
    index.write_index(tmp_path, entries)
    written, before = (json.loads((folder / "index.json").read_text()) for folder in (tmp_path, shipped))
    assert written == before


def test_no_index_is_an_empty_one(tmp_path):
    assert index.read_index(tmp_path) == []
    index.write_index(tmp_path, [])
    assert index.read_index(tmp_path) == []


def test_names_sort_by_age_and_say_no_clock_time():
    assert index.state_id("Mt. Moon", 12345, 6) == "mt_moon_000000012345_0006"
    assert index.slug("../../etc/passwd") == "etc_passwd"
    assert index.slug("???") == "state"


# -- damage ------------------------------------------------------------------------------------------------------
def rewrite(folder, change):
    """Apply a change to the parsed index and write it back without mending the checksums."""
    document = json.loads((folder / "index.json").read_text())
    changed = change(document)
    (folder / "index.json").write_text(json.dumps(document if changed is None else changed))


def set_field(key, value):
    return lambda document: document["states"][1].__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: [], "not an index of version 1"),
        (lambda document: document.update(version=2), "not an index of version 1"),
        (lambda document: document.update(states={}), "no list of states"),
        (lambda document: document["states"].append("x"), "no JSON object"),
        (lambda document: document["states"][1].pop("tier") and None, "lacks tier"),
        (set_field("colour", "red"), "a colour of the wrong type"),
        (set_field("colour", 3), "does not match its checksum"),
        (set_field("size", "400"), "a size of the wrong type"),
        (set_field("uses", True), "a uses of the wrong type"),
        (set_field("milestone", None), "a milestone of the wrong type"),
        (set_field("milestone", "crown"), "does not match its checksum"),
        (set_field("check", "00000000"), "does not match its checksum"),
        (lambda document: document["states"].append(document["states"][0]), "the same id twice"),
    ],
)
def test_every_kind_of_damage_is_named(states, change, message):
    rewrite(states, change)
    with pytest.raises(IndexDamaged, match=message):
        index.read_index(states)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "../x"}, "an id that is no plain name"),
        ({"sha256": "abc"}, "a sha256 that is none"),
        ({"world_id": "z" * 40}, "a world id that is none"),
        ({"tier": "endgame"}, "an unknown tier 'endgame'"),
        ({"size": 0}, "a size of 0 bytes"),
        ({"size": index.MAX_STATE_BYTES + 1}, "a size of"),
        ({"uses": -1}, "a negative uses"),
        ({"score": float("nan")}, "a score that is no number"),
    ],
)
def test_impossible_entries_are_refused_though_their_checksum_is_right(tmp_path, changes, message):
    index.write_index(tmp_path, [make_entry(**changes)])
    with pytest.raises(IndexDamaged, match=message):
        index.read_index(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("../secret.state", "/etc/secret.state", "a/b.state", "..\\x.state", "..state", ".hidden.state"),
        *("", "x.sav", "x.state\n", "x\0.state", "a..b.state", "~.state", "C:x.state"),
    ],
)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    with pytest.raises(IndexDamaged, match="not a plain file name"):
        index.locate(tmp_path, name)
    index.write_index(tmp_path, [make_entry(file=name)])
    with pytest.raises(IndexDamaged):
        index.read_index(tmp_path)


def test_a_link_that_leads_out_is_refused_and_one_that_stays_is_not(states, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.state"
    secret.write_bytes(world(0))
    name = make_entry(0).file
    (states / name).unlink()
    (states / name).symlink_to(secret)
    with pytest.raises(IndexDamaged, match="leads out"):
        index.read_index(states)
    (states / name).unlink()
    (states / name).symlink_to(make_entry(1).file)
    assert len(index.read_index(states)) == 3


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"version": 1, "states": [1e999999]}', "\xff\xfe", "null"])
def test_what_is_no_index_at_all(states, text):
    (states / "index.json").write_text(text, encoding="latin-1")
    with pytest.raises(IndexDamaged):
        index.read_index(states)
    assert index.salvage(states) == []


def test_a_huge_index_is_not_read(states, monkeypatch):
    monkeypatch.setattr(index, "MAX_INDEX_BYTES", 100)
    with pytest.raises(IndexDamaged, match="no index is"):
        index.read_index(states)


def test_truncation_anywhere_is_found_or_harmless(states):
    whole = (states / "index.json").read_bytes()
    for size in [*range(0, len(whole) - 200, 7), *range(len(whole) - 200, len(whole))]:
        (states / "index.json").write_bytes(whole[:size])
        try:
            assert len(index.read_index(states)) == 3  # only the last line break is missing
            assert size == len(whole) - 1
        except IndexDamaged:
            assert len(index.salvage(states)) <= 3


def test_a_flipped_byte_is_found_and_costs_its_own_line_only(states):
    whole = (states / "index.json").read_bytes()
    good = index.read_index(states)
    for place in sorted({*range(0, len(whole), 3), *(i for i, byte in enumerate(whole) if byte == ord("\n"))}):
        (states / "index.json").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert index.read_index(states) == good  # white space became other white space
        except IndexDamaged:
            saved = index.salvage(states)
            assert len(saved) >= 2 - (whole[place : place + 1] == b"\n")  # a lost line break costs both neighbours
            assert all(entry in good for entry in saved)


def test_salvage_leaves_out_states_whose_files_do_not_match(states):
    (states / make_entry(0).file).write_bytes(b"other")
    (states / make_entry(2).file).unlink()
    with (states / "index.json").open("a") as file:
        file.write("torn")
    assert index.salvage(states) == [make_entry(1)]


def test_a_run_opens_a_folder_with_a_damaged_index(folder, caplog):
    first = make_manager(folder)
    door, field, _ = fill(first, DOOR, FIELD, CAVE)
    lines = (folder / "index.json").read_text().splitlines()
    (folder / "index.json").write_text("\n".join([*lines[:-2], lines[-2][:50]]))  # the cave's line is torn
    second = make_manager(folder)
    assert second.ids() == [door, field]
    assert second.load_bytes(door) == first.load_bytes(door)
    assert (folder / "index.json.damaged").exists()
    assert "2 states saved from it" in caplog.text


def test_a_run_opens_a_folder_with_damaged_files(folder):
    door, field, cave = fill(make_manager(folder), DOOR, FIELD, CAVE)
    (folder / f"{door}.state").write_bytes(b"other")
    (folder / f"{field}.state").unlink()
    assert make_manager(folder).ids() == [cave]
    assert "truncated: 5 of 400 bytes" in (folder / "quarantine" / f"{door}.txt").read_text()
    assert "missing" in (folder / "quarantine" / f"{field}.txt").read_text()


# -- files -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "truncated: 399 of 400 bytes"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "changed"),
        (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), "changed"),
        (lambda path: path.unlink(), "missing"),
    ],
)
def test_every_kind_of_damage_to_a_file_is_named(states, change, message):
    entry = make_entry(1)
    change(states / entry.file)
    with pytest.raises(StateDamaged, match=message):
        index.read_state(states, entry)


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("nth", [0, 1])
def test_a_failing_write_leaves_the_old_index(states, monkeypatch, failing, nth):
    calls = []
    real = getattr(os, failing)

    def fail(*args):
        calls.append(args)
        if len(calls) > nth:
            raise OSError(28, "No space left on device")
        return real(*args)

    monkeypatch.setattr(os, failing, fail)
    entries = [dataclasses.replace(make_entry(n), uses=9) for n in range(3)]
    with contextlib.suppress(OSError):
        index.write_index(states, entries)
    monkeypatch.undo()
    assert index.read_index(states) in ([make_entry(n) for n in range(3)], entries)
    assert not (states / "index.json.tmp").exists()


def test_an_index_from_before_sources_were_kept_is_read():
    entries = index.read_index(Path(__file__).parents[2] / "savestates" / "wayfarer")
    assert entries
    assert {entry.source for entry in entries} == {""}
