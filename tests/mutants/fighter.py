"""Faults of the platform fighter: steps of several frames, scripts, and the reward that is ours."""

from tests.mutants.mutant import Mutant

KERNELS, REWARDS = (f"puffer_envs/platform_fighter/{name}.py" for name in ("kernels", "rewards"))

STEPS = ("tests/platform_fighter/test_frame_skip.py",)
SCRIPTS = ("tests/platform_fighter/test_env.py",)
TERMS = ("tests/platform_fighter/test_rewards.py", *STEPS)

MUTANTS = (
    Mutant(
        "a_match_plays_on_in_its_last_step", KERNELS, "            if over or late:\n                break\n", "", STEPS
    ),
    Mutant(
        "scripts_of_the_wrong_fighter",
        KERNELS,
        "choose(match, me, seats[first + me]",
        "choose(match, 1 - me, seats[first + me]",
        STEPS,
    ),
    Mutant("scripts_count_steps", KERNELS, "match.numbers[FRAME] + 1)", "match.numbers[FRAME] // 3 + 1)", SCRIPTS),
    Mutant("approach_of_the_last_frame", REWARDS, "row[_APPROACH] += approach", "row[_APPROACH] = approach", STEPS),
    Mutant("approach_by_the_other", REWARDS, "own[VX] * dx + own[VY] * dy", "other[VX] * dx + other[VY] * dy", TERMS),
    Mutant(
        "approach_to_who_is_knocked_out",
        REWARDS,
        "match.whole[0, STATE] == KO or match.whole[1, STATE] == KO",
        "match.whole[me, STATE] == KO",
        TERMS,
    ),
)
