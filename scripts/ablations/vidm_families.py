"""Runs of several families on moving digits side by side: FVD, seconds a clip and memory. The table of docs/vidm.md.

    python scripts/ablations/vidm_families.py RUN... [--clips 128] [--steps lambda8] [--out families]

FVD is that of I3D logits between as many clips of the split test and as many generated ones; a ConvGRU is given the first
`task.shown` frames of other clips of that split and predicts the rest. Seconds are those of one clip, drawn alone, after
the first. Each run is measured in a process of its own, whose peak is the memory. Writes OUT_strip.png: four clips of each.
"""

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import time

import numpy as np
from PIL import Image

import digan_jax as digan
from digan_jax.data.conditions import unit_range
from digan_jax.data.sources import open_source
from digan_jax.evaluation.features.extractors import i3d_extractor
from digan_jax.evaluation.metrics import frechet
from digan_jax.host.video_files import to_uint8
from digan_jax.runs import reading

FRAMES, BATCH, SHOWN = 16, 16, 4


def drawer(run: str, steps: str | None):
    """(configuration, kimg, function of true clips uint8 and their ids to generated clips uint8)."""
    config, step = reading.restore_config(run)
    model = digan.load(run)
    model = model.sampling(None, steps) if config.family == "vidm" else model
    times = np.arange(FRAMES) / (FRAMES - 1)
    shown = config.task.shown if config.family == "convgru" else 0
    label_of = lambda ids: [int(i) % 10 for i in ids] if config.model.n_classes else None

    def draw(clips, ids):
        condition = digan.Condition(maps=unit_range(clips[:, :shown]), at=times[:shown]) if shown else None
        options = {"label": label_of(ids)} if label_of(ids) else {}
        return to_uint8(model.generate(model.latents(ids, **options), times, None, condition))

    return config, config.train.kimg(step), draw


def measure(run: str, clips: int, steps: str | None) -> None:
    """Prints a line of JSON, and writes RUN/families.npy for the strip."""
    config, kimg, draw = drawer(run, steps)
    source = open_source(dataclasses.replace(config.data, split="test"), config.model)
    true = np.stack([source.read_frames(clip, np.arange(FRAMES)) for clip in range(2 * clips)])
    shown, ids = true[clips:], np.arange(clips)
    made = np.concatenate([draw(shown[i : i + BATCH], ids[i : i + BATCH]) for i in range(0, clips, BATCH)])
    one = shown[:1], ids[:1]
    draw(*one)
    began = time.perf_counter()
    draw(*one)
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    network = i3d_extractor("crop")
    fvd = frechet.frechet_distance(network(true[:clips]), network(made))
    np.save(f"{run}/families.npy", made[:SHOWN])
    row = {"family": config.family, "kimg": kimg, "fvd": fvd, "seconds a clip": seconds, "GiB": memory}
    print(json.dumps({"run": run} | {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--clips", type=int, default=128)
    parser.add_argument("--steps", default=None, help="of VIDM's sampler, such as lambda8")
    parser.add_argument("--out", default="families")
    a = parser.parse_args()
    if len(a.runs) == 1:
        return measure(a.runs[0], a.clips, a.steps)
    for run in a.runs:
        steps = ["--steps", a.steps] if a.steps else []
        subprocess.run([sys.executable, __file__, run, "--clips", str(a.clips), *steps], check=True)
    rows = [np.concatenate(list(clip), axis=1) for run in a.runs for clip in np.load(f"{run}/families.npy")]
    Image.fromarray(np.kron(np.concatenate(rows), np.ones((2, 2, 1), np.uint8))).save(f"{a.out}_strip.png")


if __name__ == "__main__":
    main()
