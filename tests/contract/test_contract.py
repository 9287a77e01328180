"""What every environment must do, whatever its game: the same tests for all of them.

A game joins by an entry in `GAMES`; its own rules are tested elsewhere.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from puffer_envs import registry
from puffer_envs.contract import vector_env as base
from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.dodge.config import Config as DodgeConfig
from puffer_envs.dodge.env import Dodge
from puffer_envs.platform_fighter.config import Config as FighterConfig
from puffer_envs.platform_fighter.env import PlatformFighter
from puffer_envs.territory.config import Config as TerritoryConfig
from puffer_envs.territory.env import Territory
from puffer_envs.voxel_swarm.config import Config as VoxelConfig
from puffer_envs.voxel_swarm.env import VoxelSwarm
from tests.action_probes import ALL_PROBES
from tests.duel import Duel, DuelConfig
from tests.probes import PROBES

BUFFERS = (
    *("observations", "rewards", "terminals", "truncations", "masks", "actions", "teacher_actions"),
    *("final_observations", "reward_terms", "milestones_held", "novelty_keys", "active"),
)


class Game(NamedTuple):
    """A game as these tests see it."""

    make: Callable[..., BatchedEnv]  # (num_envs, seed=, report_interval=)
    few: int = 8  # environments of most tests
    many: int = 257
    clones: int = 32  # environments that start from one savestate
    steps: int = 60  # long enough for episodes to end
    seed_shows: bool = True  # whether what is seen depends on the seed
    markov: bool = False  # whether rewards are a function of world and action alone


def _probe(name: str, **options: Any) -> Game:
    probe = ALL_PROBES[name]
    return Game(lambda num_envs, **kwargs: probe.make(probe.config, num_envs, **kwargs), **options)


def _pokemon_red(num_envs: int, seed: int = 0, report_interval: int = 128) -> Any:
    limits = {"new_game_steps": 17, "savestate_steps": 9}
    return registry.make("pokemon_red", num_envs, seed=seed, num_workers=0, report_interval=report_interval, **limits)


def _voxel_swarm(num_envs: int, seed: int = 0, report_interval: int = 128) -> Any:
    config = VoxelConfig(grid_size=5, num_agents=3, max_steps=17)
    return VoxelSwarm(config, num_envs, seed=seed, report_interval=report_interval)


def _territory(num_envs: int, seed: int = 0, report_interval: int = 128) -> Any:
    config = TerritoryConfig(map_size=128, num_maps=1, num_bots=2, ticks_per_step=5, max_ticks=60)
    return Territory(config, num_envs, seed=seed, report_interval=report_interval)


def _platform_fighter(num_envs: int, seed: int = 0, report_interval: int = 128) -> Any:
    return PlatformFighter(FighterConfig(max_steps=41), num_envs, seed=seed, report_interval=report_interval)


def _dodge(observation: str) -> Callable[..., BatchedEnv]:
    config = DodgeConfig(observation=observation, image_size=24, with_thrower=True, max_steps=47)
    return lambda num_envs, **kwargs: Dodge(config, num_envs, **kwargs)


GAMES = {
    "identity": _probe("identity"),
    "bandit": _probe("bandit"),
    "corridor": _probe("corridor", seed_shows=False, markov=True),
    "memory": _probe("memory"),
    "truncated_walk": _probe("truncated_walk", markov=True),
    "pair": _probe("pair"),
    "dice": _probe("dice"),
    "keys_corridor": _probe("keys_corridor", seed_shows=False, markov=True),
    "parts_corridor": _probe("parts_corridor", seed_shows=False, markov=True),
    "target": _probe("target"),
    "duel": Game(lambda num_envs, **kwargs: Duel(DuelConfig(), num_envs, **kwargs), markov=True),
    "voxel_swarm": Game(_voxel_swarm, markov=True),
    "territory": Game(_territory, many=65, steps=26),
    "platform_fighter": Game(_platform_fighter, markov=True),
    "dodge": Game(_dodge("vector"), markov=True),
    "dodge_pictures": Game(_dodge("image"), markov=True),
}
if find_spec("puffer_envs.pokemon_red") and find_spec("puffer_envs.pokemon_red.env"):
    GAMES["pokemon_red"] = Game(_pokemon_red, few=3, many=5, clones=4, steps=24, seed_shows=False)


@pytest.fixture(params=GAMES)
def game(request: pytest.FixtureRequest) -> Iterator[Game]:
    """Each game in turn; what a test makes is closed after it."""
    made = []
    entry = GAMES[request.param]

    def make(*args: Any, **kwargs: Any) -> BatchedEnv:
        made.append(entry.make(*args, **kwargs))
        return made[-1]

    yield entry._replace(make=make)
    for env in made:
        env.close()


class Actions:
    """Random actions that depend on seed, step and row alone, not on the number of rows."""

    def __init__(self, env: BatchedEnv, seed: int = 0) -> None:
        self.space, self.agents = env.single_action_space, env.spec.agents_per_env
        self.shape, self.dtype = env.actions.shape, env.actions.dtype
        self.seed, self.step = seed, 0

    def __call__(self) -> np.ndarray:
        out = np.zeros(self.shape, self.dtype)
        for row in range(len(out)):
            out[row] = self._one(np.random.default_rng((self.seed, self.step, row)))
        self.step += 1
        return out

    def _one(self, random: np.random.Generator) -> Any:
        if isinstance(self.space, spaces.Discrete):
            return random.integers(self.space.n)
        if isinstance(self.space, spaces.MultiDiscrete):
            return random.integers(self.space.nvec)
        if isinstance(self.space, spaces.MultiBinary):
            return random.integers(0, 2, self.space.shape)
        return random.uniform(np.maximum(self.space.low, -1), np.minimum(self.space.high, 1))


def outcome(env: BatchedEnv, rows: slice = slice(None)) -> list[bytes]:
    """All that a step shows of some rows; final observations count only where an episode ended."""
    ended = (env.terminals | env.truncations)[rows]
    names = ("observations", "rewards", "terminals", "truncations", "reward_terms", "milestones_held", "novelty_keys")
    return [getattr(env, name)[rows].tobytes() for name in names] + [env.final_observations[rows][ended].tobytes()]


def play(env: BatchedEnv, steps: int, seed: int = 0, rows: slice = slice(None)) -> list[list[bytes]]:
    """Reset nothing, step with random actions, and keep what is seen."""
    actions = Actions(env, seed)
    seen = []
    for _ in range(steps):
        env.step(actions())
        seen.append(outcome(env, rows))
    return seen


# -- spaces, buffers, numbers ------------------------------------------------------------------------------------
def test_spaces_shapes_and_dtypes(game: Game) -> None:
    env = game.make(game.few)
    spec, n = env.spec, game.few * env.spec.agents_per_env
    assert env.num_agents == n
    assert env.single_observation_space == spaces.Box(
        env.single_observation_space.low, env.single_observation_space.high, (spec.layout.size,), spec.layout.dtype
    )
    observations, infos = env.reset()
    assert observations is env.observations
    assert isinstance(infos, list)
    expected = {
        "observations": ((n, spec.layout.size), spec.layout.dtype),
        "final_observations": ((n, spec.layout.size), spec.layout.dtype),
        "rewards": ((n,), np.float32),
        "terminals": ((n,), np.bool_),
        "truncations": ((n,), np.bool_),
        "masks": ((n,), np.bool_),
        "active": ((n,), np.bool_),
        "reward_terms": ((n, len(spec.reward_weights)), np.float32),
        "milestones_held": ((n, len(spec.milestones)), np.bool_),
        "novelty_keys": ((n,), np.uint64),
    }
    for name, (shape, dtype) in expected.items():
        assert getattr(env, name).shape == shape, name
        assert getattr(env, name).dtype == dtype, name
    assert env.masks.all()
    assert env.active.all()
    result = env.step(Actions(env)())
    assert all(a is b for a, b in zip(result, (*(getattr(env, x) for x in BUFFERS[:4]), env.infos), strict=True))
    assert all(row in env.single_observation_space for row in env.observations)


@pytest.mark.parametrize("num_envs", ["one", "many"])
def test_one_and_many(game: Game, num_envs: str) -> None:
    env = game.make(1 if num_envs == "one" else game.many)
    env.reset(seed=1)
    for _ in range(game.steps // 2):
        env.step(Actions(env)())
        assert np.isfinite(env.rewards).all()
        assert not (env.terminals & env.truncations).any()


@pytest.mark.parametrize("game", sorted(registry.TABLE), indirect=True)
def test_an_action_out_of_range_does_nothing(game: Game) -> None:
    """All of them leave the same world behind, and no process dies of it."""
    worlds = []
    for number in (99, -9, 2**20):
        env = game.make(2)
        env.reset(seed=1)
        for _ in range(3):
            env.step(np.full(env.actions.shape, number))
        assert env.masks.all()
        worlds.append((env.observations.tobytes(), env.rewards.tobytes(), env.save_state(0)))
        env.close()
    assert worlds[0] == worlds[1] == worlds[2]


def test_the_door_refuses_what_is_no_action(game: Game) -> None:
    env = game.make(2)
    env.reset(seed=1)
    shape = env.actions.shape
    wrong = "integers" if env.spec.action.parts else "floats"
    for actions, words in (
        (np.full(shape, 0.5) if env.spec.action.parts else np.full(shape, "a"), wrong),
        (np.zeros(shape[1:], np.int32), "shape"),
        (np.zeros((1, *shape), np.int32), "shape"),
        (np.zeros((shape[0] + 1, *shape[1:]), np.int32), "shape"),
    ):
        with pytest.raises(ValueError, match=words):
            env.step(actions)
    env.step(np.zeros(shape, np.int64))  # nothing of that has left a step under way
    env.close()


def test_buffers_are_never_rebound(game: Game) -> None:
    env = game.make(game.few)
    before = {name: (getattr(env, name), getattr(env, name).ctypes.data) for name in BUFFERS}
    env.reset(seed=3)
    play(env, game.steps)
    env.restore(0, env.snapshot(0))
    env.load_state(0, env.save_state(0))
    env.reset()
    for name, (array, address) in before.items():
        assert getattr(env, name) is array, name
        assert array.ctypes.data == address, name


def test_given_buffers_are_used(game: Game) -> None:
    env = game.make(2)
    buffers = base.allocate_buffers(env.spec, 2)
    if env.spec.name in ALL_PROBES:
        other = ALL_PROBES[env.spec.name].make(ALL_PROBES[env.spec.name].config, 2, buf=buffers)
    else:
        other = type(env)(env.config, 2, buf=buffers)
    for name in BUFFERS:
        assert getattr(other, name) is buffers[name]
    other.close()


def test_seats_hold_from_the_next_episode_on(game: Game) -> None:
    env = game.make(2)
    agents = env.spec.agents_per_env
    env.reset(seed=0)
    begun = env.active.copy()
    guests, others = slice(0, agents), slice(agents, 2 * agents)
    env.set_next_seats(0, [base.GUEST] * agents)
    assert (env.active == begun).all()

    def begin_anew() -> None:
        env.request_reset(np.ones(2, np.bool_))
        env.step(np.zeros(env.actions.shape, env.actions.dtype))

    before = env.snapshot(0)
    for _ in range(2):  # until it is set anew
        begin_anew()
        assert not env.active[guests].any()
        assert (env.active[others] == begun[others]).all()
    env.set_next_seats(0, [base.LEARNER] * agents)
    begin_anew()
    assert (env.active[guests] == begun[guests]).all()
    env.restore(0, before)  # the seats belong to the row
    begin_anew()
    assert not env.active[guests].any()
    for wrong in ([base.LEARNER] * (agents + 1), [len(env.spec.scripts) + 1] * agents):
        with pytest.raises(ValueError, match="seats"):
            env.set_next_seats(0, wrong)


def test_rewards_are_the_sum_of_their_terms(game: Game) -> None:
    env = game.make(game.few)
    env.reset(seed=0)
    actions, rewards = Actions(env), 0.0
    for _ in range(game.steps):
        env.step(actions())
        np.testing.assert_allclose(env.rewards, env.reward_terms.sum(1), rtol=1e-6)
        rewards += np.abs(env.rewards).sum()
    assert rewards > 0, "nothing was tested"


def test_infos_are_one_dict_an_interval(game: Game) -> None:
    env = game.make(game.few, report_interval=8)
    env.reset(seed=0)
    actions, seen, terms = Actions(env), [], np.zeros(len(env.spec.reward_weights))
    for _ in range(16):
        env.step(actions())
        terms += env.reward_terms.sum(0)
        seen.append(len(env.infos))
        if env.infos:
            for name, total in zip(env.spec.reward_weights, terms / 8 / env.num_agents, strict=True):
                assert env.infos[0][f"reward/{name}"] == pytest.approx(total, abs=1e-6)
            terms[:] = 0
    assert seen == ([0] * 7 + [1]) * 2


# -- seeds -------------------------------------------------------------------------------------------------------
def test_same_seed_same_bytes_other_seed_others(game: Game) -> None:
    def run(seed: int, by_reset: bool) -> tuple[list, bytes]:
        env = game.make(game.few, seed=99 if by_reset else seed)
        env.reset(seed=seed if by_reset else None)
        first = env.observations.tobytes()
        return [first, *play(env, game.steps)], env.rng.tobytes()

    once = run(5, by_reset=False)
    assert run(5, by_reset=False) == once
    assert run(5, by_reset=True) == once
    other = run(6, by_reset=False)
    assert other[1] != once[1]
    assert other[0] != once[0] or not game.seed_shows


def test_a_second_reset_with_the_seed_starts_the_same_run(game: Game) -> None:
    env = game.make(game.few, report_interval=10)
    env.reset(seed=4)
    infos = []

    def run() -> list:
        infos.clear()
        env.reset(seed=4)
        seen = []
        actions = Actions(env)
        for _ in range(game.steps):
            env.step(actions())
            infos.extend(env.infos)
            seen.append(outcome(env))
        return [seen, list(infos), env.poll_events()]

    play(env, 7, seed=1)
    assert run() == run()


def test_rows_do_not_depend_on_their_neighbours(game: Game) -> None:
    fewer = max(1, game.few // 3)
    many, few = game.make(game.few, seed=2), game.make(fewer, seed=2)
    for env in (many, few):
        env.reset()
    rows = slice(0, few.num_agents)
    assert play(many, game.steps, rows=rows) == play(few, game.steps)


# -- ends of episodes --------------------------------------------------------------------------------------------
def test_ended_rows_start_fresh(game: Game) -> None:
    env = game.make(game.few)
    env.reset(seed=0)
    env.keep_episodes(True)
    actions, ended_ever, lengths = Actions(env), 0, np.zeros(env.num_agents, int)
    for _ in range(game.steps):
        env.step(actions())
        lengths += 1
        ended = env.terminals | env.truncations
        episodes = env.poll_episodes()
        assert [episode.row for episode in episodes] == np.flatnonzero(ended).tolist()
        for episode in episodes:
            assert episode.length == lengths[episode.row]
            assert episode.truncated == env.truncations[episode.row]
        lengths[ended] = 0
        assert (env.episode_step == lengths).all()
        assert not env.term_returns[ended].any()
        assert (env.reached_at[ended] == -1).all()
        assert (env.held_at_start[ended] == env.milestones_held[ended]).all()
        ended_ever += ended.sum()
    assert ended_ever, "nothing was tested"


def test_request_reset_truncates_exactly_those_rows(game: Game) -> None:
    """A twin that is not asked to reset shows what the rows would have done, and their final observations."""
    env, twin = game.make(game.few), game.make(game.few)
    agents = env.spec.agents_per_env
    checked = 0
    for at in range(5):
        for each in (env, twin):
            each.reset(seed=at)
            play(each, at)
        asked = np.arange(game.few) % 2 == at % 2
        env.request_reset(asked)
        actions = Actions(env, seed=at)()
        env.step(actions)
        twin.step(actions)
        rows = np.repeat(asked, agents)
        assert (env.terminals == twin.terminals).all()
        assert (env.truncations == twin.truncations | (rows & ~twin.terminals)).all()
        going_on = rows & ~twin.terminals & ~twin.truncations
        assert (env.final_observations[going_on] == twin.observations[going_on]).all()
        assert (env.rewards == twin.rewards).all()
        assert (env.observations[~rows] == twin.observations[~rows]).all()
        assert not env.episode_step[rows].any()
        checked += going_on.sum()
        env.step(actions)
        assert not env.reset_requested.any()
    if env.spec.name not in ("identity", "bandit", "target"):  # whose rows end at every step anyway
        assert checked


# -- savestates --------------------------------------------------------------------------------------------------
def test_next_start_holds_for_one_reset(game: Game) -> None:
    env = game.make(game.few)
    env.reset(seed=0)
    env.keep_episodes(True)
    play(env, 2)
    env.add_state("here", env.save_state(1))
    with pytest.raises(KeyError, match="nowhere"):
        env.set_next_start(0, "nowhere")
    env.set_next_start(0, "here")
    env.poll_episodes()
    everyone = np.ones(game.few, np.bool_)
    starts = []
    for _ in range(3):
        env.request_reset(everyone)
        env.step(Actions(env)())
        starts.append([episode.start_state for episode in env.poll_episodes()][:: env.spec.agents_per_env])
    nobody = [None] * game.few
    assert starts == [nobody, ["here", *nobody[1:]], nobody]


def test_a_bad_next_start_is_told_and_a_new_game_begins(game: Game) -> None:
    env = game.make(2)
    env.reset(seed=0)
    env.add_state("bad", b"no state at all")
    env.set_next_start(1, "bad")
    env.request_reset(np.array([False, True]))
    env.step(Actions(env)())
    failures = env.poll_failures()
    assert [(f.row, f.state_id) for f in failures] == [(env.spec.agents_per_env, "bad")]
    assert failures[0].reason
    assert env.start_state == [None, None]
    assert env.poll_failures() == []


def test_removed_states_are_forgotten(game: Game) -> None:
    env = game.make(2)
    env.reset(seed=0)
    env.add_state("a", env.save_state(0))
    env.set_next_start(0, "a")
    env.remove_state("a")
    env.request_reset(np.ones(2, np.bool_))
    env.step(Actions(env)())
    assert env.start_state == [None, None]
    assert env.poll_failures() == []
    with pytest.raises(KeyError):
        env.set_next_start(0, "a")


def test_loading_begins_a_new_episode_and_rows_are_no_clones(game: Game) -> None:
    env = game.make(game.clones)
    env.reset(seed=0)
    play(env, 3)
    state, held = env.save_state(0), env.milestones_held[0].copy()
    keys = env.rng[:, 0].copy()
    for i in range(game.clones):
        env.load_state(i, state)
    env.poll_events()
    assert len(np.unique(env.rng[:, 0])) == game.clones
    assert not (env.rng[:, 0] == keys).any()
    assert not env.episode_step.any()
    assert not env.term_returns.any()
    assert (env.reached_at == -1).all()
    assert (env.milestones_held >= held).all()
    assert (env.held_at_start == env.milestones_held).all()
    before = env.milestones_held.copy()
    env.step(Actions(env)())
    for event in env.poll_events():
        assert not before[event.row, event.milestone], "a milestone of the savestate was reached again"


def test_nothing_is_paid_twice(game: Game) -> None:
    """A loaded world pays what the world it was saved from pays for the same action, and nothing for its past."""
    if not game.markov:
        pytest.skip("rewards depend on chance or on the episode's memory: tested with the game's own rules")
    env, twin = game.make(1), game.make(1)
    for each in (env, twin):
        each.reset(seed=0)
        play(each, 1)
    env.load_state(0, env.save_state(0))
    for _ in range(2):
        actions = Actions(env)()
        env.step(actions)
        twin.step(actions)
        assert env.rewards.tolist() == twin.rewards.tolist()


# -- snapshots ---------------------------------------------------------------------------------------------------
def test_snapshot_step_restore_step_again(game: Game) -> None:
    env = game.make(game.few)
    env.reset(seed=0)
    play(env, 5)
    shots = [env.snapshot(i) for i in range(game.few)]
    again = [env.snapshot(i) for i in range(game.few)]
    assert shots == again, "taking a snapshot changed the row"
    first = play(env, game.steps, seed=1)
    for i, shot in enumerate(shots):
        env.restore(i, shot)
    assert play(env, game.steps, seed=1) == first
    other = game.make(game.few, seed=77)
    other.reset()
    play(other, 3, seed=5)
    for i, shot in enumerate(shots):
        other.restore(i, shot)
    assert play(other, game.steps, seed=1) == first


def test_a_snapshot_moves_one_row_only(game: Game) -> None:
    env, twin = game.make(game.few), game.make(game.few)
    for each in (env, twin):
        each.reset(seed=0)
        play(each, 2)
    shot = env.snapshot(1)
    for each in (env, twin):
        play(each, 3, seed=1)
    env.restore(1, shot)
    agents = env.spec.agents_per_env
    others = [slice(0, agents), slice(2 * agents, None)]
    for _ in range(5):
        actions = Actions(env, seed=2)()
        env.step(actions)
        twin.step(actions)
        for rows in others:
            assert outcome(env, rows) == outcome(twin, rows)


def test_garbage_is_refused_and_leaves_the_row_as_it_was(game: Game) -> None:
    env = game.make(2)
    env.reset(seed=0)
    play(env, 4)
    shot, world = env.snapshot(1), env.save_state(1)
    flipped = bytearray(shot)
    flipped[len(shot) // 2] ^= 16
    foreign = PROBES["identity" if env.spec.name != "identity" else "dice"]
    stranger = foreign.make(foreign.config, 1)
    stranger.reset()
    for bad in (b"", b"garbage", shot[:-1], shot[: len(shot) // 2], bytes(flipped), stranger.snapshot(0), world):
        with pytest.raises(StateFileError):
            env.restore(1, bad)
    for bad in (b"", b"garbage" * 100, world[: len(world) // 2], stranger.save_state(0)):
        with pytest.raises(StateFileError):
            env.load_state(1, bad)
    assert env.snapshot(1) == shot


# -- other faces -------------------------------------------------------------------------------------------------
def test_render_and_close(game: Game) -> None:
    env = game.make(2)
    env.reset(seed=0)
    picture = env.render(1)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    env.close()
    env.close()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasium_and_pettingzoo(game: Game) -> None:
    from pettingzoo.test import parallel_api_test

    from puffer_envs.adapters.outward import AgentsEnv, SingleEnv

    env = game.make(1)
    if env.spec.agents_per_env == 1:
        check_env(SingleEnv(env, "rgb_array"), skip_render_check=True, skip_close_check=True)
    else:
        parallel_api_test(AgentsEnv(env), num_cycles=50)


def test_gymnasium_ends_of_episodes() -> None:
    from puffer_envs.adapters.outward import BatchEnv, SingleEnv

    walk = GAMES["truncated_walk"]
    single, batch, plain = SingleEnv(walk.make(1)), BatchEnv(walk.make(3)), walk.make(3)
    single.reset(seed=0)
    batch.reset(seed=0)
    plain.reset(seed=0)
    for _ in range(8):
        row, _, _, truncated, _ = single.step(1)
        rows, _, _, truncations, infos = batch.step(np.ones(3, int))
        plain.step(np.ones(3, int))
    assert truncated
    assert truncations.all()
    assert (row == plain.final_observations[0]).all()
    assert (single.reset()[0] == plain.observations[0]).all()
    assert (rows == plain.observations).all()
    assert (np.stack(infos["final_obs"]) == plain.final_observations).all()
    assert infos["_final_obs"].all()
    assert (single.reset()[0] == single.env.observations[0]).all()


def test_registered_with_gymnasium() -> None:
    import gymnasium

    from puffer_envs.adapters import outward as gymnasium_api

    for name in registry.TABLE:
        spec = gymnasium.spec(gymnasium_api.environment_id(name))
        assert spec.vector_entry_point
    if "pokemon_red" in GAMES:
        env = gymnasium.make("puffer_envs/PokemonRed-v0")
        assert env.reset(seed=1)[0] in env.observation_space
        env.close()
        batch = gymnasium.make_vec("puffer_envs/PokemonRed-v0", num_envs=2, num_workers=0)
        assert batch.reset(seed=1)[0].shape == batch.observation_space.shape
        batch.close()


def test_mistyped_names_get_a_hint() -> None:
    with pytest.raises(ValueError, match="did you mean 'pokemon_red'"):
        registry.make("pokemon_rad", 1)
    if "pokemon_red" in GAMES:
        with pytest.raises(ValueError, match="did you mean 'new_game_steps'"):
            registry.configure("pokemon_red", new_game_step=1)


# -- variants of the interpreter -----------------------------------------------------------------------------------
PROBES_PROGRAM = """
import hashlib
from tests.contract.test_contract import GAMES, play
from tests.action_probes import ALL_PROBES
from tests.probes import PROBES
for name in PROBES:
    env = GAMES[name].make(3, seed=1)
    env.reset()
    print(name, hashlib.sha256(repr(play(env, 60)).encode()).hexdigest())
