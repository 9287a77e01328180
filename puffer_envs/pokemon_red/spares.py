"""Machines that play no row: some hold a savestate that a row will soon begin with.

Loading takes 3.5 ms, which is fifteen decisions of a row, and all rows of a batch wait for it. So it is done while the
worker waits anyway.
"""

from collections.abc import Callable, Sequence

from puffer_envs.contract.state_file import StateFileError
from puffer_envs.pokemon_red.emulator import Emulator

MAX_READY = 4  # machines with a savestate at the ready, about a megabyte each


class Spares:
    """Spare machines of a batch; savestates are told apart by identity.

    Args:
        make: makes a machine.
    """

    def __init__(self, make: Callable[[], Emulator]) -> None:
        self._make = make
        self._free: list[Emulator] = []
        self._ready: list[tuple[bytes, Emulator]] = []
        self._refused: list[bytes] = []  # savestates that could not be loaded: not to be tried at every wait

    def prepare(self, wanted: Sequence[bytes]) -> None:
        """Load one of the savestates that are wanted next: the first of which no machine is ready.

        One that cannot be loaded is left for `take` to refuse.
        """
        unclaimed = list(self._ready)
        for state in wanted[:MAX_READY]:
            found = next((pair for pair in unclaimed if pair[0] is state), None)
            if found is not None:
                unclaimed.remove(found)
            elif not any(refused is state for refused in self._refused):
                if len(self._ready) == MAX_READY:
                    self._ready.remove(unclaimed[0])
                    self._free.append(unclaimed[0][1])
                try:
                    self._ready.append((state, self._load(state, trusted=False)))
                except StateFileError:
                    self._refused.append(state)
                return

    def take(self, state: bytes, *, trusted: bool = False) -> Emulator:
        """A machine in a savestate, which is the caller's from now on.

        Args:
            trusted: see `Emulator.load`.

        Raises:
            StateFileError: the state cannot be loaded; the machine that tried is gone.
        """
        for pair in self._ready:
            if pair[0] is state:
                self._ready.remove(pair)
                return pair[1]
        return self._load(state, trusted)

    def _load(self, state: bytes, trusted: bool) -> Emulator:
        machine = self._free.pop() if self._free else self._make()
        try:
            machine.load(state, trusted=trusted)
        except StateFileError:
            machine.close()
            raise
        return machine

    def give(self, machine: Emulator) -> None:
        """Hand in a machine that is no longer needed."""
        self._free.append(machine)

    def close(self) -> None:
        """Close all of them."""
        for machine in (*self._free, *(machine for _, machine in self._ready)):
            machine.close()
        self._free.clear()
        self._ready.clear()
