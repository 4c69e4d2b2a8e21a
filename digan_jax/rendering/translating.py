"""Maps (labels, edges) to a video of any length, size and rate by a model that was trained to follow them.

A window has as many maps as a clip of the model's training. Maps are brought to its resolution along their shorter
side; along the longer one, square tiles overlap. Windows and tiles are cross-faded. A frame between two label maps is
drawn from maps of its own time, in which objects have moved on; between drawings, their features are mixed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Integer

from digan_jax import grids
from digan_jax.rendering import windows
from digan_jax.rendering.model import Model
from digan_jax.rendering.styles import Look
from digan_jax.shapes import Condition, Latents, Styles

Read = Callable[[float], tuple[Integer[np.ndarray, "h w"], Integer[np.ndarray, "h w"]]]  # place -> labels, instances


@dataclasses.dataclass(frozen=True, eq=False)
class Translator:
    """A model of the task "translate" or "edges".

    Attributes:
      shown: maps of a window.
      latents: of one clip.
      look: of instances; None for a model without styles.
      edges: maps are 1 on edges; otherwise they are labels.
    """

    model: Model
    shown: int
    latents: Latents
    look: Look | None = None
    edges: bool = False

    def frames(
        self, read: Read, count: int, places: Float[np.ndarray, "t"], size: tuple[int, int]
    ) -> Iterator[Float[np.ndarray, "h w 3"]]:
        """The frames at `places`, ascending, in maps; float32 about in [-1, 1]. Holds the maps of one window.

        Args:
          read: labels and instances of map 0 ... count - 1 and, unless they are drawings, between these; in the model's
            resolution along their shorter side (`label_maps.brought_to`).
          size: (width, height) of the frames.
        """
        span = self.shown - 1
        overlap = span // 2
        begins = [int(start) for start in windows.starts(max(count - 1, span), span, overlap)]
        share = windows.shares(places, begins, span, overlap)
        lateness = np.zeros(len(places)) if self.edges else np.round(places - np.floor(places), 6) % 1
        groups = [[np.flatnonzero((row > 0) & (lateness == x)) for x in np.unique(lateness[row > 0])] for row in share]
        most = max(len(alike) for window in groups for alike in window)
        unfinished: dict[int, np.ndarray] = {}
        for j, begin in enumerate(begins):
            for alike in groups[j]:
                late = lateness[alike[0]]
                padded = np.concatenate([alike, np.repeat(alike[-1:], most - len(alike))])  # one shape, one program
                at = np.minimum(np.arange(begin, begin + self.shown) + late, count - 1)
                drawn = self._window(read, at, (places[padded] - late - begin) / span, size)
                for frame, k in zip(drawn, alike):
                    unfinished[k] = unfinished.get(k, 0) + np.float32(share[j, k]) * frame
            following = share[j + 1 :].any(axis=0)
            for k in sorted(k for k in unfinished if not following[k]):
                yield unfinished.pop(k)

    def _window(self, read: Read, at, times, size: tuple[int, int]) -> Float[np.ndarray, "t _ _ 3"]:
        """Frames at times of the window, drawn from the maps at the places `at`."""
        labels, instances = (np.stack(maps) for maps in zip(*(read(float(place)) for place in at)))
        carried = None if self.look is None else self.look.carried(instances, at / (self.shown - 1))
        h, w = labels.shape[1:]
        side, wide = self.model.config.resolution, w >= h
        long, made = (w, size[0]) if wide else (h, size[1])
        starts = [int(start) for start in windows.starts(long, side, side // 2)]
        centres = (np.arange(made) + 0.5) * long / made
        share = windows.shares(centres, starts, side, side // 2)
        done = np.zeros((len(times), *size[::-1], 3), np.float32)
        for start, weight in zip(starts, share):
            pixels = np.flatnonzero(weight)
            cut = np.s_[:, :, start : start + side] if wide else np.s_[:, start : start + side]
            along = 2 * (centres[pixels] - start) / side - 1
            other = 2 * (np.arange(size[wide]) + 0.5) / size[wide] - 1
            x, y = (along, -other) if wide else (other, -along)
            grid = grids.at_centres(self.model.config.resolution, x, y, self.model.config.base)
            condition = self._condition(labels[cut], instances[cut], None if carried is None else carried[cut])
            clip = self.model.generate(self.latents, times.astype(np.float32), grid, condition)
            if wide:
                done[:, :, pixels] += clip[0] * weight[pixels].astype(np.float32)[:, None]
            else:
                done[:, pixels] += clip[0] * weight[pixels].astype(np.float32)[:, None, None]
        return done

    def _condition(
        self,
        labels: Integer[np.ndarray, "s h w"],
        instances: Integer[np.ndarray, "s h w"],
        carried: Float[np.ndarray, "s h w 4"] | None = None,
    ) -> Condition:
        planes = self.model.config.condition_planes
        shown = (labels > 0)[..., None] if self.edges else np.arange(planes) == labels[..., None]
        styles = None
        if self.look is not None:
            pixels = None if carried is None else carried[None]
            styles = Styles(instances[None], vectors=self.look.vectors, carried=pixels)
        return Condition(maps=shown[None].astype(np.float32), styles=styles)
