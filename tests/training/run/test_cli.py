"""Precedence of settings, and that what a run writes down can be given back."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from training.run import cli
from training.run.preflight import UserError


def test_default_preset_file_flag(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("num_envs = 8\n[learner]\ngamma = 0.5\ntau = 1\n[game]\nreward_badge = 7.0\n")
    assert cli.parse([]).learner.gamma == 0.99
    assert cli.parse(["--preset", "document"]).learner.gamma == 0.99
    both = cli.parse(["--preset", "document", "--config", str(file)])
    assert (both.learner.gamma, both.learner.n_step, both.learner.tau) == (0.5, 1, 1.0)
    flags = cli.parse(["--config", str(file), "--learner.gamma", "0.75", "--env.reward-badge", "9"])
    assert (flags.learner.gamma, flags.num_envs, flags.game.reward_badge) == (0.75, 8, 9.0)


def test_presets_of_learner_and_game_go_together():
    config = cli.parse(["--preset", "red,document"])
    assert config.game.new_game_steps == 19_816
    assert config.learner.n_step == 1


def test_a_flag_of_the_game_is_its_setting(tmp_path):
    config = cli.parse(["--rom", "red.gb", "--run-name", "one"])
    assert config.game.rom == "red.gb"
    (tmp_path / "new.toml").write_text(cli.to_toml(config))
    (tmp_path / "old.toml").write_text('rom = "blue.gb"\n')
    assert cli.parse(["--config", str(tmp_path / "new.toml")]).game.rom == "red.gb"
    assert cli.parse(["--config", str(tmp_path / "new.toml"), "--env.rom", "blue.gb"]).game.rom == "blue.gb"
    assert cli.parse(["--config", str(tmp_path / "old.toml")]).game.rom == "blue.gb"


def test_what_is_written_down_can_be_given_back(tmp_path):
    config = cli.parse(["--num-envs", "6", "--model-size", "slim", "--policy.hidden", "64", "--run-name", "one"])
    file = tmp_path / "config.toml"
    file.write_text(cli.to_toml(config))
    again = cli.parse(["--config", str(file)])
    for field in dataclasses.fields(config):
        if field.name != "config":
            assert getattr(again, field.name) == getattr(config, field.name), field.name


def test_sizes_settle_what_was_left_open():
    slim, large = cli.parse(["--model-size", "slim"]), cli.parse([])
    assert (slim.learner.replay_size, large.learner.replay_size) == (200_000, 400_000)
    assert (slim.policy.hidden, large.policy.hidden) == (128, 256)
    assert cli.parse(["--batch-size", "512"]).learner.batch_size == 512


def test_a_game_may_choose_the_size():
    """The fighter's is one for CPUs, its network and all; who asks for the other has it."""
    game = ["--env", "platform_fighter"]
    for flags in (game, [*game, "--preset", "full"]):
        config = cli.parse(flags)
        assert (config.model_size, config.policy.width) == ("slim", 16)
    config = cli.parse([*game, "--model-size", "large", "--preset", "full"])
    assert (config.model_size, config.policy.width) == ("large", 256)


def test_a_file_may_choose_the_size(tmp_path):
    file = tmp_path / "slim.toml"
    file.write_text('model_size = "slim"\n')
    assert cli.parse(["--config", str(file)]).policy.hidden == 128
    assert cli.parse(["--config", str(file), "--model-size", "large"]).policy.hidden == 256


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("num_envs = 'eight'", "is int"),
        ("[learner]\ngama = 1", "no setting here"),
        ("num_envs = ", "no valid TOML"),
        ("[game]\nreward_badge = true", "is float"),
        ("[env]\nreward_badge = 1.0", "table"),
        ("[curriculum]\nkeep_per_milestone = 0", "at least 1"),
        ("[learner]\nsequence = 0", "--learner.sequence 0: it must be at least 1"),
        ("preset = 'grey'", "no preset 'grey'"),
        ("[curriculum]\nmode = 'random'", "--curriculum.mode random: it must be mixture or frontier"),
        ("[curriculum]\ntier_weights = [1, 1]", "--curriculum.tier-weights .*: it must be 3 numbers"),
        ("total_steps = 1.5", "is int"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path, text, words):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=words):
        cli.parse(["--config", str(file)])


def test_a_resumed_run_keeps_its_settings(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "config.toml").write_text(cli.to_toml(cli.parse(["--learner.gamma", "0.5", "--run-name", "one"])))
    flags = ["--runs-dir", str(tmp_path), "--run-name", "one", "--resume"]
    assert cli.parse(flags).learner.gamma == 0.5
    assert cli.parse([*flags, "--learner.gamma", "0.25"]).learner.gamma == 0.25


