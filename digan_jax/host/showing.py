"""A frame as a viewer shows it: upright, with square pixels, on black where it is transparent; then cropped and resized
as the paper's data were (section 4). Everything that is read goes through `shown`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from digan_jax.host.bilinear import bilinear

MAX_PIXELS = (
    2**26
)  # of a picture or frame, such as 8192 x 8192: larger ones are skipped, whatever their header promises
TOO_LARGE = f"has more than {MAX_PIXELS // 2**20} Mi pixels; make it smaller"
FrameOf = UInt8[np.ndarray, "h w 3"]


class UnusableVideo(Exception):
    """A file that gives no clip; the message is the reason, for the report."""


class View(NamedTuple):
    """From stored to seen: rows and columns change places first, then flips.

    Attributes:
      transposed: rows become columns.
      flip_x, flip_y: left and right, top and bottom change places, after that.
      aspect: width of a stored pixel over its height.
    """

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False
    aspect: float = 1.0

    @classmethod
    def of_matrix(cls, matrix: Sequence[int], aspect: float = 1.0) -> View:
        """Of a display matrix a b u c d v x y w (ISO/IEC 14496-12, 6.2.2): x' = ax + cy, y' = bx + dy, with y down;
        the nearest of the eight that need no resampling."""
        a, b, _, c, d = (int(value) for value in matrix[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0, aspect)
        return cls(True, c < 0, b < 0, aspect)

    @classmethod
    def of_exif(cls, orientation: int) -> View:
        """Of Exif's tag 274, 1 to 8; upright for anything else."""
        turned = {2: (0, 1, 0), 3: (0, 1, 1), 4: (0, 0, 1), 5: (1, 0, 0), 6: (1, 1, 0), 7: (1, 1, 1), 8: (1, 0, 1)}
        return cls(*map(bool, turned.get(orientation, (0, 0, 0))))


def check_pixels(width: int, height: int, what: str) -> None:
    """Raises `UnusableVideo` above MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise UnusableVideo(f"{what} is {width}x{height} and {TOO_LARGE}")


def on_black(rgba: UInt8[np.ndarray, "h w 4"]) -> FrameOf:
    """Composed over black, from colours that are not multiplied by their alpha."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)


def shown(frame: FrameOf, size: int | None, view: View = View()) -> UInt8[np.ndarray, "_ _ 3"]:
    """A frame as it is meant to be seen, or the centre square of that, resized to size × size.

    Args:
      frame: [h w 3] as stored.
      size: pixels a side of the result; None: all of it, as large as it is seen.

    Raises:
      UnusableVideo: larger than MAX_PIXELS.
    """
    h, w = frame.shape[:2]
    if size is None:
        width = max(1, round(w * view.aspect))
        check_pixels(width, h, "a frame with its wide pixels")
        seen = frame if width == w else bilinear(frame, h, width)
    else:
        side = min(h, w * view.aspect)
        height, width = min(h, max(1, round(side))), min(w, max(1, round(side / view.aspect)))
        top, left = (h - height) // 2, (w - width) // 2
        # A square may be turned after resizing: the grid of half-pixel centres is symmetric.
        seen = bilinear(frame[top : top + height, left : left + width], size, size)
    if view.transposed:
        seen = seen.swapaxes(0, 1)
    return np.ascontiguousarray(seen[:: -1 if view.flip_y else 1, :: -1 if view.flip_x else 1])
