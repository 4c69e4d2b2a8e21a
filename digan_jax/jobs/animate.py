"""`digan animate`: a picture to clips that begin with it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import Literal

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8

from digan_jax.data.conditions import unit_range
from digan_jax.errors import InputError
from digan_jax.host import files
from digan_jax.host.frame_rates import check_rate
from digan_jax.host.progress import Progress
from digan_jax.host.showing import MAX_PIXELS, UnusableVideo, shown
from digan_jax.host.video_files import check_encoder, write_video
from digan_jax.host.video_formats import DEFAULT_FPS, check_quality, check_suffix
from digan_jax.host.video_reading import read_still
from digan_jax.interop import opening
from digan_jax.jobs.render_outputs import Output, is_whole
from digan_jax.jobs.requests import Request
from digan_jax.rendering import tiles
from digan_jax.rendering.sampler import Sampler
from digan_jax.rendering.samplers import of_weights
from digan_jax.runs.weights import Weights


@dataclasses.dataclass(frozen=True)
class AnimateRequest(Request):
    """A picture, and the clips to be made of it.

    Raises:
      InputError: an invalid value.
    """

    still: str  # a picture, or a video whose first frame is taken; its centre square
    run: str  # a path for `digan.load`, of a model that begins with a picture
    out: str  # the file, or the common stem of several: .mp4 .webm .gif .png (a strip) .npz
    step: int | Literal["best"] | None = None  # checkpoint of a run; None: the newest
    ids: tuple[int, ...] = (0,)  # of motions, a clip each
    seed: int = 0  # with another seed, ids give other motions
    frames: int = 16  # of a clip
    span: float = 1.0  # time of the last frame, in clips of the training
    fps: float = DEFAULT_FPS  # of the file
    size: tuple[int, int] | None = None  # (width, height) in pixels; None: as trained
    quality: Literal["standard", "10-bit", "lossless"] = "standard"  # of .mp4 and .webm
    resume: bool = False  # keep files that are complete

    def check(self) -> None:
        check_quality(self.out, self.quality)
        check_rate(check_suffix(self.out), self.fps)
        if not self.ids or any(not 0 <= one < 2**31 for one in self.ids):
            raise InputError(f"ids={self.ids}: one or more whole numbers from 0 to 2**31 - 1.")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed={self.seed}: must lie in [0, 2**32).")
        if self.frames < 2:
            raise InputError(f"frames={self.frames}: motion needs 2 frames or more.")
        if not 0 < self.span < float("inf"):
            raise InputError(f"span={self.span}: must be a number above 0; 1 is a clip of the training.")
        if self.size is not None and not 0 < self.size[0] * self.size[1] <= MAX_PIXELS:
            raise InputError(f"size={self.size}: give 1 to {MAX_PIXELS // 2**20} Mi pixels.")

    def files(self) -> list[Output]:
        """The files, each with the note that makes it again."""
        stem, suffix = os.path.splitext(self.out)
        several = len(self.ids) > 1
        left_out = ("out", "resume")
        found = []
        for i, one in enumerate(self.ids):
            own = dataclasses.replace(self, ids=(one,)).to_record()
            note = {"animate": {name: value for name, value in own.items() if name not in left_out}}
            found.append(Output(f"{stem}_{one:04}{suffix}" if several else self.out, [i], note))
        return found


def run(request: AnimateRequest, progress: Progress = Progress()) -> list[epath.Path]:
    """Makes the clips and returns their paths. Files that `resume` keeps are not made again.

    Raises:
      InputError: an unreadable picture; a model that begins with none; nothing is written.
      Cancelled: through `progress`; finished files remain.
    """
    weights, still = _opened(request)
    model, times = of_weights(weights), np.linspace(0, request.span, request.frames, dtype=np.float32)
    size = request.size or still.shape[1::-1]
    grid = tiles.grid(*size, mode="smooth") if request.size else None
    outputs = request.files()
    with progress.of("animating", len(outputs) * request.frames, "frames") as advance:
        for output in outputs:
            if request.resume and is_whole(output):
                continue
            made = _frames(model, unit_range(still), request.ids[output.rows[0]], times, grid, request.seed, advance)
            write_video(output.path, made, request.fps, output.note, request.quality)
    return [epath.Path(output.path) for output in outputs]


def _frames(model: Sampler, still, one: int, times, grid, seed: int, advance) -> Iterator[Float[np.ndarray, "h w 3"]]:
    for piece in model.animate(still, [one], times, grid, seed=seed):
        for frame in piece[0]:
            yield frame
            advance()


def describe(request: AnimateRequest) -> str:
    """Text with files, size and frames; draws nothing. Raises as `run`."""
    _, still = _opened(request)
    width, height = request.size or still.shape[1::-1]
    paths = "\n".join(f"  {output.path}" for output in request.files())
    each = f"{request.frames} frames of {width}x{height} pixels at {request.fps:g} a second each"
    return f"{each}:\n{paths}\nnothing was drawn."


def _opened(request: AnimateRequest) -> tuple[Weights, UInt8[np.ndarray, "r r 3"]]:
    for output in request.files():
        files.check_file(output.path)
    check_encoder(request.out, request.quality)
    weights = opening.read(request.run, step=request.step)
    task = weights.facts.get("task", {}).get("name", "none")
    if weights.family == "digan" and task != "animate":
        trained = f"was trained on the task {task!r}" if task != "none" else "begins with no picture"
        cure = "give a model of the task 'animate' (digan train --config animate)"
        raise InputError(f"{request.run}: {trained}; {cure}.")
    try:
        return weights, shown(read_still(request.still), weights.config.resolution)
    except UnusableVideo as error:
        raise InputError(f"{request.still}: {error}.") from None
