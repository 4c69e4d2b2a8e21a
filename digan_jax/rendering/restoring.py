"""A video to another one of any size and frame rate by a conditional model, in windows of space and time.

A window has the size and length that the model was trained on. Neighbours overlap and are cross-faded, so memory depends
on the size of a frame and not on the length of the video.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from jaxtyping import Float, UInt8

from digan_jax import grids
from digan_jax.data.conditions import unit_range
from digan_jax.rendering import tiles, windows
from digan_jax.rendering.sampler import Sampler
from digan_jax.shapes import Condition

TOGETHER = 16  # tiles that are drawn together
Frame = UInt8[np.ndarray, "h w 3"]
Maps = Float[np.ndarray, "s h w _"]  # what an encoder takes


@dataclasses.dataclass(frozen=True)
class Shape:
    """The video that is given and the one that is made.

    Attributes:
      width, height, frames: of the given video.
      size: (width, height) of the new one.
      places: of its frames, in frames of the given video: 0 is its first frame. Ascending.
    """

    width: int
    height: int
    frames: int
    size: tuple[int, int]
    places: Float[np.ndarray, "t"]


@dataclasses.dataclass(frozen=True, eq=False)
class Restorer:
    """A model that is shown a video and draws it.

    Attributes:
      side: pixels a side of what it was shown in training.
      shown: frames of a clip that it was shown.
      id: of the latents; another id may give other details.
      until: time of the last of these in the clip: 1, unless it saw the beginning of a clip alone.
      seen: the given frames of a window, stacked, to maps of the same size. Default: colours alone.
    """

    model: Sampler
    side: int
    shown: int
    id: int = 0
    until: float = 1.0
    seen: Callable[[UInt8[np.ndarray, "s h w _"]], Maps] = unit_range

    def frames(self, given: Iterable[UInt8[np.ndarray, "h w _"]], shape: Shape) -> Iterator[Float[np.ndarray, "h w 3"]]:
        """The frames of the new video, float32 about in [-1, 1], in order; reads the given frames as they are needed."""
        span = self.shown - 1
        overlap = span // 2
        begins = [int(start) for start in windows.starts(max(shape.frames - 1, span), span, overlap)]
        share = windows.shares(shape.places, begins, span, overlap)
        given, held, unfinished = iter(given), [], {}
        most = int((share > 0).sum(axis=1).max())
        for j, begin in enumerate(begins):
            held = held[begin - begins[j - 1] :] if j else held
            held += itertools.islice(given, self.shown - len(held))
            maps = np.stack(held + held[-1:] * (self.shown - len(held)))
            seen = np.flatnonzero(share[j] > 0)
            if len(seen):
                padded = np.concatenate([seen, np.repeat(seen[-1:], most - len(seen))])  # one shape, one program
                drawn = self.window(maps, (shape.places[padded] - begin) / span, shape)
                for frame, k in zip(drawn, seen):
                    unfinished[k] = unfinished.get(k, 0) + np.float32(share[j, k]) * frame
            following = share[j + 1 :].any(axis=0)
            for k in sorted(k for k in unfinished if not following[k]):
                yield unfinished.pop(k)

    def window(self, frames: UInt8[np.ndarray, "s h w _"], times, shape: Shape) -> Float[np.ndarray, "t _ _ 3"]:
        """The frames at `times`, in clips, of a window of given frames, drawn as tiles."""
        side, overlap = self.side, max(1, self.side // 4)
        more = [(0, max(0, side - n)) for n in frames.shape[1:3]]
        maps = np.pad(self.seen(frames), ((0, 0), *more, (0, 0)), mode="edge")
        rows = _Tiles.along(shape.height, shape.size[1], side, overlap)
        columns = _Tiles.along(shape.width, shape.size[0], side, overlap)
        corners = list(itertools.product(range(len(rows.starts)), range(len(columns.starts))))
        together = tiles.even(len(corners), TOGETHER)
        done = np.zeros((len(times), *shape.size[::-1], 3), np.float32)
        for first in range(0, len(corners), together):
            group = corners[first : first + together]
            padded = group + group[-1:] * (together - len(group))
            for (i, j), clip in zip(group, self._drawn(maps, times, rows, columns, padded)):
                weight = rows.share[i][:, None] * columns.share[j][None]
                done[:, rows.pixels(i), columns.pixels(j)] += clip * weight[None, :, :, None]
        return done

    def _drawn(self, maps, times, rows: _Tiles, columns: _Tiles, corners) -> Float[np.ndarray, "b t h w 3"]:
        config, side = self.model.config, self.side
        at = [(rows.starts[i], columns.starts[j]) for i, j in corners]
        shown = np.stack([maps[:, y : y + side, x : x + side] for y, x in at])
        of_tile = lambda i, j: grids.at_centres(config.resolution, columns.nodes[j], -rows.nodes[i], config.base)
        grid = grids.stack([of_tile(i, j) for i, j in corners])
        lat = self.model.latents([self.id] * len(corners))
        return self.model.generate(
            lat, np.asarray(times, np.float32), grid, Condition(maps=shown, at=np.linspace(0, self.until, self.shown))
        )


@dataclasses.dataclass(frozen=True)
class _Tiles:
    """Tiles along an axis of the picture; all have equally many output pixels.

    Attributes:
      starts: of tiles, in given pixels.
      first: output pixel of each tile.
      nodes: centres of its output pixels in [-1, 1] of the tile, from its start on.
      share: of each tile in its output pixels.
    """

    starts: list[int]
    first: list[int]
    nodes: list[Float[np.ndarray, "n"]]
    share: list[Float[np.ndarray, "n"]]

    @classmethod
    def along(cls, given: int, made: int, side: int, overlap: int) -> _Tiles:
        starts = [int(start) for start in windows.starts(given, side, overlap)]
        centres = (np.arange(made) + 0.5) * given / made
        share = windows.shares(centres, starts, side, overlap)
        count = min(made, max(int((row > 0).sum()) for row in share))
        first = [min(int(np.argmax(row > 0)), made - count) for row in share]
        pixels = [slice(a, a + count) for a in first]
        nodes = [2 * (centres[p] - start) / side - 1 for p, start in zip(pixels, starts)]
        return cls(starts, first, nodes, [row[p].astype(np.float32) for row, p in zip(share, pixels)])

    def pixels(self, i: int) -> slice:
        """Output pixels of tile i."""
        return slice(self.first[i], self.first[i] + len(self.share[i]))
