"""Reward terms against the slow twin on random lives, and by hand."""

import random

import numpy as np
import pytest

from puffer_envs.pokemon_red import kernels, ram, rewards
from puffer_envs.pokemon_red.config import PRESETS, Config, reward_weights, visited_capacity
from puffer_envs.pokemon_red.milestones import RED, WAYFARER
from tests.reference import pokemon_red as slow

REST = 0x29  # a rest house of the built-in game


class Fast:
    """The kernels behind the interface of the slow `Episode`."""

    def __init__(self, machine: slow.Machine, game=WAYFARER, config: Config | None = None, passed=()) -> None:
        self.rules = rewards.make_rules(config or Config(), game)
        self.raw = np.zeros((1, ram.RAW_SIZE), np.uint8)
        self.facts, self.memory = ram.allocate_facts(1), kernels.allocate_memory(1, 1024)
        self._look(machine)
        flags = np.zeros(256, np.bool_)
        flags[list(passed)] = True
        kernels.forget(self.facts, self.memory, self.rules.rest_maps, flags, 0, 100)

    def _look(self, machine: slow.Machine) -> None:
        ram.read(machine.memory, self.raw[0])
        ram.decode(self.raw, self.facts, 0)

    def pay(self, machine: slow.Machine) -> dict[str, float]:
        self._look(machine)
        terms = np.zeros((1, len(rewards.TERMS)), np.float32)
        rewards.score(self.facts, self.memory, self.rules, terms, 0)
        return dict(zip(rewards.TERMS, terms[0].tolist(), strict=True))

    def reopen(self, machine: slow.Machine, maps: set[int]) -> None:
        self._look(machine)
        kernels.reopen(self.facts, self.memory, tuple(maps), 0)


def paid(terms: dict[str, float]) -> dict[str, float]:
    """The terms that are not zero, without the coordinates that most steps pay."""
    return {name: value for name, value in terms.items() if value and name != "coordinate"}


@pytest.mark.parametrize("game", [WAYFARER, RED], ids=["wayfarer", "red"])
@pytest.mark.parametrize("seed", range(6))
def test_random_lives_are_paid_as_by_the_slow_twin(game, seed: int) -> None:
    rng = random.Random(seed)
    built_in = game is WAYFARER
    rules = slow.Rules(
        required_events=set(game.required_events),
        excluded_events=set(game.excluded_events),
        rest_maps=set(game.rest_house_maps),
        key_items=set(range(2, 7)) if built_in else {0x06, 0x2B, 0x2D, 0x30, 0x3F, 0x40, 0x46, 0x48, 0x49, 0x4A},
        machines=set() if built_in else {0xC4, 0xC5, 0xC6, 0xC7, 0xC8},
    )
    machine = slow.Machine()
    machine.stand_at(0, 5, 5)
    slow.wander(machine, rng, rules.rest_maps)
    passed = frozenset(rng.sample(range(256), 20 * (seed % 2)))
    twin, fast = slow.Episode(machine, rules, passed), Fast(machine, game, passed=passed)
    seen = set()
    for step in range(400):
        slow.wander(machine, rng, rules.rest_maps)
        expected = twin.pay(machine)
        assert fast.pay(machine) == expected
        assert fast.memory.stale[0] == twin.stale
        if step % 50 == 25:
            maps = {cell[0] for cell in rng.sample(sorted(twin.visited), 2)} | set(rng.sample(range(256), 9))
            twin.reopen(machine, maps)
            fast.reopen(machine, maps)
            assert fast.memory.visits[0] == len(twin.visited)
        seen |= paid(expected).keys()
    assert len(seen) >= 8  # the random life was rich enough to be a test


@pytest.fixture
def machine() -> slow.Machine:
    """A player on the road with one hurt companion."""
    machine = slow.Machine()
    machine.stand_at(0x0C, 5, 5)
    machine.set_party([(5, 10, 25)])
    return machine


def test_what_the_loaded_world_holds_is_never_paid(machine: slow.Machine) -> None:
    machine.memory[0xD356] = 0b1
    machine.set_event(2)
    machine.set_bag([2])
    fast = Fast(machine)
    assert fast.pay(machine) == dict.fromkeys(rewards.TERMS, 0.0)


def test_events_are_paid_once_and_required_ones_apart(machine: slow.Machine) -> None:
    fast = Fast(machine)
    required = WAYFARER.required_events[0]
    machine.set_event(required)
    machine.set_event(100)
    machine.set_event(101)
    assert paid(fast.pay(machine)) == {"required_event": 1, "event": 2}
    machine.set_event(100, on=False)
    assert paid(fast.pay(machine)) == {}
    machine.set_event(100)
    assert paid(fast.pay(machine)) == {}


def test_the_museum_ticket_pays_nothing_in_red(machine: slow.Machine) -> None:
    fast = Fast(machine, RED)
    machine.set_event(0x068)
    assert paid(fast.pay(machine)) == {}


