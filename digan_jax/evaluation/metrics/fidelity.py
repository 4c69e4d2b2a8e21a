"""Fidelity of a clip to its reference: PSNR, SSIM and warping error. Pure; uses scikit-image (extra [eval])."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Real, UInt8

from digan_jax.errors import InputError

Clip = UInt8[np.ndarray, "t h w 3"]
PEAK = 255  # grey levels


def library():
    """The module `skimage`. Raises `InputError` if it is not installed."""
    try:
        import skimage.metrics
        import skimage.registration
        import skimage.transform
    except ImportError:
        raise InputError('comparing clips needs scikit-image; pip install "digan-jax[eval]".') from None
    return skimage


def psnr(clip: Clip, reference: Clip) -> float:
    """Peak signal-to-noise ratio in dB, from the mean squared error over the whole clip; infinite for equal clips."""
    with np.errstate(divide="ignore"):
        return float(library().metrics.peak_signal_noise_ratio(reference, clip, data_range=PEAK))


def ssim(clip: Clip, reference: Clip) -> Float[np.ndarray, "t"]:
    """Structural similarity of each frame (Wang et al. 2004), averaged over positions and channels; 1 for equal frames.

    Gaussian window of 11 pixels with standard deviation 1.5, without padding. Needs 11 pixels a side.
    """
    window = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)  # truncated at 3.5 sigma: 11 pixels
    of_frames = partial(library().metrics.structural_similarity, data_range=PEAK, channel_axis=-1, **window)
    return np.array([of_frames(a, b) for a, b in zip(clip, reference)])


# ---- temporal consistency ----


def warping_error(
    clip: Clip, forward: Float[np.ndarray, "t_1 h w 2"], visible: Bool[np.ndarray, "t_1 h w"]
) -> float:
    """Warping error (Lai et al., ECCV 2018, section 3.3), in grey levels.

    The root mean square difference between each frame and the next one, warped back by the original clip's optical
    flow, over pixels visible in both.

    Args:
      forward: optical flow of the original from frame t to t + 1, (rows, columns) in pixels.
      visible: pixels visible in both frames; see `pairs.flows`.
    """
    squared, count = 0.0, 0
    for now, after, flow, seen in zip(clip[:-1], clip[1:], forward, visible):
        difference = (warp(after.astype(np.float64), flow) - now)[seen]
        squared, count = squared + np.sum(difference**2), count + difference.size
    return float(np.sqrt(squared / max(count, 1)))


def warp(frame: Real[np.ndarray, "h w c"], flow: Float[np.ndarray, "h w 2"]) -> Float[np.ndarray, "h w c"]:
    """Samples the frame at (row, column) + flow, bilinearly; edge pixels extend outside."""
    places = np.moveaxis(np.indices(flow.shape[:2]).astype(np.float64), 0, -1) + flow
    rows_columns = np.moveaxis(places, -1, 0)
    moved = partial(library().transform.warp, inverse_map=rows_columns, order=1, mode="edge", preserve_range=True)
    return np.stack([moved(channel) for channel in np.moveaxis(frame, -1, 0)], -1)


def consistent(forward: Float[np.ndarray, "h w 2"], backward: Float[np.ndarray, "h w 2"]) -> Bool[np.ndarray, "h w"]:
    """Forward-backward consistency (Sundaram et al. 2010, eq. 5): False for pixels occluded in one of the frames."""
    back = warp(backward, forward)
    size = (forward**2).sum(-1) + (back**2).sum(-1)
    return ((forward + back) ** 2).sum(-1) <= 0.01 * size + 0.5
