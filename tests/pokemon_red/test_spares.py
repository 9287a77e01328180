"""Spare machines, and that working ahead changes nothing."""

import numpy as np
import pytest

from puffer_envs.contract.state_file import StateFileError
from puffer_envs.pokemon_red.config import Config
from puffer_envs.pokemon_red.env import PokemonRed
from puffer_envs.pokemon_red.spares import MAX_READY, Spares


class Machine:
    """Counts what is done to it; the state b"bad" does not load."""

    def __init__(self) -> None:
        self.loaded: list[bytes] = []
        self.closed = False

    def load(self, state: bytes, *, trusted: bool = False) -> None:
        if state == b"bad":
            raise StateFileError("bad")
        self.loaded.append(state)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def made() -> list[Machine]:
    return []


@pytest.fixture
def spares(made: list[Machine]) -> Spares:
    def make() -> Machine:
        made.append(Machine())
        return made[-1]

    return Spares(make)


def states(*names: str) -> list[bytes]:
    return [name.encode() for name in names]


def test_a_prepared_state_is_taken_without_another_load(spares: Spares, made: list[Machine]) -> None:
    one, two = states("one", "two")
    spares.prepare([one, two])
    spares.prepare([one, two])
    spares.prepare([one, two])  # all are ready: nothing to do
    assert [machine.loaded for machine in made] == [[one], [two]]
    assert spares.take(two) is made[1]
    assert spares.take(one) is made[0]
    assert made[0].loaded == [one]
    spares.give(made[0])
    assert spares.take(two) is made[0]  # not ready any more: loaded now, into a machine that was free
    assert made[0].loaded == [one, two]


def test_two_rows_that_want_the_same_state_get_a_machine_each(spares: Spares, made: list[Machine]) -> None:
    one = b"one"
    for _ in range(3):
        spares.prepare([one, one])
    assert [machine.loaded for machine in made] == [[one], [one]]
    assert spares.take(one) is not spares.take(one)


def test_equal_bytes_are_another_state(spares: Spares, made: list[Machine]) -> None:
    spares.prepare([b"one"])
    spares.take(bytes(bytearray(b"one")))
    assert len(made) == 2


def test_no_more_machines_than_allowed_are_at_the_ready(spares: Spares, made: list[Machine]) -> None:
    wanted = states(*(f"state {i}" for i in range(20)))
    for first in range(0, 20, 2):
        for _ in range(MAX_READY + 1):
            spares.prepare(wanted[first:])
    assert len(made) <= MAX_READY + 1
    last = spares.take(wanted[19])
    assert last.loaded[-1] == wanted[19]


def test_a_bad_state_is_tried_once_ahead_and_refused_when_it_is_wanted(spares: Spares, made: list[Machine]) -> None:
    bad, good = states("bad", "good")
    for _ in range(3):
        spares.prepare([bad, good])
    assert [machine.closed for machine in made] == [True, False]
    with pytest.raises(StateFileError):
        spares.take(bad)
    assert spares.take(good).loaded == [good]


def test_closing_closes_all(spares: Spares, made: list[Machine]) -> None:
    spares.prepare([b"one"])
    spares.give(Machine())
    made.append(spares._free[0])
    spares.close()
    assert all(machine.closed for machine in made)


@pytest.mark.parametrize("seed", range(2))
def test_working_ahead_changes_no_result(seed: int) -> None:
    traces, loads = [], []
    for ahead in (False, True):
        env = PokemonRed(Config(patience_steps=6, new_game_steps=20, savestate_steps=15), 3, seed=seed, num_threads=1)
        env.reset()
        env.add_state("a", env.save_state(0))
        env.step(np.full(3, 3, np.int32))
        env.add_state("b", env.save_state(1))
        rng, trace = np.random.default_rng(seed), []
        taken = 0
        for step in range(120):
            if step % 5 == 0:  # also where another one was prepared
                env.set_next_start(int(rng.integers(3)), (None, "a", "b")[rng.integers(3)])
            if ahead:
                env.prepare()
            ready = len(env._spares._ready)
            env.step(rng.integers(0, 7, 3, dtype=np.int32))
            taken += len(env._spares._ready) < ready
            trace.append((env.observations.tobytes(), env.rewards.tobytes(), env.truncations.tobytes()))
        traces.append(trace)
        loads.append(taken)
        env.close()
    assert traces[0] == traces[1]
    assert loads[0] == 0
    assert loads[1] > 10  # prepared machines were used
