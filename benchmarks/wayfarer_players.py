"""How long WAYFARER is, and how hopeless for chance: the scripted player over seeds, and a random one.

`python -m benchmarks.wayfarer_players` prints decisions to each event. `--random-episodes N --random-steps T` adds the
random player, `--odds N` plays N battles against opponents of the first act by mashing A and runs from N wild ones, and
`--speed` measures steps a second. A seed stands for idle frames before the first key.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from puffer_envs.pokemon_red.rom import ROM_PATH
from puffer_envs.pokemon_red.rom.world_data import read_foes
from tests.pokemon_red.scripted_player import MOVES, WHOLE_GAME, Console, Goal, ScriptedPlayer, play

KEYS = (*MOVES, "a", "b", "start")
SEED_FRAMES = 7  # idle frames between two seeds
LIMIT = 4000


def scripted_run(seed: int) -> dict[str, object]:
    """One whole game by the scripted player."""
    console = Console(idle_frames=seed * SEED_FRAMES)
    recording = play(console, WHOLE_GAME, LIMIT)
    result = {
        "seed": seed,
        "decisions": len(recording.keys),
        "defeats": len(recording.defeats),
        "level": console.facts.level,
        "events": recording.events,
        "flags": sum(bin(console.pyboy.memory[0xD747 + i]).count("1") for i in range(320)),
    }
    console.close()
    return result


def random_run(task: tuple[int, int]) -> dict[str, object]:
    """One episode of uniformly random keys."""
    seed, steps = task
    rng = random.Random(seed)
    console = Console(idle_frames=rng.randrange(64))
    badges, maps, first_badge = 0, {0x26}, None
    for step in range(steps):
        console.press(rng.choice(KEYS))
        maps.add(console.pyboy.memory[0xD35E])
        if console.pyboy.memory[0xD356] != badges:
            badges = console.pyboy.memory[0xD356]
            first_badge = first_badge or step + 1
    starter = bool(console.pyboy.memory[0xD163])
    console.close()
    return {"badges": bin(badges).count("1"), "first_badge": first_badge, "maps": len(maps), "starter": starter}


# ---- odds of battles, played on the ROM itself

OPPONENTS = {
    "wild": ("beat_forest_trainer", 1),  # on the way to the forest
    "scout": ("beat_forest_trainer", 2),
    "mason_aide": ("beat_quarry_trainer", 2),
    "mason": ("beat_leader_1", 2),
}


def battle_with(name: str, level: int) -> Console:
    """A game at the first page of a battle, with full HP of the given level."""
    event, kind = OPPONENTS[name]
    number = [foe.name for foe in read_foes()[1]].index(name) if kind == 2 else None
    for seed in range(100):
        console = Console(idle_frames=seed)
        player = ScriptedPlayer(console.facts, [Goal("got_starter"), Goal(event)])
        memory = console.pyboy.memory
        while not console.facts.event(player.atlas.events[event]):
            if console.facts.in_battle == kind and (number is None or memory[0xD059] - 200 == number):
                set_level(console, level)
                return console
            if console.facts.level:
                set_level(console, 30)  # nothing stops us on the way
            console.press(player.key())
        console.close()
    raise RuntimeError(f"{name} never appeared")


def set_level(console: Console, level: int) -> None:
    """Write level and full HP."""
    memory, hp = console.pyboy.memory, 10 + 3 * level
    memory[0xD18C], memory[0xD18E], memory[0xD16D] = level, hp, hp


def replays(name: str, level: int, times: int) -> Iterator[Console]:
    """The same battle again and again, with other rolls of the dice: idle frames move DIV, each press draws on it."""
    console, state = battle_with(name, level), io.BytesIO()
    console.pyboy.save_state(state)
    for time_ in range(times):
        state.seek(0)
        console.pyboy.load_state(state)
        console.pyboy.tick(1 + time_ % 251, False)
        for _ in range(time_ // 251):
            console.press("down")
        yield console
    console.close()


def mash(task: tuple[str, int, int]) -> tuple[str, int, float, float]:
    """Share of battles won by A alone, and decisions a battle with its first and last page."""
    name, level, battles = task
    won, presses = 0, 0
    for console in replays(name, level, battles):
        presses += 1
        while console.facts.in_battle in (1, 2) and console.facts.foe_hp:
            console.press("a")
            presses += 1
        won += console.facts.in_battle != 255
    return name, level, won / battles, presses / battles


def run_away(battles: int) -> float:
    """Share of wild battles that the first RUN ends."""
    away = 0
    for console in replays("wild", 5, battles):
        for key in ("a", "down", "down", "a", "a"):  # first page, cursor, RUN, last page
            console.press(key)
        away += console.facts.in_battle == 0
    return away / battles


# ---- speed


def raw_speed(seconds: float = 5.0) -> float:
    """Decisions of 24 frames a second on one core, walking about, nothing else done."""
    console = Console()
    rng, steps = random.Random(0), 0
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        for _ in range(50):
            console.press(rng.choice(KEYS), render=True)
        steps += 50
    console.close()
    return steps / (time.perf_counter() - begin)


# ---- tables


def scripted_table(runs: list[dict[str, object]]) -> dict[str, dict[str, float]]:
    """Median, least and most decisions to each event and to the end."""
    events: dict[str, list[int]] = {}
    for run in runs:
        for name, step in run["events"].items():  # type: ignore[attr-defined]
            events.setdefault(name, []).append(step)
    events["the end"] = [run["decisions"] for run in runs]  # type: ignore[misc]
    table = {
        name: {"runs": len(steps), "median": statistics.median(steps), "least": min(steps), "most": max(steps)}
        for name, steps in events.items()
    }
    return dict(sorted(table.items(), key=lambda item: item[1]["median"]))


def mapped(jobs: int, function: Callable, tasks: list) -> list:
    """Map over processes."""
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(function, tasks))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=16, help="games of the scripted player")
    parser.add_argument("--random-episodes", type=int, default=0)
    parser.add_argument("--random-steps", type=int, default=2048)
    parser.add_argument("--odds", type=int, default=0, help="battles against each opponent and level")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    report: dict[str, object] = {"rom_bytes": len(ROM_PATH.read_bytes())}
    if args.seeds:
        runs = mapped(args.jobs, scripted_run, list(range(args.seeds)))
        report["scripted"] = scripted_table(runs)
        report["scripted_defeats"] = [run["defeats"] for run in runs]
        print(f"{'scripted player':24} {'runs':>5} {'least':>6} {'median':>7} {'most':>6}")
        for name, row in report["scripted"].items():  # type: ignore[attr-defined]
            print(f"{name:24} {row['runs']:5} {row['least']:6} {row['median']:7.0f} {row['most']:6}")
    if args.odds:
        tasks = [(name, 5, args.odds) for name in OPPONENTS] + [("mason", level, args.odds) for level in (6, 7, 8)]
        report["odds"] = mapped(args.jobs, mash, tasks)
        for name, level, share, presses in report["odds"]:  # type: ignore[attr-defined]
            print(f"mashing A against {name:10} at level {level}: {share:.0%} won, {presses:.1f} decisions")
        report["run_away"] = run_away(args.odds)
        print(f"the first RUN works: {report['run_away']:.0%}")
    if args.random_episodes:
        tasks = [(seed, args.random_steps) for seed in range(args.random_episodes)]
        episodes = mapped(args.jobs, random_run, tasks)
        shares = {n: sum(e["badges"] >= n for e in episodes) / len(episodes) for n in (1, 2)}
        maps = [e["maps"] for e in episodes]
        report["random"] = {
            "episodes": len(episodes),
            "steps": args.random_steps,
            "badge_1": shares[1],
            "badge_2": shares[2],
            "starter": sum(e["starter"] for e in episodes) / len(episodes),
            "maps_mean": statistics.mean(maps),
            "maps_most": max(maps),
        }
        print("random player:", report["random"])
    if args.speed:
        report["speed"] = raw_speed()
        print(f"{report['speed']:,.0f} decisions of 24 frames a second on one core, last frame rendered")
    if args.out:
        args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
