"""Ctrl-C and SIGTERM: a clean end of any work, a wish to stop while training, or held back for a moment."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

ENDING = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
AGAIN, SOON = 2.0, 0.05  # seconds until a signal whose exception got lost is raised once more


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP. Raised where the work is, as Ctrl-C is, so that what is unfinished is cleared away."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Within the block SIGINT raises KeyboardInterrupt in the main thread, and SIGTERM and SIGHUP `Terminated`.

    Where Python cannot raise, as in callbacks of the garbage collector, it prints the exception and goes on; here it is
    raised again instead, once the callback is over."""

    def end(number, frame):
        if isinstance(sys.exception(), KeyboardInterrupt):
            return  # on its way out, clearing up
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
    """Signals that come within the block act when it is left: for calls of C++ that break when Python raises in one of
    their callbacks."""
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
