"""A job of the house for a client: progress, cancelling, a limit of time, and the finished file in the store."""

from __future__ import annotations

import contextlib
import inspect
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from digan_jax.errors import InputError, system_error_message
from digan_jax.host.progress import Cancelled, Progress
from digan_jax.studio.store import Store, remove

NOT_BEGUN = "nothing was made: too many films wait, or the studio failed; try again in a moment."
KINDS = {".mp4": "video", ".webm": "video", ".gif": "picture", ".png": "picture", ".npz": "numbers"}


class Desk:
    """The jobs of all clients that are being worked on, by session."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._cancelled: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def cancel(self, session: str | None) -> bool:
        """Asks for the end of a client's work. Returns whether there is any."""
        with self._lock:
            found = self._cancelled.get(session or "")
        if found:
            found.set()
        return found is not None

    @contextlib.contextmanager
    def progress(self, session: str | None, tell: Callable[[str], None]) -> Iterator[Progress]:
        """The progress of a job of this client; `tell` is called with what is done, a few times a second."""
        asked, ends = threading.Event(), time.monotonic() + self._seconds
        told = [0.0]

        def say(what: str, done: int, total: int, unit: str) -> None:
            if done == total or time.monotonic() - told[0] > 0.3:
                told[0] = time.monotonic()
                tell(f"{what}: {done} of {total} {unit}")

        with self._lock:
            self._cancelled[session or ""] = asked
        try:
            yield Progress(say, lambda: asked.is_set() or time.monotonic() > ends)
        except Cancelled as end:
            if asked.is_set():
                raise
            raise InputError(f"{end}: it took longer than {self._seconds:g} s; ask for less.") from None
        finally:
            with self._lock:
                if self._cancelled.get(session or "") is asked:
                    del self._cancelled[session or ""]


def watched(
    job: Callable[[Callable[[str], None]], object], stop: Callable[[], object]
) -> Iterator[tuple[bool, object]]:
    """Runs `job(tell)` in a thread. Gives (False, text) for what it tells, and at last (True, its result).

    Args:
      stop: called at the end, also if nobody waits for the result any more.
    """
    told: queue.SimpleQueue = queue.SimpleQueue()

    def run() -> None:
        try:
            told.put((True, job(lambda text: told.put((False, text)))))
        except BaseException as error:  # raised where it is waited for
            told.put((None, error))

    threading.Thread(target=run, name="film", daemon=True).start()
    try:
        while True:
            done, value = told.get()
            if done is None:
                raise value
            yield done, value
            if done:
                return
    finally:
        stop()


def as_generator(function: Callable) -> Callable:
    """A generator function without decorators, by which Gradio does not know it as one."""
    return inspect.unwrap(function)


def made(store: Store, suffix: str, name: str, job: Callable[[Path], object], alt: str) -> dict:
    """The value of a `widgets.result`: the file that `job` writes at the path it is given.

    Raises:
      InputError, Cancelled: of the job; what the system refuses becomes an `InputError`. No file remains.
    """
    path = store.place(suffix)
    began = time.monotonic()
    try:
        job(path)
        size = path.stat().st_size
        token = store.keep(path, name)
    except (InputError, Cancelled):
        remove(path)
        raise
    except Exception as error:
        remove(path)
        message = system_error_message(error)
        if message is None:
            raise
        raise InputError(message.replace(str(path), name)) from error
    amount = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
    note = f"{amount}, made in {time.monotonic() - began:.1f} s; kept here for an hour at most"
    return {"url": f"studio/files/{token}/{name}", "name": name, "kind": KINDS[suffix], "alt": alt, "note": note}
