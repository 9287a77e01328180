"""Faults of PPO: its loss, its segments and its runner."""

from tests.mutants.mutant import Mutant

PPO, RETURNS, ROLLOUT, RUNNER = (f"training/on_policy/{name}.py" for name in ("ppo", "returns", "rollout", "runner"))

# The tests that must notice, the quickest first; learning curves are not among them
ALL = (
    "tests/training/on_policy/test_returns.py",
    "tests/training/on_policy/test_wiring.py",
    "tests/training/on_policy/test_ppo.py::test_the_clipped_objective_by_hand",
    "tests/training/on_policy/test_ppo.py::test_a_clipped_value_counts_where_it_is_worse",
    "tests/training/on_policy/test_ppo.py::test_value_and_entropy_by_hand",
    "tests/training/on_policy/test_ppo.py::test_rows_without_a_worker_do_not_count",
    "tests/training/on_policy/test_ppo.py::test_the_gradient_of_the_loss_is_its_slope",
    "tests/training/common/test_history.py",
)

LAST_RATE = ("tests/training/on_policy/test_ppo.py::test_an_annealed_rate_is_never_below_zero",)
MEMORIES = (
    "tests/training/on_policy/test_ppo.py::test_a_minibatch_of_a_memory_begins_with_the_states_of_its_own_rows",
)

MUTANTS = (
    Mutant("ppo_state_zero", ROLLOUT, "self.state.copy_(seen.state)", "self.state.zero_()", ALL),
    Mutant(
        "ppo_truncation_of_the_next_episode",
        RUNNER,
        "self.env.final_observations[truncated]",
        "self.env.observations[truncated]",
        ALL,
    ),
    Mutant(
        "ppo_bootstrap_state_before",
        RUNNER,
        "self.acting.state[rows], goes_on",
        "self.decision.seen.state[rows], goes_on",
        ALL,
    ),
    Mutant("ppo_no_annealing", PPO, "max(0.0, 1.0 - progress)", "1.0", ALL),
    Mutant("ppo_no_clipping_of_gradients", PPO, "self.config.max_grad_norm)", "math.inf)", ALL),
    Mutant(
        "ppo_order_not_shuffled",
        PPO,
        "torch.randperm(len(learned), generator=self.generator)",
        "torch.arange(len(learned))",
        ALL,
    ),
    Mutant(
        "gae_runs_over_truncations",
        RETURNS,
        "weights = gamma * lam * ~dones",
        "weights = gamma * lam * ~terminals",
        ALL,
    ),
    Mutant(
        "gae_without_mask",
        RETURNS,
        "torch.where(mask, rewards + gamma * next_values * ~terminals - values, 0.0)",
        "rewards + gamma * next_values * ~terminals - values",
        ALL,
    ),
    Mutant(
        "gae_returns_without_values",
        RETURNS,
        "return advantages, advantages + values",
        "return advantages, advantages",
        ALL,
    ),
    Mutant("ppo_clip_side", PPO, "torch.maximum(-advantages * ratio", "torch.minimum(-advantages * ratio", ALL),
    Mutant("ppo_entropy_sign", PPO, "pg_loss - config.ent_coef * entropy", "pg_loss + config.ent_coef * entropy", ALL),
    Mutant(
        "ppo_normalised_without_mask",
        PPO,
        "centre = advantages - mean(advantages, mask)",
        "centre = advantages - advantages.mean()",
        ALL,
    ),
    Mutant("ppo_learns_inactive_rows", RUNNER, "step.alive & active)", "step.alive)", ALL),
    Mutant("ppo_retired_goes_on", RUNNER, "env.terminals | retired, acting", "env.terminals, acting", ALL),
    Mutant(
        "ppo_episode_start_stays",
        RUNNER,
        "acting.episode_start[:] = step.began",
        "acting.episode_start[:] |= step.began",
        ALL,
    ),
    Mutant(
        "ppo_values_shifted",
        ROLLOUT,
        "torch.cat([self.values[1:], last[None]])",
        "torch.cat([self.values[:-1], last[None]])",
        ALL,
    ),
    Mutant(
        "learn_last_former_values",
        RUNNER,
        "self._update(self._values_ahead())",
        "self._update(self.decision.values)",
        ALL,
    ),
    Mutant("learn_last_learns_again", RUNNER, "            self.learned = True\n", "", ALL),
    Mutant("rollout_history_off_by_one", ROLLOUT, "(self.former[t - 1] + 1)", "self.former[t - 1]", ALL),
    Mutant(
        "rollout_forgets_former_frames",
        ROLLOUT,
        "self.seen[: self.lead] = self.seen[-self.lead :].clone()",
        "self.seen[: self.lead] = 0",
        ALL,
    ),
    Mutant("ppo_order_not_restored", PPO, '        self.generator.set_state(state["generator"])\n', "", ALL),
    Mutant(
        "ppo_draws_not_restored", RUNNER, '        restore_generator(self.generator, state["generator"])\n', "", ALL
    ),
    Mutant("gae_terminals_bootstrap", RETURNS, " * ~terminals - values", " - values", ALL),
    Mutant(
        "ppo_clipped_value_where_it_is_better", PPO, "error = torch.maximum(error", "error = torch.minimum(error", ALL
    ),
    Mutant(
        "ppo_stale_history_of_frames",
        ROLLOUT,
        "(index + self.lead * rows)[:, None]",
        "(index + (self.lead - 1) * rows)[:, None]",
        ALL,
    ),
    Mutant("ppo_optimizer_not_restored", PPO, '        self.optimizer.load_state_dict(state["optimizer"])\n', "", ALL),
    Mutant("ppo_rewards_unscaled", RUNNER, "self.ppo.config.reward_scale * env.rewards", "1.0 * env.rewards", ALL),
    Mutant("ppo_trained_counts_all", RUNNER, "int(self.rollout.mask.sum())", "self.rollout.mask.numel()", ALL),
    Mutant(
        "ppo_lost_rows_go_on",
        RUNNER,
        "acting.episode_start | retired, step",
        "env.terminals | env.truncations | retired, step",
        ALL,
    ),
    Mutant("ppo_rate_below_zero", PPO, "max(0.0, 1.0 - progress)", "(1.0 - progress)", LAST_RATE),
    Mutant("ppo_states_of_other_rows", PPO, "rollout.state[index]", "rollout.state[: len(index)]", MEMORIES),
    Mutant(
        "clipped_value_without_gradient",
        PPO,
        "(values - batch.values).clamp(",
        "(values - batch.values).detach().clamp(",
        ALL,
    ),
    Mutant(
        "truncation_into_an_inactive_start_is_terminal",
        RUNNER,
        "retired = active & ~env.active & ~acting.episode_start",
        "retired = active & ~env.active",
        ALL,
    ),
    Mutant("ppo_memories_of_the_active_stand_still", RUNNER, "        after[rows] = state\n", "", ALL),
    Mutant("ppo_decides_for_the_inactive", RUNNER, "np.flatnonzero(active))", "np.flatnonzero(~active))", ALL),
    Mutant(
        "ppo_begins_of_other_rows",
        RUNNER,
        "seen.state[rows], seen.episode_start[rows]",
        "seen.state[rows], seen.episode_start[: len(rows)]",
        ALL,
    ),
)
