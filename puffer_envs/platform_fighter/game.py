"""What the platform fighter is to the rest of the house."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from puffer_envs.contract.game import Column, Game, Table
from puffer_envs.platform_fighter.config import LEARNER, OPPONENTS, PRESETS, Config, reward_weights
from puffer_envs.platform_fighter.env import NAME, PlatformFighter, check, spec


def against_scripts(config: Config, given: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    """Each scripted opponent, or just the one that was chosen by hand."""
    if "opponent" in given:
        return {"": {}}
    return {opponent: {"opponent": opponent} for opponent in OPPONENTS[LEARNER + 1 :]}


# -- the CSV files of the original, filled from ours -------------------------------------------------------------------
_SIGNALS = ("win", "knockout", "combo", "equip", "drop")
_TERMS = {f"{'signal_' if term in _SIGNALS else ''}{term}": f"reward/{term}" for term in reward_weights(Config())}
_BEHAVIOR = (
    *("damage_dealt", "damage_taken", "damage_ratio", "knockouts_dealt", "knockouts_taken", "danger_zone_pct"),
    *("weapons_picked_up", "attacks_attempted", "attack_rate", "survival_time", "won"),
)
_EVALUATION = {
    "timestep": "step",
    "win_rate": "eval/based/won",
    "avg_damage_dealt": "eval/based/damage_dealt",
    "avg_damage_taken": "eval/based/damage_taken",
    "avg_knockouts": "eval/based/knockouts_dealt",
    "avg_survival_time": "eval/based/survival_time",
    "evaluation_time_sec": "seconds",
}

GAME = Game(
    name=NAME,
    Config=Config,
    spec=spec,
    make=PlatformFighter,
    presets=PRESETS,
    check=check,
    learners=("ppo",),
    versus=lambda config: config.opponent == "learner",
    outcome="score",
    network="platform_fighter",
    training_file=Path(__file__).with_name("training.toml"),
    evaluation_sets=against_scripts,
    frame_skip="frame_skip",
    columns=(
        Column("opponent", "against", "<9"),
        Column("won", "won", "<5"),
        Column("damage_dealt", "dealt", ">6"),
        Column("damage_taken", "taken", ">6"),
        Column("knockouts_dealt", "KOs", ">3"),
        Column("knockouts_taken"),
        Column("danger_zone_pct"),
        Column("weapons_picked_up"),
        Column("attacks_attempted"),
        Column("survival_time"),
    ),
    tables=(
        Table("monitor.csv", "episode", {"r": "return", "l": "length", "t": "seconds"}),
        Table("reward_breakdown.csv", "interval", {"step": "step", "total_reward": "r_env"} | _TERMS),
        Table("behavior_metrics.csv", "episode", {"episode": "episode"} | {name: name for name in _BEHAVIOR}),
        Table("evaluation_results.csv", "evaluation", _EVALUATION),
    ),
    headline=("won", "damage_dealt", "damage_taken"),
    group="opponent",
)
