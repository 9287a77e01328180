"""Faults of learning from a replay: what is stored, what is made of it, how much is learned and how it explores."""

from tests.mutants.mutant import Mutant

DQN, TARGETS, REPLAY = (f"training/off_policy/{name}.py" for name in ("dqn", "targets", "replay"))
RUNNER, EXPLORE = "training/off_policy/runner.py", "training/off_policy/explore.py"
THREAD = "training/off_policy/background.py"

# The tests that must notice, the quickest first; learning curves are not among them
ALL = (
    "tests/training/off_policy/test_dqn.py",
    "tests/training/off_policy/test_replay.py",
    "tests/training/off_policy/test_wiring.py",
)
EXPLORING = ("tests/training/off_policy/test_explore.py",)
BACKGROUND = ("tests/training/off_policy/test_background.py",)
RECORDS = ("tests/training/off_policy/test_runner.py",)
COURSES = ("tests/training/off_policy/test_courses.py",)
SEGMENTS = "training/off_policy/segments.py"

MUTANTS = (
    Mutant(
        "replay_state_after",
        RUNNER,
        "            seen.state,\n            seen.episode_start,",
        "            acting.state,\n            seen.episode_start,",
        ALL,
    ),
    Mutant("dqn_not_double", DQN, "best = q_online.argmax", "best = q_target.argmax", ALL),
    Mutant(
        "dqn_burn_in_thrown_away", DQN, "q_burn, state = self.policy.sequence", "q_burn, _ = self.policy.sequence", ALL
    ),
    Mutant("dqn_gaps_by_the_online_network", DQN, "targets, q_target[burn:end]", "targets, q_online[burn:end]", ALL),
    Mutant("dqn_no_clipping_of_gradients", DQN, "config.max_grad_norm)", 'float("inf"))', ALL),
    Mutant(
        "dqn_trains_on_final_observations",
        DQN,
        "trained = ~batch.truncated[burn:end]",
        "trained = torch.ones_like(batch.truncated[burn:end])",
        ALL,
    ),
    Mutant("n_step_discount_off_by_one", TARGETS, "gamma ** (m + 1) * bootstrap", "gamma**m * bootstrap", ALL),
    Mutant("n_step_runs_over_truncations", TARGETS, "        running = running & ~truncated[here]\n", "", ALL),
    Mutant(
        "dqn_target_follows_at_once",
        DQN,
        "follow(self.target, self.policy, self.config.tau)",
        "follow(self.target, self.policy, 1)",
        ALL,
    ),
    Mutant(
        "dqn_acts_with_the_online_network",
        DQN,
        "self.policy if self.config.target_sync else self.target, 1)",
        "self.policy, 1)",
        ALL,
    ),
    Mutant("dqn_acting_not_restored", DQN, '        self.acting.load_state_dict(state["acting"])\n', "", ALL),
    Mutant(
        "replay_frames_overwritten",
        REPLAY,
        "np.where(oldest > 0, self.reach, 0)",
        "np.where(oldest > 0, 0, 0)",
        ALL,
    ),
    Mutant(
        "replay_one_record_too_far",
        REPLAY,
        "last = self.count - self.sequence_length",
        "last = self.count - self.sequence_length + 1",
        ALL,
    ),
    Mutant(
        "replay_state_of_another_record",
        REPLAY,
        "starts = slots % self.stride == 0",
        "starts = (slots + 1) % self.stride == 0",
        ALL,
    ),
    Mutant("replay_of_inactive_rows", RUNNER, "learned = step.alive & self.active", "learned = step.alive", ALL),
    Mutant("replay_retired_goes_on", RUNNER, "env.terminals | retired)", "env.terminals)", ALL),
    Mutant(
        "replay_truncation_of_the_next_episode",
        RUNNER,
        "acting.to_device(env.final_observations)",
        "acting.to_device(env.observations)",
        ALL,
    ),
    Mutant(
        "replay_final_state_before",
        RUNNER,
        "acting.to_device(env.final_observations), acting.state)",
        "acting.to_device(env.final_observations), seen.state)",
        ALL,
    ),
    Mutant(
        "credit_of_sequences",
        RUNNER,
        "self.credit -= settings.batch_size",
        "self.credit -= settings.batch_size // settings.sequence",
        ALL,
    ),
    Mutant(
        "credit_of_the_first_decisions",
        RUNNER,
        "min(int((step.alive & self.active).sum()), since)",
        "int((step.alive & self.active).sum())",
        ALL,
    ),
    Mutant("credit_not_restored", RUNNER, '        self.credit = parts["sampling"]["credit"]\n', "", ALL),
    Mutant(
        "dqn_episode_start_stays",
        RUNNER,
        "self.acting.episode_start[:] = step.began",
        "self.acting.episode_start[:] |= step.began",
        ALL,
    ),
    Mutant(
        "random_actions_begin_inside_others",
        EXPLORE,
        "(rng.random(n) < epsilon) & (self.left == 0)",
        "rng.random(n) < epsilon",
        EXPLORING,
    ),
    Mutant(
        "n_step_terminals_bootstrap",
        TARGETS,
        "        value = torch.where(running & terminal[here], 0.0, value)\n",
        "",
        ALL,
    ),
    Mutant("n_step_discount_of_rewards", TARGETS, "gamma**m * rewards[here]", "gamma ** (m + 1) * rewards[here]", ALL),
    Mutant("gaps_of_the_best", TARGETS, "targets - weight * (q.max", "targets + weight * (q.max", ALL),
    Mutant(
        "dqn_target_sync_off_by_one",
        DQN,
        "self.updates % self.config.target_sync == 0",
        "self.updates % self.config.target_sync == 1",
        ALL,
    ),
    Mutant("dqn_optimizer_not_restored", DQN, '        self.optimizer.load_state_dict(state["optimizer"])\n', "", ALL),
    Mutant(
        "dqn_tail_without_memory",
        DQN,
        "self.policy.sequence(tail, state.detach()",
        "self.policy.sequence(tail, batch.state",
        ALL,
    ),
    Mutant(
        "replay_stride_too_long",
        REPLAY,
        "(min(sequence, LONGEST_STRIDE).bit_length() - 1)",
        "min(sequence, LONGEST_STRIDE).bit_length()",
        ALL,
    ),
    Mutant(
        "replay_draws_not_restored",
        RUNNER,
        '        self.sampling.bit_generator.state = parts["sampling"]["rng"]\n',
        "",
        ALL,
    ),
    Mutant(
        "lost_rows_not_closed",
        RUNNER,
        "            self.replay.close(lost, seen.rows, seen.state)\n",
        "            pass\n",
        ALL,
    ),
    Mutant(
        "background_rnd_not_published", THREAD, "            self.rnd.publish()\n", "            pass\n", BACKGROUND
    ),
    Mutant(
        "background_untaken_forgotten",
        THREAD,
        'if state["untaken"] is not None',
        'if state["untaken"] is None',
        BACKGROUND,
    ),
    Mutant("boredom_outlives_its_episode", EXPLORE, "        self.bored[rows] = 0\n", "", EXPLORING),
    Mutant("ladder_ends_early", EXPLORE, "max(num_envs - 1, 1)", "num_envs", EXPLORING),
    Mutant(
        "credit_for_inactive_rows", RUNNER, "int((step.alive & self.active).sum())", "int(step.alive.sum())", RECORDS
    ),
    Mutant(
        "random_action_outlives_its_episode",
        EXPLORE,
        "        self.left[rows] = 0\n",
        "        self.action[rows] = 0\n",
        EXPLORING,
    ),
    Mutant("boredom_by_surprise", RUNNER, "bonus[:, NOVEL] == 1.0", "bonus[:, 0] == 1.0", COURSES),
    Mutant(
        "curiosity_outlives_an_absence",
        RUNNER,
        "np.flatnonzero(step.began)",
        "np.flatnonzero(step.began & step.alive)",
        COURSES,
    ),
    Mutant("history_before_the_first_record", REPLAY, "window[:pad] >= 0)", "window[:pad] > 0)", ALL),
    Mutant(
        "segments_of_others_written_over",
        "training/store/files.py",
        "    path.unlink(missing_ok=True)\n",
        "",
        ("tests/training/off_policy/test_segments.py",),
    ),
    Mutant(
        "segments_of_another_future",
        SEGMENTS,
        "            if number not in self.written:\n",
        "            if not self._path(number).exists():\n",
        ("tests/training/off_policy/test_segments.py",),
    ),
    Mutant(
        "bored_rows_explore_less",
        EXPLORE,
        "np.maximum(epsilon, self.config.epsilon_bored)",
        "self.config.epsilon_bored",
        EXPLORING,
    ),
)
