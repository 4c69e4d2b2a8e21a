"""Contact sheets: many clips in one video or image."""

from __future__ import annotations

import math

import numpy as np
from etils import epath
from jaxtyping import Real, UInt8
from PIL import Image

from digan_jax.errors import InputError
from digan_jax.host.files import moved_in
from digan_jax.host.video_files import to_uint8, write_video
from digan_jax.shapes import Array

Clips = Real[Array, "_ t h w c"]  # float in [-1, 1] or uint8 in [0, 255]


def grid_of_clips(clips: Clips, columns: int, rows: int, exact: bool = False) -> Real[np.ndarray, "t _ _ c"]:
    """One clip that shows n clips in a grid, filled row by row from the top left; unused cells are black.

    Args:
      exact: keep the type of `clips` instead of converting to uint8.

    Raises:
      InputError: more clips than cells.
    """
    n, t, h, w, c = clips.shape
    check_room(n, columns, rows)
    clips = np.asarray(clips) if exact else to_uint8(clips)
    black = 0 if clips.dtype == np.uint8 else -1
    cells = np.full((columns * rows, t, h, w, c), black, clips.dtype)
    cells[:n] = clips
    return cells.reshape(rows, columns, t, h, w, c).transpose(2, 0, 3, 1, 4, 5).reshape(t, rows * h, columns * w, c)


def check_room(clips: int, columns: int, rows: int) -> None:
    """Raises `InputError` if the grid has fewer cells than there are clips."""
    if columns < 1 or rows < 1 or clips > columns * rows:
        fits = f"{columns}x{-(-clips // max(1, columns))}"
        raise InputError(f"sheet={columns}x{rows}: has no room for {clips} clips; {fits} has.")


def strips(clips: Clips) -> UInt8[np.ndarray, "_ t*w c"]:
    """One image: a row per clip, its frames from left to right."""
    n, t, h, w, c = clips.shape
    return to_uint8(clips).transpose(0, 2, 1, 3, 4).reshape(n * h, t * w, c)


def real_above_generated(real: Clips, generated: Clips, held_out: Clips | None = None) -> UInt8[np.ndarray, "_ _ c"]:
    """Strips of real clips, a white line, strips of generated clips; all of equal frame size and count.

    With held-out real clips, as many as `real`, there are two columns: they stand beside the real ones, above generated
    clips of an even number.
    """
    above, below = strips(real), strips(generated)
    width = max(2, real.shape[2] // 16)
    if held_out is not None:
        line = np.full((len(above), width, 3), 255, np.uint8)
        above = np.concatenate([above, line, strips(held_out)], axis=1)
        line = np.full((len(below) // 2, width, 3), 255, np.uint8)
        below = np.concatenate([below[: len(line)], line, below[len(line) :]], axis=1)
    line = np.full((width, above.shape[1], 3), 255, np.uint8)
    return np.concatenate([above, line, below])


def write_samples(path: epath.PathLike, clips: Clips, fps: float, strip: UInt8[np.ndarray, "_ _ c"]) -> None:
    """Writes `path`.mp4, a nearly square grid of all clips, and `path`.png, the picture `strip`.

    Args:
      path: without suffix.
      clips: generated clips, float in [-1, 1] or uint8 in [0, 255].
      fps: frames per second.
      strip: such as `strips` and `real_above_generated` return.
    """
    path = epath.Path(path)
    columns = math.ceil(math.sqrt(len(clips)))
    sheet = grid_of_clips(clips, columns, -(-len(clips) // columns))
    write_video(path.with_name(path.name + ".mp4"), sheet, fps)
    with moved_in(path.with_name(path.name + ".png")) as unfinished:
        Image.fromarray(strip).save(unfinished)
