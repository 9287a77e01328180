"""``python -m curriculum list|add|verify|prune``: look after folders of savestates.

Exit codes: 0 all is well, 1 something is bad (each named on a line), 2 the command cannot be done as given.
"""

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from curriculum import canary, index
from curriculum.index import IndexDamaged, StateDamaged, StateEntry
from curriculum.store import ORPHANED, QUARANTINE, StateStore, printable
from puffer_envs import registry
from puffer_envs.contract.game import Game
from puffer_envs.contract.milestone import Milestone

ROOT = Path("savestates")
ADDED = ROOT / "added"  # where foreign states go if no folder is given
PIPE_WIDTH = 160  # columns of a table that goes to no terminal

OK, BAD, USAGE = 0, 1, 2


class UsageError(Exception):
    """The command cannot be done as given; the message is one sentence for the person who gave it."""


def main(argv: list[str] | None = None) -> int:
    try:
        arguments = _parser(_game(argv)).parse_args(argv)
        return arguments.command(arguments)
    except (UsageError, canary.TrialError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"error: {error.filename or 'savestates'}: {error.strerror}", file=sys.stderr)
        return USAGE


def _game(argv: list[str] | None) -> Game:
    """The game of the call: which flags there are depends on it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--env", default=registry.DEFAULT)
    try:
        return registry.resolve(parser.parse_known_args(argv)[0].env)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _parser(game: Game) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m curriculum", description="Look after folders of savestates.")
    commands = parser.add_subparsers(required=True, metavar="list|add|verify|prune")

    def command(name: str, function, text: str, with_folder: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function, game=game)
        if with_folder:
            sub.add_argument("dir", nargs="?", type=Path, default=ROOT, metavar="DIR", help=f"default: {ROOT}")
        return sub

    command("list", list_states, "Show the states of a folder, or of each folder in it.")
    add = command("add", add_states, "Admit foreign states after a trial in a process of its own.", with_folder=False)
    what = f"a folder stands for all *{index.SUFFIX} in it; DIR default: {ADDED}"
    add.add_argument("paths", nargs="+", type=Path, metavar="[DIR] FILE", help=what)
    add.add_argument("--milestone", help="milestone that they stand at; default: the furthest that they show")
    add.add_argument("--made-by", default="added", help="who made them; default: added")
    verify = command("verify", verify_states, "Find states that are damaged, missing, unknown or of another world.")
    verify.add_argument("--trial", action="store_true", help="also load each in a process of its own (a second each)")
    for sub in (add, verify):
        sub.add_argument("--env", metavar="GAME", help=f"the game that they are of; default: {registry.DEFAULT}")
        for flag, alias in game.aliases.items():
            sub.add_argument(f"--{flag}", dest=flag, help=alias.help)
    prune = command("prune", prune_states, "Delete all but the newest states of each milestone.")
    prune.add_argument("--keep", type=int, default=8, metavar="K", help="how many to keep; default: 8")
    return parser


# -- commands ----------------------------------------------------------------------------------------------------
def list_states(arguments: argparse.Namespace) -> int:
    code = OK
    for folder in _folders(arguments.dir):
        try:
            entries = index.read_index(folder)
        except IndexDamaged as error:
            print(f"bad: {printable(str(error))}", file=sys.stderr)
            entries, code = index.salvage(folder), BAD
        _show(folder, entries)
    return code


def add_states(arguments: argparse.Namespace) -> int:
    game, config = arguments.game, _config(arguments)
    if game.try_state is None:
        raise UsageError(f"savestates of {game.name} come from its own runs alone: it cannot try foreign ones")
    folder, files = _split(arguments.paths)
    world_id, milestones = _world(game, config)
    if arguments.milestone and arguments.milestone not in milestones:
        raise UsageError(f"there is no milestone '{arguments.milestone}'; there are {', '.join(milestones)}")
    store = _open_store(folder)
    known = {entry.sha256 for entry in store.entries.values()}
    code = OK
    for file in files:
        data = game.inspect_state(_read_file(file)).state
        if index.digest(data) in known:
            print(f"known already: {file}")
            continue
        report = canary.check(data, game, config)
        name = arguments.milestone or next(reversed(report.held), "")
        if report.fault is not None:
            _refuse(store, file, report.fault)
            code = BAD
        elif not name:
            print(f"left out: {file} shows no milestone; name the one that it stands at with --milestone")
            code = BAD
        else:
            entry = _describe(data, game, world_id, report, milestones[name], arguments.made_by, store)
            store.add(replace(entry, source=printable(file.name)), data)
            known.add(entry.sha256)
            print(f"added: {file} as {entry.id} ({_facts_text(report.facts)})")
    return code


def verify_states(arguments: argparse.Namespace) -> int:
    game, config = arguments.game, _config(arguments)
    expected = _world(game, config)[0] if config != game.Config() else None
    good, bad = 0, 0
    for folder in _folders(arguments.dir):
        problems = list(_problems(folder, expected, config, arguments))
        for problem in problems:
            print(f"bad: {folder}: {printable(problem)}")
        bad += len(problems)
        good += len(_listed(folder))
    print(f"{good} states listed, {bad} problems" if bad else f"{good} states, all good")
    return BAD if bad else OK


def prune_states(arguments: argparse.Namespace) -> int:
    if arguments.keep < 1:
        raise UsageError(f"--keep must be at least 1, got {arguments.keep}")
    for folder in _folders(arguments.dir):
        store = _open_store(folder)
        milestones: dict[str, list[str]] = {}
        for entry in store.entries.values():
            milestones.setdefault(entry.milestone, []).append(entry.id)
        for states in milestones.values():
            for state_id in states[: -arguments.keep]:
                store.remove(state_id)
                print(f"deleted: {folder / state_id}{index.SUFFIX}")
        print(f"{folder}: {len(store.entries)} states kept")
    return OK


# -- adding ------------------------------------------------------------------------------------------------------
def _split(paths: list[Path]) -> tuple[Path, list[Path]]:
    """The folder (a first argument of several that is no file) and the files."""
    first, *rest = paths
    folder, sources = (first, rest) if rest and not first.is_file() else (ADDED, paths)
    return folder, [file for source in sources for file in _states_of(source)]


def _states_of(source: Path) -> list[Path]:
    """A file, or all states of a folder."""
    if source.is_dir():
        files = sorted(source.glob(f"*{index.SUFFIX}"))
        if not files:
            raise UsageError(f"no files to add: there is no *{index.SUFFIX} in {source}")
        return files
    if not source.is_file():
        raise UsageError(f"there is no file {source}")
    return [source]


def _read_file(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(index.MAX_STATE_BYTES)


def _describe(
    data: bytes,
    game: Game,
    world_id: str,
    report: canary.Report,
    milestone: Milestone,
    made_by: str,
    store: StateStore,
) -> StateEntry:
    free = (index.state_id(milestone.name, 0, n) for n in range(10_000))  # global step 0: older than anything of a run
    state_id = next(state_id for state_id in free if state_id not in store.entries)
    return StateEntry(
        id=state_id,
        file=state_id + index.SUFFIX,
        sha256=index.digest(data),
        size=len(data),
        world_id=world_id,
        emulator=game.inspect_state(data).emulator,
        state_version=data[0],
        milestone=milestone.name,
        tier=milestone.tier,
        facts=dict(report.facts),
        step=0,
        global_step=0,
        made_by=printable(made_by),
    )


def _refuse(store: StateStore, file: Path, reason: str) -> None:
    """A copy of the file goes to quarantine with the reason; the file itself is its owner's."""
    print(f"refused: {file}: {printable(reason)}; a copy is in {store.directory / QUARANTINE}")
    store.directory.mkdir(parents=True, exist_ok=True)
    name = index.slug(file.stem) + index.SUFFIX
    store.quarantine_bytes(name, _read_file(file), reason)


