"""The files of `digan compress` (.dnv): a header, and whole numbers of 8 bits, entropy-coded by zstandard.

  magic "DNV1", then little-endian: frames u32, height u16, width u16, frames a second f32, hidden u8, grids u8,
  (times u32, rows u16, columns u16) of each grid, the step of each array of weights f32, length of the coded numbers u32,
  CRC-32 of all that follows the magic but itself u32, the coded numbers
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Int8

from digan_jax.errors import InputError
from digan_jax.host.files import is_plain, moved_in

MAGIC, FAMILY = b"DNV1", b"DNV"
LEVEL = 19  # of zstandard
MOST_WEIGHTS = 2**26


class ClipFile(NamedTuple):
    """The content of a file."""

    frames: int
    height: int
    width: int
    fps: float
    hidden: int
    grids: tuple[tuple[int, int, int], ...]
    steps: tuple[float, ...]  # the value of 1 in each array
    numbers: Int8[np.ndarray, "n"]  # all arrays, one after another


def zstd():
    """The module `zstandard`. Raises `InputError` if it is not installed."""
    try:
        import zstandard
    except ImportError:
        raise InputError('compressed clips need zstandard; pip install "digan-jax[compress]".') from None
    return zstandard


def pack(clip: ClipFile) -> bytes:
    """A clip as the bytes of a file."""
    coded = zstd().ZstdCompressor(level=LEVEL, write_content_size=True).compress(clip.numbers.tobytes())
    head = struct.pack("<IHHfBB", *clip[:5], len(clip.grids))
    head += b"".join(struct.pack("<IHH", *grid) for grid in clip.grids)
    head += struct.pack(f"<{len(clip.steps)}f", *clip.steps) + struct.pack("<I", len(coded))
    return MAGIC + head + struct.pack("<I", zlib.crc32(head + coded)) + coded


def write(path: epath.PathLike, clip: ClipFile) -> int:
    """Writes a file and returns its bytes."""
    content = pack(clip)
    with moved_in(path) as unfinished:
        epath.Path(unfinished).write_bytes(content)
    return len(content)


def read(path: epath.PathLike) -> ClipFile:
    """Reads a file.

    Raises:
      InputError: no such file; another kind of file, or a newer version; a damaged one; names it.
    """
    path = epath.Path(path).expanduser()
    if not is_plain(path):
        raise InputError(f"{path}: there is no such file.")
    content = path.read_bytes()
    if content[:4] != MAGIC:
        newer = content[:3] == FAMILY
        what = "was written by a newer digan-jax; install the newest" if newer else "is no clip of `digan compress`"
        raise InputError(f"{path}: {what}.")
    try:
        return _unpack(content)
    except (struct.error, ValueError, zstd().ZstdError) as error:
        raise InputError(f"{path}: is damaged ({error}); get it again.") from None


def _unpack(content: bytes) -> ClipFile:
    at = len(MAGIC)

    def take(form: str):
        nonlocal at
        at += struct.calcsize(form)
        return struct.unpack_from(form, content, at - struct.calcsize(form))

    *plain, n_grids = take("<IHHfBB")
    grids = tuple(take("<IHH") for _ in range(n_grids))
    steps = take(f"<{n_grids + 6}f")
    (length,) = take("<I")
    head = content[len(MAGIC) : at]
    (checksum,) = take("<I")
    coded = content[at:]
    if len(coded) != length:
        raise ValueError(f"has {len(coded)} of {length} bytes")
    if zlib.crc32(head + coded) != checksum:
        raise ValueError("its checksum differs")
    if min(plain[:3]) < 1 or not (0 < plain[3] < math.inf and all(map(math.isfinite, steps))):
        raise ValueError("sizes that cannot be")
    if any(min(grid) < 1 for grid in grids) or sum(map(math.prod, grids)) > MOST_WEIGHTS:
        raise ValueError("grids that cannot be")
    numbers = zstd().ZstdDecompressor().decompress(coded, max_output_size=8 * MOST_WEIGHTS)
    return ClipFile(*plain, grids, steps, np.frombuffer(numbers, np.int8))
