"""The league in a game of two that it knows nothing of: who is drawn, who plays, who is learned from, what is kept."""

from collections import Counter
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from puffer_envs.contract.vector_env import GUEST, LEARNER
from tests.duel import Duel, DuelConfig
from tests.training.on_policy.test_ppo import TinyActorCritic
from training.on_policy.config import PPOConfig
from training.on_policy.runner import OnPolicy
from training.selfplay import elo
from training.selfplay.config import SelfPlayConfig
from training.selfplay.league import ITSELF, League
from training.selfplay.pool import Pool

CPU, NO_THETA = torch.device("cpu"), np.zeros(0)
ROUNDS = 8
SETTINGS = PPOConfig(num_steps=16, gamma=0.9, learning_rate=3e-3, num_minibatches=2)
SCRIPTS = {"perfect": 0.15, "constant": 0.05}


def make(
    folder: Path,
    config: SelfPlayConfig,
    matches: int = 12,
    seed: int = 0,
    kind: type[TinyActorCritic] = TinyActorCritic,
) -> tuple[OnPolicy, League]:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    env = Duel(DuelConfig(ROUNDS), matches, seed=seed)
    network = kind(env.spec.layout, env.spec.action, True)
    league = League(env, network, config, "won", folder, seed)
    learner = OnPolicy(SETTINGS, 1_000_000, env, network, seed, seed, CPU, league)
    env.reset(seed)
    return learner, league


def decide(learner: OnPolicy) -> list[dict[str, float]]:
    learner.begin()
    figures = list(learner.learn())
    learner.finish(NO_THETA)
    return figures


def other_weights(league: League, step: int) -> None:
    """A snapshot that nobody would take for the network that learns."""
    kept = deepcopy(league.policy.state_dict())
    torch.manual_seed(step)
    with torch.no_grad():
        for parameter in league.policy.parameters():
            parameter.add_(torch.randn_like(parameter))
    league.pool.add(league.policy, step, league._in_use())
    league.policy.load_state_dict(kept)


# -- who is drawn ------------------------------------------------------------------------------------------------------
def test_opponents_come_by_their_weights(tmp_path):
    _, league = make(tmp_path, SelfPlayConfig(scripts=SCRIPTS))
    assert set(Counter(league._draw() for _ in range(200))) == {ITSELF, *SCRIPTS}  # there is no snapshot yet
    for step in range(3):
        other_weights(league, step)
    drawn = Counter(league._draw() for _ in range(4_000))
    assert drawn["perfect"] / 4_000 == pytest.approx(0.15, abs=0.02)
    assert drawn["constant"] / 4_000 == pytest.approx(0.05, abs=0.02)
    for step in range(3):
        assert drawn[f"snapshot_{step}"] / 4_000 == pytest.approx(0.8 / 3, abs=0.03)
    assert ITSELF not in drawn


def test_latest_is_the_network_itself(tmp_path):
    _, league = make(tmp_path, SelfPlayConfig(draw="latest", scripts=SCRIPTS))
    other_weights(league, 1)
    assert set(Counter(league._draw() for _ in range(300))) == {ITSELF, *SCRIPTS}


def test_those_that_are_seldom_beaten_come_more_often(tmp_path):
    pool = Pool((), tmp_path, keep=10)
    _, league = make(tmp_path / "other", SelfPlayConfig())
    for step in range(3):
        pool.add(league.policy, step, ())
    for name, score in zip(pool.snapshots, (1.0, 0.5, 0.0), strict=True):
        pool.standings[name].score = score
    # (1 - score)^2, at least .05^2: .0025, .25, 1
    np.testing.assert_allclose(pool.draws(pool.snapshots, "pfsp"), np.array([0.0025, 0.25, 1.0]) / 1.2525)
    np.testing.assert_allclose(pool.draws(pool.snapshots, "uniform"), [1 / 3] * 3)


def test_only_so_many_play_at_a_time_and_all_get_their_turn(tmp_path):
    learner, league = make(tmp_path, SelfPlayConfig(live=2, scripts={}))
    for step in range(5):
        other_weights(league, step)
    met = set()
    for _ in range(60 * ROUNDS):
        decide(learner)
        assert len(league._in_use()) <= 2
        met |= set(league.playing)
    assert met >= {f"snapshot_{step}" for step in range(5)}


