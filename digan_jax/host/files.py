"""Files and folders written beside their place and moved in whole, and what a full disk says."""

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
    """Raises `InputError` when something is at `path` that is neither an empty folder nor `replaceable`, or when no
    folder can be made there."""
    path = expanded(path)
    check_folder(path.parent if path.name else path)
    if not path.exists() or (path.is_dir() and (replaceable(path) or not any(path.iterdir()))):
        return
    raise InputError(f"{path}: there is something already; choose another --out, or remove it first.")


def check_file(path: epath.PathLike) -> None:
    """Raises `InputError` when no file can be written at `path`, with its folders; long work asks before it begins."""
    if in_bucket(path):
        return
    with _refused_told(path):
        place = Path(path).expanduser().absolute()
        if place.is_dir():
            raise InputError(f"{path}: is a folder; name the file, such as {place / f'name{place.suffix}'}.")
        check_folder(place.parent, path)
        _check_name(place)


def check_folder(path: epath.PathLike, what: epath.PathLike | None = None) -> None:
    """Raises `InputError`, about `what` or `path` itself, when no files can be written in this folder, or when it
    cannot be made."""
    if in_bucket(path):
        return
    what = path if what is None else what
    with _refused_told(what):
        place = Path(path).expanduser().absolute()
        there = next(folder for folder in (place, *place.parents) if os.path.lexists(folder))
        if not there.is_dir():
            raise InputError(f"{what}: {there} is no folder; choose another place.")
        _check_name(place)
        with tempfile.TemporaryFile(prefix=".digan", dir=there):  # what access() says is not true of every file system
            pass


def _check_name(place: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.lstat(place)


@contextlib.contextmanager
def _refused_told(what: epath.PathLike) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # pathlib's own for a home that nobody knows
        reason = (getattr(error, "strerror", None) or str(error)).lower().rstrip(".")
        cure = "free some space" if full_disk(error) else "make it writable"
        raise InputError(f"{what}: cannot be written ({reason}); choose another place, or {cure}.") from None


def in_bucket(path: epath.PathLike) -> bool:
    return "://" in os.fspath(path)


# ---- unfinished files and folders: .NAME.MACHINE-PROCESS.SUFFIX ----

_UNFINISHED = re.compile(r"(?:\.(?P<name>.+)\.|digan_)(?P<machine>[0-9a-f]{8})-(?P<process>\d+)(?P<end>[._]\w+)?")
_OLD = ".old"


def _mark() -> str:
    """Says whose an unfinished file is."""
    return f"{_machine()}-{os.getpid()}"


@functools.cache
def _machine() -> str:
    """Of this machine, or this container: others on a shared disk count their processes anew."""
    processes = "/proc/self/ns/pid"
    world = os.readlink(processes) if os.path.islink(processes) else ""
    return f"{zlib.crc32(f'{socket.gethostname()} {world}'.encode()):08x}"


def _beside(path: epath.Path, end: str) -> epath.Path:
    name = path.name.removesuffix(end).encode()[:200].decode(errors="ignore")  # a name has at most 255 bytes
    return path.parent / f".{name}.{_mark()}{end}"


def remove_abandoned(folder: epath.PathLike) -> None:
    """Removes what processes of this machine that are no more left unfinished in `folder`; what one of them had moved
    aside for a new version returns to its place."""
    places: list[Path] = []
    with contextlib.suppress(OSError):  # a folder to write to that may not be read
        places = list(Path(folder).iterdir())
    for place in places:
        found = _UNFINISHED.fullmatch(place.name)
        if not found or found["machine"] != _machine() or _alive(int(found["process"])):
            continue
        with contextlib.suppress(OSError):  # somebody else's, or gone by now
            if not place.is_dir():
                place.unlink()
            elif found["end"] == _OLD and not os.path.lexists(home := place.parent / found["name"]):
                os.replace(place, home)
            else:
                shutil.rmtree(place, ignore_errors=True)


_tidied = functools.lru_cache(maxsize=1024)(remove_abandoned)  # once for each folder, not for each of its files


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
    """A temporary folder. What killed processes left of theirs goes first."""
    remove_abandoned(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix=f"digan_{_mark()}_") as folder:
        yield folder


@contextlib.contextmanager
def on_full_disk(told: Callable[[str], Exception]) -> Iterator[None]:
    """Raises `told(reason)` in place of the error by which some library says that the disk is full."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = full_disk(error)
        if reason is None:
            raise
        raise told(reason) from error


def _naming(path: epath.Path):
    """Libraries name the unfinished file, or none."""
    return on_full_disk(lambda reason: OSError(errno.ENOSPC, reason, os.fspath(path)))


@contextlib.contextmanager
def folder_moved_in(path: epath.PathLike) -> Iterator[epath.Path]:
    """Gives an empty local folder; it becomes `path`, in place of what is there, only if the block ends well. An
    `OSError` of a full disk names `path`."""
    path = epath.Path(path)
    if in_bucket(path):  # a bucket has no folders to rename
        with tempfile.TemporaryDirectory() as local:
            yield epath.Path(local)
            _upload(epath.Path(local), path)
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
        if old.exists() and not path.exists():  # stopped between the two moves
            os.replace(old, path)
        for folder in (unfinished, old):
            shutil.rmtree(folder, ignore_errors=True)


def _upload(local: epath.Path, path: epath.Path) -> None:
    """config.json last: a folder without it is no model yet."""
    files = [epath.Path(folder) / name for folder, _, names in os.walk(local) for name in names]
    for file in sorted(files, key=lambda file: file.name == "config.json"):
        target = path / os.path.relpath(file, local)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.copy(target, overwrite=True)


@contextlib.contextmanager
def moved_in(path: epath.PathLike) -> Iterator[str]:
    """Gives a local name to write to; what was written moves to `path` only if the block ends well. An `OSError` of a
    full disk names `path`."""
    path = expanded(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if in_bucket(path):  # a bucket: whole objects appear at once
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


def append(path: epath.PathLike, text: str) -> None:
    """Adds all of `text` to the end of a file, or, where the disk is full, nothing. Raises `OSError`."""
    path = expanded(path)
    if in_bucket(path):
        with path.open("a") as file:
            file.write(text)
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
    """Whether `path` is an ordinary file. `epath` takes a pipe for one, which waits for a writer for ever."""
    path = expanded(path)
    return path.is_file() if in_bucket(path) else os.path.isfile(path)


def read_json(path: epath.PathLike) -> object:
    """The content of a JSON file.

    Raises:
      InputError: no file (a folder, a pipe, nothing), not in UTF-8, or no JSON.
    """
    path = epath.Path(path)
    if not is_plain(path):
        raise InputError(f"{path}: {'is no ordinary file' if path.exists() else 'is missing'}.")
    try:
        return json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON, or cut ({error}).") from None


def write_json(path: epath.PathLike, data: object) -> None:
    """0.0 stands for -0.0. Raises as `moved_in`."""
    with moved_in(path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        file.write(json.dumps(_without_negative_zeros(data), indent=1) + "\n")


def _without_negative_zeros(data: object) -> object:
    if isinstance(data, dict):
        return {key: _without_negative_zeros(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_without_negative_zeros(value) for value in data]
    return data + 0.0 if isinstance(data, float) else data