def test_maps_and_coordinates_are_paid_at_their_first_visit(machine: slow.Machine) -> None:
    fast = Fast(machine)
    steps = [(0x0C, 5, 5), (0x0C, 5, 6), (0x01, 5, 6), (0x0C, 5, 6), (0x01, 5, 6), (0x01, 4, 6)]
    terms = []
    for place in steps:
        machine.stand_at(*place)
        terms.append(fast.pay(machine))
    assert [t["coordinate"] for t in terms] == [0, 1, 1, 0, 0, 1]
    assert [t["map"] for t in terms] == [0, 0, 1, 0, 0, 0]


def test_the_way_that_led_to_a_savestate_pays_nothing(machine: slow.Machine) -> None:
    machine.stand_at(0x01, 5, 5)
    fast = Fast(machine, passed=(0x0C,))
    terms = []
    for place in [(0x0C, 5, 5), (0x0C, 5, 6), (0x01, 5, 6), (0x33, 1, 1)]:
        machine.stand_at(*place)
        terms.append(fast.pay(machine))
    assert [t["coordinate"] for t in terms] == [0, 0, 1, 1]
    assert [t["map"] for t in terms] == [0, 0, 0, 1]


def test_levels_count_in_full_up_to_15_and_a_quarter_beyond(machine: slow.Machine) -> None:
    machine.set_party([(10, 5, 5)])
    fast = Fast(machine)
    gains = []
    for level in (12, 12, 17, 13, 17, 21):
        machine.set_party([(level, 5, 5)])
        gains.append(fast.pay(machine)["level"])
    assert gains == [2, 0, 3 + 2 / 4, 0, 0, 1]


def test_a_heal_is_paid_once_a_visit(machine: slow.Machine) -> None:
    fast = Fast(machine)

    def heal_at(map_id: int, hp: int) -> float:
        machine.stand_at(map_id, 5, 5)
        machine.set_party([(5, hp, 25)])
        return fast.pay(machine)["heal"]

    assert heal_at(REST, 10) == 0  # walks in
    assert heal_at(REST, 20) == 0  # better is not healed
    assert heal_at(REST, 25) == 1
    assert heal_at(REST, 10) == 0
    assert heal_at(REST, 25) == 0  # the visit is paid
    assert heal_at(0x0C, 10) == 0
    assert heal_at(0x0C, 25) == 0  # on the road
    assert heal_at(0x0C, 10) == 0
    assert heal_at(REST, 25) == 1  # the next visit


def test_a_defeat_costs_once_and_its_awakening_is_no_heal(machine: slow.Machine) -> None:
    fast = Fast(machine)
    machine.memory[0xD057] = 1
    assert paid(fast.pay(machine)) == {}
    machine.set_party([(5, 0, 25)])
    assert paid(fast.pay(machine)) == {"defeat": 1}
    machine.memory[0xD057] = 0xFF
    assert paid(fast.pay(machine)) == {}
    machine.memory[0xD057] = 0
    machine.stand_at(REST, 5, 5)
    machine.set_party([(5, 25, 25)])
    assert paid(fast.pay(machine)) == {"map": 1}


def test_a_newcomer_without_a_name_is_no_defeat_and_no_heal(machine: slow.Machine) -> None:
    machine.stand_at(REST, 5, 5)
    machine.set_party([])
    fast = Fast(machine)
    machine.set_party([(0, 0, 0)])  # counted while the nickname is asked for, written afterwards
    assert paid(fast.pay(machine)) == {}
    assert paid(fast.pay(machine)) == {}
    machine.set_party([(5, 20, 20)])
    assert paid(fast.pay(machine)) == {"level": 5}
    machine.set_party([(5, 20, 20), (0, 0, 0)])
    assert paid(fast.pay(machine)) == {}
    machine.set_party([(5, 20, 20), (5, 19, 19)])
    assert paid(fast.pay(machine)) == {"level": 5}


def test_a_companion_from_the_box_is_no_heal(machine: slow.Machine) -> None:
    machine.stand_at(REST, 5, 5)
    machine.set_party([(5, 25, 25)])
    fast = Fast(machine)
    machine.set_party([(5, 25, 25), (3, 12, 12)])
    assert paid(fast.pay(machine)) == {"level": 3}


def test_items_and_species_are_terms_of_their_own(machine: slow.Machine) -> None:
    fast = Fast(machine, RED)
    machine.set_bag([0x46, 0xC4, 0x04])
    machine.memory[0xD30A], machine.memory[0xD2F7] = 0b11, 0b1
    assert paid(fast.pay(machine)) == {"item": 1, "hm": 1, "seen": 2, "caught": 1}
    machine.set_bag([])
    assert paid(fast.pay(machine)) == {}
    machine.set_bag([0x46])
    assert paid(fast.pay(machine)) == {}


def test_presets_weigh_the_same_terms() -> None:
    for config in PRESETS.values():
        assert tuple(reward_weights(config)) == rewards.TERMS
    assert reward_weights(PRESETS["default"])["badge"] == 5
    assert PRESETS["red"].new_game_steps == 19_816
    assert set(reward_weights(PRESETS["original"]).values()) <= {-1, 0, 1, 3}


def test_the_set_of_coordinates_holds_the_longest_episode() -> None:
    for config in PRESETS.values():
        longest = max(config.new_game_steps, config.savestate_steps)
        assert visited_capacity(config) >= 2 * (longest + 1)
        assert visited_capacity(config).bit_count() == 1
