"""What the platform fighter is to the rest of the house."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from puffer_envs.contract.game import Column, Game
from puffer_envs.platform_fighter.config import LEARNER, OPPONENTS, PRESETS, Config
from puffer_envs.platform_fighter.env import NAME, PlatformFighter, check, spec


def against_scripts(config: Config, given: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    """Each scripted opponent, or just the one that was chosen by hand."""
    if "opponent" in given:
        return {"": {}}
    return {opponent: {"opponent": opponent} for opponent in OPPONENTS[LEARNER + 1 :]}


GAME = Game(
    name=NAME,
    Config=Config,
    spec=spec,
    make=PlatformFighter,
    presets=PRESETS,
    check=check,
    learners=("ppo",),
    network="platform_fighter",
    training_file=Path(__file__).with_name("training.toml"),
    evaluation_sets=against_scripts,
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
    headline=("won", "damage_dealt", "damage_taken"),
    group="opponent",
)
