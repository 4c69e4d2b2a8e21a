"""Layouts of eight devices against one: the training curve's distance and each device's memory, for docs/scaling.md.

    python scripts/layout_table.py --steps 8

Eight fake devices on the CPU, a small model, the same weights and clips for all. Step 1 has R1. Takes minutes.
"""

from __future__ import annotations

import argparse
import os

FLAGS = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
from memory_table import config_of

from digan_jax import devices
from digan_jax.shapes import Batch
from digan_jax.training import start
from digan_jax.training.compile import compile_iteration

SMALL = {"model.resolution": 32, "model.channel_base": 1024, "model.channel_max": 64, "train.batch_size": 16}


def trained(fields: dict, count: int, steps: int) -> tuple[np.ndarray, object]:
    """Losses [steps 2] of generator and critics, and the compiled iteration's `memory_analysis`."""
    config = config_of(SMALL | fields)
    grid = (count // config.mesh.model, config.mesh.model)
    axes = (jax.sharding.AxisType.Auto,) * 2
    mesh = jax.make_mesh(grid, ("data", "model"), axis_types=axes, devices=jax.devices()[:count])
    state, random = start.fresh(config, mesh), np.random.default_rng(0)
    shape, program, curve = (config.train.batch_size, 2, config.model.resolution, config.model.resolution, 3), None, []
    for _ in range(steps):
        frames = random.integers(0, 256, shape, np.uint8)
        times = np.sort(random.uniform(0, 1, shape[:2]).astype(np.float32))
        batch = devices.place_batch(Batch(frames, times), mesh)
        program = program or compile_iteration(config, mesh).lower(state, batch).compile()
        state, metrics = program(state, batch)
        curve.append([float(metrics[f"{name}/loss"]) for name in ("generator", "critic")])
    return np.array(curve), program.memory_analysis()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8)
    steps = parser.parse_args().steps
    alone, memory = trained({}, 1, steps)
    megabytes = lambda memory: f"{memory.argument_size_in_bytes / 2**20:.2f} | {memory.temp_size_in_bytes / 2**20:.1f}"
    print(f"| layout | difference in step 1 | greatest of {steps} steps | arguments, MiB | scratch, MiB |")
    print("|---|---|---|---|---|")
    print(f"| one device | - | - | {megabytes(memory)} |", flush=True)
    for model in (1, 2, 4, 8):
        for fsdp in (False, True) if model < 8 else (False,):
            curve, memory = trained({"mesh.model": model, "mesh.fsdp": fsdp}, 8, steps)
            apart = np.abs(curve - alone).max(1)
            name = f"{8 // model}×{model}{', fsdp' if fsdp else ''}"
            print(f"| {name} | {apart[0]:.1e} | {apart.max():.1e} | {megabytes(memory)} |", flush=True)


if __name__ == "__main__":
    main()
