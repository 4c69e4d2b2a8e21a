"""Benchmarks of compiled programs: training iterations, sampling, I3D."""

from __future__ import annotations

import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np

from digan_jax import devices, grids
from digan_jax.benchmark.timing import Timing, Unavailable, Work, compiled, timed
from digan_jax.config import RunConfig, files
from digan_jax.models import families
from digan_jax.rendering import samplers
from digan_jax.shapes import Batch
from digan_jax.training import start
from digan_jax.training.compile import compile_iteration


def base_config(fields: dict, name: str = "base") -> RunConfig:
    """A shipped configuration with some fields changed, on synthetic data."""
    fields = {"data.source": "bouncing"} | fields
    return files.load(name, [f"--config.{field}={value}" for field, value in fields.items()])


def training(
    resolution: int, channel_base: int, channel_max: int, batch_size: int, dtype: str = "float32"
) -> Work:
    """A training iteration: generator and critic steps, Adam, EMA, and the cost of R1 divided by its interval."""
    fields = dict(resolution=resolution, channel_base=channel_base, channel_max=channel_max)
    fields = {f"model.{name}": value for name, value in fields.items()}
    return iteration(base_config(fields | {"train.batch_size": batch_size, "compute_dtype": dtype}))


def full_batch() -> Work:
    """A training iteration of the full model as on a pod: R 128, 64 clips, bfloat16."""
    if jax.default_backend() == "cpu":
        raise Unavailable("it takes an accelerator")
    return training(128, 32768, 512, 64, "bfloat16")


def iteration(config: RunConfig) -> Work:
    """A training iteration of any family. Families without lazy regularisers take the same time in every step."""
    batch_size, resolution = config.train.batch_size, config.model.resolution
    mesh = devices.make_mesh()
    devices.check_batch(batch_size, mesh)
    rng = np.random.default_rng(0)
    _, times = families.of(config).frames(config, rng, config.data.frames, batch_size)
    frames = rng.integers(0, 256, (*times.shape, resolution, resolution, 3), np.uint8)
    batch = devices.place_batch(Batch(frames, times), mesh)
    state = start.fresh(config, mesh)
    sharding = state.step.sharding
    every = families.of(config).lazy(config)
    program, known = compiled(compile_iteration(config, mesh), state, batch, every=every)

    def from_step(step: int):
        def call():
            nonlocal state
            at = jax.device_put(jnp.int32(step), sharding)
            state, metrics = program(dataclasses.replace(state, step=at), batch)  # donates the old state
            return state, metrics

        return call

    def seconds(repeats: int) -> Timing:
        without = timed(from_step(1), repeats)
        with_r1 = timed(from_step(config.train.r1_every), max(2, repeats // 4))
        added = (with_r1.median - without.median) / config.train.r1_every
        return Timing(without.median + added, without.spread)

    return Work(seconds, amount=(batch_size, "clips"), dtype=config.compute_dtype, **known)


def vidm_training() -> Work:
    """A training iteration of both networks of vidm_digits."""
    return iteration(base_config({}, "vidm_digits"))


def sampling(size: tuple[int, int] | None = None, frames: int = 16, name: str = "base") -> Work:
    """`Sampler.generate` of one clip, untrained: trained grid, or a smooth one of this size.

    Args:
      name: of a shipped configuration; base is DIGAN's full model.
    """
    config = base_config({}, name)
    family = families.of(config)
    model = samplers.of_run(config, family.inference(family.init(jax.random.key(0), config)))
    lat, times = model.latents([0]), np.linspace(0, 1, frames)
    grid = grids.smooth(config.model.resolution, *size) if size else None
    draw = lambda: model.generate(lat, times, grid)
    start = time.perf_counter()
    draw()
    first = time.perf_counter() - start
    again = timed(draw, 1).median if frames * np.prod(size or 1) < 1e6 else 0.0  # large frames take minutes
    return Work(lambda repeats: timed(draw, repeats), max(0.0, first - again) or None, amount=(frames, "frames"))


def i3d() -> Work:
    """I3D logits of one 16-frame clip with random weights, which do not affect the time."""
    from digan_jax.evaluation.features import i3d as network

    rng = np.random.default_rng(0)
    weights: dict = {}
    for name, shape in network.kernel_shapes().items():
        *blocks, last = name.split(".")
        home = weights.setdefault(blocks[0], {}) if blocks else weights
        kernel = rng.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[:-1]))
        home[last] = network.fold(kernel, np.zeros(shape[-1]))
    video = jnp.asarray(rng.uniform(-1, 1, (1, 16, network.SIZE, network.SIZE, 3)), jnp.float32)
    program, known = compiled(network.compiled_logits, weights, video)
    return Work(lambda repeats: timed(lambda: program(weights, video), repeats), amount=(1, "clips"), **known)