"""


def _run(program: str, **variables: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "PYTHONWARNINGS": "error::RuntimeWarning"} | variables
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_same_bytes_compiled_checked_and_plain() -> None:
    compiled = "".join(f"{name} {hashlib.sha256(repr(_probe_run(name)).encode()).hexdigest()}\n" for name in PROBES)
    assert _run(PROBES_PROGRAM, NUMBA_DISABLE_JIT="1") == compiled
    assert _run(PROBES_PROGRAM, NUMBA_BOUNDSCHECK="1") == compiled


def _probe_run(name: str) -> list:
    env = GAMES[name].make(3, seed=1)
    env.reset()
    return play(env, 60)


def test_games_import_no_torch_and_pufferlib_stays_whole() -> None:
    program = """
import sys
from puffer_envs import registry
from puffer_envs.adapters import outward
from puffer_envs.contract import vector_env
from puffer_envs.workers import pool
for name in registry.TABLE:
    registry.resolve(name)
assert "torch" not in sys.modules
assert "pufferlib" not in sys.modules
import pufferlib, pufferlib.vector
assert pufferlib.PufferEnv is vector_env.PufferEnv
assert issubclass(vector_env.VectorEnv, pufferlib.PufferEnv)
"""
    _run(program)
    imports = "import pufferlib\nfrom puffer_envs.contract import vector_env\n"
    _run(f"{imports}assert pufferlib.PufferEnv is vector_env.PufferEnv")
