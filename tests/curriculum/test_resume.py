"""A checkpoint holds everything: after it the same messages give the same answers, and the folder agrees with it."""

import copy

import numpy as np
import pytest

from curriculum import CurriculumConfig, CurriculumManager, index
from puffer_envs.contract.milestone import Milestone
from puffer_envs.contract.records import FailedStart
from tests.curriculum.conftest import CAVE, CROWN, DOOR, FIELD, TABLE, episode, event, fill, make_manager, play, world


def drive(manager: CurriculumManager, seed: int, steps: int) -> list:
    """A stretch of a run of eight rows with every kind of message; all the answers."""
    rng = np.random.default_rng(seed)
    starts, answers = [play(manager, row) for row in range(8)], []
    begin = manager.global_step
    for step in range(begin + 8, begin + 8 * steps, 8):
        row = int(rng.integers(8))
        if rng.random() < 0.5:
            milestone = int(rng.integers(5))
            answers.append(manager.on_event(event(milestone, row, world(step)), step))
        if rng.random() < 0.7:
            reached = {m: int(rng.integers(1, 60)) for m in range(5) if rng.random() < 0.5}
            manager.on_episode(episode(reached, length=60, row=row, start=starts[row]), step)
            starts[row] = play(manager, row)
        if rng.random() < 0.1 and starts[row] is not None:
            manager.on_failure(FailedStart(row, starts[row], "no world"))
        for env, state_id in manager.pull(range(8)).items():
            starts[env] = state_id
        answers += [*starts, manager.theta.tolist(), manager.wanted().tolist(), manager.spawn_mix(), manager.ids()]
        answers.append(manager.drain_evicted())
    return answers


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("mode", ["mixture", "frontier"])
@pytest.mark.parametrize("seed", range(4))
def test_resume_is_exact(folder, tmp_path, mode, seed):
    config = {"mode": mode, "keep_per_milestone": 2, "refresh_steps": 100}
    one = make_manager(folder, seed, **config)
    drive(one, seed, 40)
    checkpoint = copy.deepcopy(one.state_dict())
    expected = drive(one, seed + 100, 60)
    one.state_dict()
    assert any(expected)

    resumed = make_manager(folder, seed + 1, **config)  # in the same folder, with what came after the checkpoint
    resumed.load_state_dict(copy.deepcopy(checkpoint))
    assert drive(resumed, seed + 100, 60) == expected
    resumed.state_dict()
    uninterrupted = files(folder)

    moved = make_manager(tmp_path / "elsewhere" / "run", 0, **config)  # on another machine, in an empty folder
    moved.load_state_dict(checkpoint)
    assert drive(moved, seed + 100, 60) == expected
    moved.state_dict()
    assert files(tmp_path / "elsewhere" / "run") == uninterrupted


def test_a_resume_without_the_generator_would_be_noticed(folder, tmp_path):
    """The control: the comparison above can fail."""
    one = make_manager(folder, 1)
    fill(one, DOOR, FIELD, CAVE)
    checkpoint = one.state_dict() | {"rng": make_manager(tmp_path / "b", 2).state_dict()["rng"]}
    expected = [play(one, 0) for _ in range(50)]
    resumed = make_manager(folder, 1)
    resumed.load_state_dict(checkpoint)
    assert [play(resumed, 0) for _ in range(50)] != expected


def test_later_files_become_orphans_and_deleted_ones_come_back(folder):
    manager = make_manager(folder, keep_per_milestone=1, refresh_steps=0)
    door, field = fill(manager, DOOR, FIELD)
    checkpoint = manager.state_dict()
    newer = manager.on_event(event(DOOR, 5, world(9)), 900)  # replaces the older door
    crown = manager.on_event(event(CROWN, 5, world(10)), 901)
    assert not (folder / f"{door}.state").exists()

    resumed = make_manager(folder, keep_per_milestone=1, refresh_steps=0)
    assert resumed.ids() == [field, newer, crown]  # what lies there, until the checkpoint is known
    resumed.load_state_dict(checkpoint)
    assert resumed.ids() == [door, field]
    assert sorted(path.stem for path in folder.glob("*.state")) == [door, field]
    assert sorted(path.stem for path in (folder / "orphaned").iterdir()) == sorted([newer, crown])
    assert [entry.id for entry in index.read_index(folder)] == [door, field]
    assert (folder / f"{door}.state").read_bytes() == resumed.load_bytes(door)


def test_orphans_of_two_resumes_do_not_overwrite_each_other(folder):
    manager = make_manager(folder)
    checkpoint = manager.state_dict()
    for n in range(2):
        manager.on_event(event(DOOR, 0, world(n)), 100)
        manager.load_state_dict(checkpoint)
    orphans = {path.read_bytes() for path in (folder / "orphaned").iterdir()}
    assert orphans == {world(0), world(1)}


