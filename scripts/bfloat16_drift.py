"""How far a training in bfloat16 is from one in float32 after some hundred steps: the table of docs/scaling.md.

    python scripts/bfloat16_drift.py --steps 200

A small model on bouncing shapes is trained several times, from the same weights on the same batches with the same noise:
in float32, in float32 with sums in another order (two devices), in bfloat16, and in float32 with another seed of noise
and data. A GAN magnifies any rounding, so the second row is what no difference looks like, the last one what chance does.
Prints for each the mean difference of the losses from the first training, and the distance of the averaged generator, in
shares of the way that the first training's moved.
"""

from __future__ import annotations

import argparse
import dataclasses
import os

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"

import jax
import numpy as np

from digan_jax import devices
from digan_jax.config import RunConfig, files
from digan_jax.data import loader, sources
from digan_jax.training import start
from digan_jax.training.compile import compile_iteration

FIELDS = {
    "data.source": "bouncing", "model.resolution": 32, "model.channel_base": 512, "model.channel_max": 32,
    "train.batch_size": 8,
}  # fmt: skip
LOSSES = ("generator/loss", "critic/loss")


def config_of(fields: dict) -> RunConfig:
    return files.load("base", [f"--config.{name}={value}" for name, value in (FIELDS | fields).items()])


def trained(config: RunConfig, steps: int, count: int):
    """(losses [steps 2], averaged generator at the start, at the end) of a training on `count` devices."""
    axes = (jax.sharding.AxisType.Auto,) * 2
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:count]).reshape(-1, 1), ("data", "model"), axis_types=axes)
    state = start.fresh(dataclasses.replace(config, train=dataclasses.replace(config.train, seed=0)), mesh)
    first = jax.device_get(state.ema)
    iteration = compile_iteration(config, mesh)
    batches, losses = loader.make_loader(sources.open_source(config.data, config.model), config), []
    for _ in range(steps):
        state, metrics = iteration(state, devices.place_batch(next(batches), mesh))
        losses.append([float(metrics[name]) for name in LOSSES])
    return np.array(losses), first, jax.device_get(state.ema)


def distance(a, b) -> float:
    """Euclidean, over all arrays of two trees."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return float(np.sqrt(sum(np.square(x.astype(np.float64) - y).sum() for x, y in pairs)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    steps = parser.parse_args().steps
    plain = config_of({})
    losses, first, last = trained(plain, steps, 1)
    moved, half = distance(first, last), steps // 2
    print(f"float32: generator's loss {losses[half:, 0].mean():.3f}, critics' {losses[half:, 1].mean():.3f}", flush=True)
    for name, config, count in (
        ("float32, sums in another order", plain, 2),
        ("bfloat16", config_of({"compute_dtype": "bfloat16"}), 1),
        ("float32, another seed", config_of({"train.seed": 1}), 1),
    ):
        theirs, _, end = trained(config, steps, count)
        apart = np.abs(theirs - losses)
        cells = [*apart[:10].mean(axis=0), *apart[half:].mean(axis=0), *(theirs - losses)[half:].mean(axis=0)]
        cells.append(distance(end, last) / moved)
        print(f"| {name} | " + " | ".join(f"{cell:.4f}" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
