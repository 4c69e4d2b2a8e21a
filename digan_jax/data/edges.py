"""Edges of frames: Canny's, by scikit-image (extra [eval])."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from digan_jax.errors import InputError

SIGMA = 1.0  # pixels of Gaussian blur before the gradient; half of it below SMALL pixels a side
SMALL = 48


def edges(frame: UInt8[np.ndarray, "h w 3"], sigma: float | None = None) -> UInt8[np.ndarray, "h w"]:
    """1 on edges of a frame, otherwise 0 (Canny 1986; scikit-image's thresholds of 0.1 and 0.2 of the range).

    Args:
      sigma: of the blur, in pixels; None: by the size of the frame.

    Raises:
      InputError: scikit-image is not installed.
    """
    try:
        from skimage.feature import canny
    except ImportError:
        raise InputError('edges are found by scikit-image; pip install "digan-jax[eval]".') from None
    if sigma is None:
        sigma = SIGMA / 2 if min(frame.shape[:2]) < SMALL else SIGMA
    grey = frame.astype(np.float64) @ (0.2126 / 255, 0.7152 / 255, 0.0722 / 255)
    return canny(grey, sigma).astype(np.uint8)


class EdgesOf:
    """The edges of a source's frames; each frame's are found once."""

    def __init__(self, frames):
        """`frames` has `read_frames(record, numbers)`."""
        self._frames, self._found = frames, {}

    def read_labels(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w"]:
        missing = [int(n) for n in numbers if (record, int(n)) not in self._found]
        if missing:  # two threads may look at the same frame, and find the same
            for number, frame in zip(missing, self._frames.read_frames(record, np.array(missing))):
                self._found[record, number] = np.packbits(edges(frame), axis=1), frame.shape[1]
        found = (self._found[record, int(n)] for n in numbers)
        return np.stack([np.unpackbits(packed, axis=1, count=width) for packed, width in found])
