"""The live frame: one frame of one clip, small, drawn in the request's thread."""

from __future__ import annotations

import threading
import time

import numpy as np
from jaxtyping import UInt8

from digan_jax import grids
from digan_jax.config import FamilyConfig
from digan_jax.host.video_files import to_uint8
from digan_jax.jobs.render_request import RenderRequest
from digan_jax.rendering import tiles
from digan_jax.rendering.directions import Directions
from digan_jax.rendering.model import Model
from digan_jax.rendering.sampler import Sampler
from digan_jax.studio import programs
from digan_jax.studio.pictures import as_url

SIDE = 128  # pixels of a live frame, at most, or those of the training
NONE_OF = "This family of models draws frame after frame, which takes too long for a live frame: draw the film."
TOGETHER = threading.BoundedSemaphore(2)  # live frames that are drawn at once


def grid_of(request: RenderRequest, config: FamilyConfig) -> tiles.GridRequest:
    """The request's picture, made small enough."""
    side = config.resolution
    width, height = request.size or (side, side)
    if request.mode in ("native", "scaled"):
        return tiles.grid(side, side, mode="native")
    share = min(1.0, max(SIDE, side) / max(width, height))
    even = lambda pixels: max(8, round(pixels * share / 8) * 8)  # few sizes, few programs
    return tiles.grid(even(width), even(height), request.region or grids.FULL)


def frame(
    model: Model, request: RenderRequest, when: float, directions: Directions | None
) -> UInt8[np.ndarray, "h w 3"]:
    """The frame at a time, in clips.

    Raises:
      InputError: what this model cannot draw.
    """
    r, grid = request, grid_of(request, model.config)
    with TOGETHER:
        programs.note(model.config, grid.width, grid.height, grid.mode, 1, 1)
        lat = model.latents(r.ids, r.motion_ids, r.truncation, r.label, r.seed)
        if r.edit and directions is not None:
            lat = directions.edited(lat, r.edit)
        return to_uint8(model.generate(lat, [when], grid)[0, 0])


def shown(model: Sampler, request: RenderRequest, when: float, directions: Directions | None) -> dict:
    """The frame for the page; of a family that draws frame after frame, words in its place. Raises as `frame`."""
    if not isinstance(model, Model):
        return {"src": "", "alt": "no live frame", "caption": NONE_OF}
    began = time.perf_counter()
    picture = frame(model, request, when, directions)
    took = 1000 * (time.perf_counter() - began)
    content, motion = request.ids[0], request.motion_ids[0]
    height, width = picture.shape[:2]
    what = f"content {content}, motion {motion}, time {when:.2f}"
    return {
        "src": as_url(picture),
        "alt": f"frame of {what}",
        "caption": f"{what}; {width}×{height} pixels, {took:.0f} ms",
    }
