"""Updates in a thread of their own, beside the acting, in lockstep with it: speed never changes the result."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from training.common.intrinsic import RND
from training.off_policy.protocol import Algorithm
from training.off_policy.replay import SequenceBatch


class BackgroundLearner:
    """Trains on one batch at a time while the swarm goes on.

    An update that `start` begins is taken over by `take` at a later fixed point of the run, however long it took; until
    then the swarm acts with the weights of the update before (`Algorithm.acting`, `RND.acting`). So one core learns
    while the others emulate, and a run is the same function of its seed as if everything happened in turns.
    """

    def __init__(self, algorithm: Algorithm, rnd: RND | None) -> None:
        self.algorithm, self.rnd = algorithm, rnd
        self.started = 0  # updates
        self.busy_seconds = 0.0
        # Two threads that use Apple's GPU can bring the process down (PyTorch issue 197805): there in turns.
        in_turns = algorithm.device.type == "mps"
        self._thread = None if in_turns else ThreadPoolExecutor(1, thread_name_prefix="learner")
        self._running: Future[dict[str, float]] | None = None

    def start(self, batch: SequenceBatch) -> None:
        """Begin an update; the one before must have been taken."""
        assert self._running is None
        self.started += 1
        if self._thread is not None:
            self._running = self._thread.submit(self._update, batch)
        else:
            self._running = Future()
            self._running.set_result(self._update(batch))

    def take(self) -> dict[str, float] | None:
        """Wait for the update that runs, if any, act with its weights from now on, and return its figures.

        Raises:
            NonFiniteError: the update failed; the weights are as they were.
        """
        if self._running is None:
            return None
        figures, self._running = self._running.result(), None
        self.algorithm.publish()
        if self.rnd is not None:
            self.rnd.publish()
        return figures

    def _update(self, batch: SequenceBatch) -> dict[str, float]:
        begin = time.perf_counter()
        figures, features = self.algorithm.update(batch)
        if self.rnd is not None and features is not None:
            figures["rnd_loss"] = self.rnd.update(features)
        self.busy_seconds += time.perf_counter() - begin
        return figures

    def close(self) -> None:
        """Let the update that runs end."""
        if self._thread is not None:
            self._thread.shutdown()

    def state_dict(self) -> dict[str, Any]:
        """Both learners, and the update that has not been taken yet: it is waited for, and stays untaken."""
        untaken = None if self._running is None else self._running.result()
        return {
            "algorithm": self.algorithm.state_dict(),
            "rnd": None if self.rnd is None else self.rnd.state_dict(),
            "started": self.started,
            "untaken": untaken,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.algorithm.load_state_dict(state["algorithm"])
        if self.rnd is not None and state["rnd"] is not None:  # a resumed run may have been given a weight
            self.rnd.load_state_dict(state["rnd"])
        self.started = int(state["started"])
        self._running = None
        if state["untaken"] is not None:
            self._running = Future()
            self._running.set_result(state["untaken"])
