"""The list of faults: each a small change of the learners that leaves a run looking well and makes it learn worse."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault."""

    name: str
    file: str
    old: str  # stands in the file exactly once
    new: str
    tests: tuple[str, ...]  # paths that pytest is given


# The learners' tests: of a whole folder where no single file is about it
ON_POLICY = ("tests/training/on_policy",)
OFF_POLICY = ("tests/training/off_policy", "tests/training/test_learning.py")
INTRINSIC = ("tests/training/common/test_intrinsic.py",)
HISTORY = ("tests/training/common/test_history.py",)
ACTIONS = ("tests/policies/test_actions.py",)

MUTANTS = (
    # -- on-policy
    Mutant(
        "ppo_state_zero",
        "training/on_policy/rollout.py",
        "self.state.copy_(seen.state)",
        "self.state.zero_()",
        ON_POLICY,
    ),
    Mutant(
        "ppo_truncation_of_the_next_episode",
        "training/on_policy/runner.py",
        "self.env.final_observations[truncated]",
        "self.env.observations[truncated]",
        ON_POLICY,
    ),
    Mutant(
        "ppo_bootstrap_state_before",
        "training/on_policy/runner.py",
        "self.acting.state[rows], goes_on",
        "self.decision.seen.state[rows], goes_on",
        ON_POLICY,
    ),
    Mutant("ppo_no_annealing", "training/on_policy/ppo.py", "max(0.0, 1.0 - progress)", "1.0", ON_POLICY),
    Mutant(
        "ppo_no_clipping_of_gradients",
        "training/on_policy/ppo.py",
        "self.config.max_grad_norm)",
        "math.inf)",
        ON_POLICY,
    ),
    Mutant(
        "ppo_order_not_shuffled",
        "training/on_policy/ppo.py",
        "torch.randperm(count, generator=self.generator)",
        "torch.arange(count)",
        ON_POLICY,
    ),
    Mutant(
        "gae_runs_over_truncations",
        "training/on_policy/returns.py",
        "weights = gamma * lam * ~dones",
        "weights = gamma * lam * ~terminals",
        ON_POLICY,
    ),
    Mutant(
        "gae_without_mask",
        "training/on_policy/returns.py",
        "torch.where(mask, rewards + gamma * next_values * ~terminals - values, 0.0)",
        "rewards + gamma * next_values * ~terminals - values",
        ON_POLICY,
    ),
    Mutant(
        "gae_returns_without_values",
        "training/on_policy/returns.py",
        "return advantages, advantages + values",
        "return advantages, advantages",
        ON_POLICY,
    ),
    Mutant(
        "ppo_clip_side",
        "training/on_policy/ppo.py",
        "torch.maximum(-advantages * ratio",
        "torch.minimum(-advantages * ratio",
        ON_POLICY,
    ),
    Mutant(
        "ppo_entropy_sign",
        "training/on_policy/ppo.py",
        "pg_loss - config.ent_coef * entropy",
        "pg_loss + config.ent_coef * entropy",
        ON_POLICY,
    ),
    Mutant(
        "ppo_normalised_without_mask",
        "training/on_policy/ppo.py",
        "centre = advantages - mean(advantages, mask)",
        "centre = advantages - advantages.mean()",
        ON_POLICY,
    ),
    Mutant(
        "ppo_learns_inactive_rows", "training/on_policy/runner.py", "step.alive & active)", "step.alive)", ON_POLICY
    ),
    Mutant(
        "ppo_retired_goes_on",
        "training/on_policy/runner.py",
        "env.terminals | retired, acting",
        "env.terminals, acting",
        ON_POLICY,
    ),
    Mutant(
        "ppo_episode_start_stays",
        "training/on_policy/runner.py",
        "acting.episode_start[:] = step.began",
        "acting.episode_start[:] |= step.began",
        ON_POLICY,
    ),
    Mutant(
        "ppo_values_shifted",
        "training/on_policy/rollout.py",
        "torch.cat([self.values[1:], last[None]])",
        "torch.cat([self.values[:-1], last[None]])",
        ON_POLICY,
    ),
    Mutant(
        "learn_last_former_values",
        "training/on_policy/runner.py",
        "self._update(self._values_ahead())",
        "self._update(self.decision.values)",
        ON_POLICY,
    ),
    Mutant(
        "learn_last_learns_again", "training/on_policy/runner.py", "            self.learned = True\n", "", ON_POLICY
    ),
    Mutant(
        "rollout_history_off_by_one",
        "training/on_policy/rollout.py",
        "(self.former[t - 1] + 1)",
        "self.former[t - 1]",
        ON_POLICY,
    ),
    Mutant(
        "rollout_forgets_former_frames",
        "training/on_policy/rollout.py",
        "self.seen[: self.lead] = self.seen[-self.lead :].clone()",
        "self.seen[: self.lead] = 0",
        ON_POLICY,
    ),
    Mutant(
        "ppo_order_not_restored",
        "training/on_policy/ppo.py",
        '        self.generator.set_state(state["generator"])\n',
        "",
        ON_POLICY,
    ),
    Mutant(
        "ppo_draws_not_restored",
        "training/on_policy/runner.py",
        '        self.generator.set_state(state["generator"])\n',
        "",
        ON_POLICY,
    ),
    # -- off-policy
    Mutant(
        "replay_state_after",
        "training/off_policy/runner.py",
        "            seen.state,\n            seen.episode_start,",
        "            acting.state,\n            seen.episode_start,",
        OFF_POLICY,
    ),
    Mutant(
        "dqn_not_double", "training/off_policy/dqn.py", "best = q_online.argmax", "best = q_target.argmax", OFF_POLICY
    ),
    Mutant(
        "dqn_burn_in_thrown_away",
        "training/off_policy/dqn.py",
        "q_burn, state = self.policy.sequence",
        "q_burn, _ = self.policy.sequence",
        OFF_POLICY,
    ),
    Mutant(
        "dqn_gaps_by_the_online_network",
        "training/off_policy/dqn.py",
        "targets, q_target[burn:end]",
        "targets, q_online[burn:end]",
        OFF_POLICY,
    ),
    Mutant(
        "dqn_no_clipping_of_gradients",
        "training/off_policy/dqn.py",
        "config.max_grad_norm)",
        'float("inf"))',
        OFF_POLICY,
    ),
    Mutant(
        "dqn_trains_on_final_observations",
        "training/off_policy/dqn.py",
        "trained = ~batch.truncated[burn:end]",
        "trained = torch.ones_like(batch.truncated[burn:end])",
        OFF_POLICY,
    ),
    Mutant(
        "n_step_discount_off_by_one",
        "training/off_policy/targets.py",
        "gamma ** (m + 1) * bootstrap",
        "gamma**m * bootstrap",
        OFF_POLICY,
    ),
    Mutant(
        "n_step_runs_over_truncations",
        "training/off_policy/targets.py",
        "        alive = alive & ~truncated[here]\n",
        "",
        OFF_POLICY,
    ),
    Mutant(
        "dqn_target_follows_at_once",
        "training/off_policy/dqn.py",
        "follow(self.target, self.policy, self.config.tau)",
        "follow(self.target, self.policy, 1)",
        OFF_POLICY,
    ),
    Mutant(
        "dqn_acts_with_the_online_network",
        "training/off_policy/dqn.py",
        "self.policy if self.config.target_sync else self.target, 1)",
        "self.policy, 1)",
        OFF_POLICY,
    ),
    Mutant(
        "dqn_acting_not_restored",
        "training/off_policy/dqn.py",
        '        self.acting.load_state_dict(state["acting"])\n',
        "",
        OFF_POLICY,
    ),
    Mutant(
        "replay_frames_overwritten",
        "training/off_policy/replay.py",
        "np.where(oldest > 0, self.history - 1, 0)",
        "np.where(oldest > 0, 0, 0)",
        OFF_POLICY,
    ),
    Mutant(
        "replay_one_record_too_far",
        "training/off_policy/replay.py",
        "last = self.count - self.sequence_length",
        "last = self.count - self.sequence_length + 1",
        OFF_POLICY,
    ),
    Mutant(
        "replay_state_of_another_record",
        "training/off_policy/replay.py",
        "starts = slots % self.stride == 0",
        "starts = (slots + 1) % self.stride == 0",
        OFF_POLICY,
    ),
    Mutant(
        "replay_of_inactive_rows",
        "training/off_policy/runner.py",
        "learned = step.alive & self.active",
        "learned = step.alive",
        OFF_POLICY,
    ),
    Mutant(
        "replay_retired_goes_on",
        "training/off_policy/runner.py",
        "env.terminals | retired)",
        "env.terminals)",
        OFF_POLICY,
    ),
    Mutant(
        "replay_truncation_of_the_next_episode",
        "training/off_policy/runner.py",
        "acting.to_device(env.final_observations)",
        "acting.to_device(env.observations)",
        OFF_POLICY,
    ),
    Mutant(
        "replay_final_state_before",
        "training/off_policy/runner.py",
        "acting.to_device(env.final_observations), acting.state)",
        "acting.to_device(env.final_observations), seen.state)",
        OFF_POLICY,
    ),
    Mutant(
        "credit_of_sequences",
        "training/off_policy/runner.py",
        "self.credit -= settings.batch_size",
        "self.credit -= settings.batch_size // settings.sequence",
        OFF_POLICY,
    ),
    Mutant(
        "credit_of_the_first_decisions",
        "training/off_policy/runner.py",
        "counting = min(int(step.alive.sum()), max(0, self.ledger.global_step - self.settings.learning_starts))",
        "counting = int(step.alive.sum())",
        OFF_POLICY,
    ),
    Mutant(
        "credit_not_restored",
        "training/off_policy/runner.py",
        '        self.credit = parts["sampling"]["credit"]\n',
        "",
        OFF_POLICY,
    ),
    Mutant(
        "dqn_episode_start_stays",
        "training/off_policy/runner.py",
        "self.acting.episode_start[:] = step.began",
        "self.acting.episode_start[:] |= step.began",
        OFF_POLICY,
    ),
    Mutant(
        "random_actions_begin_inside_others",
        "training/off_policy/explore.py",
        "(rng.random(n) < epsilon) & (self.left == 0)",
        "rng.random(n) < epsilon",
        ("tests/training/off_policy/test_explore.py",),
    ),
    # -- what both share
    Mutant("rnd_without_window", "training/common/intrinsic.py", "min(count, RND_WINDOW)", "count", INTRINSIC),
    Mutant(
        "rnd_without_discount",
        "training/common/intrinsic.py",
        "self.gamma * self.returns[alive]",
        "self.returns[alive]",
        INTRINSIC,
    ),
    Mutant(
        "rnd_rewards_by_the_unpublished",
        "training/common/intrinsic.py",
        "self._error(self.acting, features)",
        "self._error(self.predictor, features)",
        INTRINSIC,
    ),
    Mutant(
        "player_always_begins",
        "training/common/acting.py",
        "self.acting.episode_start[:] = env.terminals",
        "self.acting.episode_start[:] |= env.terminals",
        ("tests/training/evaluation/test_episodes.py", "tests/training/test_learning.py"),
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
