"""What a person is told about time: that the step compiles, how long that took, and what the whole run will take."""

from __future__ import annotations

import time

from digan_jax.config import TrainConfig
from digan_jax.training.logs import Writer

STEPS = 100  # steps after which the length of the run is estimated
UNITS = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}


class Pace:
    """Says three things once each, through the log: before the first step, after it, and after `STEPS` steps.

    Args:
      step: finished iterations at the start.
      end: the last iteration that takes as long as the first; None: that of the run.
    """

    def __init__(self, train: TrainConfig, writer: Writer, step: int, end: int | None = None):
        self._train, self._writer, self._first = train, writer, step
        self._total = end or train.steps(train.total_kimg)
        self._began = self._compiled = 0.0
        self.begun = False

    def compiling(self) -> None:
        """Before the first step."""
        self.begun, self._began = True, time.monotonic()
        self._writer.write_text(self._first, "note", "compiling the training step")

    def ended(self, step: int) -> None:
        """After each step."""
        done = step - self._first
        if done == 1:
            self._compiled = time.monotonic()
            taken = in_words(self._compiled - self._began)
            self._writer.write_text(step, "note", f"compiled in {taken}")
        elif done == STEPS:
            kimg = f"{self._train.total_kimg:g}"
            if self._total < self._train.steps(self._train.total_kimg):
                kimg = f"first {self._train.kimg(self._total):g}"
            seconds = (time.monotonic() - self._compiled) / (done - 1)
            rest, whole = (seconds * steps for steps in (self._total - step, self._total))
            self._writer.write_text(
                step,
                "note",
                f"{self._train.batch_size / seconds:.1f} clips/s over the first {STEPS} steps: the "
                f"{kimg} kimg of this run take {in_words(whole)} on this machine, of which "
                f"{in_words(rest)} are left.",
            )


def in_words(seconds: float) -> str:
    """Such as "34 seconds" or "5.8 days"; the largest unit of which there are two or more."""
    unit = next((unit for unit, length in UNITS.items() if seconds >= 2 * length), "seconds")
    value = seconds / UNITS[unit]
    return f"{value:.{0 if value >= 10 else 1}f} {unit}"
