"""Progress of long work, on stderr: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

SECONDS = 10  # between lines


class _Rate(ProgressColumn):
    def __init__(self, unit: str):
        super().__init__()
        self._unit = unit

    def render(self, task) -> Text:
        return Text(f"{task.speed:.1f}{self._unit}/s" if task.speed else f"–{self._unit}/s")


@contextlib.contextmanager
def bar(what: str, total: int, unit: str = "") -> Iterator[Callable[[], None]]:
    """Say how far the block is while it runs: count, rate, remaining time. Call what it gives once for each thing done.

    Args:
      what: is being done. unit: of the things, such as "frames".
    """
    unit = unit and " " + unit
    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn()]
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task(what, total=total)
    started = said = time.monotonic()
    done = 0

    def advance() -> None:
        nonlocal done, said
        done += 1
        progress.advance(task)
        now = time.monotonic()
        if not console.is_terminal and now - said > SECONDS:
            said, rate = now, done / (now - started)
            left = (total - done) / rate
            print(f"{done}/{total}{unit}, {rate:.2f}{unit}/s, {left:.0f} s left", file=sys.stderr, flush=True)

    with progress:
        yield advance
