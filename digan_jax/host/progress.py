"""Progress of long work, for whoever watches: a terminal, a browser, or nobody. Also the way to end it early."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

SECONDS = 10  # between lines


class Cancelled(Exception):
    """Work that was asked to end before it was done; what it had finished stays."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """What a job tells while it works; the default tells nobody.

    Attributes:
      tell: called with (what is being done, how many are done, of how many, their unit), from 0 on.
      cancelled: asked after each thing done; True ends the work with `Cancelled`.
    """

    tell: Callable[[str, int, int, str], None] = lambda what, done, total, unit: None
    cancelled: Callable[[], bool] = lambda: False

    @contextlib.contextmanager
    def of(self, what: str, total: int, unit: str = "") -> Iterator[Callable[[], None]]:
        """Tells how far the block is. Call what it gives once for each thing done.

        Args:
          what: is being done. unit: of the things, such as "frames".

        Raises:
          Cancelled: by the call, when somebody asked for it.
        """
        done = 0
        self.tell(what, done, total, unit)

        def advance() -> None:
            nonlocal done
            done += 1
            self.tell(what, done, total, unit)
            if self.cancelled():
                raise Cancelled(f"{what}: cancelled after {done} of {total} {unit}".strip())

        yield advance


class Rate(ProgressColumn):
    """Things a second."""

    def render(self, task) -> Text:
        unit = task.fields.get("unit", "")
        return Text(f"{task.speed:.1f}{unit}/s" if task.speed else f"–{unit}/s")


class TerminalProgress(Progress):
    """On stderr: a bar with count, rate and remaining time on a terminal, a line every ten seconds elsewhere."""

    @contextlib.contextmanager
    def of(self, what: str, total: int, unit: str = "") -> Iterator[Callable[[], None]]:
        unit = unit and " " + unit
        console = Console(stderr=True)
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()]
        bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        task = bar.add_task(what, total=total, unit=unit)
        started = said = time.monotonic()
        done = 0

        def advance() -> None:
            nonlocal done, said
            done += 1
            bar.advance(task)
            told()
            now = time.monotonic()
            if not console.is_terminal and now - said > SECONDS:
                said, rate = now, done / (now - started)
                left = (total - done) / rate
                print(f"{done}/{total}{unit}, {rate:.2f}{unit}/s, {left:.0f} s left", file=sys.stderr, flush=True)

        with bar, super().of(what, total, unit.strip()) as told:
            yield advance
