"""`digan denoise`: a video without its noise, by a model, non-local means or means in time."""

from __future__ import annotations

import dataclasses
import itertools
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from etils import epath

from digan_jax.data import conditions
from digan_jax.errors import InputError
from digan_jax.host.progress import Progress
from digan_jax.jobs import restoring
from digan_jax.jobs.video_request import VideoRequest
from digan_jax.rendering import classical

LOOKED_AT = 8  # frames that the noise is estimated from


@dataclasses.dataclass(frozen=True)
class DenoiseRequest(VideoRequest):
    """A noisy video and a clean one to be made of it.

    Raises:
      InputError: an invalid value or combination of values.
    """

    NAME: ClassVar[str] = "denoise"
    method: Literal["model", "nlm", "mean"] = "model"  # non-local means of each frame; the mean of five frames
    sigma: float | Literal["auto"] = "auto"  # deviation of the noise, in grey levels of 255; auto: estimated

    def check(self) -> None:
        super().check()
        if self.sigma != "auto" and not 0 <= self.sigma <= 255:
            raise InputError(f"sigma={self.sigma}: must lie in [0, 255], or be auto.")


def run(request: DenoiseRequest, progress: Progress = Progress()) -> epath.Path:
    """Makes the video and returns its path.

    Raises:
      InputError: an unusable video; no model of the task "denoise"; scikit-image is missing; nothing is written.
      Cancelled: through `progress`; no partial file remains.
    """
    return work(request).run(progress)


def describe(request: DenoiseRequest) -> str:
    """Text with size, frames, rate and the deviation of the noise; draws nothing. Raises as `run`."""
    text = work(request).description()
    if request.method == "mean":
        return text
    return text.replace("\nnothing", f"\nnoise: {sigma_of(request):.1f} grey levels.\nnothing")


def sigma_of(request: DenoiseRequest) -> float:
    """The deviation of the noise, in grey levels: as given, or estimated from the first frames."""
    if request.sigma != "auto":
        return request.sigma
    return classical.noise_of(np.stack(list(itertools.islice(restoring.frames_of(request.video), LOOKED_AT))))


def work(request: DenoiseRequest) -> restoring.Work:
    """The checked work of a request. Raises as `run`."""
    restoring.check_out(request)
    if request.method == "nlm" or (request.sigma == "auto" and request.method != "mean"):
        classical.skimage()
    weights = restoring.weights_of(request, "denoise") if request.by_model else None
    shape, fps = restoring.shape_of(request)
    sigma = 0.0 if request.method == "mean" else sigma_of(request)
    if weights is None:
        clean = classical.mean_in_time if request.method == "mean" else partial(classical.non_local_means, sigma=sigma)
        make = lambda given, shape: classical.resized(clean(given), shape, "lanczos")
    else:
        most = weights.facts["task"].get("noise", 50.0)
        seen = lambda frames: conditions.with_visibility(conditions.noisy(frames, sigma, most))
        make = restoring.restorer_of(weights, weights.facts["data"]["frames"], request.id, seen=seen).frames
    return restoring.Work(request, shape, fps, make)
