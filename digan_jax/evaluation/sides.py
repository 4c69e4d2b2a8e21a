"""The two sides of a comparison: real clips, and generated clips of a model or a folder. uint8 [0, 255] throughout."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import io
from collections.abc import Iterable, Iterator

import numpy as np
from etils import epath
from jaxtyping import UInt8
from PIL import Image

from digan_jax.data.decoding import in_order
from digan_jax.data.loader import THREADS
from digan_jax.data.sources import Source
from digan_jax.data.video_folders import FolderSource, quantised
from digan_jax.errors import InputError
from digan_jax.evaluation import protocols
from digan_jax.evaluation.protocols import Protocol, Selection
from digan_jax.host.arrays import MAX_BYTES

Clip = UInt8[np.ndarray, "t h w 3"]
_CHUNK = 16  # clips that a model draws at a time; always the same number, so one program serves all


# ---- real ----


@dataclasses.dataclass(frozen=True)
class RealClips:
    """A source of real clips.

    Attributes:
      name: of the dataset or folder.
      split: of a prepared dataset; "" for a folder.
      trained_stride: the run's stride, source frames between frames of a clip; 1 without a run.
    """

    source: Source
    name: str
    split: str
    trained_stride: int = 1

    def select(self, protocol: Protocol, draw: int) -> Selection:
        """The real clips of a draw, as `protocols.choose`. Raises `InputError` for too few clips."""
        by_video = protocol.choice.endswith("_videos")
        videos = self.source.video_names() if by_video else None
        stride = protocol.stride_of(self.name, self.trained_stride)
        try:
            return protocols.choose(protocol, self.source.frame_counts, stride, draw, videos)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None

    def read(self, selection: Selection, jpeg: int = 0) -> Iterator[Clip]:
        """Yields the selected clips; decodes a few ahead. `jpeg`: quality of JPEG compression; 0: none."""

        def clip(record, frames):
            read = self.source.read_frames(int(record), frames)
            return np.stack([_through_jpeg(frame, jpeg) for frame in read]) if jpeg else read

        return _ahead(clip, zip(selection.record, selection.frames))

    def describe(self) -> dict:
        source = self.source
        return {
            "name": self.name,
            "split": self.split,
            "records": len(source),
            "frames": int(source.frame_counts.sum()),
            "size": source.size,
            "fingerprint": source.fingerprint,
            "fingerprint_covers": source.fingerprint_covers,
            **(_of_files(source) if isinstance(source, FolderSource) else {}),
        }


def _of_files(source: FolderSource) -> dict:
    """What of a folder was not used as it lies."""
    told = {"skipped_files": [list(row) for row in source.skipped], "remarks": [list(row) for row in source.remarks]}
    return told | ({"array_range": source.array_range} if source.array_range else {})


def _through_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _ahead(function, jobs: Iterable[tuple]) -> Iterator:
    """Yields function(*job) of each job, in order; threads work on the next jobs meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(THREADS) as threads:
        yield from in_order(threads, function, jobs, 2 * THREADS)


# ---- generated ----


class FolderClips:
    """Generated clips from a folder: the first `frames` frames of each video.

    Args:
      size: centre-crop and resize frames to this many pixels a side; None: as they are.
      max_bytes: memory limit of the arrays in one file.

    Raises:
      InputError: as `FolderSource`; videos of different lengths, or shorter than a clip.
    """

    def __init__(
        self, folder: epath.PathLike, frames: int = 16, size: int | None = None, max_bytes: int = MAX_BYTES
    ):
        self.source = FolderSource(folder, size, max_bytes=max_bytes)
        self.name, self._frames = str(folder), frames
        counts = self.source.frame_counts
        shortest = self.source.items[int(counts.argmin())]
        if shortest.frames < frames:
            raise InputError(
                f"{folder}: {shortest.name} has {shortest.frames} frames, a clip needs {frames}; make longer ones."
            )
        if counts.min() != counts.max():
            longest = self.source.items[int(counts.argmax())]
            raise InputError(
                f"{folder}: {shortest.name} has {shortest.frames} frames, {longest.name} has {longest.frames}; "
                "generated clips must be equally long."
            )

    @property
    def total(self) -> int:
        return len(self.source)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.source.height, self.source.width

    def read(self, ids: np.ndarray, quantise: str) -> Iterator[Clip]:
        numbers = np.arange(self._frames)
        return _ahead(lambda i: self.source.read_frames(int(i), numbers, quantise), [(i,) for i in ids])

    def describe(self) -> dict:
        found = {"name": self.name, "kind": "folder", "clips": self.total, "fingerprint": self.source.fingerprint}
        return found | _of_files(self.source)


class GeneratedClips:
    """Generated clips of a model by id: consecutive frames from t = 0 at the trained frame rate, truncation 1.

    Args:
      model: a `Sampler`.
      name: of the run or file.
      trained_frames: frames of a training clip, which span t in [0, 1].
      frames: frames of a generated clip.
      facts: entries to add to `describe`.
    """

    total = None

    def __init__(self, model, name: str, trained_frames: int = 16, frames: int = 16, facts: dict | None = None):
        self.model, self.name, self._facts = model, name, facts or {}
        self.times = np.arange(frames) / (trained_frames - 1)

    @property
    def size(self) -> tuple[int, int]:
        return self.model.config.resolution, self.model.config.resolution

    def read(self, ids: np.ndarray, quantise: str) -> Iterator[Clip]:
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            padded = ids[np.minimum(np.arange(start, start + _CHUNK), len(ids) - 1)]
            yield from quantised(self.model.sample(padded, self.times), quantise, self.name)[: len(part)]

    def describe(self) -> dict:
        return {"name": self.name, "kind": "model", "times": [float(t) for t in self.times], **self._facts}


