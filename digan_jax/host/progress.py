"""Reports the progress of long work to a terminal or another program, and cancels it on request."""

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

SECONDS = 10  # between lines, without a terminal


class Cancelled(Exception):
    """The work was cancelled on request. Finished parts are kept."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """Callbacks of a job. The default reports nothing.

    Attributes:
      tell: called as (what, done, total, unit), at 0 and after each item.
      cancelled: called after each item; when true, the work ends with `Cancelled`.
    """

    tell: Callable[[str, int, int, str], None] = lambda what, done, total, unit: None
    cancelled: Callable[[], bool] = lambda: False

    @contextlib.contextmanager
    def of(self, what: str, total: int, unit: str = "") -> Iterator[Callable[[], None]]:
        """Reports the progress of a block. Gives a function to call after each item.

        Args:
          what: description of the work.
          total: number of items.
          unit: of the items, such as "frames".

        Raises:
          Cancelled: from that function, when `cancelled` returns true.
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
    """Items per second."""

    def render(self, task) -> Text:
        unit = task.fields.get("unit", "")
        return Text(f"{task.speed:.1f}{unit}/s" if task.speed else f"–{unit}/s")


class TerminalProgress(Progress):
    """Progress on stderr: on a terminal a bar with count, rate and time left; elsewhere a line every ten seconds."""

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
