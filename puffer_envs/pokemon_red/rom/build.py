"""Build wayfarer.gb: assets to a C header, SDCC, and a check that no static lies on the address contract.

`python -m puffer_envs.pokemon_red.rom.build` writes the ROM beside this file; `--check` compares instead.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from puffer_envs.pokemon_red.rom import ROM_PATH
from puffer_envs.pokemon_red.rom.world_data import (
    ITEMS,
    ROLES,
    AssetError,
    Map,
    Thing,
    paginate,
    read_art,
    read_cells,
    read_events,
    read_foes,
    read_maps,
    read_notes,
)

SOURCES = Path(__file__).parent
STATICS = range(0xC510, 0xCC20)  # free of every address that the game shares with Pokemon Red
LOW_TILES = 128  # world tiles at 0x9000; the rest of them stand behind the letters and the window tiles
LETTERS = 85
DEFEAT_TEXT = "Your friend needs a rest, and you need a rest too. / Somebody kind carries you both to a warm bed."
NONE = 0xFF


# ---- tiles


def tile_bytes(pixels: list[list[int]], x: int = 0, y: int = 0) -> bytes:
    """The 8x8 tile at pixel (x, y) as the hardware wants it: two bit planes, row by row."""
    out = bytearray()
    for row in pixels[y : y + 8]:
        shades = row[x : x + 8]
        out += bytes(sum((shade >> plane & 1) << (7 - i) for i, shade in enumerate(shades)) for plane in (0, 1))
    return bytes(out)


def quarters(pixels: list[list[int]]) -> list[bytes]:
    """The four tiles of a 16x16 cell: top left, top right, bottom left, bottom right."""
    return [tile_bytes(pixels, x, y) for y in (0, 8) for x in (0, 8)]


def font_bits() -> bytes:
    """One byte a row of a letter; a band of font.txt holds 17 letters."""
    out = bytearray()
    for _, rows in read_art("font.txt"):
        for x in range(0, len(rows[0]), 8):
            out += bytes(sum((shade > 0) << (7 - i) for i, shade in enumerate(row[x : x + 8])) for row in rows)
    return bytes(out)


def sprite_tiles() -> bytes:
    """The player's poses in the order of 8x16 sprites: left half, right half."""
    out = b""
    for _, rows in read_art("player.txt"):
        top_left, top_right, bottom_left, bottom_right = quarters(rows)
        out += top_left + bottom_left + top_right + bottom_right
    return out


def picture(rows: list[list[int]]) -> bytes:
    """A creature of 40x40 pixels as 5x5 tiles."""
    return b"".join(tile_bytes(rows, x, y) for y in range(0, 40, 8) for x in range(0, 40, 8))


# ---- the header


def c_bytes(data: bytes) -> str:
    """A C initialiser."""
    return "{" + ", ".join(str(byte) for byte in data) + "}"


