"""``python -m curriculum``: what it prints and its exit codes."""

import subprocess
import sys

import pytest

from curriculum import __main__ as command
from curriculum import canary, index
from puffer_envs.pokemon_red import emulator, new_game
from tests.curriculum.conftest import CAVE, DOOR, FIELD, fill, make_manager

ROM = "c" * 40


@pytest.fixture
def stock(folder):
    """A run's folder with three states of an imaginary ROM."""
    fill(make_manager(folder, world_id=ROM, seed_dir=""), DOOR, FIELD, CAVE)
    return folder


@pytest.fixture(scope="module")
def state_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign") / "Room 1.state"
    path.write_bytes(new_game.new_game_state(emulator.load_rom()))
    return path


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    try:
        code = command.main([str(argument) for argument in arguments])
    except SystemExit as exit_of_argparse:
        code = int(exit_of_argparse.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


# -- list --------------------------------------------------------------------------------------------------------
def test_list_shows_each_state(stock, capsys):
    code, out, _ = run(capsys, "list", stock)
    assert code == 0
    assert "3 states" in out
    assert all(entry.id in out for entry in index.read_index(stock))


def test_list_walks_the_folders_inside(stock, capsys):
    (stock / "quarantine").mkdir()
    (stock / "quarantine" / "bad.state").write_bytes(b"bad")
    code, out, _ = run(capsys, "list", stock.parent)
    assert code == 0
    assert f"{stock}: 3 states" in out
    assert "quarantine" not in out


def test_list_shows_what_is_left_of_a_damaged_index(stock, capsys):
    (stock / "index.json").write_text((stock / "index.json").read_text().replace('"field"', '"fiend"'))
    code, out, err = run(capsys, "list", stock)
    assert code == 1
    assert "2 states" in out
    assert "does not match its checksum" in err


# -- verify ------------------------------------------------------------------------------------------------------
def test_verify_finds_nothing_wrong_with_good_states(stock, capsys):
    assert run(capsys, "verify", stock) == (0, "3 states, all good\n", "")


def flip(path):
    data = path.read_bytes()
    path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip, "was changed"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "truncated"),
        (lambda path: path.write_bytes(b""), "truncated"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.with_name("stranger.state").write_bytes(b"x"), "stranger.state is not in the index"),
        (lambda path: path.with_name("index.json").write_text("{"), "the index is damaged"),
    ],
)
def test_verify_names_what_is_bad(stock, capsys, damage, message):
    first = index.read_index(stock)[0]
    damage(stock / first.file)
    code, out, _ = run(capsys, "verify", stock)
    assert code == 1
    assert message in out
    assert first.file in out or "stranger" in out


def test_verify_finds_a_state_of_another_rom(stock, capsys, tmp_path):
    entries = index.read_index(stock)
    fill(make_manager(tmp_path / "other", world_id="d" * 40, seed_dir=""), DOOR, step=900)
    (foreign,) = index.read_index(tmp_path / "other")
    (stock / foreign.file).write_bytes((tmp_path / "other" / foreign.file).read_bytes())
    index.write_index(stock, [foreign, *entries])
    code, out, _ = run(capsys, "verify", stock)
    assert (code, out.count("bad:")) == (1, 1)
    assert f"{foreign.file} is of another world ({'d' * 40}, not {ROM})" in out


def test_verify_compares_with_the_rom_that_is_given(stock, capsys):
    code, out, _ = run(capsys, "verify", stock, "--rom", emulator.BUILT_IN_ROM)
    assert code == 1
    assert out.count("is of another world") == 3


def test_verify_can_hold_trials(folder, state_file, capsys):
    assert run(capsys, "add", folder, state_file, "--milestone", "enter_lab")[0] == 0
    (entry,) = index.read_index(folder)
    assert run(capsys, "verify", folder, "--trial")[0] == 0
    # A state that is what its index says and yet no state: only a trial can know.
    data = b"\x0f" + bytes(150_000)
    (folder / entry.file).write_bytes(data)
    fields = {**vars(entry), "sha256": index.digest(data), "size": len(data)}
    index.write_index(folder, [index.StateEntry(**fields)])
    assert run(capsys, "verify", folder)[0] == 0
    code, out, _ = run(capsys, "verify", folder, "--trial")
    assert code == 1
    assert "failed its trial" in out


