"""What C++ libraries log of their own accord, shown a moment late: when a process ends because another is gone, their
stack dumps would bury the one line that says so."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

LATE = 0.5  # seconds


@contextlib.contextmanager
def shown_late(unless: Callable[[], object]) -> Iterator[None]:
    """Within the block what is written to file descriptor 2 appears `LATE` seconds later, or, when `unless()` says so
    by then, not at all. Python's own stderr is as before."""
    sys.stderr.flush()
    shown = os.dup(2)
    held, entrance = os.pipe()
    os.dup2(entrance, 2)
    os.close(entrance)
    before = sys.stderr
    sys.stderr = open(shown, "w", buffering=1, encoding=before.encoding, errors=before.errors, closefd=False)

    def pass_on() -> None:
        while text := os.read(held, 1 << 16):
            time.sleep(LATE)
            if not unless():
                os.write(shown, text)

    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        sys.stderr = before
        os.dup2(shown, 2)  # nobody can write to the pipe any more, so the thread comes to its end
        thread.join(4 * LATE)
