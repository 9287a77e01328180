"""The game's readable assets as Python objects: maps, things, foes, events. Used by the build and by test tools."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ASSETS = Path(__file__).with_name("assets")
ITEMS = ("", "balm", "parcel", "ticket", "hatchet", "key", "ring")
ROLES = {"talk": "TALKER", "trainer": "TRAINER", "pod": "STARTER_POD", "healer": "HEALER", "pedlar": "PEDLAR"}
LINE_WIDTH, PAGE_LINES, MAX_PAGES = 18, 4, 2


class AssetError(ValueError):
    """An asset file says something that the game cannot do."""


@dataclass
class Cell:
    """One 16x16 picture of the map: shades 0-3 by row, and what a step onto it means."""

    name: str
    char: str
    kind: str
    pixels: list[list[int]]


@dataclass
class Thing:
    """Something on a map that answers to A: a person, a sign, a trainer, a parcel."""

    role: str
    x: int
    y: int
    look: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


@dataclass
class Warp:
    """Stepping on (x, y), or off the map there, leads to (to_x, to_y) of another map."""

    x: int
    y: int
    map_id: int
    to_x: int
    to_y: int


@dataclass
class Map:
    """One map: rows of cell characters, its warps and things."""

    id: int
    name: str
    options: dict[str, str]
    rows: list[str] = field(default_factory=list)
    warps: list[Warp] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    start: tuple[int, int] | None = None

    @property
    def border(self) -> str:
        """The character of the cell around the map."""
        return self.options["border"]


@dataclass
class Foe:
    """One opponent of foes.txt."""

    name: str
    species: str
    level: int
    hp: int
    hit: int
    spread: int
    prize: int = 0
    badge: int = 0


def _lines(name: str) -> list[str]:
    """The lines of an asset file without its comments."""
    text = (ASSETS / name).read_text(encoding="ascii")
    return [line.rstrip() for line in text.splitlines() if not line.startswith("# ")]


def _options(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)


def _point(text: str) -> tuple[int, int]:
    x, y = text.split(",")
    return int(x), int(y)


def read_art(name: str) -> list[tuple[list[str], list[list[int]]]]:
    """Blocks of `HEADER WORDS` and rows of shades; an 8-wide block of cells.txt is laid out 2 x 2 by its reader."""
    blocks: list[tuple[list[str], list[list[int]]]] = []
    for line in _lines(name):
        if re.fullmatch(r"[.\-+#]{8,}", line):
            blocks[-1][1].append([".-+#".index(char) for char in line])
        elif line:
            blocks.append((line.split(" "), []))
    return blocks


def read_cells() -> list[Cell]:
    """All cells of cells.txt in their order."""
    cells = []
    for (_, name, char, kind), rows in read_art("cells.txt"):
        if len(rows) == 8:
            rows = [row * 2 for row in rows] * 2
        if [len(row) for row in rows] != [16] * 16:
            raise AssetError(f"cells.txt: {name} is not 16 x 16")
        cells.append(Cell(name, char, kind, rows))
    return cells


def read_events() -> list[str]:
    """Names of the event flags; the index is the bit."""
    return [line for line in _lines("events.txt") if line]


def read_foes() -> tuple[list[str], list[Foe]]:
    """Species by number (from 1) and opponents by number (from 0)."""
    species, foes = [], []
    for line in _lines("foes.txt"):
        words = line.split()
        if not words:
            continue
        if words[0] == "species":
            species.append(words[1])
        else:
            extra = {key: int(value) for key, value in _options(words[7:]).items()}
            foes.append(Foe(words[1], words[2], *map(int, words[3:7]), **extra))
    return species, foes


def read_maps() -> dict[int, Map]:
    """All maps of the three acts by id."""
    maps: dict[int, Map] = {}
    current: Map | None = None
    for act in ("act1.txt", "act2.txt", "act3.txt"):
        if not (ASSETS / act).exists():
            continue
        for line in _lines(act):
            words = line.split()
            if not words:
                continue
            if words[0] == "map":
                current = Map(int(words[1], 16), words[2], _options(words[3:]))
                maps[current.id] = current
            elif current is not None:
                _read_map_line(current, line, words)
    for one in maps.values():
        if any(len(row) != len(one.rows[0]) for row in one.rows) or len(one.rows[0]) > 11 or len(one.rows) > 12:
            raise AssetError(f"map {one.id:#x} {one.name} is ragged or too large")
    return maps


def _read_map_line(current: Map, line: str, words: list[str]) -> None:
    if words[0] == "start":
        current.start = _point(words[1])
    elif words[0] == "warp":
        current.warps.append(Warp(*_point(words[1]), int(words[3], 16), *_point(words[4])))
    elif words[0] in ROLES:
        look = words[2] if len(words) > 2 and "=" not in words[2] else None
        rest = words[3 if look else 2 :]
        current.things.append(Thing(words[0], *_point(words[1]), look, _options(rest)))
    elif line.startswith("  "):
        key, text = line.strip().split(": ", 1)
        current.things[-1].texts[key] = text
    else:
        current.rows.append(line)


def read_notes() -> list[tuple[str, str]]:
    """The menu's hints: (event, what to do until it has happened), in order."""
    return [tuple(line.split(": ", 1)) for line in _lines("notes.txt") if line]  # type: ignore[misc]


def paginate(text: str) -> str:
    """Text wrapped for the box: lines end with a newline, pages with a form feed. ` / ` forces a new page."""
    pages: list[list[str]] = []
    for part in text.split(" / "):
        lines = [""]
        for word in part.split():
            joined = f"{lines[-1]} {word}".strip()
            if len(joined) <= LINE_WIDTH:
                lines[-1] = joined
            else:
                lines.append(word)
        pages += [lines[i : i + PAGE_LINES] for i in range(0, len(lines), PAGE_LINES)]
    if len(pages) > MAX_PAGES or any(len(line) > LINE_WIDTH for page in pages for line in page):
        raise AssetError(f"text too long for {MAX_PAGES} pages of {PAGE_LINES} x {LINE_WIDTH}: {text!r}")
    return "\f".join("\n".join(page) for page in pages)