def test_files_that_differ_from_the_checkpoint_are_mended(folder):
    manager = make_manager(folder)
    door, field = fill(manager, DOOR, FIELD)
    checkpoint = manager.state_dict()
    good = manager.load_bytes(door)
    (folder / f"{door}.state").write_bytes(b"?" + good[1:])
    (folder / f"{field}.state.tmp").write_bytes(b"a write that a crash cut short")
    manager.load_state_dict(checkpoint)
    assert (folder / f"{door}.state").read_bytes() == good
    assert (folder / "quarantine" / f"{door}.state").read_bytes() == b"?" + good[1:]
    assert not list(folder.glob("*.tmp"))


def test_a_damaged_index_does_not_matter_to_a_resume(folder):
    manager = make_manager(folder)
    ids = fill(manager, DOOR, FIELD)
    checkpoint = manager.state_dict()
    (folder / "index.json").write_text("{")
    resumed = make_manager(folder)
    resumed.load_state_dict(checkpoint)
    assert resumed.ids() == ids
    assert [entry.id for entry in index.read_index(folder)] == ids


def test_what_a_checkpoint_must_not_be(folder):
    manager = make_manager(folder)
    fill(manager, DOOR)
    checkpoint = manager.state_dict()
    with pytest.raises(ValueError, match="of version 99"):
        manager.load_state_dict(checkpoint | {"version": 99})
    with pytest.raises(ValueError, match="another world"):
        make_manager(folder.parent / "b", world_id="b" * 40).load_state_dict(checkpoint)
    other = (*TABLE[:4], Milestone("throne", "late", "cave", 50))
    with pytest.raises(ValueError, match="another milestone table"):
        CurriculumManager(other, folder.parent / "c", CurriculumConfig(), 0).load_state_dict(checkpoint)
    for data in (b"x", checkpoint["states"][0]["data"][:-9], checkpoint["states"][0]["data"][:-1] + b"~"):
        damaged = checkpoint | {"states": [checkpoint["states"][0] | {"data": data}]}
        before = manager.ids()
        with pytest.raises(ValueError, match=r"damaged|truncated|changed"):
            manager.load_state_dict(damaged)
        assert manager.ids() == before


def test_the_checkpoint_holds_plain_leaves_only(folder):
    manager = make_manager(folder)
    fill(manager, DOOR)

    def leaves(value):
        if isinstance(value, dict):
            assert all(isinstance(key, str) for key in value)
            return [leaf for item in value.values() for leaf in leaves(item)]
        if isinstance(value, list):
            return [leaf for item in value for leaf in leaves(item)]
        return [value]

    allowed = (np.ndarray, int, float, str, bool, type(None), bytes)
    assert all(type(leaf) in allowed for leaf in leaves(manager.state_dict()))
    assert all(not isinstance(leaf, int) or abs(leaf) < 2**63 for leaf in leaves(manager.state_dict()))


# -- shipped states ----------------------------------------------------------------------------------------------
ROM = "c" * 40


@pytest.fixture
def shipped(tmp_path):
    """A folder of shipped states: a door and a cave of ROM, and a field of another world."""
    folder = tmp_path / "shipped"
    fill(make_manager(folder, world_id=ROM, seed_dir=""), DOOR, CAVE)
    entries = index.read_index(folder)
    stranger = make_manager(tmp_path / "stranger", world_id="d" * 40, seed_dir="")
    fill(stranger, FIELD)
    (entry,) = index.read_index(tmp_path / "stranger")
    (folder / entry.file).write_bytes(stranger.load_bytes(entry.id))
    index.write_index(folder, [*entries, entry])
    return folder


def test_shipped_states_of_the_same_rom_are_there_from_the_start(folder, shipped):
    manager = make_manager(folder, world_id=ROM, seed_dir=str(shipped))
    assert [state_id.split("_")[0] for state_id in manager.ids()] == ["door", "cave"]
    assert all((folder / f"{state_id}.state").exists() for state_id in manager.ids())
    assert index.read_index(folder)[0].made_by == "shipped"
    manager.on_event(event(CAVE, 0, world(7)), 10)
    assert manager.pull(range(8)) == {}  # the cave is nothing new
    manager.on_event(event(FIELD, 0, world(8)), 20)
    assert manager.pull(range(8))


@pytest.mark.parametrize("rom", ["", "e" * 40])
def test_shipped_states_of_another_rom_are_not_used(folder, shipped, rom):
    assert make_manager(folder, world_id=rom, seed_dir=str(shipped)).ids() == []


def test_shipped_states_that_fell_out_of_use_do_not_return(folder, shipped):
    config = {"world_id": ROM, "seed_dir": str(shipped), "keep_per_milestone": 1}
    manager = make_manager(folder, **config)
    manager.global_step = 10**6
    newer = manager.on_event(event(DOOR, 0, world(1)), 10**6)
    checkpoint = manager.state_dict()
    resumed = make_manager(folder, **config)
    resumed.load_state_dict(checkpoint)
    assert resumed.ids() == manager.ids()
    assert newer in resumed.ids()
    assert not (folder / "orphaned").exists()


def test_states_of_another_rom_in_the_folder_of_the_run_are_put_aside(folder):
    (door,) = fill(make_manager(folder, world_id=ROM, seed_dir=""), DOOR)
    assert make_manager(folder, world_id="e" * 40, seed_dir="").ids() == []
    assert "another world" in (folder / "quarantine" / f"{door}.txt").read_text()