def test_where_all_had_their_share_the_last_to_come_goes_on(tmp_path):
    """So that the others' matches come to an end, and others have their turn."""
    _, league = make(tmp_path, SelfPlayConfig(live=2, scripts={}))
    for step in range(3):
        other_weights(league, step)
    league.playing[:6], league.planned[6:] = ["snapshot_2"] * 6, ["snapshot_0"] * 6
    league.terms = {"snapshot_2": 12, "snapshot_0": 12}  # twice the matches over the live ones
    assert {league._draw_snapshot() for _ in range(50)} == {"snapshot_0"}
    league.terms = {"snapshot_2": 11, "snapshot_0": 12}
    assert league._draw_snapshot() == "snapshot_2"


# -- who plays ---------------------------------------------------------------------------------------------------------
class Witness:
    """One guest, asked of its own row alone."""

    def __init__(self, network: TinyActorCritic) -> None:
        self.network, self.state = network, torch.zeros(1, network.state_size)

    def choices(self, observation: np.ndarray, begins: bool) -> torch.Tensor:
        """Log-probabilities of its actions [A]; its memory moves on."""
        row = torch.from_numpy(observation[None].copy())
        with torch.no_grad():
            distribution, _, self.state = self.network.step(row, self.state, torch.tensor([begins]))
        return torch.stack([distribution.log_prob(torch.tensor([action]))[0] for action in range(3)])


class Sure(TinyActorCritic):
    """So sure of itself that what it draws is what is likeliest."""

    def step(self, rows, state, episode_start):
        distribution, value, state = super().step(rows, state, episode_start)
        return type(distribution)(distribution.logits * 1e4), value, state


def test_guests_act_by_their_own_weights_and_memory(tmp_path):
    learner, league = make(tmp_path, SelfPlayConfig(scripts={}, live=3), kind=Sure)
    for step in range(3):
        other_weights(league, step)
    env, witnesses, acted = learner.env, {}, Counter()
    begins = np.ones(env.num_envs, np.bool_)
    for _ in range(6 * ROUNDS):
        for match, name in enumerate(league.playing):
            if begins[match] and name != ITSELF:
                network = deepcopy(learner.policy)
                league.pool.load(name, network)
                witnesses[match] = Witness(network)
        observations, playing = env.observations.copy(), list(league.playing)
        decide(learner)
        for match, name in enumerate(playing):
            if name == ITSELF:
                continue
            wanted = witnesses[match].choices(observations[2 * match + 1], bool(begins[match])).argmax()
            assert env.actions[2 * match + 1] == wanted
            acted[name, int(wanted)] += 1
        begins = env.terminals[::2].copy()
    assert len({name for name, _ in acted}) == 3
    assert len({action for _, action in acted}) > 1


def test_seats_are_those_of_whom_the_league_says(tmp_path):
    learner, league = make(tmp_path, SelfPlayConfig(scripts=SCRIPTS, snapshots=0.3))
    other_weights(league, 0)
    seen = Counter()
    for _ in range(10 * ROUNDS):
        decide(learner)
        for match, name in enumerate(league.playing):
            first, second = learner.env.seats[2 * match : 2 * match + 2].tolist()
            wanted = {ITSELF: LEARNER, "perfect": 1, "constant": 2}.get(name, GUEST)
            assert (first, second) == (LEARNER, wanted)
            assert learner.env.active[2 * match : 2 * match + 2].tolist() == [True, wanted == LEARNER]
            seen[name] += 1
    assert set(seen) == {ITSELF, "snapshot_0", *SCRIPTS}


def test_an_opponents_rows_are_not_learned_from_and_the_books_are_of_the_learner(tmp_path):
    learner, league = make(tmp_path, SelfPlayConfig(snapshots=0.0, scripts={"perfect": 1.0}))
    for t in range(1, 2 * ROUNDS + 1):
        learner.begin()
        step = learner.finish(NO_THETA)
        for finished in step.episodes:
            assert finished.returns["env"] == pytest.approx(finished.episode.term_returns.sum())
        assert bool(step.episodes) == (t % ROUNDS == 0)
    assert learner.rollout.mask[:, 0::2].all()
    assert not learner.rollout.mask[:, 1::2].any()
    parts = torch.cat(learner.ppo._minibatches(learner.rollout))
    assert set(parts.tolist()) == set(range(0, 24, 2))
    # The perfect player lost no game: ratings went apart.
    assert league.pool.standings["perfect"].games == 24
    assert league.pool.rating < elo.START < league.pool.standings["perfect"].rating


