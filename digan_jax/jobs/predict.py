"""`digan predict`: a video and what may come after it."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterable, Iterator
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from etils import epath

from digan_jax.data.conditions import unit_range
from digan_jax.errors import InputError
from digan_jax.host.progress import Progress
from digan_jax.host.video_files import to_uint8
from digan_jax.jobs import restoring
from digan_jax.jobs.video_request import VideoRequest
from digan_jax.rendering.classical import resized
from digan_jax.rendering.restoring import Frame, Restorer, Shape
from digan_jax.rendering.sampler import Sampler
from digan_jax.rendering.samplers import of_weights
from digan_jax.shapes import Condition


@dataclasses.dataclass(frozen=True)
class PredictRequest(VideoRequest):
    """The beginning of a video and futures to be made of it.

    Raises:
      InputError: an invalid value or combination of values.
    """

    NAME: ClassVar[str] = "predict"
    method: Literal["model", "last"] = "model"  # the last frame, repeated
    frames: int = 16  # to come, at the video's rate
    futures: int = 1  # with latents id, id + 1, ...; of several, each has a file: NAME_0.mp4, NAME_1.mp4, ...
    past: bool = True  # the given video comes first

    def check(self) -> None:
        super().check()
        for name in ("frames", "futures"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: must be 1 or more.")
        if self.method == "last" and self.futures > 1:
            raise InputError("`futures`: the last frame has one; leave it out.")


def run(request: PredictRequest, progress: Progress = Progress()) -> list[epath.Path]:
    """Makes the videos and returns their paths.

    Raises:
      InputError: an unusable video, or one with too few frames; no model of the task "predict"; nothing is written.
      Cancelled: through `progress`; finished files remain, partial ones do not.
    """
    return [one.run(progress) for one in works(request)]


def describe(request: PredictRequest) -> str:
    """Text with size, frames and rate; draws nothing. Raises as `run`."""
    return "\n".join(one.description() for one in works(request))


def works(request: PredictRequest) -> list[restoring.Work]:
    """The checked work of each future. Raises as `run`."""
    restoring.check_out(request)
    shape, fps = restoring.shape_of(request, places=_then(request))
    weights = restoring.weights_of(request, "predict") if request.by_model else None
    found = []
    for number in range(request.futures):
        stem, suffix = os.path.splitext(request.out)
        out = request.out if request.futures == 1 else f"{stem}_{number}{suffix}"
        own = dataclasses.replace(request, out=out, futures=1, id=request.id + number, sound=False)
        make = _still if weights is None else _by_model(weights, request.video, shape, own.id)
        found.append(restoring.Work(own, shape, fps, make))
    return found


def _then(request: PredictRequest):
    """Places of the new video's frames: past the given one, whose last frame has the place frames - 1."""

    def places(frames: int, ratio: float) -> np.ndarray:
        first = 0 if request.past else frames
        return np.arange(max(1, round((frames + request.frames - first) * ratio))) / ratio + first

    return places


def _by_model(weights, video: str, shape: Shape, id: int):
    """Makes the frames of the new video by a model.

    Raises:
      InputError: the video has fewer frames than the model is shown, or is of a size that it cannot draw.
    """
    shown, frames = weights.facts["task"]["shown"], weights.facts["data"]["frames"]
    if shape.frames < shown:
        raise InputError(
            f"{video}: has {shape.frames} frames; this model predicts from {shown}, so give {shown} or more."
        )
    if weights.family == "convgru":
        if shape.width % 2 or shape.height % 2:
            raise InputError(
                f"{video}: is {shape.width}x{shape.height}; a ConvGRU halves frames, so make both sides even."
            )
        return partial(_recurrent, of_weights(weights), shown)
    restorer = restoring.restorer_of(weights, shown, id, until=(shown - 1) / (frames - 1))
    return partial(_predicted, restorer, frames - shown)


def _recurrent(model: Sampler, shown: int, given: Iterable[Frame], shape: Shape) -> Iterator[np.ndarray]:
    """The past, then frames of a recurrent model, which has no windows; resized, linear in time."""
    known = collections.deque(maxlen=shown)

    def all_of_them():
        for frame in given:
            known.append(frame)
            yield frame
        ahead = int(np.ceil(shape.places[-1])) - shape.frames + 1
        maps, times = unit_range(np.stack(known))[None], (shown + np.arange(max(ahead, 1))) / max(shown - 1, 1)
        yield from to_uint8(model.generate(model.latents([0]), times, None, Condition(maps=maps))[0])

    return resized(all_of_them(), shape, "lanczos")


def _still(given: Iterable[Frame], shape: Shape) -> Iterator[np.ndarray]:
    places = np.minimum(shape.places, shape.frames - 1)
    return resized(given, dataclasses.replace(shape, places=places), "lanczos")


def _predicted(restorer: Restorer, ahead: int, given: Iterable[Frame], shape: Shape) -> Iterator[np.ndarray]:
    """The past, resized, and then `ahead` frames at a time, from the last frames before them."""
    known, last = collections.deque(maxlen=restorer.shown), shape.frames - 1
    past = dataclasses.replace(shape, places=shape.places[shape.places <= last])

    def watched():
        for frame in given:
            known.append(frame)
            yield frame

    watching = watched()
    if len(past.places):
        yield from map(unit_range, resized(watching, past, "lanczos"))
    collections.deque(watching, maxlen=0)
    native = dataclasses.replace(shape, size=(shape.width, shape.height))
    while last < shape.places[-1]:
        seen, coming = np.stack(known), last + 1 + np.arange(ahead)
        at = lambda places: (places - last + restorer.shown - 1) / (restorer.shown + ahead - 1)  # in clips
        wanted = shape.places[(shape.places > last) & (shape.places <= coming[-1])]
        if len(wanted):
            yield from restorer.window(seen, at(wanted), shape)
        if shape.places[-1] > coming[-1]:
            known.extend(to_uint8(restorer.window(seen, at(coming), native)))
        last = int(coming[-1])
