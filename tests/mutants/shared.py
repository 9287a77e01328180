"""Faults of what all learners share: curiosity, histories, books, players and distributions."""

from tests.mutants.mutant import Mutant

CURIOSITY, HISTORY = "training/common/intrinsic.py", "training/common/history.py"
LEDGER, ACTING, ACTIONS = "training/common/ledger.py", "training/common/acting.py", "policies/actions.py"

# The tests that must notice, the quickest first; learning curves are not among them
INTRINSIC = ("tests/training/common/test_intrinsic.py",)
FRAMES = ("tests/training/common/test_history.py", "tests/training/off_policy/test_replay.py")
EPISODES = ("tests/training/evaluation/test_episodes.py",)
BOOKS = ("tests/training/common/test_ledger.py", "tests/training/off_policy/test_runner.py")
DISTRIBUTIONS = ("tests/policies/test_actions.py",)
SLOPES = ("tests/policies/test_slopes.py",)

MUTANTS = (
    Mutant("rnd_without_window", CURIOSITY, "min(count, RND_WINDOW)", "count", INTRINSIC),
    Mutant("rnd_without_discount", CURIOSITY, "self.gamma * self.returns[alive]", "self.returns[alive]", INTRINSIC),
    Mutant(
        "rnd_rewards_by_the_unpublished",
        CURIOSITY,
        "self._error(self.acting, features)",
        "self._error(self.predictor, features)",
        INTRINSIC,
    ),
    Mutant(
        "player_always_begins",
        ACTING,
        "self.acting.episode_start[:] = began",
        "self.acting.episode_start[:] |= began",
        EPISODES,
    ),
    Mutant(
        "history_of_the_former_episode",
        HISTORY,
        "torch.where(episode_start, 0, (self.former + 1)",
        "torch.where(episode_start & False, 0, (self.former + 1)",
        FRAMES,
    ),
    Mutant(
        "factored_mean_of_log_probs",
        ACTIONS,
        "return self.each.log_prob(actions).sum(-1)",
        "return self.each.log_prob(actions).mean(-1)",
        DISTRIBUTIONS,
    ),
    Mutant("novelty_grows", CURIOSITY, "counts**-self.power", "counts**self.power", INTRINSIC),
    Mutant(
        "rnd_statistics_of_all_rows",
        CURIOSITY,
        "self._observe(self.returns[alive])",
        "self._observe(self.returns)",
        INTRINSIC,
    ),
    Mutant("returns_run_on", LEDGER, "            self.returns[rows] = 0.0\n", "", BOOKS),
    Mutant("steps_of_lost_rows_count", LEDGER, "int(alive.sum())", "len(alive)", BOOKS),
    Mutant(
        "sequences_of_the_former_episode",
        HISTORY,
        "torch.where(episode_start, at, 0).cummax",
        "torch.zeros_like(at).cummax",
        FRAMES,
    ),
    Mutant(
        "keys_the_wrong_way",
        ACTIONS,
        "torch.where(actions.bool(), self.logits, -self.logits)",
        "torch.where(actions.bool(), -self.logits, self.logits)",
        DISTRIBUTIONS,
    ),
    Mutant("squashed_without_its_slope", ACTIONS, " - self.scale.log() - slope", " - self.scale.log()", DISTRIBUTIONS),
    Mutant(
        "masked_choices_only",
        ACTIONS,
        "return Categorical(self.logits.masked_fill(~possible",
        "return Categorical(self.logits.masked_fill(possible",
        DISTRIBUTIONS,
    ),
    Mutant("player_goes_on_after_an_absence", "training/common/acting.py", "~(there & env.masks)", "~env.masks", BOOKS),
    Mutant(
        "starts_of_lost_rows_stay",
        LEDGER,
        "self.start_step[ended] = self.global_step",
        "self.start_step[rows] = self.global_step",
        ("tests/training/off_policy/test_courses.py",),
    ),
    Mutant(
        "last_episode_of_an_evaluation_counts",
        "training/evaluation/episodes.py",
        "done.setdefault(episode.row, episode)",
        "done[episode.row] = episode",
        EPISODES,
    ),
    Mutant(
        "entropy_without_gradient",
        ACTIONS,
        "return -(self.logprobs.exp() * self.logprobs).sum(-1)",
        "return -(self.logprobs.exp().detach() * self.logprobs).sum(-1)",
        SLOPES,
    ),
    Mutant(
        "lstm_input_gate_open",
        "policies/recurrent.py",
        ".data[hidden : 2 * hidden])",
        ".data[:hidden])",
        ("tests/policies/test_recurrent.py",),
    ),
    Mutant(
        "ssm_decay_learns_from_the_input_alone",
        "policies/recurrent.py",
        "torch.sigmoid(self.decay) *",
        "torch.sigmoid(self.decay.detach()) *",
        SLOPES,
    ),
    Mutant(
        "dueling_mean_without_gradient",
        "policies/values.py",
        "advantage.mean(-1, keepdim=True)",
        "advantage.mean(-1, keepdim=True).detach()",
        SLOPES,
    ),
    Mutant("history_ahead_of_the_present", HISTORY, "self.ages[:-1] - 1", "self.ages[:-1]", FRAMES),
    Mutant(
        "history_not_restored",
        HISTORY,
        'self.former = state.get("former", whole)',
        '_ = state.get("former", whole)',
        FRAMES,
    ),
)
