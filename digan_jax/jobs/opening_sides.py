"""Opens the real and generated clips of an evaluation by name."""

from __future__ import annotations

import dataclasses
import os
import sys

from etils import epath

from digan_jax.data import sources
from digan_jax.data.bouncing import BouncingSource
from digan_jax.data.catalogue import worst_first
from digan_jax.data.records import find_set
from digan_jax.data.video_folders import ARRAY_SUFFIXES, FolderSource, is_there
from digan_jax.errors import InputError
from digan_jax.evaluation.sides import FolderClips, GeneratedClips, RealClips
from digan_jax.host.arrays import MAX_BYTES
from digan_jax.host.files import expanded, in_bucket
from digan_jax.host.still_pictures import IMAGE_SUFFIXES
from digan_jax.host.video_reading import VIDEO_SUFFIXES
from digan_jax.interop import model_folder, opening
from digan_jax.interop.opening import ELSEWHERE
from digan_jax.rendering.samplers import of_weights
from digan_jax.runs import reading

_TOLD = 20  # files a person reads of


def open_real(
    real: str | None,
    run: epath.PathLike | None,
    data_dir: str,
    split: str | None,
    size: int | None,
    max_array_bytes: int = MAX_BYTES,
) -> RealClips:
    """Opens real clips.

    Args:
      real: a prepared dataset, "bouncing", or a folder of videos; None: the data of `run`.
      run: the evaluated run, if any.
      data_dir: folder of prepared datasets; "": the default.
      split: of a prepared dataset; None: the one trained on, or "train".
      size: frame size in pixels a side; None: as stored.

    Raises:
      InputError: nothing of that name, another frame size, or neither a name nor a run.
    """
    config = reading.run_config(run)
    stride = config.data.stride if config else 1
    if real is None:
        if config is None:
            raise InputError("`real` is missing: name a prepared set or a folder of real videos.")
        data = dataclasses.replace(config.data, split=split or config.data.split)
        data = dataclasses.replace(data, data_dir=data_dir or data.data_dir)
        return RealClips(sources.open_source(data, config.model), data.name or data.source, data.split, stride)
    if real == "bouncing":
        return RealClips(BouncingSource(size or 32, 16, split or "train"), real, split or "train")
    if is_there(real):
        source = FolderSource(real, size, max_bytes=max_array_bytes)
        _tell(source, real)
        return RealClips(source, str(real), "", stride)
    split = split or (config.data.split if config else "train")
    folder = find_set(real, data_dir)
    stored = sources.builder.prepared_size(folder)
    return RealClips(sources.PreparedSource(folder, split, size or stored or 128), real, split, stride)


def open_fake(
    path: str,
    kind: str = "any",
    step: int | str | None = None,
    size: int | None = None,
    max_array_bytes: int = MAX_BYTES,
) -> GeneratedClips | FolderClips:
    """Opens generated clips: of a run, a model file, or a folder of videos.

    Args:
      kind: "model", "folder", or "any" to detect it.
      step: checkpoint of a run; "best": the one with the lowest FVD measured in training; None: the newest.
      size: centre-crop and resize frames of a folder to this many pixels a side; None: as they are.
      max_array_bytes: memory limit of the arrays in one file.

    Raises:
      InputError: none of these, unusable clips, or no such checkpoint.
    """
    if path.startswith(ELSEWHERE):
        kind = "model"
    if kind == "any":
        kind = "folder" if _holds_media(expanded(path)) else "model"
    if kind == "folder":
        if reading.is_run(path) or model_folder.is_one(expanded(path)):
            raise InputError(f"`fake`: {path} is a model, not a folder of videos; give it as --run.")
        clips = FolderClips(path, size=size, max_bytes=max_array_bytes)
        _tell(clips.source, path)
        return clips
    found = opening.read(path, step=step)
    facts = {} if found.step is None else {"step": found.step, "kimg": found.facts["training"]["kimg"]}
    return GeneratedClips(of_weights(found), str(path), found.facts.get("data", {}).get("frames", 16), facts=facts)


def _tell(source: FolderSource, folder: epath.PathLike) -> None:
    """On stderr, what of a folder is not used as it lies; the report holds it too."""
    for word, told in (("skipped", worst_first(source.skipped)), ("with a remark", source.remarks)):
        lines = [f"  {file}: {reason}" for file, reason in told[:_TOLD]]
        lines += [f"  … and {len(told) - _TOLD} more"] if len(told) > _TOLD else []
        if told:
            print(f"{folder}: {len(told)} {word}:", *lines, sep="\n", file=sys.stderr)


def _holds_media(place: epath.Path) -> bool:
    if place.suffix.lower() in VIDEO_SUFFIXES + IMAGE_SUFFIXES + ARRAY_SUFFIXES:
        return True
    if not place.is_dir() or reading.is_run(place) or model_folder.is_one(place):
        return False
    inside = (below for below in place.iterdir() if in_bucket(below) or not os.path.islink(below))  # links may be loops
    return any(map(_holds_media, inside))
