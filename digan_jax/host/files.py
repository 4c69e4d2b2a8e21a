"""Atomic writing: files and folders are written under a temporary name beside their target, then renamed.

Also checks that a target can be written, removes temporary files of dead processes, and reports full disks.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import re
import shutil
import socket
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from etils import epath

from digan_jax.errors import InputError, full_disk


def expanded(path: epath.PathLike) -> epath.Path:
    """`path` with "~" as the home folder, as a shell leaves it in --out=~/a.mp4; buckets as they are."""
    path = epath.Path(path)
    return path if in_bucket(path) else path.expanduser()


def check_free(path: epath.PathLike, replaceable: Callable[[epath.Path], bool] = lambda path: False) -> None:
    """Checks that a new folder can be made at `path`.

    Args:
      replaceable: whether an existing folder may be replaced. Empty folders always may.

    Raises:
      InputError: `path` exists and may not be replaced, or no folder can be made there.
    """
    path = expanded(path)
    check_folder(path.parent if path.name else path)
    if not path.exists() or (path.is_dir() and (replaceable(path) or not any(path.iterdir()))):
        return
    raise InputError(f"{path}: there is something already; choose another --out, or remove it first.")


def check_file(path: epath.PathLike) -> None:
    """Checks, before long work, that a file can be written at `path`. Missing parent folders are allowed.

    Raises:
      InputError: `path` is a folder, or its folder cannot be made or written.
    """
    if in_bucket(path):
        return
    with _write_errors(path):
        place = Path(path).expanduser().absolute()
        if place.is_dir():
            raise InputError(f"{path}: is a folder; name the file, such as {place / f'name{place.suffix}'}.")
        check_folder(place.parent, path)
        _check_name(place)


def check_folder(path: epath.PathLike, what: epath.PathLike | None = None) -> None:
    """Checks that files can be written in the folder `path`, which may not exist yet.

    Args:
      what: the path that the message names; None: `path`.

    Raises:
      InputError: the folder cannot be made or written.
    """
    if in_bucket(path):
        return
    what = path if what is None else what
    with _write_errors(what):
        place = Path(path).expanduser().absolute()
        there = next(folder for folder in (place, *place.parents) if os.path.lexists(folder))
        if not there.is_dir():
            raise InputError(f"{what}: {there} is no folder; choose another place.")
        _check_name(place)
        with tempfile.TemporaryFile(prefix=".digan", dir=there):  # access() is unreliable on some file systems
            pass


def _check_name(place: Path) -> None:
    """Raises `OSError` for a name that the file system refuses, such as one that is too long."""
    with contextlib.suppress(FileNotFoundError):
        os.lstat(place)


@contextlib.contextmanager
def _write_errors(what: epath.PathLike) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: pathlib finds no home folder for ~
        reason = (getattr(error, "strerror", None) or str(error)).lower().rstrip(".")
        cure = "free some space" if full_disk(error) else "make it writable"
        raise InputError(f"{what}: cannot be written ({reason}); choose another place, or {cure}.") from None


def in_bucket(path: epath.PathLike) -> bool:
    return "://" in os.fspath(path)


# ---- temporary files and folders: .NAME.MACHINE-PROCESS.SUFFIX ----

_UNFINISHED = re.compile(r"(?:\.(?P<name>.+)\.|digan_)(?P<machine>[0-9a-f]{8})-(?P<process>\d+)(?P<end>[._]\w+)?")
_OLD = ".old"


def _mark() -> str:
    """Identifies the process that a temporary file belongs to."""
    return f"{_machine()}-{os.getpid()}"


@functools.cache
def _machine() -> str:
    """Identifies this machine or container. Process ids are not unique among the machines that share a disk."""
    processes = "/proc/self/ns/pid"
    world = os.readlink(processes) if os.path.islink(processes) else ""
    return f"{zlib.crc32(f'{socket.gethostname()} {world}'.encode()):08x}"


def _beside(path: epath.Path, end: str) -> epath.Path:
    name = path.name.removesuffix(end).encode()[:200].decode(errors="ignore")  # a name has at most 255 bytes
    return path.parent / f".{name}.{_mark()}{end}"


def remove_abandoned(folder: epath.PathLike) -> None:
    """Removes temporary files and folders that dead processes of this machine left in `folder`.

    A folder that such a process had renamed to replace it, and did not replace, gets its name back.
    """
    places: list[Path] = []
    with contextlib.suppress(OSError):  # a folder that may be written but not read
        places = list(Path(folder).iterdir())
    for place in places:
        found = _UNFINISHED.fullmatch(place.name)
        if not found or found["machine"] != _machine() or _alive(int(found["process"])):
            continue
        with contextlib.suppress(OSError):  # another user's, or removed meanwhile
            if not place.is_dir():
                place.unlink()
            elif found["end"] == _OLD and not os.path.lexists(home := place.parent / found["name"]):
                os.replace(place, home)
            else:
                shutil.rmtree(place, ignore_errors=True)


_tidied = functools.lru_cache(maxsize=1024)(remove_abandoned)  # once per folder, not once per file


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


@contextlib.contextmanager
def scratch_folder() -> Iterator[str]:
    """Gives a temporary folder, removed after the block. First removes those of dead processes of this machine."""
    remove_abandoned(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix=f"digan_{_mark()}_") as folder:
        yield folder


@contextlib.contextmanager
def on_full_disk(replacement: Callable[[str], Exception]) -> Iterator[None]:
    """Within the block, replaces any library's error for a full disk by `replacement(reason)`. Other errors pass."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = full_disk(error)
        if reason is None:
            raise
        raise replacement(reason) from error


