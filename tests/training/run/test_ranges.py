"""Every number has a range, and what lies outside is refused in a sentence that names the flag."""

import math
from types import SimpleNamespace
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Interval

import train_big
from policies import registry as policies
from puffer_envs import registry as env_registry
from training.run import build, cli, ranges
from training.run.preflight import UserError

PPO = ("--env", "voxel_swarm")
# Checked by their games, which know more than a range, or open: a reward may weigh what it will.
OPEN = ("reward_", "map_size", "land_share", "num_bots", "ticks", "win_share", "view_size", "grid_size", "num_agents")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--total-steps", "-5"], "--total-steps -5: it must be at least 1"),
        (["--log-interval", "0"], "--log-interval 0: it must be at least 1"),
        (["--num-envs", "0"], "--num-envs 0: it must be at least 1"),
        (["--seed", "-1"], "--seed -1: it must be at least 0"),
        (["--batch-size", "0"], "--batch-size 0: it must be at least 1 or none"),
        (["--torch-threads", "0"], "--torch-threads 0: it must be auto or at least 1"),
        (["--learner.gamma", "1.5"], "--learner.gamma 1.5: it must be from 0 to 1"),
        ([*PPO, "--learner.gamma", "1.5"], "--learner.gamma 1.5: it must be from 0 to 1"),
        (["--learner.learning-rate", "-1"], "--learner.learning-rate -1.0: it must be above 0 and at most 1"),
        (["--learner.sequence", "0"], "--learner.sequence 0: it must be at least 1"),
        (["--learner.burn-in", "-1"], "--learner.burn-in -1: it must be at least 0"),
        (["--learner.epsilon-zeta", "1"], "--learner.epsilon-zeta 1.0: it must be above 1 or 0"),
        (["--learner.epsilon-zeta", "nan"], "--learner.epsilon-zeta nan: it must be above 1 or 0"),
        ([*PPO, "--learner.num-steps", "0"], "--learner.num-steps 0: it must be at least 1"),
        ([*PPO, "--learner.target-kl", "0"], "--learner.target-kl 0.0: it must be above 0 or none"),
        (["--intrinsic.rnd-gamma", "2"], "--intrinsic.rnd-gamma 2.0: it must be from 0 to 1"),
        (["--evaluation.episodes", "0"], "--evaluation.episodes 0: it must be at least 1"),
        (["--policy.hidden", "0"], "--policy.hidden 0: it must be at least 1"),
        (["--policy.cnn-channels", "0"], "--policy.cnn-channels (0,): it must be at least 1 each"),
        (["--env.reward-badge", "inf"], "--env.reward-badge inf: it must be a finite number"),
        (["--env.frames-per-step", "0"], "--env.frames-per-step 0: it must be at least 1"),
        (["--curriculum.new-game-fraction", "1.5"], "--curriculum.new-game-fraction 1.5: it must be from 0 to 1"),
        (["--curriculum.keep-per-milestone", "0"], "--curriculum.keep-per-milestone 0: it must be at least 1"),
        (["--curriculum.refresh-steps", "-1"], "--curriculum.refresh-steps -1: it must be at least 0"),
        (["--curriculum.half-life", "nan"], "--curriculum.half-life nan: it must be above 0"),
        (
            ["--curriculum.tier-weights", "1", "-1", "1"],
            "--curriculum.tier-weights (1.0, -1.0, 1.0): it must be 3 numbers, at least 0 each",
        ),
    ],
)
def test_what_is_out_of_range_is_refused(flags, sentence):
    with pytest.raises(UserError) as error:
        cli.parse(flags)
    assert str(error.value) == sentence


