"""What one studio draws and stores at most, so that it can be left on for others."""

from __future__ import annotations

import dataclasses

from digan_jax.errors import InputError
from digan_jax.jobs.requests import Request


@dataclasses.dataclass(frozen=True)
class Limits(Request):
    """Limits of a studio.

    Raises:
      InputError: a limit below 1.
    """

    side: int = 1024  # pixels a side of a frame
    frames: int = 480  # of a film, or of a video that is given
    clips: int = 64  # of one film
    queue: int = 16  # films that wait, of all clients
    seconds: int = 900  # of work on one film
    upload_mb: int = 64  # of a video that is given
    stored_mb: int = 512  # of films and given videos, of all clients; the oldest are removed

    def check(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise InputError(f"{name}={value}: a limit is 1 or more.")

    def check_film(self, width: int, height: int, frames: int, clips: int = 1) -> None:
        """Raises `InputError` for a film that this studio does not draw."""
        if max(width, height) > self.side:
            raise InputError(
                f"{width}x{height} pixels: this studio draws frames of at most {self.side} pixels a side; choose a "
                "smaller size, or start it with --max-side."
            )
        if frames > self.frames:
            raise InputError(
                f"{frames} frames: this studio draws at most {self.frames}; choose fewer, or start it with "
                "--max-frames."
            )
        if clips > self.clips:
            raise InputError(f"{clips} clips: this studio draws at most {self.clips} in one film; choose fewer.")
