"""Ctrl-C and SIGTERM as a wish to stop."""

from __future__ import annotations

import os
import signal
import threading

import jax
import numpy as np
from jax.experimental import multihost_utils


class StopSignal:
    """While it is entered, the first Ctrl-C or SIGTERM is a wish and the second ends the process at once."""

    def __init__(self):
        self._wished, self._before = False, {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():  # no other may handle signals
            self._before = {s: signal.signal(s, self._wish) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _wish(self, number, frame):
        self._wished = True
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        os.write(2, b"\nfinishing the step and saving; once more to stop at once\n")  # print is not safe in a handler

    def agreed(self, may_ask: bool) -> bool:
        """Whether to stop now. Several processes ask one another, and only when `may_ask`, which all must say alike:
        one that stopped alone would leave the others waiting."""
        if jax.process_count() == 1:
            return self._wished
        return may_ask and bool(multihost_utils.process_allgather(np.array(self._wished)).any())
