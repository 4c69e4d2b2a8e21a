"""Turns a stored frame into what a viewer shows: upright, with square pixels, transparent parts on black.

Then crops and resizes it as the paper did with its data (section 4). All frames that are read go through `shown`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from digan_jax.host.bilinear import bilinear

# Limit for a picture or frame, such as 8192 x 8192. Larger ones are skipped.
MAX_PIXELS = 2**26
TOO_LARGE = f"has more than {MAX_PIXELS // 2**20} Mi pixels; make it smaller"
FrameOf = UInt8[np.ndarray, "h w 3"]


class UnusableVideo(Exception):
    """A file that cannot be used as a video; the message is the reason, for the report."""


class View(NamedTuple):
    """How a viewer turns the stored pixels: first transposed, then flipped.

    Attributes:
      transposed: swap rows and columns.
      flip_x, flip_y: after that, mirror left to right, and top to bottom.
      aspect: width of a stored pixel divided by its height.
    """

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False
    aspect: float = 1.0

    @classmethod
    def of_matrix(cls, matrix: Sequence[int], aspect: float = 1.0) -> View:
        """The view of a display matrix (a, b, u, c, d, v, x, y, w) of ISO/IEC 14496-12, 6.2.2.

        It maps x' = ax + cy and y' = bx + dy, with y down. Takes the nearest of the eight views without resampling.
        """
        a, b, _, c, d = (int(value) for value in matrix[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0, aspect)
        return cls(True, c < 0, b < 0, aspect)

    @classmethod
    def of_exif(cls, orientation: int) -> View:
        """The view of an Exif orientation (tag 274), 1 to 8; as stored for any other value."""
        turned = {2: (0, 1, 0), 3: (0, 1, 1), 4: (0, 0, 1), 5: (1, 0, 0), 6: (1, 1, 0), 7: (1, 1, 1), 8: (1, 0, 1)}
        return cls(*map(bool, turned.get(orientation, (0, 0, 0))))


def check_pixels(width: int, height: int, what: str) -> None:
    """Raises `UnusableVideo` for more than MAX_PIXELS. `what`: subject of the message, such as "a frame"."""
    if width * height > MAX_PIXELS:
        raise UnusableVideo(f"{what} is {width}x{height} and {TOO_LARGE}")


def on_black(rgba: UInt8[np.ndarray, "h w 4"]) -> FrameOf:
    """Composes frames with straight (not premultiplied) alpha over black. uint8 [0, 255]."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)


def shown(frame: FrameOf, size: int | None, view: View = View()) -> UInt8[np.ndarray, "_ _ 3"]:
    """A frame as a viewer shows it, or its centre square resized to size × size.

    Args:
      frame: uint8 [h w 3] as stored.
      size: pixels a side of the result; None: the whole frame at its own size, with square pixels.
      view: how to turn the stored pixels.

    Raises:
      UnusableVideo: with square pixels the frame exceeds MAX_PIXELS.
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
        # Turning after resizing gives the same square: the grid of half-pixel centres is symmetric.
        seen = bilinear(frame[top : top + height, left : left + width], size, size)
    if view.transposed:
        seen = seen.swapaxes(0, 1)
    return np.ascontiguousarray(seen[:: -1 if view.flip_y else 1, :: -1 if view.flip_x else 1])
