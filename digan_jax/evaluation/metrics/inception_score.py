"""Inception Score from class probabilities. numpy, pure."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_EPSILON = 1e-7  # in both logarithms, as in TGAN's evaluation


def inception_score(probabilities: Float[np.ndarray, "n classes"]) -> float:
    """exp(mean KL(p(class | clip) ‖ p(class))), between 1 (worst) and the number of classes.

    Salimans et al. 2016, section 4; for videos Saito et al., ICCV 2017, arXiv 1611.06624, section 6. The estimate grows
    with the number of clips.
    """
    p = np.asarray(probabilities, np.float64)
    divergence = p * (np.log(p + _EPSILON) - np.log(p.mean(0, keepdims=True) + _EPSILON))
    return float(np.exp(divergence.sum(1).mean()))
