"""Files and folders written beside their place and moved in whole, and what a full disk says."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator

from etils import epath

from digan_jax.errors import InputError, full_disk


def check_free(path: epath.PathLike, replaceable: Callable[[epath.Path], bool] = lambda path: False) -> None:
    """Raises `InputError` when something is at `path` that is neither an empty folder nor `replaceable`."""
    path = epath.Path(path)
    if not path.exists() or (path.is_dir() and (replaceable(path) or not any(path.iterdir()))):
        return
    raise InputError(f"{path}: there is something already; choose another --out, or remove it first.")


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
    if "://" in os.fspath(path):  # a bucket has no folders to rename
        with tempfile.TemporaryDirectory() as local:
            yield epath.Path(local)
            _upload(epath.Path(local), path)
        return
    path = path.expanduser().resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished, old = (path.parent / f".{path.name}.{os.getpid()}{mark}" for mark in ("", ".old"))
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
    path = epath.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if "://" in os.fspath(path):  # a bucket: whole objects appear at once
        with tempfile.TemporaryDirectory() as folder:
            local = epath.Path(folder) / path.name
            yield os.fspath(local)
            local.copy(path, overwrite=True)
        return
    unfinished = path.parent / f".{path.stem}.{os.getpid()}{path.suffix}"
    try:
        with _naming(path):
            yield os.fspath(unfinished)
            os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def append(path: epath.PathLike, text: str) -> None:
    """Adds all of `text` to the end of a file, or, where the disk is full, nothing. Raises `OSError`."""
    path = epath.Path(path)
    if "://" in os.fspath(path):
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
    path = epath.Path(path)
    return path.is_file() if "://" in os.fspath(path) else os.path.isfile(path)


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