def c_string(text: str) -> str:
    """A C string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\f", "\\f") + '"'


def cell_byte(x: int, y: int) -> int:
    """A place in the 16x16 grid; -1 and the first cell past the map are border, and the grid wraps around."""
    return (y & 15) << 4 | (x & 15)


class Header:
    """Collects assets.h; equal texts share one number."""

    def __init__(self) -> None:
        self.cells = read_cells()
        self.events = {name: bit for bit, name in enumerate(read_events())}
        self.species, self.foes = read_foes()
        self.maps = read_maps()
        self.texts: list[str] = []
        self.out: list[str] = []
        self.looks = {cell.name: number for number, cell in enumerate(self.cells)}
        self.chars = {cell.char: number for number, cell in enumerate(self.cells) if cell.char != "none"}
        self.foe_numbers = {foe.name: number for number, foe in enumerate(self.foes)}

    def text(self, text: str | None) -> int:
        """The number of a text, NONE for no text."""
        if text is None:
            return NONE
        page = paginate(text)
        if page not in self.texts:
            self.texts.append(page)
        return self.texts.index(page)

    def event(self, name: str | None) -> int:
        """The bit of an event, NONE for no event."""
        return NONE if name is None else self.events[name]

    def table(self, declaration: str, rows: list[str]) -> None:
        """One constant table."""
        self.out.append(f"static const {declaration} = {{\n" + "".join(f"  {row},\n" for row in rows) + "};")

    def write_tiles(self) -> None:
        """Unique 8x8 tiles of the world and the cells made of them."""
        tiles: dict[bytes, int] = {}
        made_of = [[tiles.setdefault(tile, len(tiles)) for tile in quarters(cell.pixels)] for cell in self.cells]
        high = 128 + LETTERS + len(read_art("ui.txt"))
        if high + max(0, len(tiles) - LOW_TILES) > 256:
            raise AssetError(f"{len(tiles)} world tiles, {LOW_TILES + 256 - high} fit")
        made_of = [[n if n < LOW_TILES else n - LOW_TILES + high for n in four] for four in made_of]
        self.out.append(f"#define LOW_TILE_BYTES {LOW_TILES * 16}\n#define HIGH_TILE {high - 128}")
        self.out.append(f"static const uint8_t world_tiles[] = {c_bytes(b''.join(tiles))};")
        self.table("uint8_t cell_tiles[][4]", [c_bytes(bytes(four)) for four in made_of])
        self.out.append("enum { WALK, SOLID, WILD, LEDGE };")
        self.out.append(f"static const uint8_t cell_kinds[] = {{{', '.join(c.kind.upper() for c in self.cells)}}};")
        self.out.append(f"static const uint8_t player_tiles[] = {c_bytes(sprite_tiles())};")
        self.out.append(f"static const uint8_t font_bits[] = {c_bytes(font_bits())};")

    def write_ui(self) -> None:
        """Window tiles, and the number of each named one."""
        blocks = read_art("ui.txt")
        for number, ((_, name), _) in enumerate(blocks):
            if name != "-":
                self.out.append(f"#define {name} {128 + LETTERS + number}")
        data = b"".join(tile_bytes(rows) for _, rows in blocks)
        self.out.append(f"static const uint8_t ui_tiles[] = {c_bytes(data)};")

    def write_creatures(self) -> None:
        """Names and pictures of the species, and the opponents."""
        pictures = {words[1]: picture(rows) for words, rows in read_art("creatures.txt")}
        self.table("char *const species_names[]", [c_string(name) for name in self.species])
        self.table("uint8_t species_pictures[][400]", [c_bytes(pictures[name]) for name in self.species])
        self.out.append("struct foe { uint8_t species, level, hp, hit, spread, prize, badge; };")
        rows = [
            (self.species.index(foe.species) + 1, foe.level, foe.hp, foe.hit, foe.spread, foe.prize, foe.badge)
            for foe in self.foes
        ]
        self.table("struct foe foes[]", [c_bytes(bytes(row)) for row in rows])

    def thing_row(self, game_map: Map, thing: Thing) -> str:
        """One `struct thing`."""
        options, texts = thing.options, thing.texts
        look = self.looks[thing.look] if thing.look else self.chars[game_map.rows[thing.y][thing.x]]
        gift = ITEMS.index(options.get("takes", "")) << 4 | ITEMS.index(options.get("gives", ""))
        if thing.role == "trainer":
            gift = self.foe_numbers[options["foe"]]
        if thing.role == "pod":
            gift = self.species.index(options["species"]) + 1
        sight = cell_byte(*map(int, options["sight"].split(","))) if "sight" in options else NONE
        words = [cell_byte(thing.x, thing.y), look, ROLES[thing.role]]
        words += [self.event(options.get(key)) for key in ("need", "event", "gone")]
        words += [gift, sight, *(self.text(texts.get(key)) for key in ("no", "now", "then"))]
        return "{" + ", ".join(map(str, words)) + "}"

    def write_map(self, game_map: Map) -> str:
        """The tables of one map; returns its row in `maps`."""
        tag = f"{game_map.id:02x}"
        cells = bytes(self.chars[char] for row in game_map.rows for char in row)
        self.out.append(f"static const uint8_t cells_{tag}[] = {c_bytes(cells)};")
        warps = [c_bytes(bytes((cell_byte(w.x, w.y), w.map_id, cell_byte(w.to_x, w.to_y)))) for w in game_map.warps]
        self.table(f"struct warp warps_{tag}[]", warps)
        self.table(f"struct thing things_{tag}[]", [self.thing_row(game_map, thing) for thing in game_map.things])
        border = self.chars[game_map.border]
        way_out = (
            self.chars[game_map.options["way"]]
            if "way" in game_map.options
            else self.looks["doorway" if game_map.border == "x" else "path"]
        )
        bed = cell_byte(*map(int, game_map.options["bed"].split(","))) if "bed" in game_map.options else NONE
        wild = self.foe_numbers[game_map.options["wild"]] if "wild" in game_map.options else 0
        numbers = [game_map.id, len(game_map.rows[0]), len(game_map.rows), border, way_out, bed, wild]
        numbers += [len(game_map.warps), len(game_map.things)]
        pointers = f"cells_{tag}, warps_{tag}, things_{tag}"
        return f"{{{', '.join(map(str, numbers))}, {pointers}}}"

    def write_world(self) -> None:
        """Maps, notes, where the story begins, and last the texts that all of them used."""
        self.out += [
            f"enum {{ {', '.join(ROLES.values())} }};",
            "struct warp { uint8_t from, map, to; };",
            "struct thing { uint8_t cell, look, role, need, event, gone, gift, sight, before, now, after; };",
            "struct map { uint8_t id, width, height, border, way_out, bedside, wild, warp_count, thing_count;",
            "  const uint8_t *cells; const struct warp *warps; const struct thing *things; };",
            "struct note { uint8_t event, text; };",
        ]
        self.table("struct map maps[]", [self.write_map(game_map) for game_map in self.maps.values()])
        last = len(read_notes()) - 1
        notes = [
            f"{{{NONE if i == last else self.event(name)}, {self.text(text)}}}"
            for i, (name, text) in enumerate(read_notes())
        ]
        self.table("struct note notes[]", notes)
        self.out.append(f"#define TEXT_DEFEAT {self.text(DEFEAT_TEXT)}")
        first = next(game_map for game_map in self.maps.values() if game_map.start)
        assert first.start is not None
        self.out.append(f"#define FIRST_MAP {first.id}\n#define FIRST_CELL {cell_byte(*first.start)}")
        self.out.append("#define FIRST_REST 0x25")
        self.out.append(f"#define ITEM_BALM {ITEMS.index('balm')}")
        self.out.append(f"#define EVENT_FIRST_WIN {self.events['first_win']}")
        self.table("char *const texts[]", [c_string(text) for text in self.texts])

    def build(self) -> str:
        """The whole of assets.h."""
        self.out = ["// Generated from assets/*.txt by build.py.", "#pragma once", "#include <stdint.h>"]
        self.write_tiles()
        self.write_ui()
        self.write_creatures()
        self.write_world()
        return "\n".join(self.out) + "\n"


# ---- SDCC


def check_statics(map_text: str) -> None:
    """Fail if the linker put data outside of STATICS, where it would overwrite a shared fact without a word."""
    for area in re.finditer(r"^(_DATA|_INITIALIZED|_BSS|_DABS|_HEAP)\s+([0-9A-F]{8})\s+([0-9A-F]{8})", map_text, re.M):
        name, start, size = area[1], int(area[2], 16), int(area[3], 16)
        if size and not (start in STATICS and start + size - 1 in STATICS):
            raise AssetError(f"area {name} at {start:#x}, {size} bytes, lies outside {STATICS}")
    for symbol in re.finditer(r"^\s+([0-9A-F]{8})\s+(_\w+)", map_text, re.M):
        address = int(symbol[1], 16)
        if 0xC000 <= address < 0xFF00 and address not in STATICS:
            raise AssetError(f"static {symbol[2]} at {address:#x} lies outside {STATICS}")


def compile_rom(folder: Path) -> bytes:
    """Compile in `folder` and return the image."""
    (folder / "assets.h").write_text(Header().build(), encoding="ascii")
    for source in (*SOURCES.glob("*.c"), *SOURCES.glob("*.h"), *SOURCES.glob("*.s")):
        (folder / source.name).write_bytes(source.read_bytes())
    for command in (
        "sdasgb -o crt0.rel crt0.s",
        "sdcc -msm83 -c main.c",
        "sdcc -msm83 --no-std-crt0 --code-loc 0x200 --data-loc 0xC510 -o out.ihx crt0.rel main.rel",
        "makebin -Z -s 32768 -yN -yn WAYFARER out.ihx out.gb",
    ):
        subprocess.run(command.split(), cwd=folder, check=True)
    check_statics((folder / "out.map").read_text())
    return (folder / "out.gb").read_bytes()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="build elsewhere and compare with the committed ROM")
    parser.add_argument("--keep", type=Path, help="build in this folder and leave its files there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rom = compile_rom(folder)
    used = len(rom.rstrip(b"\xff").rstrip(b"\x00"))
    if args.check:
        same = rom == ROM_PATH.read_bytes()
        print("the committed ROM is up to date" if same else "the committed ROM differs from its sources")
        return 0 if same else 1
    ROM_PATH.write_bytes(rom)
    print(f"{ROM_PATH.name}: {used:,} of 32,768 bytes used")
    return 0


if __name__ == "__main__":
    sys.exit(main())
