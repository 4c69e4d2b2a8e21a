"""Objects of label maps move evenly: the pixels of one frame carried along with them, and the maps between two maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int, Integer
from scipy import ndimage

GROUND = 3  # an object that reaches so many sides of the frame is taken for ground, and stays where it is


def carried(
    frame: Float[np.ndarray, "h w 3"],
    here: Int[np.ndarray, "h w"],
    there: Int[np.ndarray, "s H W"],
    ages: Float[np.ndarray, "s"],
) -> Float[np.ndarray, "s H W 4"]:
    """The frame's colours at the pixels of maps, each object moved as its centre moves, and how far to trust them.

    Objects neither turn nor grow. The trust is 1 / (1 + age) where the frame shows the pixel's object at that place;
    elsewhere it and the colours are 0. Ground beside an object has some of the object's colour, and is left out; in maps
    of the frame's own time only beside what is none.

    Args:
      here, there: the instance of each pixel of the frame and of the maps; -1: none. Both in pixels of one size.
      ages: time from the frame to each map, either way, in clips.
    """
    found = np.zeros((*there.shape, 4), np.float32)
    for instance in np.intersect1d(here[here >= 0], there):
        shown, wanted = here == instance, there == instance
        of_map, *places = np.nonzero(wanted)
        ground = _is_ground(shown)
        if not ground:
            count = np.maximum(np.bincount(of_map, minlength=len(there)), 1)
            moves = [np.bincount(of_map, x, len(there)) / count - c for x, c in zip(places, _centre(shown))]
            places = [x - move[of_map] for x, move in zip(places, moves)]
        look = lambda plane: ndimage.map_coordinates(plane.astype(np.float32), places, order=1, mode="grid-constant")
        cover = whole = look(shown)
        if ground:
            near = np.ones((3, 3))
            apart = ndimage.binary_erosion(shown, near, border_value=1)
            clean = shown & ~ndimage.binary_dilation(here < 0, near)
            cover = np.where(ages[of_map] > 0, look(apart), look(clean))
        colours = [look(plane) / np.maximum(whole, 0.5) for plane in np.moveaxis(frame * shown[..., None], -1, 0)]
        trust = (1 / (1 + ages))[of_map]
        found[wanted] = (cover > 0.5)[:, None] * np.stack([*colours, trust], axis=-1)
    return found


def between(
    labels: Integer[np.ndarray, "2 h w"], instances: Int[np.ndarray, "2 h w"], share: float
) -> tuple[Integer[np.ndarray, "h w"], Int[np.ndarray, "h w"]]:
    """The labels and instances between two maps: each object moves evenly from centre to centre, over the ground.

    Args:
      share: 0 to 1, of the way from the first map to the second.
    """
    found = np.unique(instances)
    score, label_of = np.zeros((len(found), *labels.shape[1:])), np.zeros(len(found), labels.dtype)
    for n, instance in enumerate(found):
        masks = instances == instance
        label_of[n] = labels[masks][0]
        ground = any(map(_is_ground, masks))
        move = np.zeros(2) if ground or not masks.any((1, 2)).all() else _centre(masks[1]) - _centre(masks[0])
        moved = lambda mask, by: ndimage.shift(mask.astype(np.float32), by, order=1, mode="grid-constant")
        score[n] = (1 - share) * moved(masks[0], share * move) + share * moved(masks[1], (share - 1) * move)
        if ground:
            score[n] = 0.5 + 1e-3 * score[n]  # an object is where more than half of the two say so
    winner = score.argmax(axis=0)
    return label_of[winner], found[winner].astype(instances.dtype)


def at(
    stored: Callable[[int], tuple[Integer[np.ndarray, "h w"], Int[np.ndarray, "h w"]]], place: float
) -> tuple[Integer[np.ndarray, "h w"], Int[np.ndarray, "h w"]]:
    """The labels and instances at a place among maps: stored ones, or those between two of them."""
    number, share = int(place), place % 1
    if share == 0:
        return stored(number)
    return between(*(np.stack(pair) for pair in zip(stored(number), stored(number + 1))), share)


def _is_ground(mask: Bool[np.ndarray, "h w"]) -> bool:
    return bool(sum(edge.any() for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1])) >= GROUND)


def _centre(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "2"]:
    return np.array([x.mean() for x in np.nonzero(mask)])
