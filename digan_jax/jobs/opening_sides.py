"""What is compared, opened by the names that a person gives."""

from __future__ import annotations

import contextlib
import dataclasses
import zipfile
from pathlib import Path

from etils import epath

from digan_jax.data import sources
from digan_jax.data.bouncing import BouncingSource
from digan_jax.data.records import find_set
from digan_jax.data.video_folders import ARRAY_SUFFIXES, FolderSource, is_there
from digan_jax.errors import InputError
from digan_jax.evaluation.sides import FolderClips, GeneratedClips, RealClips
from digan_jax.host import arrays
from digan_jax.host.video_reading import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from digan_jax.interop import model_folder
from digan_jax.runs import reading


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
    config = reading.run_config(run)
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
    from digan_jax.interop import opening
    from digan_jax.runs import reading

    config = reading.run_config(path)
    if config is None:
        if step is not None:
            raise InputError(f"--step {step}: {path} is no run; only runs have several checkpoints.")
        return GeneratedClips(opening.load(path), str(path))
    step = reading.chosen_step(path, step)
    facts = {"step": step, "kimg": config.train.kimg(step)}
    return GeneratedClips(opening.load(path, step), str(path), config.data.frames, facts=facts)


def check_arrays(place: str, max_bytes: int) -> None:
    """Raises `InputError` when a .npz or .npy file at or below `place` would take more memory; what else is wrong with it
    is told where it is opened."""
    root = Path(place).expanduser()
    for file in [root] if root.is_file() else sorted(root.rglob("*")):
        if file.suffix.lower() in ARRAY_SUFFIXES and file.is_file():
            with contextlib.suppress(OSError, EOFError, zipfile.BadZipFile, NotImplementedError):
                arrays.check_arrays(file, max_bytes)


def _holds_media(place: Path) -> bool:
    media = VIDEO_SUFFIXES + IMAGE_SUFFIXES + ARRAY_SUFFIXES
    if reading.is_run(place) or model_folder.is_one(place) or not place.is_dir():
        return place.suffix.lower() in media
    return any(file.suffix.lower() in media for file in place.rglob("*"))
