"""The help folds, says ranges and no anecdotes, and a wrong flag is told what it may have meant."""

import re

import pytest

from training import evaluate
from training.run import cli
from training.run.preflight import UserError

PPO = ("--env", "voxel_swarm")


def help_text(capsys, *argv: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.parse(argv)
    assert stopped.value.code == 0
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_the_help_has_the_runs_own_settings_and_a_line_for_each_group(capsys):
    text = help_text(capsys, "--help")
    assert "--num-envs INT, at least 1 Environments stepped together. (default: 32)" in text
    assert not re.search(r"--learner\.[a-z]", text)
    for group in ("env", "learner", "intrinsic", "curriculum", "evaluation", "policy"):
        assert f"--help {group} --{group}.*" in text


@pytest.mark.parametrize("argv", [("--help", "learner"), (*PPO, "-h", "learner")])
def test_a_group_has_its_ranges(capsys, argv):
    text = help_text(capsys, *argv)
    assert "--learner.gamma FLOAT, from 0 to 1 Discount a step. (default: 0.99)" in text
    assert "--learner.learning-rate FLOAT, above 0 and at most 1 Learning rate of Adam" in text
    assert "--num-envs" not in text
    assert "--curriculum." not in text


@pytest.mark.parametrize("env", ["pokemon_red", "platform_fighter", "territory", "voxel_swarm"])
def test_all_of_it_without_anecdotes(capsys, env):
    text = help_text(capsys, "--env", env, "--help", "all")
    for flag in ("--num-envs", "--learner.gamma", "--env.reward-", "--policy.hidden", "--evaluation.episodes"):
        assert flag in text
    assert not re.search(r"\bprobes?\b|outweighed|in none\b", text)


def test_a_group_that_there_is_not():
    with pytest.raises(UserError, match=r"no settings 'lerner': use .* --help env\|learner\|"):
        cli.parse(["--help", "lerner"])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([*PPO, "--learner.epsilon-base", "1"], "--learner.epsilon-base is a setting of --algo dqn, and this is ppo"),
        ([*PPO, "--intrinsic.rnd", "1"], "--intrinsic.rnd is a setting of --algo dqn"),
        (["--learner.clip-coef", ".1"], "--learner.clip-coef is a setting of --algo ppo, and this is dqn"),
        (["--lr", "1e-3"], "there is no --lr: did you mean --learner.learning-rate?"),
        (["--lr=1e-3"], "there is no --lr: did you mean --learner.learning-rate?"),
        (["--gamma", ".9"], "did you mean --learner.gamma?"),
        (["--learner.gama", ".9"], "did you mean --learner.gamma?"),
        (["--num-env", "4"], "did you mean --num-envs?"),
        (["--reward_badge", "4"], "did you mean --env.reward-badge?"),
        (["--env", "platform_fighter", "--selfplay.scripts", "based", "0"], "did you mean --selfplay.scripts.based?"),
        (["--frobnicate"], "there is no --frobnicate: python -m train_big --help"),
        (["twice"], "there is no twice"),
    ],
)
def test_a_flag_that_there_is_not(flags, words):
    with pytest.raises(UserError) as error:
        cli.parse(flags)
    assert words in str(error.value)


def test_evaluate_names_its_own_command(tmp_path, capsys):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.toml").write_text(cli.to_toml(cli.parse([*PPO, "--run-name", "one"])))
    where = ["--run", "one", "--runs-dir", str(tmp_path)]
    assert evaluate.main([*where, "--epsiodes", "3"]) == 2
    assert "did you mean --episodes? python -m training.evaluate --help" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        evaluate.main([*where, "--seed", "one"])
    errors = capsys.readouterr().err
    assert "training.evaluate --help" in errors
    assert "train_big" not in errors
