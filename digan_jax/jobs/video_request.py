"""The base class of requests that make one video of another."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from digan_jax.errors import InputError
from digan_jax.host.frame_rates import check_rate
from digan_jax.host.video_formats import check_quality, check_suffix
from digan_jax.jobs.requests import Request

MODEL = "model"  # the method that needs a run


@dataclasses.dataclass(frozen=True)
class VideoRequest(Request):
    """A video and the one to be made of it. Subclasses add `method` and what their task needs.

    Raises:
      InputError: an invalid value or combination of values.
    """

    NAME: ClassVar[str] = ""  # the verb, and the task of its models
    MODELS: ClassVar[tuple[str, ...]] = (MODEL,)  # methods that need a run

    video: str  # a file, or a folder of images
    out: str  # .mp4 .webm .gif .png (a strip) .npz
    run: str | None = None  # a path for `digan.load`, of a model of the task
    step: int | Literal["best"] | None = None  # checkpoint of a run; None: the newest
    size: tuple[int, int] | None = None  # (width, height) in pixels; None: the video's
    fps: float | None = None  # frames per second; None: those of the video
    id: int = 0  # of the latents
    quality: Literal["standard", "10-bit", "lossless"] = "standard"  # of .mp4 and .webm
    sound: bool = True  # keeps the sound of the video where the file can hold it and both are equally long
    resume: bool = False  # does nothing if the file is already complete

    def check(self) -> None:
        check_quality(self.out, self.quality)
        if self.by_model and self.run is None:
            raise InputError(f"`run` is required for `method` {self.method}; the others need no model.")
        if not self.by_model and (self.run is not None or self.step is not None):
            raise InputError(f"method={self.method}: needs no model; leave `run` and `step` out.")
        if self.size is not None and min(self.size) < 1:
            raise InputError(f"size={self.size}: a picture needs at least one pixel a side.")
        if self.fps is not None:
            check_rate(check_suffix(self.out), self.fps)
        if not 0 <= self.id < 2**31:
            raise InputError(f"id={self.id}: must lie in [0, 2**31).")

    @property
    def by_model(self) -> bool:
        """Whether the method is a trained model."""
        return self.method in self.MODELS

    def note(self) -> dict:
        """Metadata of the file: the request that makes it again."""
        return {self.NAME: dataclasses.replace(self, resume=False).to_record()}