# -- verifying ---------------------------------------------------------------------------------------------------
def _listed(folder: Path) -> list[StateEntry]:
    try:
        return index.read_index(folder)
    except IndexDamaged:
        return index.salvage(folder)


def _problems(folder: Path, expected: str | None, config: Any, arguments: argparse.Namespace) -> Iterator[str]:
    try:
        index.read_index(folder)
    except IndexDamaged as error:
        yield f"the index is damaged: {error}"
    entries = _listed(folder)
    if expected is None:
        worlds = Counter(entry.world_id for entry in entries)
        expected = max(worlds, key=lambda world_id: worlds[world_id], default="")
    for entry in entries:
        try:
            data = index.read_state(folder, entry)
        except (StateDamaged, OSError) as error:
            yield str(error)
            continue
        if entry.world_id != expected:
            yield f"{entry.file} is of another world ({entry.world_id or 'none'}, not {expected or 'none'})"
        elif arguments.trial and entry.world_id and arguments.game.try_state is not None:
            fault = canary.check(data, arguments.game, config).fault
            if fault is not None:
                yield f"{entry.file} failed its trial: {fault}"
    files = {entry.file for entry in entries}
    for path in sorted(folder.glob(f"*{index.SUFFIX}")):
        if path.name not in files:
            yield f"{path.name} is not in the index"


