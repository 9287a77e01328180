"""The list of faults: each a small change of the learners that leaves a run looking well and makes it learn worse."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault."""

    name: str
    file: str
    old: str  # stands in the file exactly once
    new: str
    tests: tuple[str, ...]  # paths that pytest is given


# Files in which faults are planted
PPO, RETURNS, ROLLOUT = (f"training/on_policy/{name}.py" for name in ("ppo", "returns", "rollout"))
DQN, TARGETS, REPLAY = (f"training/off_policy/{name}.py" for name in ("dqn", "targets", "replay"))
ON, OFF = "training/on_policy/runner.py", "training/off_policy/runner.py"
EXPLORE, CURIOSITY = "training/off_policy/explore.py", "training/common/intrinsic.py"

# The tests that must notice, the quickest first; learning curves are not among them
ON_POLICY = (
    "tests/training/on_policy/test_returns.py",
    "tests/training/on_policy/test_wiring.py",
    "tests/training/on_policy/test_ppo.py::test_the_clipped_objective_by_hand",
    "tests/training/on_policy/test_ppo.py::test_value_and_entropy_by_hand",
    "tests/training/on_policy/test_ppo.py::test_rows_without_a_worker_do_not_count",
    "tests/training/common/test_history.py",
)
OFF_POLICY = (
    "tests/training/off_policy/test_dqn.py",
    "tests/training/off_policy/test_replay.py",
    "tests/training/off_policy/test_wiring.py",
)
EXPLORER = ("tests/training/off_policy/test_explore.py",)
INTRINSIC = ("tests/training/common/test_intrinsic.py",)
HISTORY = ("tests/training/common/test_history.py",)
EPISODES = ("tests/training/evaluation/test_episodes.py",)
ACTIONS = ("tests/policies/test_actions.py",)

