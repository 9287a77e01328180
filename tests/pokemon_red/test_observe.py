"""Facts and observations against the slow twin, on memories full of noise."""

import random
from collections.abc import Iterable

import numpy as np
import pytest

from puffer_envs.pokemon_red import kernels, observe, ram
from tests.reference import pokemon_red as slow

ROWS = np.arange(1)


def packed(machine: slow.Machine, visited: set[tuple[int, int, int]], passed: Iterable[int] = ()) -> np.ndarray:
    """The fast observation row of a machine, uint8 [R]."""
    raw = np.zeros((1, ram.RAW_SIZE), np.uint8)
    ram.read(machine.memory, raw[0])
    facts, memory = ram.allocate_facts(1), kernels.allocate_memory(1, 1024)
    ram.decode(raw, facts, 0)
    for cell in visited:
        kernels.visit(memory, 0, *cell)
    memory.passed[0, list(passed)] = True
    screens = np.zeros((1, observe.SCREEN_BYTES), np.uint8)
    pixels = np.repeat(np.array(machine.pixels, np.uint8)[:, :, None], 4, axis=2)
    observe.pack_screen(pixels, screens, 0)
    out = np.full((1, observe.LAYOUT.size), 0xEE, np.uint8)
    observe.write_rows(screens, facts, memory, out, ROWS)
    return out[0]


@pytest.mark.parametrize("seed", range(30))
def test_rows_equal_the_slow_twin(seed: int) -> None:
    rng = random.Random(seed)
    machine = slow.random_machine(rng)
    map_id, y, x = machine.place()
    near = {(map_id, (y + rng.randrange(-6, 7)) % 256, (x + rng.randrange(-6, 7)) % 256) for _ in range(60)}
    assert packed(machine, near).tobytes() == slow.observe(machine, near)
    for passed in (frozenset({map_id}), frozenset({map_id ^ 1})):
        assert packed(machine, near, passed).tobytes() == slow.observe(machine, near, passed)


@pytest.mark.parametrize("seed", range(10))
def test_the_view_of_ram_and_the_slices_read_the_same(seed: int) -> None:
    machine = slow.random_machine(random.Random(seed))
    by_slices, by_view = np.zeros(ram.RAW_SIZE, np.uint8), np.full(ram.RAW_SIZE, 7, np.uint8)
    ram.read(machine.memory, by_slices)
    wram = np.frombuffer(machine.memory, np.uint8)[ram.WRAM : ram.WRAM + ram.WRAM_BYTES]
    ram.gather(wram, by_view)
    assert (by_slices == by_view).all()


def test_layout_unpacks_to_the_game() -> None:
    machine = slow.Machine()
    machine.stand_at(0x33, 10, 20)
    machine.set_party([(7, 10, 20), (100, 40, 30)])  # real savestates hold more HP than full
    machine.set_event(0x77)
    machine.set_bag([3, 4])
    machine.memory[0xD347:0xD34A] = bytes.fromhex("003000")
    machine.memory[0xC109], machine.memory[0xD356], machine.memory[0xD057] = 12, 0b101, 0xFF
    row = packed(machine, {(0x33, 10, 20), (0x33, 10, 21), (0x32, 9, 20)})
    values = {field.name: observe.LAYOUT.unpack(row, field.name).tolist() for field in observe.LAYOUT}
    assert values["map_id"] == [0x33]
    assert values["position"] == [10, 20]
    assert values["facing"] == [3]
    assert values["battle"] == [3]
    assert values["badges"] == [1, 0, 1, 0, 0, 0, 0, 0]
    assert values["party_level"] == [7, 100, 0, 0, 0, 0]
    assert values["party_hp"] == [127, 255, 0, 0, 0, 0]
    assert values["bag"][:3] == [[3, 1], [4, 1], [0, 0]]
    assert values["money"] == [12]  # 2**11 <= 3000 < 2**12
    assert [i for i, on in enumerate(values["events"]) if on] == [0x77]
    assert [divmod(i, 10) for i, on in enumerate(values["visited"]) if on] == [(4, 4), (4, 5)]


def test_shades_survive_the_packing() -> None:
    machine = slow.Machine()
    machine.pixels = [[slow.GREYS[(i // 2 + j // 2) % 4] for j in range(160)] for i in range(144)]
    screen = observe.LAYOUT.unpack(packed(machine, set()), "screen")
    assert screen.shape == (72, 80)
    assert (screen == np.add.outer(np.arange(72), np.arange(80)) % 4).all()


def test_the_row_is_small() -> None:
    assert observe.LAYOUT.size == 1844


def test_a_set_of_coordinates_stays_half_empty() -> None:
    memory = kernels.allocate_memory(1, 64)
    cells = [(cell % 256, cell // 256, 255) for cell in range(0, 6000, 60)]
    for cell in cells:
        kernels.visit(memory, 0, *cell)
        kernels.visit(memory, 0, *cell)
    assert memory.visits[0] == 32
    assert [kernels.was_visited(memory, 0, *cell) for cell in cells] == [True] * 32 + [False] * (len(cells) - 32)
