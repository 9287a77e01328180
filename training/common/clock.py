"""When something is due, and where the time goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


def every(interval: int, before: int, now: int) -> bool:
    """Whether a multiple of `interval` lies in (before, now]; an interval of 0 never comes.

    A function of the steps alone, so a resumed run does everything at the steps at which the whole run did it.
    """
    return interval > 0 and before // interval < now // interval


class Clock:
    """Seconds spent in named parts since the last `take`."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[part] = self._seconds.get(part, 0.0) + time.perf_counter() - begin

    def take(self) -> dict[str, float]:
        """Seconds of each part, of the `rest` and in all (`total`), and begin anew."""
        now = time.perf_counter()
        total, self._since = now - self._since, now
        seconds, self._seconds = self._seconds, {}
        return {**seconds, "rest": max(0.0, total - sum(seconds.values())), "total": total}
