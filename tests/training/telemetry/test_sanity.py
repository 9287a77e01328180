"""Each fault is said once, not while it lasts, and again after it had gone; a resumed run says the same."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from gymnasium import spaces

import train_big
from puffer_envs import registry
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.game import Game
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.records import Episode
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.contract.vector_env import VectorEnv
from tests.training.run.test_new_game import Toy
from training.common.ledger import FinishedEpisode, Step
from training.store import checkpoint
from training.telemetry.metrics import WINDOW
from training.telemetry.records import read_jsonl
from training.telemetry.sanity import LEAST_ACTIONS, LEAST_MOVES, MATCHES, TERM_DECISIONS, Habit, Sanity

LAYOUT = ObsLayout(np.float32, ("number", (1,)))
NOTHING = np.zeros(0)
ROWS = TERM_DECISIONS // 25  # so that 25 steps are as many decisions as a term may be silent


class Course:
    """An environment to which happens what a test says, watched over."""

    def __init__(
        self,
        num_envs: int = 4,
        *,
        space: spaces.Space | None = None,
        weights: dict[str, float] | None = None,
        versus: bool = False,
        outcome: str = "",
    ) -> None:
        agents = 2 if versus else 1
        spec = EnvSpec("course", LAYOUT, space or spaces.Discrete(3), weights or {}, agents_per_env=agents)
        self.env = VectorEnv(spec, num_envs)
        self.agents, self.n = agents, self.env.num_agents
        game = Game(name="course", Config=dict, spec=lambda config: spec, make=VectorEnv, outcome=outcome)
        self.sanity = Sanity(self.env, game, versus)

    def step(
        self, ended: Any = (), *, sampled: bool = False, length: int = 20, alive: Any = True, **facts: float
    ) -> None:
        """One decision; ``ended`` are environments whose episode it was the last of, with such a summary."""
        alive = np.broadcast_to(np.asarray(alive, np.bool_), self.n)
        began = np.zeros(self.n, np.bool_)
        episodes = []
        for env in ended:
            row = self.agents * env
            began[row : row + self.agents] = True
            paid = self.env.reward_terms[row].copy()
            episode = Episode(row, length, False, paid, None, NOTHING, NOTHING, facts)
            episodes.append(FinishedEpisode(episode, 1, {}, 0.0, 0, 0))
        no = np.zeros(self.n, np.bool_)
        self.sanity.add(Step(NOTHING, NOTHING, alive, began, no, ~alive, [], episodes), sampled)

    def steps(self, number: int, **how: Any) -> list[str]:
        for _ in range(number):
            self.step(**how)
        return self.sanity.check()


# -- reward terms ------------------------------------------------------------------------------------------------------
def of_terms(**weights: float) -> Course:
    return Course(ROWS, weights=weights)


def test_a_term_that_never_pays_is_told_of_once_and_again_after_it_has_paid():
    course = of_terms(steady=1.0, never=2.0, off=0.0)
    terms = course.env.reward_terms
    terms[:, 0] = 0.1
    assert course.steps(24, ended=range(ROWS)) == []  # 24,000 decisions
    assert course.steps(1) == ["reward term never has paid nothing in 25,000 decisions and 24,000 episodes"]
    assert course.steps(50) == []
    for paid in (2.0, 0.0, 2.0, 0.0):
        terms[7, 1] = paid  # to one row
        assert course.steps(1) == []
    assert course.steps(4 * 75 - 2, ended=range(ROWS)) == []  # four times as long as its longest silence
    assert course.steps(1) == ["reward term never has paid nothing in 300,000 decisions and 298,000 episodes"]


def test_before_half_of_the_environments_had_an_episode_nothing_is_said():
    course = of_terms(win=1.0)
    assert course.steps(100) == []
    assert course.steps(1, ended=range(ROWS // 2 - 1)) == []
    assert course.steps(1, ended=[3]) == ["reward term win has paid nothing in 102,000 decisions and 500 episodes"]


def test_what_one_row_gains_and_another_loses_is_paid():
    course = of_terms(win=1.0)
    course.env.reward_terms[:2, 0] = 50.0, -50.0  # their sum is nothing
    assert course.steps(1) == []
    course.env.reward_terms[:] = 0.0
    assert course.steps(24, ended=range(ROWS)) == []
    assert course.steps(1) != []


def test_a_term_that_only_cost_may_fall_silent():
    course = of_terms(cost=-1.0)
    course.env.reward_terms[:, 0] = -1.0
    assert course.steps(1) == []
    course.env.reward_terms[:, 0] = 0.0
    assert course.steps(50, ended=range(ROWS)) == []
    course.env.reward_terms[5, 0] = 1.0  # it can be gained after all
    course.steps(1)
    course.env.reward_terms[:, 0] = 0.0
    assert course.steps(4 * 50 - 1, ended=range(ROWS)) == []
    assert course.steps(1) != []


def test_a_term_is_judged_by_the_learners_rows_in_the_decision_they_made():
    course = of_terms(win=1.0)
    course.env.active[:] = False
    course.env.active[0] = True
    course.sanity.begin()
    course.env.reward_terms[1:, 0] = 1.0  # to guests
    assert course.steps(TERM_DECISIONS - 1, ended=[0]) == []
    assert course.steps(1) == ["reward term win has paid nothing in 25,000 decisions and 24,999 episodes"]
    course.env.reward_terms[:, 0] = 0.0
    course.env.reward_terms[0, 0] = 1.0
    course.env.active[0] = False  # a guest plays the row from the next episode on
    course.step(ended=[0])
    assert course.sanity.terms.paid[0]
    course.sanity.check()
    course.step()
    assert not course.sanity.terms.paid[0]


def test_a_row_whose_worker_is_away_pays_nothing():
    course = of_terms(win=1.0)
    course.env.reward_terms[:, 0] = 1.0
    course.step(alive=False)
    assert (course.sanity.terms.decisions, course.sanity.terms.paid[0]) == (0, False)


# -- one action for ever -----------------------------------------------------------------------------------------------
def judged(space: spaces.Space, actions: Any) -> list[str]:
    """What is said of a thousand actions."""
    habit = Habit(ActionSpec.of(space))
    habit.add(np.asarray(actions))
    return list(habit.faults().values())


def test_a_choice_that_is_nearly_the_only_one():
    actions = np.full(1000, 2, np.int32)
    actions[:15] = 0
    assert judged(spaces.Discrete(3), actions) == ["the policy takes action 2 in 98.5% of its decisions"]
    actions[:20] = 0
    assert judged(spaces.Discrete(3), actions) == []


def test_one_choice_of_every_part():
    actions = np.tile(np.array([1, 4], np.int32), (1000, 1))
    actions[:10, 1] = 3
    text = "the policy takes the choices 1, 4 of its parts, each in 99.0% of its decisions at least"
    assert judged(spaces.MultiDiscrete([3, 5]), actions) == [text]
    actions[::2, 0] = 0
    assert judged(spaces.MultiDiscrete([3, 5]), actions) == []


def test_keys_that_are_held_for_ever():
    keys = np.zeros((1000, 4), np.int8)
    none = "the policy presses no key; each is held in less than 2% of its decisions"
    assert judged(spaces.MultiBinary(4), keys) == [none]
    keys[:985, 3] = 1
    keys[:19, 0] = 1
    one = "the policy presses nothing but key 3, in 98.1% of its decisions at least; the others in less than 2%"
    assert judged(spaces.MultiBinary(4), keys) == [one]
    keys[:, 1] = 1
    assert "nothing but key 1, 3" in judged(spaces.MultiBinary(4), keys)[0]
    keys[:20, 0] = 1
    assert judged(spaces.MultiBinary(4), keys) == []


def test_numbers_that_never_change():
    space = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 1e6], np.float32))
    numbers = np.tile(np.array([1.0, 3e5], np.float32), (1000, 1))
    text = "the policy's actions are all the same, none of their numbers changes"
    assert judged(space, numbers) == [text]
    numbers[::2, 1] += 1e3  # half a thousandth of the range to both sides of the mean
    assert judged(space, numbers) == [text]
    numbers[::2, 1] += 2e3
    assert judged(space, numbers) == []


def test_a_policy_is_told_of_once_and_again_when_it_is_stuck_on_something_else():
    course = Course(LEAST_ACTIONS - 1)
    course.env.actions[:] = 1
    assert course.steps(3) == []  # none was sampled
    assert course.steps(1, sampled=True) == []  # one too few
    assert course.steps(1, sampled=True) == ["the policy takes action 1 in 100.0% of its decisions"]
    assert course.steps(2, sampled=True) == []
    course.env.actions[:] = 2
    assert course.steps(2, sampled=True) == ["the policy takes action 2 in 100.0% of its decisions"]
    course.env.actions[::2] = 0
    assert course.steps(1, sampled=True) == []  # too few to say that it is well again
    course.env.actions[:] = 2
    assert course.steps(2, sampled=True) == []  # 998 of 1,497 and before
    assert course.steps(2, sampled=True) == ["the policy takes action 2 in 100.0% of its decisions"]


def test_the_policys_actions_are_those_of_the_rows_that_it_plays():
    course = Course(2 * LEAST_ACTIONS, versus=True)
    course.env.actions[0::2] = 1
    course.env.actions[1::2] = np.arange(2 * LEAST_ACTIONS) % 3  # a guest's
    course.env.active[1::2] = False
    course.sanity.begin()
    assert course.steps(1, sampled=True) == ["the policy takes action 1 in 100.0% of its decisions"]


# -- games of two ------------------------------------------------------------------------------------------------------
STILL = f"the opponent never changed its action in 11 of the last {MATCHES} matches"


def match(course: Course, moves: bool, length: int = LEAST_MOVES, change: int = 3) -> None:
    """One match of the first environment, in which the opponent changes its action once or never."""
    for t in range(length):
        course.env.actions[:] = t % 3  # the others are as they like
        course.env.actions[1] = 1 if moves and t == change else 2
        course.step(ended=[0] if t == length - 1 else (), length=length)


def of_two(**how: Any) -> Course:
    course = Course(2, versus=True, outcome="won", **how)
    course.env.active[1::2] = False
    course.sanity.begin()
    course.sanity.wins.add = lambda episodes: None  # has tests of its own
    return course


@pytest.mark.parametrize("change", [1, LEAST_MOVES - 1])
def test_an_opponent_that_never_moves_is_told_of_until_it_does(change):
    course = of_two()

    def play(number: int, moves: bool) -> list[str]:
        for _ in range(number):
            match(course, moves, change=change)
        return course.sanity.check()

    assert play(11, moves=False) == []  # of so few
    assert play(8, moves=True) == []
    assert play(1, moves=True) == [STILL]
    assert course.sanity.check() == []
    assert play(1, moves=True) == []  # 10 of the last 20
    assert play(10, moves=False) == []  # they took the place of as many
    assert play(1, moves=False) == [STILL]


def test_the_learner_on_both_seats_is_no_opponent():
    course = of_two()
    course.env.active[:] = True
    course.sanity.begin()
    for _ in range(MATCHES):
        match(course, moves=False)
    assert (course.sanity.check(), len(course.sanity.rival.still)) == ([], 0)


def test_a_match_of_a_few_moves_tells_nothing():
    course = of_two()
    match(course, moves=False, length=LEAST_MOVES - 1)
    assert not course.sanity.rival.still


def test_a_match_that_a_lost_worker_broke_off_leaves_nothing_to_the_next():
    course = of_two()
    course.env.actions[:] = 2
    course.step()
    course.env.actions[:] = 1
    course.step()  # it has moved
    course.step(alive=[False, False, True, True])
    match(course, moves=False)
    assert list(course.sanity.rival.still) == [True]


def test_only_games_of_two_have_an_opponent():
    course = Course(4)
    assert course.sanity.rival is None
    assert course.sanity.wins is None  # nobody says what a win is


@pytest.mark.parametrize("versus", [False, True])
def test_a_hundred_episodes_without_a_win(versus):
    course = Course(4, versus=versus, outcome="won")
    text = f"no episode of the last {WINDOW} was won"
    assert course.steps(WINDOW // 2, ended=[0], won=0.0) == []
    assert course.steps(WINDOW // 2 - 1, ended=[1], won=0.5) == []  # draws
    assert course.steps(1, ended=[2], won=0.0) == [text]
    assert course.steps(WINDOW, ended=[2], won=0.0) == []
    assert course.steps(1, ended=[0], won=1.0) == []
    assert course.steps(WINDOW - 1, ended=[2], won=0.0) == []
    assert course.steps(1, ended=[2], won=0.0) == [text]


def test_without_a_fact_the_sign_of_the_first_agents_return_is_the_outcome():
    course = Course(1, versus=True, weights={"win": 1.0})
    course.env.reward_terms[:, 0] = -1.0, 1.0
    assert course.steps(WINDOW, ended=[0]) == [f"no episode of the last {WINDOW} was won"]
    course.env.reward_terms[:, 0] = 1.0, -1.0
    course.steps(1, ended=[0])
    assert max(course.sanity.wins.scores) == 1.0


# -- going on from a checkpoint ----------------------------------------------------------------------------------------
class Happening(NamedTuple):
    """What a stretch of decisions is like."""

    action: int  # of the learner; -1: anything
    opponent: int  # its action; -1: anything
    pays: float
    wins: float


HAPPENINGS = (
    Happening(1, 2, 1.0, 0.0),
    Happening(-1, 2, 1.0, 0.0),
    Happening(2, -1, 0.0, 1.0),
    Happening(2, -1, 0.0, 0.0),
)


def live(course: Course, begin: int, end: int) -> list[tuple[int, str]]:
    """Steps ``begin`` to ``end`` of what happens; (step, sentence) of all that was said."""
    said = []
    for t in range(begin, end):
        now, rng = HAPPENINGS[t // 300 % len(HAPPENINGS)], np.random.default_rng(t)
        anything = rng.integers(0, 3, course.n)
        course.env.actions[0::2] = anything[0::2] if now.action < 0 else now.action
        course.env.actions[1::2] = anything[1::2] if now.opponent < 0 else now.opponent
        course.env.reward_terms[:, 0] = now.pays * (rng.random(course.n) < 0.01)
        course.step(ended=range(t % 12, 60, 12), length=12, sampled=t % 8 == 7, won=now.wins)
        if t % 10 == 9:
            said += [(t, sentence) for sentence in course.sanity.check()]
    return said


def of_happenings() -> Course:
    course = Course(60, versus=True, outcome="won", weights={"pay": 1.0})
    course.env.active[1::2] = False
    course.sanity.begin()
    return course


@pytest.mark.parametrize("at", [297, 455, 607, 1450])
def test_a_run_that_is_resumed_says_the_same(at, tmp_path):
    whole = of_happenings()
    before, after = live(whole, 0, at), live(whole, at, 2400)
    assert {text.split(" ")[1] for _, text in (*before, *after)} == {"term", "policy", "opponent", "episode"}
    first, second = of_happenings(), of_happenings()
    assert live(first, 0, at) == before
    checkpoint.save(tmp_path, at, {"sanity": first.sanity.state_dict()})
    saved = checkpoint.load(tmp_path / f"step_{at}").parts["sanity"]
    second.sanity.load_state_dict(saved)
    np.testing.assert_equal(second.sanity.state_dict(), saved)
    second.env.active[1::2] = False  # comes back with the environments
    second.sanity.begin()
    assert live(second, at, 2400) == after
    np.testing.assert_equal(second.sanity.state_dict(), whole.sanity.state_dict())


# -- in a run ----------------------------------------------------------------------------------------------------------
class Config(NamedTuple):
    edge: float = 0.5


def vain_spec(config: Config) -> EnvSpec:
    return EnvSpec("vain", LAYOUT, spaces.Discrete(2), {"right": 1.0, "prize": 1.0})


class Vain(Toy):
    """There is a prize that nobody wins."""

    def __init__(self, config: Config, num_envs: int, **options: Any) -> None:
        super(Toy, self).__init__(vain_spec(config), num_envs, **options)
        self.config = config
        self.numbers = np.zeros((num_envs, 1), np.float32)

    def summary(self, row: int) -> dict[str, Any]:
        return {"won": 0.0}


GAME = Game(name="vain", Config=Config, spec=vain_spec, make=Vain, outcome="won")


def test_a_runs_log_says_it_once_and_its_figures_do_not(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TABLE, "vain", f"{__name__}:GAME")
    where = ["--runs-dir", str(tmp_path / "runs"), "--savestates-dir", str(tmp_path / "savestates")]
    intervals = ["--log-interval", "2048", "--save-interval", "8192", "--evaluation.interval", "0"]
    size = ["--num-envs", "64", "--model-size", "slim", "--torch-threads", "1", "--learner.num-steps", "16"]
    flags = ["--env", "vain", "--run-name", "one", *where, *intervals, *size]
    assert train_big.main([*flags, "--total-steps", "32768"]) == 0
    folder = tmp_path / "runs" / "one"

    def warned() -> list[str]:
        lines = (folder / "train.log").read_text().splitlines()
        return [line.split("WARNING sanity: ")[1] for line in lines if "WARNING sanity: " in line]

    # 64 rows and an episode of eight decisions: the first line after 25,000 decisions is at 26,624.
    prize = "reward term prize has paid nothing in 26,624 decisions and 3,328 episodes"
    assert warned() == [f"no episode of the last {WINDOW} was won", prize]
    assert train_big.main([*flags, "--total-steps", "36864", "--resume"]) == 0
    assert len(warned()) == 2  # nothing is new
    assert not any("sanity" in name for line in read_jsonl(folder / "metrics.jsonl") for name in line)
