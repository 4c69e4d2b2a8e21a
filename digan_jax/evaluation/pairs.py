"""Metrics of clips paired with their originals: for reconstruction, super-resolution and interpolation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from etils import epath
from jaxtyping import Bool, Float

from digan_jax.data.video_folders import FolderSource
from digan_jax.errors import InputError
from digan_jax.evaluation.features import lpips, stlpips
from digan_jax.evaluation.metrics import fidelity, motion
from digan_jax.host.arrays import MAX_BYTES
from digan_jax.host.progress import Progress

UNITS = {
    "psnr": "dB, higher is better",
    "ssim": "1 is equal (Wang et al. 2004)",
    "st_lpips": "0 is equal (Ghildyal and Liu 2022, alex)",
    "warping_error": "grey levels; near the original's for temporally consistent clips",
    "warping_error_of_original": "grey levels",
    "flicker": "grey levels",
    "flicker_of_original": "grey levels",
}
LPIPS_UNIT = "0 is equal (Zhang et al. 2018, v0.1, alex)"


def evaluate(
    fake: epath.PathLike,
    originals: epath.PathLike,
    size: int | None = None,
    lpips_files: Sequence[epath.PathLike] = (),
    progress: Progress = Progress(),
    max_array_bytes: int = MAX_BYTES,
) -> dict:
    """Metrics of every pair, with mean and standard deviation over pairs.

    Args:
      fake, originals: folders of clips; the n-th clips of both, in order of name, are a pair.
      size: centre-crop and resize frames to this many pixels a side; None: as they are.
      lpips_files: weights of LPIPS, see `lpips.load`; empty: no LPIPS.
      max_array_bytes: memory limit of the arrays in one file.

    Raises:
      InputError: different numbers, lengths or sizes of clips; unreadable clips; missing or wrong weights.
    """
    fidelity.library()
    # Strict: a file less would shift the pairs.
    a, b = (FolderSource(folder, size, strict=True, max_bytes=max_array_bytes) for folder in (fake, originals))
    _check(a, b, fake, originals)
    weights, units, checksums = {"st_lpips": stlpips.load()}, UNITS, {"st_lpips": stlpips.SOURCE.sha256}
    if lpips_files:
        weights["lpips"], checksums["lpips"] = lpips.load(lpips_files)
        units = UNITS | {"lpips": LPIPS_UNIT}
    rows = []
    with progress.of("compare", len(a), "pairs") as advance:
        for i, frames in enumerate(a.frame_counts):
            rows.append(numbers(a.read_frames(i, np.arange(frames)), b.read_frames(i, np.arange(frames)), weights))
            advance()
    return {
        "pairs": len(rows),
        "generated": str(fake),
        "originals": str(originals),
        "weights": checksums,
        "units": units,
        "mean": {name: _finite(np.mean([row[name] for row in rows])) for name in units},
        "deviation": {name: _deviation([row[name] for row in rows]) for name in units},
        "of_each": [
            {"generated": x, "original": y, **{name: _finite(value) for name, value in row.items()}}
            for x, y, row in zip(a.video_names(), b.video_names(), rows)
        ],
    }


def _finite(value: float) -> float | None:
    """None instead of infinity (the PSNR of equal clips), which JSON lacks."""
    return float(value) if np.isfinite(value) else None


def _deviation(values: list[float]) -> float | None:
    return _finite(np.std(values, ddof=1)) if len(values) > 1 and np.isfinite(values).all() else None


def _check(a: FolderSource, b: FolderSource, fake, originals) -> None:
    if len(a) != len(b):
        raise InputError(f"{fake} holds {len(a)} clips and {originals} {len(b)}: pairs need as many of each.")
    if (a.height, a.width) != (b.height, b.width):
        raise InputError(
            f"frames are {a.width}x{a.height} in {fake} and {b.width}x{b.height} in {originals}: sizes must agree; "
            "set `size` to resize both."
        )
    if min(a.height, a.width) < stlpips.MIN_SIZE:
        raise InputError(f"frames are {a.width}x{a.height}: ST-LPIPS needs {stlpips.MIN_SIZE} pixels a side.")
    for x, y, n, m in zip(a.video_names(), b.video_names(), a.frame_counts, b.frame_counts):
        if n != m or n < 3:
            raise InputError(f"{x} has {n} frames and {y} {m}: a pair needs as many frames, 3 or more.")


def numbers(clip: fidelity.Clip, original: fidelity.Clip, weights: dict) -> dict[str, float]:
    """Metrics of one pair; see UNITS. `weights`: {"st_lpips": ..., "lpips": ...}; the latter is optional."""
    unit = lambda x: x / np.float32(127.5) - 1
    networks = {"st_lpips": stlpips.distance, "lpips": lpips.distance}
    perceived = {name: float(np.mean(networks[name](w, unit(clip), unit(original)))) for name, w in weights.items()}
    forward, visible = flows(original)
    return {
        "psnr": fidelity.psnr(clip, original),
        "ssim": float(fidelity.ssim(clip, original).mean()),
        **perceived,
        "warping_error": fidelity.warping_error(clip, forward, visible),
        "warping_error_of_original": fidelity.warping_error(original, forward, visible),
        "flicker": float(motion.flicker(clip)),
        "flicker_of_original": float(motion.flicker(original)),
    }


def flows(clip: fidelity.Clip) -> tuple[Float[np.ndarray, "t_1 h w 2"], Bool[np.ndarray, "t_1 h w"]]:
    """Optical flow from each frame to the next, (rows, columns) in pixels, and the pixels visible in both.

    Iterative Lucas-Kanade of scikit-image on grey frames.

    Raises:
      InputError: scikit-image is missing.
    """
    optical_flow_ilk = fidelity.library().registration.optical_flow_ilk
    grey = clip.mean(-1) / 255
    flow = lambda a, b: np.moveaxis(optical_flow_ilk(a, b, radius=5), 0, -1).astype(np.float64)
    forward = np.stack([flow(a, b) for a, b in zip(grey[:-1], grey[1:])])
    backward = [flow(b, a) for a, b in zip(grey[:-1], grey[1:])]
    return forward, np.stack([fidelity.consistent(f, b) for f, b in zip(forward, backward)])


def table(report: dict) -> str:
    """Report as text: mean and standard deviation of each metric, one per line."""
    lines = [f"{report['pairs']} pairs, {report['generated']} against {report['originals']}"]
    for name, unit in report["units"].items():
        mean, deviation = report["mean"][name], report["deviation"][name]
        value = "infinite" if mean is None else f"{mean:z.4f}" + ("" if deviation is None else f" ± {deviation:z.4f}")
        lines.append(f"  {name:28}{value:24}{unit}")
    return "\n".join(lines)
