"""`digan complete`: a video without its holes, by a model, by inpainting or linear in time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8
from PIL import Image

from digan_jax.data import conditions, filling
from digan_jax.errors import InputError
from digan_jax.host.progress import Progress
from digan_jax.jobs import restoring
from digan_jax.jobs.video_request import VideoRequest
from digan_jax.rendering import classical
from digan_jax.rendering.restoring import Frame

SEEN = 255  # of the fourth plane of a frame with holes; hidden pixels have 0
REACH = 12  # frames before and after a hidden pixel that its first guess is taken from


@dataclasses.dataclass(frozen=True)
class CompleteRequest(VideoRequest):
    """A video with holes and a whole one to be made of it.

    Raises:
      InputError: an invalid value or combination of values.
    """

    NAME: ClassVar[str] = "complete"
    method: Literal["model", "blend", "inpaint"] = "model"  # linear in time, else smooth; OpenCV, frame by frame
    missing: tuple[int, ...] = ()  # numbers of frames that are lost, from 0; what the video has there is not looked at
    mask: str | None = None  # a picture of the video's size, white where all frames are damaged, black elsewhere

    def check(self) -> None:
        super().check()
        if not self.missing and self.mask is None:
            raise InputError("`missing` or `mask` is required: nothing is hidden.")
        if self.missing and min(self.missing) < 0:
            raise InputError(f"missing={self.missing}: frames are numbered from 0.")


def run(request: CompleteRequest, progress: Progress = Progress()) -> epath.Path:
    """Makes the video and returns its path.

    Raises:
      InputError: an unusable video or mask, no frame left; no model of the task "complete"; OpenCV is missing for the
        method "inpaint"; nothing is written.
      Cancelled: through `progress`; no partial file remains.
    """
    return work(request).run(progress)


def describe(request: CompleteRequest) -> str:
    """Text with size, frames, rate and what is hidden; draws nothing. Raises as `run`."""
    found, hidden = work(request), mask_of(request, None)
    of_mask = "" if hidden is None else f", {hidden.mean():.1%} of every frame"
    return found.description().replace("\nnothing", f"\nhidden: {len(set(request.missing))} frames{of_mask}.\nnothing")


def work(request: CompleteRequest) -> restoring.Work:
    """The checked work of a request. Raises as `run`."""
    restoring.check_out(request)
    if request.method == "inpaint":
        classical.opencv()
    weights = restoring.weights_of(request, "complete") if request.by_model else None
    shape, fps = restoring.shape_of(request)
    mask = mask_of(request, (shape.width, shape.height))
    lost = frozenset(request.missing)
    if lost and max(lost) >= shape.frames:
        raise InputError(f"missing={max(lost)}: the video has frames 0 to {shape.frames - 1}.")
    if len(lost) == shape.frames or (mask is not None and mask.all()):
        raise InputError(f"{request.video}: nothing of it is visible; leave a frame and a pixel.")
    if request.method == "inpaint":
        make = lambda given, shape: classical.resized(classical.inpainted(given, lost, mask), shape, "lanczos")
    else:
        make = _filling(lost, mask) if weights is None else _by_model(weights, request.id, lost, mask)
    return restoring.Work(request, shape, fps, make)


def mask_of(request: CompleteRequest, size: tuple[int, int] | None) -> np.ndarray | None:
    """Hidden pixels [h w] of the mask, True; None without one.

    Raises:
      InputError: it cannot be read or has another size.
    """
    if request.mask is None:
        return None
    try:
        with Image.open(request.mask) as picture:
            hidden = np.asarray(picture.convert("L")) >= 128
    except (OSError, ValueError) as error:
        raise InputError(f"mask={request.mask}: cannot be read as a picture ({error}).") from None
    if size is not None and hidden.shape != size[::-1]:
        h, w = hidden.shape
        raise InputError(f"mask={request.mask}: is {w}x{h}, the video {size[0]}x{size[1]}; make them equal.")
    return hidden


def with_holes(
    given: Iterable[Frame], lost: frozenset[int], mask: np.ndarray | None
) -> Iterator[UInt8[np.ndarray, "h w 4"]]:
    """Frames with a fourth plane, SEEN or 0; hidden pixels are 0."""
    for number, frame in enumerate(given):
        seen = np.full(frame.shape[:2], 0 if number in lost else SEEN, np.uint8)
        if mask is not None:
            seen[mask] = 0
        yield np.concatenate([np.where(seen[..., None] > 0, frame, 0), seen[..., None]], axis=-1).astype(np.uint8)


def filled(
    given: Iterable[Frame], lost: frozenset[int], mask: np.ndarray | None, fill: bool = True
) -> Iterator[UInt8[np.ndarray, "h w 4"]]:
    """`with_holes`, with a first guess in hidden pixels from the frames around them: one for all windows of a model."""
    holes = with_holes(given, lost, mask)
    if not fill:
        yield from holes
        return
    for window, place in classical.around(holes, REACH):
        frames = np.stack(window)
        guess = filling.guess(frames[..., :3].astype(np.float32), frames[..., 3].astype(np.float32), place)
        yield np.concatenate([np.rint(guess).astype(np.uint8), frames[place, ..., 3:]], axis=-1)


def maps_of(frames: UInt8[np.ndarray, "s h w 4"], guessed: bool) -> Float[np.ndarray, "s h w 4"]:
    """What an encoder takes, of frames with a fourth plane that says what is visible; hidden: `guessed`, or 0."""
    visible = (frames[..., 3] > 0).astype(np.float32)
    maps = conditions.unit_range(frames[..., :3]) * (1 if guessed else visible[..., None])
    return conditions.with_visibility(conditions.Shown(maps, visible, np.arange(len(frames))))


def _by_model(weights, id: int, lost: frozenset[int], mask: np.ndarray | None):
    fill = weights.facts["task"].get("fill", False)
    shown, seen = weights.facts["data"]["frames"], partial(maps_of, guessed=fill)
    restorer = restoring.restorer_of(weights, shown, id, seen=seen)
    return lambda given, shape: restorer.frames(filled(given, lost, mask, fill), shape)


def _filling(lost: frozenset[int], mask: np.ndarray | None):
    """The first guess alone: linear in time, else smooth in space."""
    frames = lambda given: (frame[..., :3] for frame in filled(given, lost, mask))
    return lambda given, shape: classical.resized(frames(given), shape, "lanczos")
