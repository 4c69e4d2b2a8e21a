"""Draws the figures of docs/ from a model.

  python scripts/docs/figures.py [RUN]     default: digan://quickstart; writes docs/pictures/
"""

import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import digan_jax as digan
from digan_jax import grids
from digan_jax.models.digan import inside

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def levels(path: Path) -> None:
    """Nodes of three levels in a corner of four coarse cells a side, native above smooth."""
    resolution, corner = 128, 4 * 2 / 32
    native, smooth = grids.native(resolution), grids.smooth(resolution, resolution, resolution)
    figure, axes = plt.subplots(2, 3, figsize=(9, 6), sharex=True, sharey=True)
    for row, (name, grid) in zip(axes, (("native", native), ("smooth", smooth))):
        for axis, level, r in zip(row, grid.levels, grids.pyramid(resolution)):
            x, y = (nodes[(nodes >= -1 - 1 / r) & (nodes < -1 + corner - 1e-6)] for nodes in (level.x, level.y))
            axis.scatter(*np.meshgrid(x, y), s=9, color="tab:blue" if name == "native" else "tab:orange")
            axis.set(title=f"{name}, level {r}", aspect="equal", xlim=(-1.05, -1 + corner), ylim=(-1.05, -1 + corner))
            axis.tick_params(labelsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def waves(model, path: Path) -> None:
    """Frequencies of the last level, three of its waves, and phases over time for four motions."""
    times = np.linspace(-1, 3, 161)
    lat = model.latents([0] * 4, motion_ids=range(4))
    level = inside.waves(model.config, model.params, lat, np.tile(times, (4, 1)))[-1]
    periods = level.frequency[0] / np.pi
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), width_ratios=(1, 1, 1.4))
    axes[0].scatter(*periods.T, s=6)
    reach = 1.1 * np.abs(periods).max()
    axes[0].set(title="frequencies, periods a frame", aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
    chosen = np.argsort(np.linalg.norm(periods, axis=1))[[8, len(periods) // 2, -8]]
    side = np.linspace(-1, 1, 96)
    x, y = np.meshgrid(side, -side)
    shown = [np.sin(level.frequency[0, i, 0] * x + level.frequency[0, i, 1] * y) for i in chosen]
    axes[1].imshow(np.concatenate([np.pad(wave, 2, constant_values=1) for wave in shown]), cmap="gray")
    axes[1].set(title="three of the waves", xticks=[], yticks=[])
    for colour, i in zip(("tab:blue", "tab:orange", "tab:green"), chosen):
        axes[2].plot(times, (level.phase[:, :, i] - level.phase[:1, 40:41, i]).T, color=colour, linewidth=1)
    axes[2].axvspan(0, 1, color="0.9")
    axes[2].set(title="their phases, radians, for four motions", xlabel="t, in clips (grey: the trained clip)")
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main(run: str = "digan://quickstart") -> None:
    PICTURES.mkdir(exist_ok=True)
    levels(PICTURES / "levels.png")
    waves(digan.load(run), PICTURES / "waves.png")
    with tempfile.TemporaryDirectory() as folder:
        _, sheet = digan.directions(digan.DirectionsRequest(run, f"{folder}/dirs.npz", count=4))
        with Image.open(sheet) as picture:
            picture.save(PICTURES / "directions.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
