"""Evaluation of generated videos: FVD, KVD and other metrics, and the protocols that make them comparable.

digan.evaluation.fvd(real, fake)    # uint8 [n t h w c] each
"""

from __future__ import annotations

from digan_jax.evaluation import features
from digan_jax.evaluation.video_distances import fvd, kvd

__all__ = ["features", "fvd", "kvd"]
