"""`digan invert`: a clip to the latents that draw it, for `digan render --latents`."""

from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Literal

import numpy as np
from etils import epath
from jaxtyping import UInt8

from digan_jax.data.conditions import unit_range
from digan_jax.errors import InputError
from digan_jax.evaluation.features import stlpips
from digan_jax.host import files
from digan_jax.host.progress import Progress
from digan_jax.host.showing import UnusableVideo
from digan_jax.host.video_files import to_uint8
from digan_jax.host.video_reading import open_footage
from digan_jax.interop import opening
from digan_jax.jobs.requests import Request
from digan_jax.rendering import inverting, latent_files
from digan_jax.rendering.model import Model
from digan_jax.rendering.samplers import of_weights
from digan_jax.runs.weights import Weights
from digan_jax.shapes import Latents

CLIP = 16  # frames of a clip, where the model does not say how long those of its training were


@dataclasses.dataclass(frozen=True)
class InvertRequest(Request):
    """A clip, and the file of latents to be made of it.

    Raises:
      InputError: an invalid value or combination of values.
    """

    video: str  # a file, or a folder of images
    run: str  # a path for `digan.load`
    out: str  # .npz
    step: int | Literal["best"] | None = None  # checkpoint of a run; None: the newest
    frames: int | None = None  # first frames of the video to use; None: those of a clip in training
    steps: int = 300  # of the optimisation
    perceptual: float = 0.5  # weight of ST-LPIPS, beside the squared error; 0: without (needs no extra [eval])

    def check(self) -> None:
        if not self.out.endswith(".npz"):
            raise InputError(f"{self.out}: latents are written as .npz; name the file so.")
        if self.frames is not None and self.frames < 2:
            raise InputError(f"frames={self.frames}: motion needs 2 frames or more.")
        if not 0 <= self.steps <= 100_000:
            raise InputError(f"steps={self.steps}: must lie in [0, 100000].")
        if not 0 <= self.perceptual < float("inf"):
            raise InputError(f"perceptual={self.perceptual}: must be 0 (without) or more.")


@dataclasses.dataclass(frozen=True)
class Report:
    """How near the clip is that the latents draw.

    Attributes:
      psnr: dB over the whole clip. start: the same of the id that the optimisation began with.
      motion: mean absolute difference of successive frames, divided by that of the video; 1 is the same motion.
    """

    frames: int
    psnr: float
    start: float
    motion: float

    def __str__(self) -> str:
        return (
            f"{self.frames} frames, {self.psnr:.2f} dB (the nearest id: {self.start:.2f} dB), "
            f"motion {self.motion:.2f} of the clip's"
        )


def run(request: InvertRequest, progress: Progress = Progress()) -> Report:
    """Writes the latents and returns how near their clip is.

    Raises:
      InputError: an unusable or too short video; a model of another family, or one that follows conditions; missing
        weights of ST-LPIPS; nothing is written.
      Cancelled: through `progress`; nothing is written.
    """
    files.check_file(request.out)
    model, clip, times = _opened(request)
    distance = _perceptual(clip.shape[1]) if request.perceptual else None
    weights = inverting.Weights(perceptual=request.perceptual)
    with progress.of("inverting", request.steps, "steps") as advance:
        found = inverting.invert(model, unit_range(clip), times, request.steps, weights, distance, advance)
    began = inverting.nearest_id(model, unit_range(clip), times)
    drawn, first = (to_uint8(model.generate(lat, times)[0]) for lat in (found.latents, began))
    report = Report(len(clip), psnr(drawn, clip), psnr(first, clip), energy(drawn) / max(energy(clip), 1e-9))
    note = {"invert": request.to_record(), "report": dataclasses.asdict(report)}
    latent_files.save(request.out, Latents(*found.latents), json.loads(json.dumps(note)))
    return report


def describe(request: InvertRequest) -> str:
    """Text with frames and size; computes nothing. Raises as `run`."""
    files.check_file(request.out)
    _, clip, times = _opened(request)
    size = clip.shape[1]
    frames = f"{len(clip)} frames of {size}x{size}, times 0 to {times[-1]:.4g}"
    return f"{request.out}: latents of {frames}.\nnothing was computed."


def psnr(clip: UInt8[np.ndarray, "t h w 3"], reference: UInt8[np.ndarray, "t h w 3"]) -> float:
    """Peak signal-to-noise ratio of two clips, in dB."""
    error = np.square(clip.astype(np.float64) - reference).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def energy(clip: UInt8[np.ndarray, "t h w 3"]) -> float:
    """Mean absolute difference of successive frames, in grey levels."""
    return float(np.abs(np.diff(clip.astype(np.float64), axis=0)).mean())


def _opened(request: InvertRequest) -> tuple[Model, UInt8[np.ndarray, "t r r 3"], np.ndarray]:
    """The model, and the video's frames as the model draws them, with their times in clips."""
    weights = opening.read(request.run, step=request.step)
    model = of_weights(weights)
    if not isinstance(model, Model):
        family = f"is of the family {weights.family!r}, which has no latents to find"
        raise InputError(f"{request.run}: {family}; give a digan model.")
    if model.config.condition_planes:
        raise InputError(f"{request.run}: follows a condition; give a model that draws from ids alone.")
    span = _span(weights)
    wanted = request.frames or span
    try:
        footage = open_footage(str(epath.Path(request.video).expanduser()), model.config.resolution)
        clip = list(itertools.islice(footage.frames, wanted))
    except (UnusableVideo, FileNotFoundError) as error:
        raise InputError(f"{request.video}: {error}.") from None
    if len(clip) < 2:
        raise InputError(f"{request.video}: has {len(clip)} frame{'s' * (len(clip) != 1)}; motion needs 2 or more.")
    return model, np.stack(clip), np.arange(len(clip)) / (span - 1)


def _span(weights: Weights) -> int:
    return weights.facts.get("data", {}).get("frames") or CLIP


def _perceptual(side: int):
    """ST-LPIPS with its weights. Raises `InputError` if they are not installed."""
    if side < stlpips.MIN_SIZE:
        raise InputError(f"perceptual: ST-LPIPS needs {stlpips.MIN_SIZE} pixels a side, the model has {side}; give 0.")
    return _Distance(stlpips.load())


@dataclasses.dataclass(frozen=True, eq=False)
class _Distance:
    weights: dict

    def __call__(self, a, b):
        return stlpips.distance(self.weights, a, b)