# -- add ---------------------------------------------------------------------------------------------------------
def test_add_admits_good_states_and_puts_copies_of_bad_ones_aside(folder, state_file, tmp_path, capsys):
    bad = tmp_path / "bad.state"
    bad.write_bytes(state_file.read_bytes()[:-5])
    code, out, _ = run(capsys, "add", folder, state_file, bad, "--milestone", "enter_lab", "--made-by", "a friend")
    assert code == 1
    (entry,) = index.read_index(folder)
    assert (entry.milestone, entry.tier, entry.facts) == ("enter_lab", "early", {"map": 0x26, "badges": 0})
    assert (entry.made_by, entry.state_version, entry.emulator) == ("a friend", 15, "2.7.0")
    assert entry.world_id == emulator.load_rom().sha1
    assert (folder / entry.file).read_bytes() == state_file.read_bytes()
    assert "refused" in out
    assert (folder / "quarantine" / "bad.state").read_bytes() == bad.read_bytes()
    assert "No data" in (folder / "quarantine" / "bad.txt").read_text()
    code, out, _ = run(capsys, "add", folder, state_file, "--milestone", "enter_lab")
    assert (code, "known already" in out) == (0, True)


def test_added_states_are_used_by_a_run_in_that_folder(folder, state_file, capsys):
    from curriculum import CurriculumManager
    from puffer_envs.pokemon_red.milestones import WAYFARER

    run(capsys, "add", folder, state_file, "--milestone", "enter_lab")
    manager = CurriculumManager(WAYFARER.milestones, folder, world_id=emulator.load_rom().sha1)
    assert "enter_lab_000000000000_0000" in manager.ids()
    assert manager.load_bytes("enter_lab_000000000000_0000") == state_file.read_bytes()


def test_a_state_without_a_milestone_is_left_out(folder, state_file, capsys):
    code, out, _ = run(capsys, "add", folder, state_file)
    assert code == 1
    assert "left out" in out
    assert "--milestone" in out


def test_a_trial_that_cannot_be_held_refuses_nothing(folder, state_file, capsys, monkeypatch):
    monkeypatch.setattr(canary.sys, "executable", "/bin/false")
    code, _, err = run(capsys, "add", folder, state_file)
    assert code == 2
    assert "could not be held" in err
    assert not (folder / "quarantine").exists()


def test_a_folder_is_all_its_states_and_their_names_are_kept(folder, state_file, tmp_path, capsys, monkeypatch):
    (tmp_path / "theirs").mkdir()
    for name, spoilt in (("b road.state", False), ("a lab.state", True), ("notes.txt", False)):
        data = state_file.read_bytes()
        (tmp_path / "theirs" / name).write_bytes(data[:-5] if spoilt else data)
    code, out, _ = run(capsys, "add", folder, tmp_path / "theirs", "--milestone", "enter_lab")
    assert (code, out.count("added:"), out.count("refused:")) == (1, 1, 1)
    (entry,) = index.read_index(folder)
    assert entry.source == "b road.state"
    assert "b road.state" in run(capsys, "list", folder)[1]
    monkeypatch.setattr(command, "ADDED", tmp_path / "added")
    assert run(capsys, "add", tmp_path / "theirs", "--milestone", "enter_lab")[0] == 1  # a folder alone
    assert [entry.source for entry in index.read_index(tmp_path / "added")] == ["b road.state"]


# -- prune -------------------------------------------------------------------------------------------------------
def test_prune_keeps_the_newest_of_each_milestone(folder, capsys):
    ids = fill(make_manager(folder), DOOR, DOOR, CAVE, DOOR)
    code, out, _ = run(capsys, "prune", folder, "--keep", 2)
    assert code == 0
    assert [entry.id for entry in index.read_index(folder)] == ids[1:]
    assert not (folder / f"{ids[0]}.state").exists()
    assert "3 states kept" in out


def test_prune_touches_nothing_in_a_damaged_folder(stock, capsys):
    flip(stock / index.read_index(stock)[0].file)
    code, _, err = run(capsys, "prune", stock, "--keep", 1)
    assert code == 2
    assert "verify" in err
    assert len(list(stock.glob("*.state"))) == 3


# -- bad usage ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "required"),
        (("bogus",), "invalid choice"),
        (("list", "/no/such/folder"), "there is no folder /no/such/folder"),
        (("verify", "/no/such/folder"), "there is no folder"),
        (("prune", ".", "--keep", "0"), "--keep must be at least 1"),
        (("add",), "required"),
        (("add", "."), "no files"),
        (("add", "/tmp", "/no/such.state"), "there is no file /no/such.state"),
        (("add", "--rom", "/no/such.gb", ".", __file__), "cannot read the ROM"),
        (("add", "--milestone", "moon", ".", __file__), "there is no milestone 'moon'"),
        (("add", "--env", "voxel_swarm", ".", __file__), "savestates of voxel_swarm come from its own runs alone"),
        (("add", "--env", "voxel_swarm", "--rom", "red.gb", ".", __file__), "unrecognized arguments: --rom"),
        (("add", "--env", "voxel_swam", ".", __file__), "did you mean 'voxel_swarm'"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_code_2(arguments, message, capsys):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_it_runs_as_a_module(stock):
    done = subprocess.run([sys.executable, "-m", "curriculum", "verify", str(stock)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "3 states, all good\n")
