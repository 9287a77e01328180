"""The environment as a whole, on the built-in game."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from puffer_envs.contract.records import Event
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.kit.process import WORKER_VARIABLE
from puffer_envs.pokemon_red import kernels, observe, ram, render
from puffer_envs.pokemon_red.config import PRESETS, Config
from puffer_envs.pokemon_red.emulator import ACTIONS, load_rom
from puffer_envs.pokemon_red.env import PokemonRed, spec
from puffer_envs.pokemon_red.game import GAME
from puffer_envs.pokemon_red.milestones import GAMES, RED
from tests.pokemon_red.scripted_player import ACT_1, Facts, Goal, ScriptedPlayer
from tests.pokemon_red.test_emulator import with_title

SHARED = ("observations", "rewards", "terminals", "truncations", "reward_terms", "milestones_held", "novelty_keys")


@pytest.fixture
def make() -> Iterator[Callable[..., PokemonRed]]:
    """Makes environments that are closed in the end; no savestates at events unless asked for."""
    envs = []

    def make(num_envs: int = 2, config: Config | None = None, **options) -> PokemonRed:
        env = PokemonRed(config, num_envs, **({"seed": 3, "num_threads": 1} | options))
        env.want_states(np.zeros(len(env.spec.milestones), np.bool_))
        env.keep_episodes(True)
        env.reset()
        envs.append(env)
        return env

    yield make
    for env in envs:
        env.close()


def actions(steps: int, rows: int, seed: int = 5) -> np.ndarray:
    """Random actions, int32 [steps, rows]."""
    return np.random.default_rng(seed).integers(0, 7, (steps, rows), dtype=np.int32)


def shared(env: PokemonRed, rows: slice = slice(None)) -> list[bytes]:
    """All that an environment shows of some rows."""
    return [getattr(env, name)[rows].tobytes() for name in SHARED]


def play(env: PokemonRed, plan: np.ndarray, rows: slice = slice(None)) -> list[list[bytes]]:
    """What is shown after each step."""
    trace = []
    for action in plan:
        env.step(action)
        trace.append(shared(env, rows))
    return trace


# -- what it is ------------------------------------------------------------------------------------------------------
def test_the_spec_needs_no_environment(make) -> None:
    env = make()
    described = spec(Config())
    assert described.layout.size == env.observations.shape[1] == 1844
    assert described.action_space.n == 7
    assert described.milestones == env.spec.milestones
    assert described.reward_weights == env.spec.reward_weights
    assert env.reward_terms.shape == (2, 12)


def test_buffers_are_never_rebound(make) -> None:
    env = make(2, Config(new_game_steps=4))
    before = [getattr(env, name) for name in (*SHARED, "final_observations")]
    play(env, actions(6, 2))
    assert all(array is getattr(env, name) for array, name in zip(before, (*SHARED, "final_observations"), strict=True))


def test_another_cartridge_is_played_by_the_tables_of_red(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "red.gb"
    file.write_bytes(with_title(load_rom(), b"POKEMON RED", at_147=0x13, at_149=0x03))
    config = PRESETS["red"]._replace(rom=str(file))
    with pytest.warns(UserWarning, match="is not Pokemon Red"):
        env = PokemonRed(config, 2, num_threads=1)
    env.reset()
    play(env, actions(5, 2))
    assert env.spec.milestones == RED.milestones
    assert env.map_name(0) == "RedsHouse2F"
    assert env.memory.limit.tolist() == [19_816, 19_816]
    env.close()


# -- determinism -----------------------------------------------------------------------------------------------------
def test_same_seed_same_bytes_for_any_threads_and_split(make) -> None:
    plan = actions(40, 4)
    config = Config(new_game_steps=25)
    whole = make(4, config)
    traces = play(whole, plan)
    assert play(make(4, config, num_threads=3), plan) == traces
    tail = play(make(2, config, first_env=2), plan[:, 2:])
    for mine, theirs in zip(tail, traces, strict=True):
        assert [a[len(a) // 2 :] for a in theirs] == mine


def test_threads_are_one_a_core_but_one_in_a_worker(make, monkeypatch) -> None:
    monkeypatch.setattr("puffer_envs.pokemon_red.env.usable_cores", lambda: 3)
    assert make(4, num_threads=None)._pool._max_workers == 3
    monkeypatch.setenv(WORKER_VARIABLE, "1")
    assert make(4, num_threads=None)._pool is None


def test_another_seed_is_another_run(make) -> None:
    assert make(2, seed=3).save_state(0) == make(2, seed=3).save_state(0)
    assert make(2, seed=3).save_state(0) != make(2, seed=4).save_state(0)


def test_reset_with_a_seed_starts_over(make) -> None:
    env, plan = make(2), actions(10, 2)
    env.reset(seed=9)
    first = play(env, plan)
    env.reset(seed=9)
    assert play(env, plan) == first


def test_rows_from_one_state_are_no_clones(make) -> None:
    env = make(32)
    state = env.save_state(0)
    for row in range(32):
        env.load_state(row, state)
    env.load_state(0, state)  # nor is a row's next episode
    worlds = {env.save_state(row) for row in range(32)}
    assert len(worlds) >= 12  # 16 numbers of idle frames, and those of the first row differ from before


def test_without_idle_frames_rows_are_clones(make) -> None:
    env = make(2, Config(idle_frames=0))
    assert env.save_state(0) == env.save_state(1)


# -- snapshots and savestates ------------------------------------------------------------------------------------------
def test_a_restored_row_goes_on_bit_for_bit(make) -> None:
    plan = actions(60, 2)
    config = Config(new_game_steps=45)  # an episode ends on the way
    env, other = make(2, config), make(2, config, seed=99)
    play(env, plan[:30])
    snapshot = env.snapshot(1)
    expected = play(env, plan[30:], slice(1, 2))
    play(other, actions(17, 2, seed=1))
    other.restore(0, snapshot)
    mirrored = plan[30:, ::-1]
    assert play(other, mirrored, slice(0, 1)) == expected
    env.restore(1, snapshot)
    assert env.snapshot(1) == snapshot


def test_snapshots_at_any_moment_are_whole(make) -> None:
    env, plan = make(1), actions(150, 1, seed=2)
    expected = play(env, plan)
    env.reset(seed=3)
    trace = []
    for first in range(0, len(plan), 10):
        trace += play(env, plan[first : first + 10])
        snapshot = env.snapshot(0)
        play(env, actions(3, 1, seed=first))
        env.restore(0, snapshot)
    assert trace == expected


def test_a_snapshot_of_an_odd_moment_is_restored(make) -> None:
    env = make(1)
    env.machines[0]._pyboy.memory[ram.PARTY_COUNT] = 9  # no savestate would be taken with it
    snapshot = env.snapshot(0)
    play(env, actions(3, 1))
    env.restore(0, snapshot)
    assert env.snapshot(0) == snapshot
    with pytest.raises(StateFileError, match="a party of 9"):
        env.load_state(0, env.save_state(0))


def test_savestates_are_kept_small(make) -> None:
    env = make(1)
    state = env.save_state(0)
    env.add_state("here", state)
    assert len(env.states["here"]) < len(state) / 4
    env.set_next_start(0, "here")
    env.request_reset(np.ones(1, np.bool_))
    play(env, actions(1, 1))
    assert (env.start_state[0], env.poll_failures()) == ("here", [])


def test_loading_begins_an_episode_in_the_saved_world(make) -> None:
    env = make(2)
    play(env, actions(30, 2))
    env.facts.map_id[:] = 255  # so that it must be read anew
    env.load_state(1, env.save_state(0))
    assert env.facts.map_id[1] == observe.LAYOUT.unpack(env.observations[0], "map_id")[0]
    assert env.episode_step[1] == 0
    assert env.memory.visits[1] == 1
    assert env.memory.limit[1] == env.config.savestate_steps
    assert not env.term_returns[1].any()


@pytest.mark.parametrize("bad", [b"", b"x" * 60_000, None], ids=["empty", "garbage", "cut off"])
def test_a_bad_state_leaves_the_row_as_it_was(make, bad: bytes | None) -> None:
    env, plan = make(2), actions(20, 2)
    play(env, plan[:10])
    good = env.save_state(0)
    before, looks = env.snapshot(0), shared(env)
    with pytest.raises(StateFileError):
        env.load_state(0, good[:-100] if bad is None else bad)
    assert shared(env) == looks
    assert env.snapshot(0) == before
    trace = play(env, plan[10:])
    env.restore(0, before)
    assert play(env, plan[10:], slice(0, 1)) == [[part[: len(part) // 2] for part in step] for step in trace]


def test_a_bad_start_is_reported_and_a_new_game_begins(make) -> None:
    env = make(2, Config(new_game_steps=6))
    env.add_state("bad", b"y" * 60_000)
    env.set_next_start(1, "bad")
    env.request_reset(np.array([False, True]))
    play(env, actions(1, 2))
    (failure,) = env.poll_failures()
    assert (failure.row, failure.state_id) == (1, "bad")
    assert env.start_state == [None, None]
    assert env.memory.limit[1] == 6


# -- episodes --------------------------------------------------------------------------------------------------------
def test_episodes_are_truncated_by_time(make) -> None:
    env = make(2, Config(new_game_steps=5, savestate_steps=3))
    env.add_state("here", env.save_state(0))
    ends = []
    for step in range(1, 9):
        env.set_next_start(0, "here")
        env.step(actions(1, 2, seed=step)[0])
        assert not env.terminals.any()
        ends.append(env.truncations.tolist())
    assert [end[0] for end in ends] == [step in (5, 8) for step in range(1, 9)]
    assert [end[1] for end in ends] == [step == 5 for step in range(1, 9)]
    lengths = [(episode.row, episode.length, episode.start_state) for episode in env.poll_episodes()]
    assert lengths == [(0, 5, None), (1, 5, None), (0, 3, "here")]


def test_episodes_are_truncated_by_patience(make) -> None:
    env = make(1, Config(patience_steps=4))
    b_button = np.array([5], np.int32)
    ends = [bool(env.step(b_button)[3][0]) for _ in range(8)]
    assert ends == [False, False, False, True, False, False, False, True]


def test_final_observations_are_those_before_the_reset(make) -> None:
    plan = actions(3, 1)
    long, short = make(1), make(1, Config(new_game_steps=3))
    play(long, plan)
    play(short, plan)
    assert short.final_observations.tobytes() == long.observations.tobytes()
    assert observe.LAYOUT.unpack(short.observations[0], "visited").sum() == 1


def test_the_way_is_marked_and_paid(make) -> None:
    env = make(1)
    visited = {(int(env.facts.y[0]), int(env.facts.x[0]))}
    for action in actions(40, 1):
        env.step(action)
        if env.facts.map_id[0] != 0x26:
            break
        place = (int(env.facts.y[0]), int(env.facts.x[0]))
        term = env.reward_terms[0, list(env.spec.reward_weights).index("coordinate")]
        assert term == pytest.approx(0 if place in visited else 0.1)
        visited.add(place)
        window = observe.LAYOUT.unpack(env.observations[0], "visited").reshape(9, 10)
        shown = {(place[0] + dy - 4, place[1] + dx - 4) for dy, dx in np.argwhere(window)}
        assert shown == {cell for cell in visited if -4 <= cell[0] - place[0] <= 4 and -4 <= cell[1] - place[1] <= 5}
    assert len(visited) > 3


def test_novelty_keys_tell_milestones_and_places_apart() -> None:
    facts, held = ram.allocate_facts(4), np.zeros((4, 5), np.bool_)
    facts.y[1], facts.x[2], held[3, 4] = 1, 1, True
    nothing, memory = np.zeros_like(held), kernels.allocate_memory(4, 64)
    keys = {int(kernels.novelty_key(facts, memory, nothing, held, nothing, row)) for row in range(4)}
    assert len(keys) == 4


def test_the_way_back_is_one_place_until_the_episode_has_got_further() -> None:
    facts, memory = ram.allocate_facts(4), kernels.allocate_memory(4, 64)
    facts.map_id[:], facts.x[:] = (1, 1, 1, 2), (3, 4, 4, 4)
    memory.passed[:, :2] = True
    start, nothing = np.zeros((4, 5), np.bool_), np.zeros((4, 5), np.bool_)
    start[:, 0] = True
    held = start.copy()
    key = [int(kernels.novelty_key(facts, memory, start, held, nothing, row)) for row in range(4)]
    assert key[0] == key[1]  # on the way back
    assert key[3] != key[1]  # ahead
    shown = start.copy()
    shown[1:3, 2] = True  # a milestone, just now
    facts.x[2] = 5
    further = [int(kernels.novelty_key(facts, memory, start, held, shown, row)) for row in range(4)]
    assert len(set(further[:3])) == 3
    assert further[0] == key[0]


# -- milestones ------------------------------------------------------------------------------------------------------
def play_by_script(env: PokemonRed, goals: list[Goal], limit: int) -> list[Event]:
    """Let the scripted player lead row 0 to its goals; the events on the way."""
    player = ScriptedPlayer(Facts(env.machines[0]._pyboy.memory), goals)
    action, events = np.zeros(env.num_agents, np.int32), []
    for _ in range(limit):
        if player.goal is None:
            return events
        action[0] = ACTIONS.index(player.key())
        env.step(action)
        events += env.poll_events()
    pytest.fail(f"{limit} decisions were not enough")


@pytest.fixture(scope="module")
def first_badge() -> Iterator[tuple[PokemonRed, list[Event]]]:
    """A row that has just won the first badge, and its events with their worlds."""
    env = PokemonRed(None, 1, seed=1)
    env.keep_episodes(True)
    env.want_states(np.ones(len(env.spec.milestones), np.bool_))
    env.reset()
    yield env, play_by_script(env, ACT_1, 600)
    env.close()


def test_a_whole_act_is_paid_and_marked(first_badge) -> None:
    env, events = first_badge
    names = [env.spec.milestones[event.milestone].name for event in events]
    badge = next(m.name for m in env.spec.milestones if m.kind == "badge")
    assert names[-1] == badge
    assert len(names) == len(set(names)) >= 8
    returns = dict(zip(env.spec.reward_weights, env.term_returns[0].tolist(), strict=True))
    kinds = [env.spec.milestones[event.milestone] for event in events]
    assert returns["badge"] == 5
    assert returns["required_event"] == 2 * sum(m.kind == "event" and m.required for m in kinds)
    assert returns["map"] == 0.5 * (env.memory.maps[0].sum() - 1)
    assert returns["coordinate"] > 0.1 * (env.memory.visits[0] - 1)  # the cells outside count as new once more
    assert returns["level"] >= 2.5  # the starter comes at level 5
    summary = env.summary(0)
    assert (summary["badges"], summary["map_id"]) == (1, 0x36)


def test_milestones_carry_the_world_in_which_they_fell(first_badge, make) -> None:
    _, events = first_badge
    env = make(1)
    for event in events:
        env.load_state(0, event.state)
        assert env.held_at_start[0, event.milestone]
        assert env.reached_at[0, event.milestone] == -1
        play(env, actions(1, 1))
        assert env.reached_at[0, event.milestone] == -1  # nothing is reached twice


def test_maps_on_the_way_are_held_too(first_badge, make) -> None:
    _, events = first_badge
    env = make(1)
    milestones = env.spec.milestones
    names = [milestone.name for milestone in milestones]
    deep = next(e for e in events if (m := milestones[e.milestone]).kind == "map" and names.index(m.name) > 5)
    env.load_state(0, deep.state)
    before = milestones[deep.milestone].predecessor
    assert before is not None
    assert env.milestones_held[0, names.index(before)]


def test_all_maps_before_a_savestate_are_passed_and_shown_as_such(first_badge, make) -> None:
    _, events = first_badge
    env = make(1)
    forest = next(e for e in events if env.spec.milestones[e.milestone].name == "enter_whisperwood")
    env.load_state(0, forest.state)
    route = env.game.route
    passed = set(np.flatnonzero(env.memory.passed[0]).tolist())
    assert passed == set(route[: route.index(0x33)])  # also the gate and the rest house, which are no milestones
    gate = {map_id for map_id in passed if env.game.map_names[map_id] in ("ForestGate", "MossRest", "Home")}
    assert len(gate) == 3
    assert not observe.LAYOUT.unpack(env.observations[0], "visited").all()
    for _ in range(2):  # back through the door
        env.step(np.zeros(1, np.int32))
    assert env.facts.map_id[0] == 0x32
    assert observe.LAYOUT.unpack(env.observations[0], "visited").all()


def test_the_story_leads_back_over_known_maps(first_badge, make) -> None:
    winner, events = first_badge
    names = [milestone.name for milestone in winner.spec.milestones]
    assert names[events[-1].milestone] == "badge_stone"
    visited = winner.memory.visited[0]
    maps = set(((visited[visited != 0] - 1) >> 16).tolist())
    assert 0x33 in maps
    assert 0x02 not in maps  # where the parcel waits
    env = make(1)
    env.load_state(0, events[-1].state)
    assert env.memory.passed[0, 0x33]
    assert not env.memory.passed[0, 0x02]


def test_the_way_back_names_milestones_and_maps_of_its_game() -> None:
    for game in GAMES.values():
        assert game.ways_back.keys() <= {milestone.name for milestone in game.milestones}
        assert {map_id for maps in game.ways_back.values() for map_id in maps} <= set(game.route)


# -- what it shows ---------------------------------------------------------------------------------------------------
def test_a_summary_says_where_the_episode_ended(make) -> None:
    env = make(1, Config(new_game_steps=3))
    play(env, actions(3, 1))
    (episode,) = env.poll_episodes()
    assert episode.summary["badges"] == 0
    assert episode.summary["map"] == env.game.map_names[episode.summary["map_id"]]
    assert set(episode.summary) >= {"y", "x", "events", "level_sum", "coordinates"}


def test_reports_carry_the_games_figures(make) -> None:
    env = make(2, report_interval=4)
    play(env, actions(4, 2))
    (info,) = env.infos
    assert info["badges"] == 0
    assert info["coordinates"] >= 1
    assert "reward/coordinate" in info


def test_a_picture_of_any_row(make) -> None:
    env = make(2)
    play(env, actions(5, 2))
    picture = env.render(1)
    assert picture.dtype == np.uint8
    assert picture.shape == (144 * render.SCALE, 160 * render.SCALE + render.PANEL, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 5


def test_closing_twice_does_no_harm(make) -> None:
    env = make(2, num_threads=2)
    env.close()
    env.close()


def test_an_evaluation_lasts_as_long_as_it_says() -> None:
    config = Config(patience_steps=7, idle_frames=3)
    played = GAME.evaluation(config, 500, 63)
    assert (played.new_game_steps, played.patience_steps, played.idle_frames) == (500, 500, 63)
    assert GAME.evaluation(config, 0, 63) == config._replace(idle_frames=63)
