"""Ctrl-C and SIGTERM as a wish to stop."""

from __future__ import annotations

import os
import signal
import threading


class StopSignal:
    """While it is entered, the first Ctrl-C or SIGTERM is a wish and the second ends the process at once."""

    def __init__(self):
        self.wished, self._before = False, {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():  # no other may handle signals
            self._before = {s: signal.signal(s, self._wish) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _wish(self, number, frame):
        self.wished = True
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        os.write(2, b"\nfinishing the step and saving; once more to stop at once\n")  # print is not safe in a handler
