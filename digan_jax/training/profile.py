"""A trace of a few iterations, to see where the time of a step goes."""

from __future__ import annotations

from clu import profiler
from etils import epath

SKIPPED = 5  # iterations after the start: the first compiles, the next ones fill the loader's buffers


class Profile:
    """Traces `iterations` iterations to WORKDIR/profile, soon after the start; `with` it, a stop closes the trace.

    TensorBoard's profile plugin and https://ui.perfetto.dev read what it writes.
    """

    def __init__(self, workdir: epath.PathLike, start_step: int, iterations: int):
        self._folder = epath.Path(workdir) / "profile"
        self._first = start_step + SKIPPED
        self._last = self._first + iterations
        self._running = False

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *_) -> None:
        if self._running:
            self._stop()

    def at(self, step: int) -> None:
        """Before the iteration that follows `step` finished ones."""
        if self._first < self._last and step == self._first:
            profiler.start(str(self._folder))
            self._running = True
        elif self._running and step == self._last:
            self._stop()

    def _stop(self) -> None:
        profiler.stop()
        self._running = False
