"""How close a clip is to the one it should be: PSNR, SSIM, and warping error for its steadiness. numpy, pure."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Bool, Float, Real, UInt8

Clip = UInt8[np.ndarray, "t h w 3"]
SSIM_WINDOW = 11  # pixels a side, Gaussian of 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(clip: Clip, reference: Clip) -> float:
    """Peak signal-to-noise ratio of a clip in dB, of the mean squared error over all of it; infinite for equal ones."""
    error = np.mean((clip.astype(np.float64) - reference) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(clip: Clip, reference: Clip) -> Float[np.ndarray, "t"]:
    """Structural similarity of each frame (Wang et al. 2004): Gaussian window of 11 pixels and deviation 1.5, mean over
    the positions where it fits and over the colours. Needs 11 pixels a side."""
    x, y = (np.moveaxis(np.asarray(c, np.float64), -1, 1) for c in (clip, reference))
    mean = _windowed
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    similarity = (2 * mx * my + _C1) * (2 * cov + _C2) / ((mx**2 + my**2 + _C1) * (vx + vy + _C2))
    return similarity.mean((1, 2, 3))


def _windowed(x: Float[np.ndarray, "t c h w"]) -> Float[np.ndarray, "t c _ _"]:
    rows, columns = (_gaussian_band(length) for length in x.shape[-2:])
    return rows @ x @ columns.T


@functools.lru_cache(maxsize=16)
def _gaussian_band(length: int) -> Float[np.ndarray, "_ {length}"]:
    """The matrix of a Gaussian filter along an axis, at the positions where it fits."""
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    taps = np.exp(-(offsets**2) / (2 * 1.5**2))
    taps /= taps.sum()
    band = np.zeros((length - SSIM_WINDOW + 1, length))
    for k, tap in enumerate(taps):
        band[np.arange(len(band)), np.arange(len(band)) + k] = tap
    return band


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
    h, w = frame.shape[:2]
    row = np.clip(np.arange(h)[:, None] + flow[..., 0], 0, h - 1)
    column = np.clip(np.arange(w)[None] + flow[..., 1], 0, w - 1)
    top, left = np.minimum(row.astype(int), max(h - 2, 0)), np.minimum(column.astype(int), max(w - 2, 0))
    down, right = (row - top)[..., None], (column - left)[..., None]
    below, beside = np.minimum(top + 1, h - 1), np.minimum(left + 1, w - 1)
    upper = frame[top, left] * (1 - right) + frame[top, beside] * right
    lower = frame[below, left] * (1 - right) + frame[below, beside] * right
    return upper * (1 - down) + lower * down


def consistent(forward: Float[np.ndarray, "h w 2"], backward: Float[np.ndarray, "h w 2"]) -> Bool[np.ndarray, "h w"]:
    """Pixels that come back to where they were (Sundaram et al. 2010, eq. 5): the rest is hidden in one frame."""
    there_and_back = forward + warp(backward, forward)
    size = (forward**2).sum(-1) + (warp(backward, forward) ** 2).sum(-1)
    return (there_and_back**2).sum(-1) <= 0.01 * size + 0.5
