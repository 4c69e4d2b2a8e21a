"""Cuts a video into the pieces that records hold: splits it into shots, shots into pieces, and encodes each frame."""

from __future__ import annotations

import dataclasses
import io
import os
import pickle
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from digan_jax.data import clips
from digan_jax.host.showing import UnusableVideo
from digan_jax.host.video_reading import open_footage

# Two successive frames form a cut if their colour histograms differ by more than this fraction of their mass. Motion
# within a shot stays below 0.3 even when a third of the picture changes; different scenes share less than half.
CUT_DISTANCE = 0.5


class Piece(NamedTuple):
    """Successive frames of one shot: the content of one record."""

    start: int  # number of its first frame in the video
    fps: float  # frames per second; 0: unknown
    frames: list[bytes]  # one PNG per frame


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How videos become records. The same recipe and files give the same records."""

    size: int  # pixels a side
    frames: int  # frames of a training clip; shorter shots are left out
    stride: int  # source frames from one frame of a clip to the next
    piece_frames: int  # approximate frames per record
    cuts: bool  # split shots at cuts

    @property
    def shortest(self) -> int:
        """Source frames of the shortest usable shot."""
        return clips.span(self.frames, self.stride)

    @property
    def piece_length(self) -> int:
        """Frames of a piece: a multiple of frames × stride, so that pieces keep the paper's disjoint windows."""
        window = self.frames * self.stride
        return max(1, self.piece_frames // window) * window


def encode(frame: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """Encodes a frame, uint8 [0, 255], as PNG."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG", compress_level=3)  # levels 6 and 9 take twice as long and save 5 %
    return file.getvalue()


def decode(png: bytes) -> UInt8[np.ndarray, "h w 3"]:
    """Decodes a PNG, or any other image that Pillow reads, to RGB, uint8 [0, 255]."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def is_cut(before: UInt8[np.ndarray, "h w 3"], after: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether two successive frames belong to different shots, by their colour histograms (4 × 4 × 4 bins)."""

    def histogram(frame):
        bins = (frame >> 6).astype(np.int64) @ (16, 4, 1)
        return np.bincount(bins.ravel(), minlength=64) / bins.size

    return float(np.abs(histogram(before) - histogram(after)).sum() / 2) > CUT_DISTANCE


def split(frames: Iterable[np.ndarray], recipe: Recipe) -> Iterator[tuple[int, list[bytes]]]:
    """Yields (first frame number, encoded frames) of each piece.

    The last piece of a shot also takes a remainder that is too short for a clip. Shots too short for a clip are left
    out.
    """
    length, shortest = recipe.piece_length, recipe.shortest
    start, piece, before = 0, [], None
    for frame in frames:
        if recipe.cuts and before is not None and is_cut(before, frame):
            if len(piece) >= shortest:
                yield start, piece
            start, piece = start + len(piece), []
        piece.append(encode(frame))
        before = frame
        if len(piece) == length + shortest:
            yield start, piece[:length]
            start, piece = start + length, piece[length:]
    if len(piece) >= shortest:
        yield start, piece


class Outcome(NamedTuple):
    """The result of decoding a video.

    Attributes:
      reason: why it gave no piece; "": it gave some.
      remarks: conversions that its frames needed.
    """

    reason: str
    remarks: tuple[str, ...] = ()


def spool(video: str, recipe: Recipe, file: str, threads: int = 1) -> Outcome:
    """Writes the pieces of a video to a temporary file, as successive pickles; `unspool` reads them.

    Uses a file because a long video may not fit in memory. A video that cannot be decoded completely gives no piece,
    and the file is removed.
    """
    n_frames = n_pieces = 0

    def counted(frames):
        nonlocal n_frames
        for n_frames, frame in enumerate(frames, 1):
            yield frame

    try:
        fps, frames, remarks = open_footage(video, recipe.size, threads)
        with open(file, "wb") as out:
            for n_pieces, (start, encoded) in enumerate(split(counted(frames), recipe), 1):
                pickle.dump(Piece(start, fps, encoded), out, pickle.HIGHEST_PROTOCOL)
        if n_pieces:
            return Outcome("", tuple(remarks))
        shot = " in one shot" if recipe.cuts and n_frames >= recipe.shortest else ""
        reason = f"too short: {n_frames} frames, a clip needs {recipe.shortest}{shot}" if n_frames else "no frames"
    except UnusableVideo as error:
        reason = str(error)
    except MemoryError:
        reason = "too large for the memory there is"
    if os.path.exists(file):
        os.remove(file)
    return Outcome(reason)


def unspool(file: str) -> Iterator[Piece]:
    """Yields the pieces of a temporary file, and then removes it."""
    with open(file, "rb") as pieces:
        size = os.path.getsize(file)
        while pieces.tell() < size:
            yield pickle.load(pieces)
    os.remove(file)
