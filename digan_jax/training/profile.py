"""Traces a few iterations, to show how a step spends its time."""

from __future__ import annotations

from clu import profiler
from etils import epath

SKIPPED = 5  # iterations before the trace: the first compiles, the others fill the loader's buffers


class Profile:
    """Traces `iterations` iterations to WORKDIR/profile, SKIPPED iterations after the start; 0: no trace.

    Use it in a `with` block, which also ends the trace when training stops early. TensorBoard's profile plugin and
    https://ui.perfetto.dev read the trace.
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
        """Starts or ends the trace. Call it before each iteration, with the number of finished ones."""
        if self._first < self._last and step == self._first:
            profiler.start(str(self._folder))
            self._running = True
        elif self._running and step == self._last:
            self._stop()

    def _stop(self) -> None:
        profiler.stop()
        self._running = False
