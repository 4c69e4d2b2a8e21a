"""Reads .npz and .npy files of unknown origin. Checks the headers before it allocates memory; never unpickles."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from etils import epath

from digan_jax.errors import InputError

MAX_BYTES = 8 * 2**30  # default limit on the memory that the arrays of one file take
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_ZIP = b"PK"
_UNREADABLE = ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error, NotImplementedError


class TooLarge(InputError):
    """Arrays that are read only if somebody allows more memory."""


def read_arrays(path: epath.PathLike, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """Reads all arrays of a .npz by name, or the array of a .npy under the name "". Unpickles nothing.

    Args:
      max_bytes: limit on the size of all arrays together, in bytes.

    Raises:
      InputError: the file is missing or damaged, holds pickled objects, or its headers claim more bytes than the file
        holds or than `max_bytes`.
    """
    try:
        check_arrays(path, max_bytes)
        with epath.Path(path).open("rb") as stream:
            found = np.load(stream, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"": found}
            with found:
                return {name: found[name] for name in found.files}
    except (*_UNREADABLE, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is damaged, or no .npz of numbers ({error}).") from None


def check_arrays(path: epath.PathLike, max_bytes: int = MAX_BYTES) -> None:
    """Checks the headers of a .npz or .npy without reading the arrays.

    Raises:
      InputError: an array claims more bytes than the file holds of it, or all arrays together exceed `max_bytes`.
      OSError, ValueError, zipfile.BadZipFile: the file cannot be opened, or is neither .npz nor .npy.
    """
    total = 0
    for name, claimed, held in _headers(path):
        what = f"{path}: {name}" if name else str(path)
        if claimed > held:
            raise InputError(f"{what} claims {_size(claimed)} and holds {_size(held)}; it is damaged, make it again.")
        total += claimed
    if total > max_bytes:
        raise TooLarge(
            f"{path}: its arrays take {_size(total)} in memory, more than the {_size(max_bytes)} allowed; "
            "split it, or allow more."
        )


def _headers(path: epath.PathLike) -> Iterator[tuple[str, int, int]]:
    """Yields (name, bytes claimed by the header, bytes stored) of each array."""
    place = epath.Path(path)
    with place.open("rb") as file:
        start = file.read(len(_ZIP))
        file.seek(0)
        if start != _ZIP:
            claimed = _claimed(file)
            yield "", claimed, place.stat().length - file.tell()
            return
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                with archive.open(member) as inside:
                    if inside.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
                        yield member.filename, member.file_size, member.file_size  # no array: np.load returns its bytes
                        continue
                with archive.open(member) as inside:
                    claimed = _claimed(inside)
                    yield member.filename, claimed, member.file_size - inside.tell()


def _claimed(file: BinaryIO) -> int:
    version = np.lib.format.read_magic(file)
    shape, _, dtype = _HEADERS.get(version, np.lib.format.read_array_header_2_0)(file)
    if any(length < 0 for length in shape):
        raise ValueError(f"shape {shape}")
    return math.prod(shape) * dtype.itemsize


def _size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.4g} {unit}"
        count /= 1024
