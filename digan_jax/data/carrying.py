"""The pixels of one frame carried along with its objects: what they look like, wherever label maps put them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import map_coordinates

STILL = 3  # an object that reaches so many sides of the frame is taken for its ground, and stays where it is


def carried(
    frame: Float[np.ndarray, "h w 3"],
    here: Int[np.ndarray, "h w"],
    there: Int[np.ndarray, "s H W"],
    ages: Float[np.ndarray, "s"],
) -> Float[np.ndarray, "s H W 4"]:
    """The frame's colours at the pixels of maps, each object moved as its centre moves, and how far to trust them.

    Objects neither turn nor grow. The trust is 1 / (1 + age) where the frame shows the pixel's object at that place;
    elsewhere it and the colours are 0.

    Args:
      here, there: the instance of each pixel of the frame and of the maps; -1: none. Both in pixels of one size.
      ages: time from the frame to each map, either way, in clips.
    """
    found = np.zeros((*there.shape, 4), np.float32)
    for instance in np.intersect1d(here[here >= 0], there):
        shown, wanted = here == instance, there == instance
        of_map, *places = np.nonzero(wanted)
        if sum(edge.any() for edge in (shown[0], shown[-1], shown[:, 0], shown[:, -1])) < STILL:
            count = np.maximum(np.bincount(of_map, minlength=len(there)), 1)
            moves = [np.bincount(of_map, x, len(there)) / count - c.mean() for x, c in zip(places, np.nonzero(shown))]
            places = [x - move[of_map] for x, move in zip(places, moves)]
        look = lambda plane: map_coordinates(plane.astype(np.float32), places, order=1, mode="grid-constant")
        cover = look(shown)
        colours = [look(plane) / np.maximum(cover, 0.5) for plane in np.moveaxis(frame * shown[..., None], -1, 0)]
        trust = (1 / (1 + ages))[of_map]
        found[wanted] = (cover > 0.5)[:, None] * np.stack([*colours, trust], axis=-1)
    return found
