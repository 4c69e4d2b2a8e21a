"""The files of `digan compress` (.dnv): a header, and whole numbers that `range_coder` has coded.

  magic "DNV2", then little-endian: CRC-32 of all that follows u32, frames u32, height u16, width u16, frames a second f32,
  hidden u8, grids u8, (times, rows, columns) of each grid u16, the step of each array of weights f16, the coded numbers
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import NamedTuple

from etils import epath

from digan_jax.errors import InputError
from digan_jax.host.files import is_plain, moved_in

MAGIC, FAMILY = b"DNV2", b"DNV"
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
    coded: bytes  # the numbers of all arrays, by `range_coder.encode`


def pack(clip: ClipFile) -> bytes:
    """A clip as the bytes of a file."""
    head = struct.pack("<IHHfBB", *clip[:5], len(clip.grids))
    head += b"".join(struct.pack("<HHH", *grid) for grid in clip.grids)
    head += struct.pack(f"<{len(clip.steps)}e", *clip.steps)
    content = head + clip.coded
    return MAGIC + struct.pack("<I", zlib.crc32(content)) + content


def write(path: epath.PathLike, clip: ClipFile) -> int:
    """Writes a file and returns its bytes."""
    content = pack(clip)
    with moved_in(path) as unfinished:
        epath.Path(unfinished).write_bytes(content)
    return len(content)


def read(path: epath.PathLike) -> ClipFile:
    """Reads a file.

    Raises:
      InputError: no such file; another kind of file, or another version; a damaged one; names it.
    """
    path = epath.Path(path).expanduser()
    if not is_plain(path):
        raise InputError(f"{path}: there is no such file.")
    content = path.read_bytes()
    if content[:4] != MAGIC:
        raise InputError(f"{path}: {_stranger(content[:4])}.")
    try:
        return _unpack(content)
    except (struct.error, ValueError) as error:
        raise InputError(f"{path}: is damaged ({error}); get it again.") from None


def _stranger(magic: bytes) -> str:
    """What a file with another beginning is."""
    if magic[:3] != FAMILY:
        return "is no clip of `digan compress`"
    if magic < MAGIC:
        return "has a format that is no longer read; compress the video again"
    return "was written by a newer digan-jax; install the newest"


def _unpack(content: bytes) -> ClipFile:
    at = len(MAGIC)

    def take(form: str):
        nonlocal at
        at += struct.calcsize(form)
        return struct.unpack_from(form, content, at - struct.calcsize(form))

    (checksum,) = take("<I")
    if zlib.crc32(content[at:]) != checksum:
        raise ValueError("its checksum differs")
    *plain, n_grids = take("<IHHfBB")
    grids = tuple(take("<HHH") for _ in range(n_grids))
    steps = take(f"<{n_grids + 6}e")
    if min(plain[:3]) < 1 or plain[4] < 1 or not (0 < plain[3] < math.inf and all(map(math.isfinite, steps))):
        raise ValueError("sizes that cannot be")
    if not grids or min(map(min, grids)) < 1 or sum(map(math.prod, grids)) > MOST_WEIGHTS:
        raise ValueError("grids that cannot be")
    return ClipFile(*plain, grids, steps, content[at:])
