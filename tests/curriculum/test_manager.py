"""The manager from outside: what goes in as messages, what comes out as answers."""

import os
import subprocess
import sys

import pytest

from curriculum import CurriculumConfig, CurriculumManager, index, sampling
from puffer_envs.contract.records import FailedStart
from tests.curriculum.conftest import CAVE, CROWN, DOOR, FIELD, episode, event, fill, make_manager, play, world


# -- saving ------------------------------------------------------------------------------------------------------
def test_an_event_becomes_a_file_and_an_entry(folder):
    manager = make_manager(folder)
    state_id = manager.on_event(event(CAVE, row=3, state=world(1), step=17), global_step=4200)
    assert state_id == "cave_000000004200_0003"  # age in game time: no clock, so a resumed run writes the same names
    assert (folder / f"{state_id}.state").read_bytes() == world(1) == manager.load_bytes(state_id)
    (entry,) = index.read_index(folder)
    assert (entry.milestone, entry.tier, entry.step, entry.global_step) == ("cave", "mid", 17, 4200)
    assert (entry.made_by, entry.state_version, entry.size) == ("run", world(1)[0], 400)
    assert entry.sha256 == index.digest(world(1))
    assert manager.ids() == [state_id]


def test_the_newest_eight_are_kept(folder):
    manager = make_manager(folder, refresh_steps=0)
    ids = [manager.on_event(event(DOOR, 0, world(i)), 100 * (i + 1)) for i in range(10)]
    assert manager.ids() == ids[2:]
    assert manager.drain_evicted() == ids[:2]
    assert manager.drain_evicted() == []
    assert sorted(path.stem for path in folder.glob("*.state")) == ids[2:]
    assert [entry.id for entry in index.read_index(folder)] == ids[2:]


def test_states_are_wanted_while_places_are_free_then_when_the_newest_is_old(folder):
    manager = make_manager(folder, keep_per_milestone=2, refresh_steps=1000)
    assert manager.wanted().all()
    fill(manager, DOOR, DOOR)  # at steps 100 and 200
    assert manager.wanted().tolist() == [False, True, True, True, True]
    assert manager.on_event(event(DOOR, 0, world(3)), 1199) is None
    assert not manager.wanted()[DOOR]
    assert manager.on_event(event(DOOR, 0, world(3)), 1200) is not None  # 1200 - 200: old enough
    assert not manager.wanted()[DOOR]


def test_events_without_a_world_or_with_an_impossible_one_are_passed_over(folder):
    manager = make_manager(folder)
    assert manager.on_event(event(DOOR, state=None), 1) is None
    assert manager.on_event(event(DOOR, state=b""), 1) is None
    assert manager.pull(range(4)) == {}  # and the pull waits for a state
    assert manager.on_event(event(DOOR), 2) is not None
    assert manager.pull(range(4))


def test_switched_off_it_saves_nothing_and_starts_nothing(folder):
    manager = make_manager(folder, enabled=False)
    assert not manager.wanted().any()
    assert manager.on_event(event(DOOR), 1) is None
    assert manager.next_start(0) is None
    assert manager.pull(range(4)) == {}
    manager.on_episode(episode({DOOR: 1}), 10)
    assert manager.theta[DOOR] == pytest.approx(2 / 3)
    assert not folder.exists()


def test_a_full_disk_costs_the_state_and_not_the_run(folder, monkeypatch, caplog):
    manager = make_manager(folder)
    kept = manager.on_event(event(DOOR), 1)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert manager.on_event(event(FIELD, state=world(2)), 2) is None
    manager.state_dict()  # a checkpoint goes on as well
    monkeypatch.undo()
    assert manager.ids() == [kept]
    assert "No space left" in caplog.text
    assert [path.name for path in folder.iterdir() if path.suffix == ".tmp"] == []
    assert manager.on_event(event(FIELD, state=world(2)), 3) is not None


# -- sampling ----------------------------------------------------------------------------------------------------
def test_without_states_every_start_is_a_new_game(folder):
    manager = make_manager(folder)
    assert [play(manager, row) for row in [*range(8), *range(8)]] == [None] * 16
    assert manager.spawn_mix() == {"new": 1.0, "early": 0.0, "mid": 0.0, "late": 0.0}


