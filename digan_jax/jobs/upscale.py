"""`digan upscale`: a video to a larger size and another frame rate, by a model or by resizing its frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from functools import partial
from typing import ClassVar, Literal

from etils import epath

from digan_jax.data.conditions import enlarged
from digan_jax.errors import InputError
from digan_jax.host.progress import Progress
from digan_jax.jobs import restoring
from digan_jax.jobs.video_request import VideoRequest
from digan_jax.rendering.classical import resized
from digan_jax.rendering.restoring import Frame, Shape


@dataclasses.dataclass(frozen=True)
class UpscaleRequest(VideoRequest):
    """A video and a larger one to be made of it.

    Raises:
      InputError: an invalid value or combination of values.
    """

    NAME: ClassVar[str] = "upscale"
    method: Literal["model", "bicubic", "lanczos"] = (
        "model"  # the others resize each frame, linear in time between them
    )
    scale: float | None = None  # pixels for each given pixel, along both axes; None: 4, without `size`

    def check(self) -> None:
        super().check()
        if self.size is not None and self.scale is not None:
            raise InputError("`size` and `scale`: give one of them.")
        if self.scale is not None and not 0 < self.scale < float("inf"):
            raise InputError(f"scale={self.scale}: must be a number above 0.")


def run(request: UpscaleRequest, progress: Progress = Progress()) -> epath.Path:
    """Makes the video and returns its path.

    Raises:
      InputError: an unusable video; no model of the task "upscale"; nothing is written.
      Cancelled: through `progress`; no partial file remains.
    """
    return work(request).run(progress)


def describe(request: UpscaleRequest) -> str:
    """Text with size, frames and rate; draws nothing. Raises as `run`."""
    return work(request).description()


def work(request: UpscaleRequest) -> restoring.Work:
    """The checked work of a request. Raises as `run`."""
    restoring.check_out(request)
    make = partial(resized, method=request.method)
    if request.by_model:
        weights = restoring.weights_of(request, "upscale")
        task, data = weights.facts["task"], weights.facts["data"]
        shown, factors = (data["frames"] - 1) // task["every"] + 1, task.get("factors") or ()
        if factors:
            restorer = restoring.restorer_of(weights, shown, request.id)
            make = lambda given, shape: restorer.frames(*enlarged_first(given, shape, max(factors)))
        else:
            make = restoring.restorer_of(weights, shown, request.id, weights.config.resolution // task["factor"]).frames
    return restoring.Work(request, *restoring.shape_of(request, request.scale or 4), make)


def enlarged_first(given: Iterable[Frame], shape: Shape, most: int) -> tuple[Iterator[Frame], Shape]:
    """Frames enlarged by Lanczos to the new size, or by `most`, the largest factor of training, if that is less."""
    size = tuple(min(made, most * own) for made, own in zip(shape.size, (shape.width, shape.height)))
    return (enlarged(frame[None], size)[0] for frame in given), dataclasses.replace(
        shape, width=size[0], height=size[1]
    )
