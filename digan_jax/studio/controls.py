"""What the controls say, as a `RenderRequest`; the same checks as for `digan render`."""

from __future__ import annotations

import math
from collections.abc import Mapping

from digan_jax.errors import InputError
from digan_jax.grids import FULL
from digan_jax.jobs.render_request import RenderRequest
from digan_jax.studio.limits import Limits

CLIP, WALK, CROSS = "this clip", "walk between kept clips", "contents × motions"
FORMATS = ("mp4", "webm", "gif", "png", "npz")
RANDOM = "random by id"  # class
DIRECTIONS = 8  # sliders of each kind


def edits_of(values: Mapping) -> tuple[tuple[str, float], ...] | None:
    """The edits that sliders ask for."""
    names = [f"{kind}{i}" for kind in ("", "m") for i in range(DIRECTIONS)]
    found = [(name, number(values, f"edit_{name}", 0.0)) for name in names]
    return tuple((name, amount) for name, amount in found if amount) or None


def of_clip(
    values: Mapping, run: str, step: int | None, directions: str | None = None, out: str = "a.png"
) -> RenderRequest:
    """The clip and the picture that the controls name, with the default times.

    Args:
      values: {control: value}, as a browser sent them.
      directions: file of the run's directions, for edits.

    Raises:
      InputError: a value that is missing or impossible.
    """
    edit, label = edits_of(values), values.get("label")
    region = tuple(number(values, name) for name in ("x0", "y0", "x1", "y1"))
    size = whole(values, "width"), whole(values, "height")
    mode = values.get("mode")
    return RenderRequest(
        run,
        out,
        step=step,
        ids=(whole(values, "content"),),
        motion_ids=(whole(values, "motion"),),
        label=None if label in (None, RANDOM) else (label,),
        truncation=number(values, "truncation", 1.0),
        edit=edit,
        directions=directions if edit else None,
        size=size,
        region=None if region == FULL else region,
        mode=None if mode in (None, "auto") else mode,
    )


def of_film(
    values: Mapping, run: str, step: int | None, directions: str | None, out: str, limits: Limits
) -> RenderRequest:
    """The film that the controls name, within the limits. Arguments and errors as `of_clip`."""
    clip = of_clip(values, run, step, directions, out)
    fields = vars(clip) | {"fps": number(values, "fps"), "span": (number(values, "first"), number(values, "last"))}
    clips, sheet = 1, (1, 1)
    if values.get("film") == WALK:
        fields |= _walk(values)
        if values.get("walk_of") == "motion":
            fields["motion_ids"] = None
    elif values.get("film") == CROSS:
        rows, columns = (whole(values, name) for name in ("contents", "motions"))
        if min(rows, columns) < 1 or columns < 2:
            raise InputError("contents and motions: a grid needs one content and two motions, or more.")
        clips, sheet = rows * columns, (columns, rows)
        limits.check_film(*clip.size, 1, clips)
        fields |= {"cross": True, "ids": _from(clip.ids[0], rows), "motion_ids": _from(clip.motion_ids[0], columns)}
    fields["frames"] = whole(values, "frames")
    request = RenderRequest(**fields)
    frames = request.walk_frames if request.walk else request.frames
    limits.check_film(*request.size, frames, clips)
    width, height = (pixels * count for pixels, count in zip(request.size, sheet))
    if max(width, height) > 2 * limits.side:
        raise InputError(f"a grid of {width}x{height} pixels: choose a smaller size, or fewer clips.")
    return request


def _walk(values: Mapping) -> dict:
    kept = values.get("kept") or []
    if not isinstance(kept, list) or len(kept) > 64 or not all(isinstance(clip, Mapping) for clip in kept):
        raise InputError("kept clips: the list does not parse; reload the page.")
    if len(kept) < 2:
        raise InputError("a walk needs two kept clips or more: choose a clip, press Keep, and another one.")
    of = values.get("walk_of")
    contents, motions = ([whole(clip, name) for clip in kept] for name in ("content", "motion"))
    fields = {"walk": motions if of == "motion" else contents, "walk_of": of, "seconds": number(values, "seconds")}
    if of == "both":
        fields["motion_ids"] = None if contents == motions else motions
    return fields


def _from(first: int, count: int) -> tuple[int, ...]:
    return tuple(range(first, first + count))


def zoomed(region: tuple[float, ...], box) -> tuple[float, float, float, float]:
    """The part of `region` in a box drawn on its picture: shares (x0, y0, x1, y1) of the picture, y down.

    Raises:
      InputError: no box.
    """
    if not (isinstance(box, list) and len(box) == 4 and all(isinstance(x, (int, float)) for x in box)):
        raise InputError("the region that was drawn does not parse; draw it again.")
    x0, y0, x1, y1 = region
    across, down = x1 - x0, y1 - y0
    corners = x0 + across * box[0], y1 - down * box[3], x0 + across * box[2], y1 - down * box[1]
    return tuple(round(corner, 4) for corner in corners)


def number(values: Mapping, name: str, default: float | None = None) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{name}: give a number.")
    return float(value)


def whole(values: Mapping, name: str) -> int:
    value = number(values, name)
    if value != int(value):
        raise InputError(f"{name}: {value:g} is no whole number.")
    return int(value)