def _naming(path: epath.Path):
    """Makes errors of a full disk name `path`: libraries name the temporary file, or none."""
    return on_full_disk(lambda reason: OSError(errno.ENOSPC, reason, os.fspath(path)))


@contextlib.contextmanager
def folder_moved_in(path: epath.PathLike) -> Iterator[epath.Path]:
    """Writes a folder atomically: gives an empty temporary folder, and renames it to `path` if the block succeeds.

    An existing `path` is replaced. If the block raises, `path` stays as it was. For a bucket the files are uploaded
    instead, which is not atomic.

    Raises:
      OSError: the disk is full (names `path`), or the folder cannot be written.
    """
    path = epath.Path(path)
    if in_bucket(path):  # buckets cannot rename folders
        with tempfile.TemporaryDirectory() as local:
            yield epath.Path(local)
            upload(epath.Path(local), path, last="config.json")
        return
    path = path.expanduser().resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent)
    unfinished = _beside(path, "")
    old = unfinished.with_name(unfinished.name + _OLD)
    try:
        with _naming(path):
            unfinished.mkdir()
            yield unfinished
            if path.exists():
                os.replace(path, old)
            os.replace(unfinished, path)
    finally:
        if old.exists() and not path.exists():  # interrupted between the two renames
            os.replace(old, path)
        for folder in (unfinished, old):
            shutil.rmtree(folder, ignore_errors=True)


def upload(local: epath.Path, path: epath.Path, last: str) -> None:
    """Copies a folder into a bucket, the file of name `last` as the last one: without it the folder does not count."""
    files = [epath.Path(folder) / name for folder, _, names in os.walk(local) for name in names]
    for file in sorted(files, key=lambda file: file.name == last):
        target = path / os.path.relpath(file, local)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.copy(target, overwrite=True)


@contextlib.contextmanager
def moved_in(path: epath.PathLike) -> Iterator[str]:
    """Writes a file atomically: gives a temporary local name, and renames that file to `path` if the block succeeds.

    Makes the parent folders. If the block raises, `path` stays as it was.

    Raises:
      OSError: the disk is full (names `path`), or the file cannot be written.
    """
    path = expanded(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if in_bucket(path):  # an upload to a bucket is atomic
        with tempfile.TemporaryDirectory() as folder:
            local = epath.Path(folder) / path.name
            yield os.fspath(local)
            local.copy(path, overwrite=True)
        return
    _tidied(os.fspath(path.parent))
    unfinished = _beside(path, path.suffix)
    try:
        with _naming(path):
            yield os.fspath(unfinished)
            os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def on_disk(path: epath.PathLike) -> Iterator[epath.Path]:
    """The file at `path` for libraries that read disks alone: of a bucket, a copy, removed after the block.

    Raises:
      OSError: the file cannot be read.
    """
    path = expanded(path)
    if not in_bucket(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        yield path.copy(epath.Path(folder) / path.name)


def append(path: epath.PathLike, text: str) -> None:
    """Appends all of `text` to a file or nothing: if the disk fills up, truncates the file to its old length.

    Objects of a bucket cannot grow: the whole one is written again.

    Raises:
      OSError: the file cannot be written.
    """
    path = expanded(path)
    if in_bucket(path):
        path.write_text((path.read_text() if path.exists() else "") + text)
        return
    with open(path, "ab", buffering=0) as file:
        end, rest = file.tell(), memoryview(text.encode())
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


def is_plain(path: epath.PathLike) -> bool:
    """Whether `path` is a regular file. `epath` also accepts pipes, and reading one may block for ever."""
    path = expanded(path)
    return path.is_file() if in_bucket(path) else os.path.isfile(path)


def read_json(path: epath.PathLike) -> object:
    """Reads a JSON file.

    Raises:
      InputError: `path` is missing, no regular file, not UTF-8, or not valid JSON.
    """
    path = epath.Path(path)
    if not is_plain(path):
        raise InputError(f"{path}: {'is no ordinary file' if path.exists() else 'is missing'}.")
    try:
        return json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON, or cut ({error}).") from None


def write_json(path: epath.PathLike, data: object) -> None:
    """Writes JSON atomically. -0.0 is written as 0.0.

    Raises:
      OSError: as `moved_in`.
    """
    with moved_in(path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        file.write(json.dumps(_without_negative_zeros(data), indent=1) + "\n")


def _without_negative_zeros(data: object) -> object:
    if isinstance(data, dict):
        return {key: _without_negative_zeros(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_without_negative_zeros(value) for value in data]
    return data + 0.0 if isinstance(data, float) else data
