"""A step of several frames is as many steps of one frame with the same keys held, until a match ends."""

import numpy as np
import pytest
import torch

from policies.registry import make_policy
from puffer_envs.contract.vector_env import LEARNER, VectorEnv
from puffer_envs.platform_fighter import rewards
from puffer_envs.platform_fighter.config import BASED, RANDOM, Config
from puffer_envs.platform_fighter.env import PlatformFighter
from puffer_envs.platform_fighter.state import NUM_KEYS, State
from training import evaluate
from training.evaluation.episodes import frames_of_episode
from training.on_policy.runner import ActorCriticPlayer
from training.run import cli
from training.run.preflight import UserError

MATCHES, MAX_FRAMES = 4, 500
SEATS = ((LEARNER, LEARNER), (LEARNER, BASED), (RANDOM, BASED), (BASED, RANDOM))


def both(frame_skip: int) -> tuple[PlatformFighter, PlatformFighter]:
    """The same matches, by single frames and by several."""
    paid = {"max_steps": MAX_FRAMES, "reward_approach": 1.0}
    envs = [PlatformFighter(Config(frame_skip=k, **paid), MATCHES) for k in (1, frame_skip)]
    for env in envs:
        for match, seats in enumerate(SEATS):
            env.set_next_seats(match, seats)
        env.reset(seed=3)
        env.keep_episodes(True)
    return envs[0], envs[1]


def same_worlds(ours: PlatformFighter, theirs: PlatformFighter, matches: np.ndarray) -> None:
    for name in State._fields:
        np.testing.assert_array_equal(getattr(ours.state, name)[matches], getattr(theirs.state, name)[matches], name)


@pytest.mark.parametrize("frame_skip", [2, 3, 7])
def test_a_step_is_its_frames(frame_skip):
    (single, several), rng = both(frame_skip), np.random.default_rng(0)
    ended = np.zeros(MATCHES, np.bool_)
    hits, milestones = 0.0, 0
    while not ended.all():
        actions = rng.integers(0, 2, (2 * MATCHES, NUM_KEYS), np.int8)
        several.step(actions)
        terms = np.zeros_like(several.reward_terms)
        over, wanted = np.zeros(MATCHES, np.bool_), set()
        for _ in range(frame_skip):
            single.step(actions)
            terms += single.reward_terms * ~over.repeat(2)[:, None]
            wanted |= {(each.row, each.milestone) for each in single.poll_events() if not over[each.row // 2]}
            over |= (single.terminals | single.truncations)[::2]
        going = ~(ended | over)
        same_worlds(single, several, going)
        counted = (~ended).repeat(2)
        np.testing.assert_allclose(several.reward_terms[counted], terms[counted], atol=1e-6)
        np.testing.assert_array_equal((several.terminals | several.truncations)[::2][~ended], over[~ended])
        rows = going.repeat(2)
        np.testing.assert_array_equal(several.observations[rows], single.observations[rows])
        reached = {(each.row, each.milestone) for each in several.poll_events()}
        assert {each for each in reached if counted[each[0]]} == {each for each in wanted if counted[each[0]]}
        milestones += len(reached)
        hits += float(np.abs(terms[counted, rewards.TERMS.index("damage_interaction")]).sum())
        ended |= over  # from here on the two are in different matches
    assert hits > 0
    assert milestones > 2


def test_figures_are_of_frames_and_lengths_of_steps():
    single, several = both(3)
    nothing = np.zeros((2 * MATCHES, NUM_KEYS), np.int8)
    for env in (single, several):
        for _ in range(MAX_FRAMES):
            env.step(nothing)
    ours, theirs = ({each.row: each for each in env.poll_episodes()[: 2 * MATCHES]} for env in (single, several))
    for row in (0, 1):  # both stand idle until the time is up
        assert (ours[row].length, theirs[row].length) == (MAX_FRAMES, -(-MAX_FRAMES // 3))
        assert ours[row].summary["survival_time"] == theirs[row].summary["survival_time"] == MAX_FRAMES / 30


def test_a_film_shows_every_frame_of_the_match_that_an_evaluation_plays():
    torch.manual_seed(0)
    single, several = (PlatformFighter(Config(frame_skip=k, opponent="based", max_steps=400), 1) for k in (1, 3))
    policy = make_policy("platform_fighter", several.spec.layout, several.spec.action, "slim")

    def player(env: VectorEnv, seed: int) -> ActorCriticPlayer:
        return ActorCriticPlayer(env, policy, False, seed, torch.device("cpu"))

    for env in (single, several):
        env.keep_episodes(True)
    frames = len(list(frames_of_episode(player, single, 0, 5, frame_skip=3)))
    several.reset(5)
    playing = player(several, 5)
    while not (played := several.poll_episodes()):
        playing.advance()
    filmed = single.poll_episodes()
    assert frames == filmed[0].length  # one before each frame
    assert played[0].length == -(-frames // 3)
    assert [each.summary for each in filmed] == [each.summary for each in played]
    assert played[0].summary["damage_dealt"] + played[0].summary["damage_taken"] > 0


@pytest.mark.parametrize("bad", [0, -1])
def test_a_step_has_frames(bad):
    with pytest.raises(ValueError, match=f"frame_skip is {bad}; it must be at least 1"):
        PlatformFighter(Config(frame_skip=bad), 1)


def test_rivals_decide_at_one_pace(tmp_path):
    ours, theirs = (cli.parse(["--env", "platform_fighter", "--env.frame-skip", skip]) for skip in "31")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.toml").write_text(cli.to_toml(theirs))
    with pytest.raises(UserError, match="'other' decides every 1 frames, and this every 3"):
        evaluate.opponent("other", ours, tmp_path, False, torch.device("cpu"))
