"""From a video to the records that hold it: shots, pieces of shots, frames compressed one by one."""

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

# Of the colour histograms of two neighbouring frames, the mass that must differ to call it a cut. Motion within a
# shot stays below 0.3 even when a third of the picture changes; different scenes share less than half their colours.
CUT_DISTANCE = 0.5


class Piece(NamedTuple):
    """Neighbouring frames of one shot: what one record holds."""

    start: int  # frame of the video
    fps: float  # 0 where unknown
    frames: list[bytes]  # PNG, one a frame


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How videos become records. Equal recipes on equal files make equal records."""

    size: int  # pixels a side
    frames: int  # of the clips that will be drawn: shorter shots are left out
    stride: int
    piece_frames: int  # frames of a record, about
    cuts: bool  # split shots at cuts

    @property
    def shortest(self) -> int:
        return clips.span(self.frames, self.stride)

    @property
    def piece_length(self) -> int:
        """Whole disjoint windows, so that the paper's windows are the same with and without pieces."""
        window = self.frames * self.stride
        return max(1, self.piece_frames // window) * window


def encode(frame: UInt8[np.ndarray, "h w 3"]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG", compress_level=3)  # 6 and 9 take twice the time for 5 % less
    return file.getvalue()


def decode(png: bytes) -> UInt8[np.ndarray, "h w 3"]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def is_cut(before: UInt8[np.ndarray, "h w 3"], after: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether two neighbouring frames come from different shots, by their colour histograms (4 × 4 × 4 bins)."""

    def histogram(frame):
        bins = (frame >> 6).astype(np.int64) @ (16, 4, 1)
        return np.bincount(bins.ravel(), minlength=64) / bins.size

    return float(np.abs(histogram(before) - histogram(after)).sum() / 2) > CUT_DISTANCE


def split(frames: Iterable[np.ndarray], recipe: Recipe) -> Iterator[tuple[int, list[bytes]]]:
    """(first frame, encoded frames) of each piece. A rest too short for a clip stays with the piece before it."""
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


class Told(NamedTuple):
    """What is to be said of a video: the reason why it gave no piece, or "", and what was done to show its frames."""

    reason: str
    remarks: tuple[str, ...] = ()


def spool(video: str, recipe: Recipe, file: str, threads: int = 1) -> Told:
    """Write the pieces of a video to a scratch file, one pickle after another.

    A file is used whole or not at all: what a broken video gave before it broke is thrown away. Pieces go through a
    file, not through memory, because a long video is larger than memory.
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
            return Told("", tuple(remarks))
        shot = " in one shot" if recipe.cuts and n_frames >= recipe.shortest else ""
        reason = f"too short: {n_frames} frames, a clip needs {recipe.shortest}{shot}" if n_frames else "no frames"
    except UnusableVideo as error:
        reason = str(error)
    except MemoryError:
        reason = "too large for the memory there is"
    if os.path.exists(file):
        os.remove(file)
    return Told(reason)


def unspool(file: str) -> Iterator[Piece]:
    """The pieces of a scratch file, which is removed after the last."""
    with open(file, "rb") as pieces:
        size = os.path.getsize(file)
        while pieces.tell() < size:
            yield pickle.load(pieces)
    os.remove(file)
