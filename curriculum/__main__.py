"""``python -m curriculum list|add|verify|prune``: look after folders of savestates.

Exit codes: 0 all is well, 1 something is bad (each named on a line), 2 the command cannot be done as given.
"""

import argparse
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from curriculum import canary, index, peek
from curriculum.index import IndexDamaged, StateDamaged, StateEntry
from curriculum.store import ORPHANED, QUARANTINE, StateStore, printable

if TYPE_CHECKING:
    from puffer_envs.pokemon_red.emulator import Rom

ROOT = Path("savestates")
ADDED = ROOT / "added"  # where foreign states go if no folder is given
PIPE_WIDTH = 160  # columns of a table that goes to no terminal

OK, BAD, USAGE = 0, 1, 2


class UsageError(Exception):
    """The command cannot be done as given; the message is one sentence for the person who gave it."""


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except (UsageError, canary.TrialError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"error: {error.filename or 'savestates'}: {error.strerror}", file=sys.stderr)
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m curriculum", description="Look after folders of savestates.")
    commands = parser.add_subparsers(required=True, metavar="list|add|verify|prune")

    def command(name: str, function, text: str, with_folder: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        if with_folder:
            sub.add_argument("dir", nargs="?", type=Path, default=ROOT, metavar="DIR", help=f"default: {ROOT}")
        return sub

    command("list", list_states, "Show the states of a folder, or of each folder in it.")
    add = command("add", add_states, "Admit foreign states after a trial in a process of its own.", with_folder=False)
    what = f"a folder stands for all *{index.SUFFIX} in it; DIR default: {ADDED}"
    add.add_argument("paths", nargs="+", type=Path, metavar="[DIR] FILE", help=what)
    add.add_argument("--rom", type=Path, help="the ROM that they are of; default: the built-in game")
    add.add_argument("--milestone", help="milestone that they stand at; default: the furthest that they show")
    add.add_argument("--made-by", default="added", help="who made them; default: added")
    verify = command("verify", verify_states, "Find states that are damaged, missing, unknown or of another ROM.")
    verify.add_argument("--rom", type=Path, help="the ROM that they should be of; default: that of most of a folder")
    verify.add_argument("--trial", action="store_true", help="also load each in a process of its own (a second each)")
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
    from puffer_envs.pokemon_red import milestones

    folder, files = _split(arguments.paths)
    rom = _load_rom(arguments.rom)
    tiers = {milestone.name: milestone.tier for milestone in milestones.game_of(rom.title).milestones}
    if arguments.milestone and arguments.milestone not in tiers:
        raise UsageError(f"there is no milestone '{arguments.milestone}'; there are {', '.join(tiers)}")
    store = _open_store(folder)
    known = {entry.sha256 for entry in store.entries.values()}
    code = OK
    for file in files:
        data = peek.plain(_read_file(file))
        if index.digest(data) in known:
            print(f"known already: {file}")
            continue
        report = canary.check(data, arguments.rom)
        name = arguments.milestone or next(reversed(report.held), "")
        if report.fault is not None:
            _refuse(store, file, report.fault)
            code = BAD
        elif not name:
            print(f"left out: {file} shows no milestone; name the one that it stands at with --milestone")
            code = BAD
        else:
            entry = _describe(data, rom, report, name, tiers[name], arguments.made_by, store)
            store.add(replace(entry, source=printable(file.name)), data)
            known.add(entry.sha256)
            print(f"added: {file} as {entry.id} (map 0x{report.map:02X}, {report.badges} badges)")
    return code


def verify_states(arguments: argparse.Namespace) -> int:
    rom = _load_rom(arguments.rom).sha1 if arguments.rom else None
    good, bad = 0, 0
    for folder in _folders(arguments.dir):
        problems = list(_problems(folder, rom, arguments))
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
    data: bytes, rom: "Rom", report: canary.Report, milestone: str, tier: str, made_by: str, store: StateStore
) -> StateEntry:
    free = (index.state_id(milestone, 0, n) for n in range(10_000))  # global step 0: older than anything of a run
    state_id = next(state_id for state_id in free if state_id not in store.entries)
    return StateEntry(
        id=state_id,
        file=state_id + index.SUFFIX,
        sha256=index.digest(data),
        size=len(data),
        rom_sha1=rom.sha1,
        pyboy_version=version("pyboy"),
        state_version=data[0],
        milestone=milestone,
        tier=tier,
        map=report.map,
        badges=report.badges,
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


def _problems(folder: Path, rom: str | None, arguments: argparse.Namespace) -> Iterator[str]:
    try:
        index.read_index(folder)
    except IndexDamaged as error:
        yield f"the index is damaged: {error}"
    entries = _listed(folder)
    roms = Counter(entry.rom_sha1 for entry in entries)
    expected = rom if rom is not None else max(roms, key=lambda sha1: roms[sha1], default="")
    for entry in entries:
        try:
            data = index.read_state(folder, entry)
        except (StateDamaged, OSError) as error:
            yield str(error)
            continue
        if entry.rom_sha1 != expected:
            yield f"{entry.file} is of another ROM (SHA-1 {entry.rom_sha1 or 'none'}, not {expected or 'none'})"
        elif arguments.trial and entry.rom_sha1:
            fault = canary.check(data, arguments.rom).fault
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


def _load_rom(path: Path | None) -> "Rom":
    from puffer_envs.pokemon_red.emulator import RomError, load_rom

    try:
        with warnings.catch_warnings(record=True) as caught:
            rom = load_rom(os.fspath(path) if path else None)
    except RomError as error:
        raise UsageError(str(error)) from error
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    return rom


def _show(folder: Path, entries: list[StateEntry]) -> None:
    table = Table(title=f"{folder}: {len(entries)} states", title_justify="left")
    for column in (
        "id",
        "milestone",
        "tier",
        "map",
        "badges",
        "made by",
        "source",
        "global step",
        "size",
        "score",
        "uses",
        "ROM",
    ):
        numeric = column in ("badges", "global step", "size", "score", "uses")
        table.add_column(column, justify="right" if numeric else "left", no_wrap=column == "id")
    for entry in entries:
        map_id = "" if entry.map is None else f"0x{entry.map:02X}"
        badges = "" if entry.badges is None else str(entry.badges)
        numbers = (f"{entry.global_step:,}", f"{entry.size:,}", f"{entry.score:.2f}", str(entry.uses))
        table.add_row(
            *(entry.id, entry.milestone, entry.tier, map_id, badges, entry.made_by, entry.source),
            *(*numbers, entry.rom_sha1[:8]),
        )
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table, markup=False)


if __name__ == "__main__":
    sys.exit(main())
