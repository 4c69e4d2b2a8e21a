"""Ctrl-C and SIGTERM: end any work cleanly, ask training to stop, or wait until a block is left."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

ENDING = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
AGAIN, SOON = 2.0, 0.05  # seconds until an exception that got lost is raised again


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP. Raised in the main thread, as for Ctrl-C, so that temporary files are removed."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Within the block, SIGINT raises KeyboardInterrupt in the main thread; SIGTERM and SIGHUP raise `Terminated`.

    In some callbacks, such as those of the garbage collector, Python cannot raise: it prints the exception and goes on.
    The exception is then raised again after the callback.
    """

    def end(number, frame):
        if isinstance(sys.exception(), KeyboardInterrupt):
            return  # already ending
        signal.signal(signal.SIGALRM, lambda _, frame: end(number, frame))
        signal.setitimer(signal.ITIMER_REAL, AGAIN)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)

    def lost(unraisable):
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            return hook(unraisable)
        signal.setitimer(signal.ITIMER_REAL, SOON)

    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    taken = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, end) for number in taken}
    hook, sys.unraisablehook = sys.unraisablehook, lost
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Delays signals until the block is left. For C++ calls that fail when Python raises in one of their callbacks."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    before = {number: signal.signal(number, lambda n, frame: came.append(n)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came[:1]:
            os.kill(os.getpid(), number)


class StopSignal:
    """Within the block, the first Ctrl-C or SIGTERM asks for a stop; the second ends the process at once.

    Attributes:
      wished: a stop was asked for.
    """

    def __init__(self):
        self.wished, self._before = False, {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():  # only the main thread may handle signals
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