def test_starts_have_the_frequencies_of_the_worked_example(folder):
    manager = make_manager(folder)
    door, field, cave = fill(manager, DOOR, FIELD, CAVE)
    for _ in range(7):
        manager.on_episode(episode(held=(DOOR,)), 500)  # the field is missed seven times: Beta(1, 8), theta 1/9
    starts = [play(manager, 0) for _ in range(20_000)]
    share = {state: starts.count(state) / len(starts) for state in (None, door, field, cave)}
    # New games 1/4. Tiers early and mid: .5/.8, .3/.8. Early: the door's next is the field, which counts as half of the
    # door's .5: 8 * 1/4 * 3/4 = 1.5; the field's next are pet and cave, both undecided: 2.
    early, mid = 0.75 * 0.625, 0.75 * 0.375
    score = 1.5
    expected = {None: 0.25, door: early * score / (score + 2), field: early * 2 / (score + 2), cave: mid}
    assert share == pytest.approx(expected, abs=0.012)


def test_new_games_are_at_least_a_quarter_of_all_starts_at_any_time(folder):
    manager = make_manager(folder)
    fill(manager, DOOR, CROWN)
    new = 0
    for n in range(1, 2000):
        new += play(manager, n % 8) is None
        assert new >= n / 4
    assert new < 2000 * 0.30


def test_pulls_count_as_starts(folder):
    manager = make_manager(folder, mode="frontier")
    manager.on_event(event(DOOR), 1)
    starts = list(manager.pull(range(16)).values())
    starts += [play(manager, 0) for _ in range(400)]
    assert starts[:16] == manager.ids() * 16
    assert sum(start is None for start in starts) >= len(starts) / 4


def test_the_same_seed_and_messages_give_the_same_starts(folder, tmp_path):
    def starts(directory, seed):
        manager = make_manager(directory, seed)
        fill(manager, DOOR, FIELD, CAVE, CROWN)
        return [play(manager, row) for row in range(50)]

    assert starts(folder, 1) == starts(tmp_path / "b", 1) != starts(tmp_path / "c", 2)


def test_frontier_starts_at_the_furthest_milestone(folder):
    manager = make_manager(folder, mode="frontier")
    *_, one, other = fill(manager, DOOR, FIELD, CROWN, CROWN)
    starts = [play(manager, 0) for _ in range(2000)]
    assert set(starts) == {None, one, other}
    assert starts.count(one) == pytest.approx(750, abs=100)


def test_spawn_mix_looks_at_recent_starts(folder):
    manager = make_manager(folder)
    fill(manager, DOOR, CAVE)
    for _ in range(3000):
        play(manager, 0)
    mix = manager.spawn_mix()
    assert list(mix) == ["new", "early", "mid", "late"]
    assert sum(mix.values()) == pytest.approx(1)
    assert mix["late"] == 0
    assert mix["early"] == pytest.approx(0.75 * 0.625, abs=0.13)  # of 256


# -- pulls -------------------------------------------------------------------------------------------------------
def test_a_saved_state_and_a_first_ever_milestone_are_told(folder, caplog):
    caplog.set_level("INFO", "curriculum")
    manager = make_manager(folder)
    first = manager.on_event(event(FIELD, row=3), 10)
    second = manager.on_event(event(FIELD, row=4, state=world(9)), 20)
    name = manager.milestones[FIELD].name
    assert caplog.messages == [
        f"row 3 reached {name} for the first time at step 10: state {first}",
        f"row 4 reached {name} at step 20: state {second}",
    ]


def test_a_first_ever_milestone_pulls_half_of_the_rows_once(folder):
    manager = make_manager(folder)
    assert manager.pull(range(8)) == {}
    state_id = manager.on_event(event(FIELD, row=2), 10)
    pulled = manager.pull(range(8))
    assert set(pulled) < set(range(8))
    assert list(pulled.values()) == [state_id] * 4
    assert manager.pull(range(8)) == {}
    manager.on_event(event(FIELD, row=3, state=world(9)), 20)  # no longer the first
    assert manager.pull(range(8)) == {}
    manager.on_event(event(CAVE, row=3, state=world(10)), 30)
    assert len(manager.pull(range(9))) == 4


def test_frontier_pulls_all_rows(folder):
    manager = make_manager(folder, mode="frontier")
    state_id = manager.on_event(event(FIELD), 10)
    assert manager.pull(range(5)) == dict.fromkeys(range(5), state_id)


def test_of_several_first_ever_milestones_the_furthest_pulls(folder):
    manager = make_manager(folder)
    far = [manager.on_event(event(CROWN, row=row, state=world(row)), 10) for row in (0, 1)]
    manager.on_event(event(DOOR, row=2, state=world(2)), 10)
    assert list(manager.pull(range(8)).values()) == far * 2  # in turn over its states
    assert manager.pull(range(8)) == {}


