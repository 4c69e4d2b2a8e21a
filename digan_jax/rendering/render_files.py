"""Renders clips to video files, a few frames at a time, for `digan render`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from etils import epath
from jaxtyping import Float

from digan_jax import grids
from digan_jax.host.progress import Progress
from digan_jax.host.video_files import write_video
from digan_jax.rendering.contact_sheets import check_room, grid_of_clips
from digan_jax.rendering.sampler import Grid, OneGrid, Sampler
from digan_jax.rendering.walks import Walk

HOST_BYTES = 1 << 28  # bytes of clips that are drawn together; a larger clip is drawn alone, in pieces


def render_sheet(
    model: Sampler,
    lat,
    times: Float[np.ndarray, "t"],
    grid: Grid,
    path: epath.PathLike,
    fps: float,
    sheet: tuple[int, int],
    metadata: dict,
    quality: str = "standard",
    progress: Progress = Progress(),
) -> list[epath.Path]:
    """Writes all clips side by side into one file. Returns the files written.

    Args:
      sheet: (columns, rows).
      fps: frames per second.
      quality: see `write_video`.

    Raises:
      InputError: more clips than cells.
      Cancelled: through `progress`; no partial file remains.
    """
    check_room(len(jax.tree.leaves(lat)[0]), *sheet)
    with frame_counter(progress, len(times)) as count:
        parts = model.stream(lat, times, grid)
        exact = quality == "10-bit"
        frames = (frame for part in parts for frame in count(grid_of_clips(part, *sheet, exact)))
        write_video(path, frames, fps, metadata, quality)
    return [epath.Path(path)]


def render_each(
    model: Sampler,
    lat,
    times: Float[np.ndarray, "t"],
    grid: Grid,
    paths: Sequence[epath.PathLike],
    fps: float,
    metadata: Sequence[dict],
    quality: str = "standard",
    progress: Progress = Progress(),
) -> list[epath.Path]:
    """Writes one file per clip. Returns the files written.

    Raises:
      Cancelled: through `progress`; finished files remain, partial ones do not.
    """
    n, (width, height) = len(paths), size_of(grid)
    together = max(1, HOST_BYTES // (12 * len(times) * width * height))  # 12 bytes: three float32 channels
    with frame_counter(progress, n * len(times)) as count:
        for first in range(0, n, together):
            group = slice(first, min(first + together, n))
            parts = model.stream(lat if isinstance(lat, Walk) else jax.tree.map(lambda x: x[group], lat), times, grid)
            if group.stop - first == 1:
                clips = [(frame for part in parts for frame in count(part[0]))]
            else:
                clips = map(count, np.concatenate(list(parts), axis=1))
            for path, clip, note in zip(paths[group], clips, metadata[group]):
                write_video(path, clip, fps, note, quality)
    return [epath.Path(path) for path in paths]


def size_of(grid: OneGrid | Sequence[OneGrid]) -> tuple[int, int]:
    """(width, height) of a grid's frames, in pixels."""
    first = grid if isinstance(grid, OneGrid) else grid[0]
    return first.size if isinstance(first, grids.Grid) else (first.width, first.height)


@contextlib.contextmanager
def frame_counter(progress: Progress, total: int) -> Iterator[Callable[[np.ndarray], Iterator[np.ndarray]]]:
    """Yields a function that passes frames through and advances the progress by each."""
    with progress.of("rendering", total, "frames") as advance:

        def count(frames):
            for frame in frames:
                yield frame
                advance()

        yield count
