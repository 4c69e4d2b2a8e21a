"""Arrays out of .npz and .npy files that anybody may have written: looked at before memory is taken for them."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from etils import epath

from digan_jax.errors import InputError

MAX_BYTES = 8 * 2**30  # that the arrays of a file may take in memory, unless somebody allows more
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_ZIP = b"PK"


class TooLarge(InputError):
    """Arrays that are read only if somebody allows more memory."""


def read_arrays(path: epath.PathLike, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """All arrays of a .npz by name, or the one of a .npy under ""; nothing in it is unpickled.

    Raises:
      InputError: missing, damaged, or it claims more than there is or than `max_bytes`.
    """
    try:
        check_arrays(path, max_bytes)
        with epath.Path(path).open("rb") as stream:
            found = np.load(stream, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"": found}
            with found:
                return {name: found[name] for name in found.files}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error, NotImplementedError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is damaged, or no .npz of numbers ({error}).") from None


def check_arrays(path: epath.PathLike, max_bytes: int = MAX_BYTES) -> None:
    """Looks at the headers of a .npz or .npy alone.

    Raises:
      InputError: an array that claims more bytes than the file holds of it, or all together more than `max_bytes`.
      OSError, ValueError, zipfile.BadZipFile: no such file.
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
    """(name, bytes that it claims, bytes that there are) of each array."""
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
                        yield member.filename, member.file_size, member.file_size  # np.load gives it as bytes
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