def test_it_is_refused_wherever_it_comes_from(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[learner]\ngamma = 1.5\n")
    with pytest.raises(UserError, match=r"--learner\.gamma 1\.5: it must be from 0 to 1"):
        cli.parse(["--config", str(file)])
    assert cli.parse(["--config", str(file), "--learner.gamma", "1"]).learner.gamma == 1


@pytest.mark.parametrize("env", ["pokemon_red", "platform_fighter", "territory", "voxel_swarm"])
@pytest.mark.parametrize("size", ["slim", "large"])
def test_every_number_of_a_run_has_a_range(env, size):
    config = cli.parse(["--env", env, "--model-size", size])
    for flag, _, hint, value in ranges.settings(config):
        assert ranges.fits(hint, value), flag
        bare = ranges.range_text(hint) in ("a finite number", "a whole number")
        assert not bare or any(word in flag.replace("-", "_") for word in OPEN), flag


def test_the_generic_network_has_ranges_too():
    assert not ranges.fits(next(ranges.settings(policies.preset(None, "slim"))).hint, 0)


@pytest.mark.parametrize("text", ["1e6", "1000000", "1_000_000", "1.0E6"])
def test_a_million_can_be_written_shortly(text):
    config = cli.parse(["--total-steps", text])
    assert (config.total_steps, type(config.total_steps)) == (1_000_000, int)


def test_a_file_may_say_a_million_shortly(tmp_path):
    (tmp_path / "mine.toml").write_text("total_steps = 1e6\n")
    config = cli.parse(["--config", str(tmp_path / "mine.toml")])
    assert (config.total_steps, type(config.total_steps)) == (1_000_000, int)


@pytest.mark.parametrize("text", ["1.5", "inf", "many"])
def test_a_share_of_a_step_is_no_number_of_steps(text, capsys):
    with pytest.raises(SystemExit):
        cli.parse(["--total-steps", text])
    assert "--total-steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("hint", "text", "good", "bad"),
    [
        (Annotated[float, Interval(ge=0, le=1)], "from 0 to 1", (0, 0.5, 1.0), (-0.1, 1.1, math.nan, True)),
        (Annotated[float, Interval(gt=0, le=1)], "above 0 and at most 1", (1e-9, 1), (0, 2)),
        (Annotated[int, Ge(1)], "at least 1", (1, 10**12), (0, 1.0, True)),
        (Annotated[int, Ge(1)] | None, "at least 1 or none", (None, 1), (0,)),
        (Annotated[float, Gt(1)] | Literal[0], "above 1 or 0", (0, 0.0, 1.5), (1, -1)),
        (Literal["a", "b"], "a or b", ("a",), ("c", 1)),
        (tuple[Annotated[int, Ge(1)], ...], "at least 1 each", ((), (1, 2)), ((1, 0),)),
        (float, "a finite number", (1, -2.5), (math.inf, math.nan)),
        (str | None, "text or none", ("x", None), (1,)),
    ],
)
def test_an_annotation_says_what_it_allows(hint, text, good, bad):
    assert ranges.range_text(hint) == text
    assert all(ranges.fits(hint, value) for value in good)
    assert not any(ranges.fits(hint, value) for value in bad)


@pytest.mark.parametrize(("state_size", "most"), [(0, 4 * 10 * 8), (16, 4 * 10)])
def test_minibatches_do_not_outnumber_what_they_take(state_size, most):
    flags = [*PPO, "--num-envs", "4", "--learner.num-steps", "8", "--learner.num-minibatches"]
    spec = env_registry.resolve("voxel_swarm").spec(cli.parse(PPO).game)
    policy = SimpleNamespace(state_size=state_size)
    build._check_minibatches(cli.parse([*flags, str(most)]), spec, policy)
    with pytest.raises(UserError, match=f"--learner.num-minibatches {most + 1}: it must be at most {most}"):
        build._check_minibatches(cli.parse([*flags, str(most + 1)]), spec, policy)


def test_too_many_minibatches_are_refused_before_anything_is_written(tmp_path, capsys):
    where = ["--runs-dir", str(tmp_path / "runs"), "--savestates-dir", str(tmp_path / "savestates")]
    assert train_big.main([*PPO, *where, "--run-name", "one", "--learner.num-minibatches", "100000"]) == 2
    assert "--learner.num-minibatches 100000: it must be at most" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