# -- what is kept ------------------------------------------------------------------------------------------------------
def test_ratings_by_hand():
    # Equals expect a half: a win moves 8. 400 points ahead expect 10/11: a loss costs 14.55.
    assert elo.after(1000.0, 1000.0, 1.0) == (1008.0, 992.0)
    ours, theirs = elo.after(1400.0, 1000.0, 0.0)
    assert (ours, theirs) == (pytest.approx(1400 - 160 / 11), pytest.approx(1000 + 160 / 11))
    assert elo.after(1000.0, 1000.0, 0.5) == (1000.0, 1000.0)


def test_a_snapshot_is_as_good_as_the_network_was(tmp_path):
    _, league = make(tmp_path, SelfPlayConfig(scripts=SCRIPTS))
    for _ in range(5):
        league.pool.enter("constant", 1.0)
    league.pool.add(league.policy, 1, [])
    assert league.pool.standings["snapshot_1"].rating == league.pool.rating > elo.START


def test_the_oldest_go_unless_they_play(tmp_path):
    _, league = make(tmp_path, SelfPlayConfig(keep=2))
    pool = league.pool
    for step in range(5):
        pool.add(league.policy, step, ["snapshot_1"])
    assert pool.snapshots == ["snapshot_1", "snapshot_3", "snapshot_4"]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in pool.files()}
    pool.add(league.policy, 5, [])
    assert pool.snapshots == ["snapshot_4", "snapshot_5"]
    assert set(pool.standings) == {"snapshot_4", "snapshot_5"}


def test_snapshots_come_every_so_many_decisions(tmp_path):
    learner, league = make(tmp_path, SelfPlayConfig(snapshot_interval=100, scripts=SCRIPTS))
    for _ in range(21):
        decide(learner)
    # 24 decisions a step: past 100, 200, ... after the steps 5, 9, 13, 17, 21.
    assert league.pool.snapshots == [f"snapshot_{24 * step}" for step in (5, 9, 13, 17, 21)]


def test_a_full_disk_costs_a_snapshot_and_no_more(tmp_path, monkeypatch, caplog):
    learner, league = make(tmp_path, SelfPlayConfig(snapshot_interval=100, scripts=SCRIPTS))

    def full(path: Path, content: dict) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("training.selfplay.pool.save_file", full)
        for _ in range(6):
            decide(learner)
    assert not league.pool.snapshots
    assert "No space left" in caplog.text
    for _ in range(6):
        decide(learner)
    assert league.pool.snapshots == ["snapshot_216"]


def test_a_run_that_is_resumed_meets_the_same_opponents_and_goes_on_exactly(tmp_path):
    config = SelfPlayConfig(snapshot_interval=300, scripts=SCRIPTS, live=2, keep=3)
    (ours, league), (theirs, other) = (make(tmp_path / str(seed), config, seed=seed) for seed in (0, 7))
    for _ in range(101):
        decide(ours)
    assert len(league.pool.snapshots) >= 3
    theirs.load_state_dict(deepcopy(ours.state_dict()), {path.name: path for path in ours.files()})
    for env in range(ours.env.num_envs):
        theirs.env.restore(env, ours.env.snapshot(env))
    for _ in range(101):
        assert decide(ours) == decide(theirs)
        assert ours.env.actions.tolist() == theirs.env.actions.tolist()
        assert league.playing == other.playing
    assert league.figures() == other.figures()
    ours_files, theirs_files = ([path.read_bytes() for path in each.files()] for each in (ours, theirs))
    assert ours_files == theirs_files


# -- learning ----------------------------------------------------------------------------------------------------------
def test_a_league_learns_and_its_ratings_say_so(tmp_path):
    config = SelfPlayConfig(snapshot_interval=6_000, scripts={"constant": 0.1, "perfect": 0.1}, snapshots=0.8)
    learner, league = make(tmp_path, config, matches=32)
    while learner.ledger.global_step < 60_000:
        decide(learner)
    pool, snapshots = league.pool, league.pool.snapshots
    assert pool.standings["constant"].score > 0.9
    assert pool.rating > elo.START + 200
    first, last = (np.mean([pool.standings[name].rating for name in part]) for part in (snapshots[:3], snapshots[-3:]))
    assert last > first + 100
