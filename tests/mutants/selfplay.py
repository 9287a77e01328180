"""Faults of self-play: who is drawn, who plays with what, what is learned from and what is kept."""

from tests.mutants.mutant import Mutant

LEAGUE, POOL, ELO = (f"training/selfplay/{name}.py" for name in ("league", "pool", "elo"))
PPO, RUNNER = "training/on_policy/ppo.py", "training/on_policy/runner.py"

ALL = ("tests/training/selfplay",)

MUTANTS = (
    Mutant("guests_begin_with_the_state_after", LEAGUE, "seen.state[rows]", "state[rows]", ALL),
    Mutant("guests_forget", LEAGUE, "            state[rows] = after\n", "", ALL),
    Mutant("guests_never_begin_anew", LEAGUE, "seen.episode_start[rows]", "seen.episode_start[rows] & False", ALL),
    Mutant("guests_play_the_first_agent", LEAGUE, "2 * np.array(matches) + 1", "2 * np.array(matches)", ALL),
    Mutant(
        "guests_act_by_the_latest",
        LEAGUE,
        "            self.pool.load(name, network)\n            self.networks",
        "            self.networks",
        ALL,
    ),
    Mutant(
        "what_guests_do_is_not_sent",
        LEAGUE,
        "            sent[rows] = distribution",
        "            actions[rows] = distribution",
        ALL,
    ),
    Mutant(
        "the_next_opponent_plays_at_once",
        LEAGUE,
        "            self.playing[match] = self.planned[match]\n            self._plan(match)\n",
        "            self._plan(match)\n            self.playing[match] = self.planned[match]\n",
        ALL,
    ),
    Mutant(
        "results_of_the_next_match", LEAGUE, "opponent = self.playing[finished", "opponent = self.planned[finished", ALL
    ),
    Mutant(
        "no_limit_of_live_snapshots", LEAGUE, "len(in_use) >= self.config.live", "len(in_use) > self.config.live", ALL
    ),
    Mutant("snapshots_never_leave", LEAGUE, "or list(self.terms)[-1:]", "or list(self.terms)[:1]", ALL),
    Mutant("draws_not_restored", LEAGUE, '        self.rng.bit_generator.state = state["rng"]\n', "", ALL),
    Mutant(
        "guests_draws_not_restored", LEAGUE, '        restore_generator(self.generator, state["generator"])\n', "", ALL
    ),
    Mutant("elo_upside_down", ELO, "(theirs - ours) / 400.0", "(ours - theirs) / 400.0", ALL),
    Mutant("a_snapshot_begins_at_the_start", POOL, "Standing(self.rating)", "Standing(elo.START)", ALL),
    Mutant("pfsp_of_the_beaten", POOL, "1.0 - self.standings[name].score", "self.standings[name].score", ALL),
    Mutant("snapshots_in_use_go", POOL, "if each not in in_use]:", "]:", ALL),
    Mutant(
        "opponents_rows_are_learned_from",
        PPO,
        "counts if counts.any() else torch.ones_like(counts)",
        "torch.ones_like(counts)",
        ALL,
    ),
    Mutant("opponents_not_restored", RUNNER, 'self.opponents.load_state_dict(parts["opponents"], files)', "pass", ALL),
)
