"""Resolves the labels, times and grids of a render request for a model."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from digan_jax import grids as coords
from digan_jax.config import FamilyConfig
from digan_jax.errors import InputError
from digan_jax.interop.opening import Glance
from digan_jax.jobs.render_request import RenderRequest
from digan_jax.rendering import latents, tiles, timeline
from digan_jax.rendering.model import check_times

Grids = tiles.GridRequest | list[tiles.GridRequest]  # one for all frames, or one per frame


def labels(request: RenderRequest, model: Glance) -> tuple[int, ...] | None:
    """The request's labels as class indices; "all" means every class. Raises `InputError` for unknown labels."""
    if request.label is None:
        return None
    if request.label != "all" or "all" in model.class_names:
        asked = ["all"] if request.label == "all" else list(request.label)
        return tuple(latents.label_indices(asked, model.class_names))
    if not model.config.n_classes:
        raise InputError("label='all': this model knows no classes (model.n_classes=0); leave the label out.")
    return tuple(range(model.config.n_classes))


def times(request: RenderRequest) -> Float[np.ndarray, "t"]:
    """The time of each frame, in clips. Raises `InputError` for invalid times."""
    r = request
    if r.times:
        found = timeline.between(r.times, r.slow)
    elif r.walk:
        found = timeline.spread(*r.span, r.walk_frames)
    elif r.duration is not None:
        found = timeline.at_rate(*r.span, r.fps, r.duration, r.slow)
    else:
        found = timeline.spread(*r.span, r.frames, r.slow)
    check_times(found, 1)
    return found


def grids(request: RenderRequest, config: FamilyConfig, frames: int) -> Grids:
    """Frame size, region and mode, for a model. Raises `InputError` for an impossible grid."""
    r = request
    asked = any(option is not None for option in (r.scale, r.size, r.region, r.path))
    mode = r.mode or ("smooth" if asked else "native")
    regions = timeline.camera(r.path, np.arange(frames) / r.fps) if r.path else [r.region or coords.FULL]
    x0, y0, x1, y1 = regions[0]
    pixels = (r.scale or 1) * config.resolution / 2  # pixels per coordinate unit; the trained frame is 2 units wide
    size = r.size or tuple(max(1, round(pixels * side)) for side in (x1 - x0, y1 - y0))
    found = [tiles.grid(*size, region, mode, r.levels) for region in regions]
    for grid in found:
        grid.resolve(config)  # raises InputError for an impossible grid
    return found if r.path else found[0]