# -- shared ------------------------------------------------------------------------------------------------------
def _folders(directory: Path) -> list[Path]:
    """The folder itself if it holds savestates, else those inside it that do."""
    if not directory.is_dir():
        raise UsageError(f"there is no folder {directory}")

    def holds_states(folder: Path) -> bool:
        return (folder / index.INDEX_NAME).exists() or any(folder.glob(f"*{index.SUFFIX}"))

    if holds_states(directory):
        return [directory]
    inside = (path for path in directory.iterdir() if path.is_dir() and path.name not in (QUARANTINE, ORPHANED))
    return sorted(path for path in inside if holds_states(path))


def _open_store(folder: Path) -> StateStore:
    """The folder as it is; a command that changes it wants it whole."""
    store = StateStore(folder)
    try:
        for entry in index.read_index(folder):
            store.adopt(entry, index.read_state(folder, entry))
    except (IndexDamaged, StateDamaged) as error:
        raise UsageError(f"{error}; see `python -m curriculum verify {folder}`") from error
    return store


def _config(arguments: argparse.Namespace) -> Any:
    """The game's settings with those of its own flags."""
    game, chosen = arguments.game, vars(arguments)
    given = {alias.setting: chosen[flag] for flag, alias in game.aliases.items() if chosen[flag] is not None}
    return game.Config()._replace(**given)


def _world(game: Game, config: Any) -> tuple[str, dict[str, Milestone]]:
    """What states of the game belong to, and its milestones by name."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            world_id, milestones = game.world_id(config), game.spec(config).milestones
    except ValueError as error:
        raise UsageError(str(error)) from error
    for text in {str(warning.message) for warning in caught}:
        print(f"warning: {text}", file=sys.stderr)
    return world_id, {milestone.name: milestone for milestone in milestones}


def _facts_text(facts: Mapping[str, int | None]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _show(folder: Path, entries: list[StateEntry]) -> None:
    table = Table(title=f"{folder}: {len(entries)} states", title_justify="left")
    facts = list(dict.fromkeys(name for entry in entries for name in entry.facts))
    named = ("id", "milestone", "tier", *facts, "made by", "source", "global step", "size", "score", "uses", "world")
    for column in named:
        numeric = column in (*facts, "global step", "size", "score", "uses")
        table.add_column(column, justify="right" if numeric else "left", no_wrap=column == "id")
    for entry in entries:
        values = ("" if (value := entry.facts.get(name)) is None else str(value) for name in facts)
        numbers = (f"{entry.global_step:,}", f"{entry.size:,}", f"{entry.score:.2f}", str(entry.uses))
        head = (entry.id, entry.milestone, entry.tier, *values, entry.made_by, entry.source)
        table.add_row(*head, *numbers, entry.world_id[:8])
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table, markup=False)


if __name__ == "__main__":
    sys.exit(main())