def test_resume_needs_a_name():
    with pytest.raises(UserError, match="--run-name"):
        cli.parse(["--resume"])


def test_a_file_may_name_a_preset(tmp_path):
    file = tmp_path / "red.toml"
    file.write_text('preset = "red"\n')
    assert cli.parse(["--config", str(file)]).game.new_game_steps == 19_816


@pytest.mark.parametrize(
    ("cuda", "gigabytes", "mps", "wanted"),
    [(True, 80, False, 8), (True, 16, False, 4), (False, 0, True, 4), (False, 0, False, 2)],
)
def test_a_preset_for_this_machine(monkeypatch, cuda, gigabytes, mps, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=gigabytes * 1e9))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    config = cli.parse(["--env", "territory", "--preset", "auto"])
    assert config.num_envs == wanted
    decisions = config.num_envs * config.learner.num_steps
    assert decisions // config.learner.num_minibatches == {8: 256, 4: 64 if mps else 128, 2: 32}[wanted]
    assert config.game.local_view_size == (128 if wanted == 2 else 256)


@pytest.mark.parametrize("flags", [("--learner.alpha", "0.2"), ("--learner.target-entropy", "-1.0"), ()])
def test_a_number_in_the_place_of_auto_is_read_back(flags: tuple[str, ...], tmp_path: Path) -> None:
    config = cli.parse(["--env", "dodge", "--algo", "sac", "--run-name", "one", *flags])
    file = tmp_path / "settings.toml"
    file.write_text(cli.to_toml(config))
    assert cli.parse(["--config", str(file), "--run-name", "one"]).learner == config.learner
    back = cli.parse(["--config", str(file), "--run-name", "one", "--learner.alpha", "auto"])
    assert back.learner.alpha == "auto"


def test_a_number_where_only_words_can_stand_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("device = 3\n")
    with pytest.raises(UserError, match="--device 3: it must be text"):
        cli.parse(["--config", str(file)])


@pytest.mark.parametrize(
    ("flags", "meant"),
    [
        (("--algo", "sac", "--env.actions", "discrete"), "ppo or dqn"),
        (("--algo", "dqn", "--env.actions", "basic_3d"), "ppo or sac"),
    ],
)
def test_a_learner_that_cannot_learn_these_actions_says_which_can(flags: tuple[str, ...], meant: str) -> None:
    with pytest.raises(UserError, match=f"take --algo {meant}, or other actions"):
        cli.parse(["--env", "dodge", *flags])


def test_a_preset_has_settings_for_each_of_its_learners() -> None:
    for algo, epochs in (("ppo", 4), ("sac", None)):
        config = cli.parse(["--env", "dodge", "--algo", algo, "--preset", "pictures"])
        assert config.game.observation == "image"
        assert getattr(config.learner, "update_epochs", None) == epochs
    assert cli.parse(["--env", "dodge"]).learner.update_epochs == 2


def test_a_game_has_defaults_for_each_of_its_learners() -> None:
    assert cli.parse(["--env", "dodge", "--algo", "dqn"]).game.actions == "discrete"
    assert cli.parse(["--env", "dodge", "--algo", "sac"]).game.actions == "basic_3d"


def test_a_file_may_have_settings_for_each_learner(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('env = "dodge"\n[learners.sac.learner]\ntau = 0.5\n[learners.ppo.learner]\nnum_steps = 7\n')
    assert cli.parse(["--config", str(file)]).learner.num_steps == 7
    assert cli.parse(["--config", str(file), "--algo", "sac"]).learner.tau == 0.5
    file.write_text('env = "dodge"\n[learners.a2c.learner]\ntau = 0.5\n')
    with pytest.raises(UserError, match=r"sets 'learners\.a2c'; the learners are dqn, ppo, sac"):
        cli.parse(["--config", str(file)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("num_workers = {a = 1}", "has a table 'num_workers', where a value belongs"),
        ('[curriculum]\nenabled = "auto"', "--curriculum.enabled auto: it must be true or false"),
    ],
)
def test_what_is_no_value_of_a_setting_is_one_sentence(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text + "\n")
    with pytest.raises(UserError, match=words):
        cli.parse(["--config", str(file)])


def test_a_flag_of_other_learners_says_whose_it_is() -> None:
    with pytest.raises(UserError, match=r"--learner\.tau is a setting of --algo dqn or sac, and this is ppo"):
        cli.parse(["--env", "dodge", "--learner.tau", "0.5"])
