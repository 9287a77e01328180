"""Remake the shipped savestates after the built-in game has changed: ``python -m tests.pokemon_red.make_savestates``.

The scripted player walks the first act; at each chosen milestone the machine is saved and admitted like any foreign
state, through the canary.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from curriculum.__main__ import main as curriculum
from puffer_envs.pokemon_red.milestones import GAMES, Milestone
from tests.pokemon_red.scripted_player import ACT_1, ACT_2, Console, Facts, ScriptedPlayer

FOLDER = Path(__file__).resolve().parents[2] / "savestates" / "wayfarer"
CHOSEN = ("got_starter", "enter_mossbridge", "enter_whisperwood", "enter_quarry_hill", "badge_stone")
LIMIT = 400  # decisions
BADGES = 0xD356


def main() -> int:
    """Play, save, admit; 0 when every state was."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        for milestone, state in walk():
            file = Path(folder) / f"{milestone.name}.state"
            file.write_bytes(state)
            flags = ["--milestone", milestone.name, "--made-by", "scripted_player"]
            if code := curriculum(["add", str(FOLDER), str(file), *flags]):
                return code
    return 0


def walk() -> list[tuple[Milestone, bytes]]:
    """The chosen milestones in order, each with the machine at the first quiet moment after it."""
    console = Console()
    player = ScriptedPlayer(console.facts, [*ACT_1, ACT_2[0]])
    wanted = [milestone for milestone in GAMES["WAYFARER"].milestones if milestone.name in CHOSEN]
    saved: list[tuple[Milestone, bytes]] = []
    try:
        for _ in range(LIMIT):
            if wanted and is_held(wanted[0], console.facts) and is_quiet(console.facts):
                stream = io.BytesIO()
                console.pyboy.save_state(stream)
                saved.append((wanted.pop(0), stream.getvalue()))
            if player.goal is None:
                break
            console.press(player.key(), render=True)
    finally:
        console.close()
    return saved


def is_held(milestone: Milestone, facts: Facts) -> bool:
    """Whether the game shows a milestone now."""
    if milestone.kind == "map":
        return facts.place[0] == milestone.index
    if milestone.kind == "badge":
        return bool(facts.memory[BADGES] >> milestone.index & 1)
    return facts.event(milestone.index)


def is_quiet(facts: Facts) -> bool:
    """No fight and no text: a good moment to begin."""
    return not facts.in_battle and not facts.box_open


if __name__ == "__main__":
    sys.exit(main())