def test_a_pull_is_remembered_after_the_states_are_gone(folder):
    manager = make_manager(folder)
    state_id = manager.on_event(event(DOOR), 1)
    manager.pull(range(4))
    for _ in range(2):
        manager.on_failure(FailedStart(0, state_id, "broken"))
    assert manager.ids() == []
    manager.on_event(event(DOOR, state=world(5)), 2)
    assert manager.pull(range(4)) == {}


def test_one_row_alone_is_not_pulled_by_a_mixture(folder):
    manager = make_manager(folder)
    manager.on_event(event(DOOR), 1)
    assert manager.pull(range(1)) == {}


def test_episodes_cut_by_a_pull_are_no_failures(folder):
    manager = make_manager(folder, mode="frontier")
    manager.on_event(event(DOOR, row=1), 5)
    assert list(manager.pull(range(2))) == [0, 1]
    manager.on_episode(episode(row=0, length=5), 6)  # cut after 5 of the door's 10 steps
    assert manager.theta[DOOR] == 0.5
    play(manager, 0)
    manager.on_episode(episode(row=0, length=5), 12)  # the next one ended by itself
    assert manager.theta[DOOR] == pytest.approx(1 / 3)
    manager.on_episode(episode(row=1, length=5, truncated=False), 6)  # terminal: it ended by itself as well
    assert manager.theta[DOOR] == pytest.approx(1 / 4)


def test_an_episode_after_a_lost_worker_was_not_cut(folder):
    manager = make_manager(folder, mode="frontier")
    manager.on_event(event(DOOR, row=1), 5)
    manager.pull(range(2))
    play(manager, 0)
    manager.on_episode(episode(row=0, length=5), 6)
    assert manager.theta[DOOR] == pytest.approx(1 / 3)


def test_all_agents_of_an_environment_are_cut_together(folder):
    manager = make_manager(folder, mode="frontier")
    manager.agents_per_env = 2
    manager.on_event(event(DOOR, row=1), 5)
    assert list(manager.pull(range(2))) == [0, 1]
    for row in range(4):
        manager.on_episode(episode(row=row, length=5), 6)
    assert manager.theta[DOOR] == 0.5


# -- failures and uses -------------------------------------------------------------------------------------------
def test_a_state_that_fails_twice_goes_to_quarantine_with_the_reason(folder):
    manager = make_manager(folder)
    bad, good = fill(manager, DOOR, DOOR)
    manager.on_failure(FailedStart(0, bad, "first"))
    assert manager.ids() == [bad, good]
    manager.on_failure(FailedStart(3, bad, "the map is\x1b[2J none\n"))
    manager.on_failure(FailedStart(3, bad, "too late to count"))
    assert manager.ids() == [good]
    assert manager.drain_evicted() == [bad]
    assert not (folder / f"{bad}.state").exists()
    assert (folder / "quarantine" / f"{bad}.state").exists()
    reason = (folder / "quarantine" / f"{bad}.txt").read_text()
    assert reason == "could not be loaded 2 times, at last: the map is [2J none\n"  # no control characters
    assert [entry.id for entry in index.read_index(folder)] == [good]


def test_uses_and_scores_are_in_the_index_at_every_checkpoint(folder):
    manager = make_manager(folder)
    (door,) = fill(manager, DOOR)
    for _ in range(3):
        manager.on_episode(episode(held=(DOOR,), start=door), 1000)  # field: Beta(1, 4), 8 * .2 * .8 - 1 = .28
    manager.on_episode(episode(start="long gone"), 1000)
    manager.state_dict()
    (entry,) = index.read_index(folder)
    assert (entry.uses, entry.failures) == (3, 0)
    assert entry.score == pytest.approx(0.28)


# -- configuration -----------------------------------------------------------------------------------------------
def test_tiers_without_any_weight_are_refused():
    with pytest.raises(ValueError, match="tier_weights"):
        CurriculumConfig(tier_weights=(0, 0, 0))


def test_a_game_without_milestones_starts_new_games(folder):
    manager = CurriculumManager((), folder, CurriculumConfig(), 0)
    assert manager.wanted().shape == (0,)
    assert manager.next_start(0) is None
    manager.load_state_dict(manager.state_dict())


def test_no_network_library_is_imported():
    code = "import sys, curriculum, curriculum.__main__, curriculum.canary; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_defaults_are_those_of_the_specification():
    config = CurriculumConfig()
    assert sampling.TIERS == ("early", "mid", "late")
    assert config.tier_weights == (0.5, 0.3, 0.2)
    assert (config.mode, config.new_game_fraction, config.keep_per_milestone) == ("mixture", 0.25, 8)
    assert config.half_life == 100
