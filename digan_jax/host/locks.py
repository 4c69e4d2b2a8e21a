"""Exclusive use of a folder by one process: a file lock on disks, a lease with a heartbeat on buckets."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import threading
import time
import types
import uuid
from collections.abc import Iterator

from etils import epath

from digan_jax.errors import InputError
from digan_jax.host.files import moved_in
from digan_jax.host.notes import say_once

# Seconds: between heartbeats; without a heartbeat until a lease expires; until all processes see a write.
BEAT, STALE, SETTLE = 20.0, 120.0, 2.0


class Held:
    """A lock or lease held by this process."""

    def check(self) -> None:
        """Raises `InputError` when the lock is lost: the folder was removed, or another process took it over."""


def hold(folder: epath.PathLike, name: str, doing: str) -> contextlib.AbstractContextManager[Held]:
    """Locks the file `name` in `folder` for the length of a `with` block. Makes the folder.

    The system releases a lock on a disk when its process ends, for any reason. A lease expires `STALE` seconds after
    its last heartbeat, by the clock of the process that asks.

    Args:
      doing: what the holder does, for the message, such as "being trained".

    Raises:
      InputError: another process holds the lock; names the process and its start.
    """
    folder = epath.Path(folder)
    if fcntl := file_locks(folder):
        return _locked(folder.expanduser(), name, doing, fcntl)
    return _leased(folder, name, doing)


def file_locks(folder: epath.PathLike) -> types.ModuleType | None:
    """The module `fcntl`; None where `folder` has no file locks: in a bucket, and on other systems than POSIX."""
    try:
        import fcntl
    except ImportError:
        return None
    return None if "://" in os.fspath(folder) else fcntl


def _owner() -> dict:
    since = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    return {"owner": uuid.uuid4().hex, "host": socket.gethostname(), "pid": os.getpid(), "since": since}


def _refused(folder: epath.Path, doing: str, content: str, cure: str) -> InputError:
    try:
        found = json.loads(content)
        who = f"process {found['pid']} on {found['host']}, since {found['since']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return InputError(f"{folder}: is {doing} already, by {who}. Wait for it or end it, or choose another folder.{cure}")


# ---- on a disk ----


class _Lock(Held):
    def __init__(self, folder: epath.Path, path: epath.Path, file):
        self._folder, self._path, self._file = folder, path, file

    def check(self):
        try:
            there = os.stat(self._path)
            same = os.path.samestat(there, os.fstat(self._file.fileno()))
        except (FileNotFoundError, NotADirectoryError):
            same = False
        except OSError:  # a file system that does not answer now may answer the next time
            return
        if not same:
            raise InputError(f"{self._folder}: was removed or replaced meanwhile; nothing more can be saved there.")


@contextlib.contextmanager
def _locked(folder: epath.Path, name: str, doing: str, fcntl) -> Iterator[Held]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise _refused(folder, doing, file.read(), "") from None
        except OSError as error:  # a file system without locks
            say_once(f"{folder}: cannot be locked ({error}); take care that one process alone works in it.")
            yield Held()
            return
        with contextlib.suppress(OSError):  # on a full disk the lock works without its owner's name
            file.truncate(0)
            file.write(json.dumps(_owner()))
            file.flush()
        yield _Lock(folder, path, file)


# ---- on a bucket ----


class _Lease(Held):
    def __init__(self, folder: epath.Path, path: epath.Path):
        self.path, self._folder, self._owner = path, folder, _owner()
        self._lost = False
        self._ended = threading.Event()

    def write(self) -> None:
        with moved_in(self.path) as unfinished:  # whole at once: two that write together do not mix
            epath.Path(unfinished).write_text(json.dumps(self._owner | {"beat": time.time()}))

    def is_ours(self) -> bool:
        return _content(self.path).get("owner") == self._owner["owner"]

    def beat(self) -> None:
        while not self._ended.wait(BEAT):
            with contextlib.suppress(Exception):  # the bucket may be reachable next time
                if not self.is_ours():
                    self._lost = True
                    return
                self.write()

    def check(self):
        if self._lost:
            raise InputError(f"{self._folder}: was removed or taken over by another process; this one ends.")

    def end(self) -> None:
        self._ended.set()

    def release(self) -> None:
        with contextlib.suppress(Exception):
            if self.is_ours():
                self.path.unlink()


def _content(path: epath.Path) -> dict:
    try:
        found = json.loads(path.read_text()) if path.exists() else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@contextlib.contextmanager
def _leased(folder: epath.Path, name: str, doing: str) -> Iterator[Held]:
    folder.mkdir(parents=True, exist_ok=True)
    lease = _Lease(folder, folder / name)
    found = _content(lease.path)
    beat = found.get("beat")
    age = time.time() - beat if isinstance(beat, (int, float)) else float("inf")
    cure = f" If it is dead, its lease ends {STALE:g} seconds after its last sign of life."
    if age < STALE:
        raise _refused(folder, doing, json.dumps(found), cure)
    if found:
        say_once(f"{folder}: process {found.get('pid')} on {found.get('host')} gave no sign of life; taken over.")
    lease.write()
    time.sleep(SETTLE)  # of two processes that start at once, the last writer wins
    if not lease.is_ours():
        raise _refused(folder, doing, json.dumps(_content(lease.path)), cure)
    thread = threading.Thread(target=lease.beat, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        lease.end()
        thread.join(BEAT)  # else it might write the lease once more after its removal
        lease.release()
