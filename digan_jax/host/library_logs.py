"""Delays what C++ libraries log on stderr.

When a process ends because a peer is gone, their stack dumps would hide the one line that explains it.
"""

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
    """Within the block, delays output to file descriptor 2 by `LATE` seconds. Python's `sys.stderr` is not delayed.

    Args:
      unless: asked after the delay; when true, the output is dropped.
    """
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
        os.dup2(shown, 2)  # closes the last writing end of the pipe, which ends the thread
        thread.join(4 * LATE)
