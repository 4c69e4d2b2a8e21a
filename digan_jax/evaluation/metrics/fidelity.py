"""How close a clip is to the one it should be: PSNR, SSIM, and warping error for its steadiness. Pure; by
scikit-image (extra [eval])."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Real, UInt8

from digan_jax.errors import InputError

Clip = UInt8[np.ndarray, "t h w 3"]
PEAK = 255  # grey levels


def library():
    """scikit-image. Raises `InputError` when it is missing."""
    try:
        import skimage.metrics
        import skimage.registration
        import skimage.transform
    except ImportError:
        raise InputError('comparing clips needs scikit-image; pip install "digan-jax[eval]".') from None
    return skimage


def psnr(clip: Clip, reference: Clip) -> float:
    """Peak signal-to-noise ratio of a clip in dB, of the mean squared error over all of it; infinite for equal ones."""
    with np.errstate(divide="ignore"):
        return float(library().metrics.peak_signal_noise_ratio(reference, clip, data_range=PEAK))


def ssim(clip: Clip, reference: Clip) -> Float[np.ndarray, "t"]:
    """Structural similarity of each frame (Wang et al. 2004): Gaussian window of 11 pixels and deviation 1.5, mean over
    the positions where it fits and over the colours. Needs 11 pixels a side."""
    window = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)  # cut at 3.5 deviations: 11 pixels
    of_frames = partial(library().metrics.structural_similarity, data_range=PEAK, channel_axis=-1, **window)
    return np.array([of_frames(a, b) for a, b in zip(clip, reference)])


# ---- steadiness ----


def warping_error(
    clip: Clip, forward: Float[np.ndarray, "t_1 h w 2"], visible: Bool[np.ndarray, "t_1 h w"]
) -> float:
    """Root mean square difference, in grey levels, of a frame and the next one brought back along the motion of the
    original clip, where that can be seen in both (Lai et al., ECCV 2018, section 3.3).

    Args:
      forward: where a pixel of frame t goes in frame t + 1, (rows, columns) pixels, of the original.
      visible: what is in both frames; see `flows`.
    """
    squared, count = 0.0, 0
    for now, after, flow, seen in zip(clip[:-1], clip[1:], forward, visible):
        difference = (warp(after.astype(np.float64), flow) - now)[seen]
        squared, count = squared + np.sum(difference**2), count + difference.size
    return float(np.sqrt(squared / max(count, 1)))


def warp(frame: Real[np.ndarray, "h w c"], flow: Float[np.ndarray, "h w 2"]) -> Float[np.ndarray, "h w c"]:
    """The frame at (row, column) + flow, bilinear, edges repeated."""
    places = np.moveaxis(np.indices(flow.shape[:2]).astype(np.float64), 0, -1) + flow
    rows_columns = np.moveaxis(places, -1, 0)
    moved = partial(library().transform.warp, inverse_map=rows_columns, order=1, mode="edge", preserve_range=True)
    return np.stack([moved(channel) for channel in np.moveaxis(frame, -1, 0)], -1)


def consistent(forward: Float[np.ndarray, "h w 2"], backward: Float[np.ndarray, "h w 2"]) -> Bool[np.ndarray, "h w"]:
    """Pixels that come back to where they were (Sundaram et al. 2010, eq. 5): the rest is hidden in one frame."""
    back = warp(backward, forward)
    size = (forward**2).sum(-1) + (back**2).sum(-1)
    return ((forward + back) ** 2).sum(-1) <= 0.01 * size + 0.5