MUTANTS = (
    # -- on-policy
    Mutant("ppo_state_zero", ROLLOUT, "self.state.copy_(seen.state)", "self.state.zero_()", ON_POLICY),
    Mutant(
        "ppo_truncation_of_the_next_episode",
        ON,
        "self.env.final_observations[truncated]",
        "self.env.observations[truncated]",
        ON_POLICY,
    ),
    Mutant(
        "ppo_bootstrap_state_before",
        ON,
        "self.acting.state[rows], goes_on",
        "self.decision.seen.state[rows], goes_on",
        ON_POLICY,
    ),
    Mutant("ppo_no_annealing", PPO, "max(0.0, 1.0 - progress)", "1.0", ON_POLICY),
    Mutant("ppo_no_clipping_of_gradients", PPO, "self.config.max_grad_norm)", "math.inf)", ON_POLICY),
    Mutant(
        "ppo_order_not_shuffled",
        PPO,
        "torch.randperm(count, generator=self.generator)",
        "torch.arange(count)",
        ON_POLICY,
    ),
    Mutant(
        "gae_runs_over_truncations",
        RETURNS,
        "weights = gamma * lam * ~dones",
        "weights = gamma * lam * ~terminals",
        ON_POLICY,
    ),
    Mutant(
        "gae_without_mask",
        RETURNS,
        "torch.where(mask, rewards + gamma * next_values * ~terminals - values, 0.0)",
        "rewards + gamma * next_values * ~terminals - values",
        ON_POLICY,
    ),
    Mutant(
        "gae_returns_without_values",
        RETURNS,
        "return advantages, advantages + values",
        "return advantages, advantages",
        ON_POLICY,
    ),
    Mutant("ppo_clip_side", PPO, "torch.maximum(-advantages * ratio", "torch.minimum(-advantages * ratio", ON_POLICY),
    Mutant(
        "ppo_entropy_sign", PPO, "pg_loss - config.ent_coef * entropy", "pg_loss + config.ent_coef * entropy", ON_POLICY
    ),
    Mutant(
        "ppo_normalised_without_mask",
        PPO,
        "centre = advantages - mean(advantages, mask)",
        "centre = advantages - advantages.mean()",
        ON_POLICY,
    ),
    Mutant("ppo_learns_inactive_rows", ON, "step.alive & active)", "step.alive)", ON_POLICY),
    Mutant("ppo_retired_goes_on", ON, "env.terminals | retired, acting", "env.terminals, acting", ON_POLICY),
    Mutant(
        "ppo_episode_start_stays",
        ON,
        "acting.episode_start[:] = step.began",
        "acting.episode_start[:] |= step.began",
        ON_POLICY,
    ),
    Mutant(
        "ppo_values_shifted",
        ROLLOUT,
        "torch.cat([self.values[1:], last[None]])",
        "torch.cat([self.values[:-1], last[None]])",
        ON_POLICY,
    ),
    Mutant(
        "learn_last_former_values",
        ON,
        "self._update(self._values_ahead())",
        "self._update(self.decision.values)",
        ON_POLICY,
    ),
    Mutant("learn_last_learns_again", ON, "            self.learned = True\n", "", ON_POLICY),
    Mutant("rollout_history_off_by_one", ROLLOUT, "(self.former[t - 1] + 1)", "self.former[t - 1]", ON_POLICY),
    Mutant(
        "rollout_forgets_former_frames",
        ROLLOUT,
        "self.seen[: self.lead] = self.seen[-self.lead :].clone()",
        "self.seen[: self.lead] = 0",
        ON_POLICY,
    ),
    Mutant("ppo_order_not_restored", PPO, '        self.generator.set_state(state["generator"])\n', "", ON_POLICY),
    Mutant("ppo_draws_not_restored", ON, '        self.generator.set_state(state["generator"])\n', "", ON_POLICY),
    # -- off-policy
    Mutant(
        "replay_state_after",
        OFF,
        "            seen.state,\n            seen.episode_start,",
        "            acting.state,\n            seen.episode_start,",
        OFF_POLICY,
    ),
    Mutant("dqn_not_double", DQN, "best = q_online.argmax", "best = q_target.argmax", OFF_POLICY),
    Mutant(
        "dqn_burn_in_thrown_away",
        DQN,
        "q_burn, state = self.policy.sequence",
        "q_burn, _ = self.policy.sequence",
        OFF_POLICY,
    ),
    Mutant(
        "dqn_gaps_by_the_online_network", DQN, "targets, q_target[burn:end]", "targets, q_online[burn:end]", OFF_POLICY
    ),
    Mutant("dqn_no_clipping_of_gradients", DQN, "config.max_grad_norm)", 'float("inf"))', OFF_POLICY),
    Mutant(
        "dqn_trains_on_final_observations",
        DQN,
        "trained = ~batch.truncated[burn:end]",
        "trained = torch.ones_like(batch.truncated[burn:end])",
        OFF_POLICY,
    ),
    Mutant("n_step_discount_off_by_one", TARGETS, "gamma ** (m + 1) * bootstrap", "gamma**m * bootstrap", OFF_POLICY),
    Mutant("n_step_runs_over_truncations", TARGETS, "        alive = alive & ~truncated[here]\n", "", OFF_POLICY),
    Mutant(
        "dqn_target_follows_at_once",
        DQN,
        "follow(self.target, self.policy, self.config.tau)",
        "follow(self.target, self.policy, 1)",
        OFF_POLICY,
    ),
    Mutant(
        "dqn_acts_with_the_online_network",
        DQN,
        "self.policy if self.config.target_sync else self.target, 1)",
        "self.policy, 1)",
        OFF_POLICY,
    ),
    Mutant("dqn_acting_not_restored", DQN, '        self.acting.load_state_dict(state["acting"])\n', "", OFF_POLICY),
    Mutant(
        "replay_frames_overwritten",
        REPLAY,
        "np.where(oldest > 0, self.history - 1, 0)",
        "np.where(oldest > 0, 0, 0)",
        OFF_POLICY,
    ),
    Mutant(
        "replay_one_record_too_far",
        REPLAY,
        "last = self.count - self.sequence_length",
        "last = self.count - self.sequence_length + 1",
        OFF_POLICY,
    ),
    Mutant(
        "replay_state_of_another_record",
        REPLAY,
        "starts = slots % self.stride == 0",
        "starts = (slots + 1) % self.stride == 0",
        OFF_POLICY,
    ),
    Mutant("replay_of_inactive_rows", OFF, "learned = step.alive & self.active", "learned = step.alive", OFF_POLICY),
    Mutant("replay_retired_goes_on", OFF, "env.terminals | retired)", "env.terminals)", OFF_POLICY),
    Mutant(
        "replay_truncation_of_the_next_episode",
        OFF,
        "acting.to_device(env.final_observations)",
        "acting.to_device(env.observations)",
        OFF_POLICY,
    ),
    Mutant(
        "replay_final_state_before",
        OFF,
        "acting.to_device(env.final_observations), acting.state)",
        "acting.to_device(env.final_observations), seen.state)",
        OFF_POLICY,
    ),
    Mutant(
        "credit_of_sequences",
        OFF,
        "self.credit -= settings.batch_size",
        "self.credit -= settings.batch_size // settings.sequence",
        OFF_POLICY,
    ),
    Mutant(
        "credit_of_the_first_decisions",
        OFF,
        "counting = min(int(step.alive.sum()), max(0, self.ledger.global_step - self.settings.learning_starts))",
        "counting = int(step.alive.sum())",
        OFF_POLICY,
    ),
    Mutant("credit_not_restored", OFF, '        self.credit = parts["sampling"]["credit"]\n', "", OFF_POLICY),
    Mutant(
        "dqn_episode_start_stays",
        OFF,
        "self.acting.episode_start[:] = step.began",
        "self.acting.episode_start[:] |= step.began",
        OFF_POLICY,
    ),
    Mutant(
        "random_actions_begin_inside_others",
        EXPLORE,
        "(rng.random(n) < epsilon) & (self.left == 0)",
        "rng.random(n) < epsilon",
        EXPLORER,
    ),
    # -- what both share
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
        "training/common/acting.py",
        "self.acting.episode_start[:] = env.terminals",
        "self.acting.episode_start[:] |= env.terminals",
        EPISODES,
    ),
    Mutant(
        "history_of_the_former_episode",
        "training/common/history.py",
        "        self.ring = torch.where(episode_start[:, None, None], frames[:, None, :], self.ring)\n",
        "        self.ring = self.ring.clone()\n",
        HISTORY,
    ),
    Mutant(
        "factored_mean_of_log_probs",
        "policies/actions.py",
        "return self.each.log_prob(actions).sum(-1)",
        "return self.each.log_prob(actions).mean(-1)",
        ACTIONS,
    ),
)
