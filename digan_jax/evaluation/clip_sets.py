"""The two sides of a comparison: real clips of a source, and clips of a model or of a folder. uint8 throughout."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from etils import epath
from jaxtyping import UInt8
from PIL import Image

from digan_jax import config as config_lib
from digan_jax.data import sources
from digan_jax.data.bouncing import BouncingSource
from digan_jax.data.decoding import in_order
from digan_jax.data.loader import THREADS
from digan_jax.data.records import find_set
from digan_jax.data.sources import Source
from digan_jax.data.video_reading import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from digan_jax.errors import InputError
from digan_jax.evaluation import protocols
from digan_jax.evaluation.protocols import Plan, Protocol
from digan_jax.evaluation.video_folders import ARRAY_SUFFIXES, FolderSource, is_there, quantised
from digan_jax.interop import model_folder, weights

Clip = UInt8[np.ndarray, "t h w 3"]
_CHUNK = 16  # clips drawn by a model at a time, always as many, so that one program serves all


# ---- real ----


@dataclasses.dataclass(frozen=True)
class RealClips:
    """Where real clips come from.

    Attributes:
      name: of the set or folder.
      split: of a prepared set; "" for a folder.
      trained_stride: source frames between frames of a clip, as the run was trained; 1 without a run.
    """

    source: Source
    name: str
    split: str
    trained_stride: int = 1

    def plan(self, protocol: Protocol, draw: int) -> Plan:
        """See `protocols.choose`. Raises InputError for too few clips."""
        by_video = protocol.choice.endswith("_videos")
        videos = self.source.video_names() if by_video else None
        stride = protocol.stride_of(self.name, self.trained_stride)
        try:
            return protocols.choose(protocol, self.source.frame_counts, stride, draw, videos)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None

    def read(self, plan: Plan, jpeg: int = 0) -> Iterator[Clip]:
        """The clips of a plan, decoded a few ahead."""

        def clip(record, frames):
            read = self.source.read_frames(int(record), frames)
            return np.stack([_through_jpeg(frame, jpeg) for frame in read]) if jpeg else read

        return _ahead(clip, zip(plan.record, plan.frames))

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
        }


def _through_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _ahead(function, jobs: Iterable[tuple]) -> Iterator:
    """function(*job) of each job, in order, some of them being worked on while the caller uses one."""
    with concurrent.futures.ThreadPoolExecutor(THREADS) as threads:
        yield from in_order(threads, function, jobs, 2 * THREADS)


def run_config(run: epath.PathLike | None) -> config_lib.RunConfig | None:
    """How a run was made; None for what is no folder of a run."""
    run = epath.Path(run).expanduser() if run else None
    return config_lib.from_json((run / "config.json").read_text()) if run and weights.is_run(run) else None


def open_real(
    real: str | None, run: epath.PathLike | None, data_dir: str, split: str | None, size: int | None
) -> RealClips:
    """Real clips by what a person names.

    Args:
      real: a prepared set, "bouncing", or a folder of videos; None: the data of `run`.
      run: what is evaluated, if it is a run.
      data_dir: where prepared sets lie.
      split: of a prepared set; None: the one trained on, or "train".
      size: pixels a side that are wanted; None: as they are.

    Raises:
      InputError: nothing of that name, another size, or neither a name nor a run.
    """
    config = run_config(run)
    stride = config.data.stride if config else 1
    if real is None:
        if config is None:
            raise InputError("--real is missing: name a prepared set or a folder of real videos.")
        data = dataclasses.replace(config.data, split=split or config.data.split)
        data = dataclasses.replace(data, data_dir=data_dir or data.data_dir)
        return RealClips(sources.open_source(data, config.model), data.name or data.source, data.split, stride)
    if real == "bouncing":
        return RealClips(BouncingSource(size or 32, 16, split or "train"), real, split or "train")
    if is_there(real):
        return RealClips(FolderSource(real, size), str(real), "", stride)
    split = split or (config.data.split if config else "train")
    folder = find_set(real, data_dir)
    stored = sources.builder.prepared_size(folder)
    return RealClips(sources.PreparedSource(folder, split, size or stored or 128), real, split, stride)


# ---- generated ----


class FolderClips:
    """Videos that some tool made, the first frames of each.

    Raises:
      InputError: as `FolderSource`; videos of unequal length, or shorter than a clip.
    """

    def __init__(self, folder: epath.PathLike, frames: int = 16, size: int | None = None):
        self.source = FolderSource(folder, size)
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
        """Height and width."""
        return self.source.height, self.source.width

    def read(self, ids: np.ndarray, quantise: str) -> Iterator[Clip]:
        numbers = np.arange(self._frames)
        return _ahead(lambda i: self.source.read_frames(int(i), numbers, quantise), [(i,) for i in ids])

    def describe(self) -> dict:
        return {"name": self.name, "kind": "folder", "clips": self.total, "fingerprint": self.source.fingerprint}


class GeneratedClips:
    """Clips of a model by id, of consecutive frames at the trained rate from t = 0, truncation 1.

    Args:
      model: a `Model`.
      name: of the run or file.
      trained_frames: of a clip in training, which span t from 0 to 1.
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
            filled = ids[np.minimum(np.arange(start, start + _CHUNK), len(ids) - 1)]
            yield from quantised(self.model.sample(filled, self.times), quantise, self.name)[: len(part)]

    def describe(self) -> dict:
        return {"name": self.name, "kind": "model", "times": [float(t) for t in self.times], **self._facts}


def open_fake(
    path: str, kind: str = "any", step: int | str | None = None, size: int | None = None
) -> GeneratedClips | FolderClips:
    """What is evaluated: a run, a model file, or a folder of videos.

    Args:
      kind: "model", "folder", or "any" to find out.
      step: of a checkpoint of a run, or "best": of the lowest FVD that it measured while training; None: the newest.
      size: pixels a side that the frames of a folder are cropped and resized to; None: as they are.

    Raises:
      InputError: none of these, clips that cannot be used, or no such checkpoint.
    """
    if kind == "any":
        kind = "folder" if _holds_media(Path(path).expanduser()) else "model"
    if kind == "folder":
        return FolderClips(path, size=size)
    from digan_jax.rendering import model as model_lib
    from digan_jax.training import checkpoint

    config = run_config(path)
    if config is None:
        if step is not None:
            raise InputError(f"--step {step}: {path} is no run; only runs have several checkpoints.")
        return GeneratedClips(model_lib.load(path), str(path))
    step = checkpoint.chosen_step(path, step)
    facts = {"step": step, "kimg": step * config.train.batch_size / 1000}
    return GeneratedClips(model_lib.load(path, step), str(path), config.data.frames, facts=facts)


def _holds_media(place: Path) -> bool:
    media = VIDEO_SUFFIXES + IMAGE_SUFFIXES + ARRAY_SUFFIXES
    if weights.is_run(place) or model_folder.is_one(place) or not place.is_dir():
        return place.suffix.lower() in media
    return any(file.suffix.lower() in media for file in place.rglob("*"))
