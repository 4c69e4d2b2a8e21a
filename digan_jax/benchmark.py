"""How long the work takes, in units of a matrix product timed beside it: machines are shared and noisy, ratios are not.

U is one 2048×2048 float32 matrix product by jax.jit. It is timed right before and right after each row, and the row's
time is divided by the mean of the two. Every time is a median after warm-up; the spread is half the distance between
the quartiles.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from digan_jax import config_files, networks
from digan_jax.config import RunConfig
from digan_jax.errors import InputError
from digan_jax.rendering.model import Model
from digan_jax.rendering.video_files import moved_in
from digan_jax.shapes import Batch
from digan_jax.training import loop, steps
from digan_jax.training import mesh as mesh_lib

SIDE = 2048  # of the unit's matrices
SAMPLING_GFLOP = 237.0  # that the split layers need for 16 frames at 128², full model
BASE = Path(__file__).parent.parent / "configs" / "base.py"


class Timing(NamedTuple):
    """Seconds."""

    median: float
    spread: float  # half the distance between the quartiles


class Work(NamedTuple):
    """One row's work, ready to be timed."""

    seconds: Callable[[int], Timing]  # repeats -> time of one
    compile_seconds: float
    scratch_bytes: int | None  # that the compiled program takes beside its arguments and results


@dataclasses.dataclass(frozen=True)
class Row:
    what: str
    prepare: Callable[[], Work]
    repeats: int
    release: float | None = None  # U that the authors' release takes (PyTorch 2.13, two CPU cores)


def timed(call: Callable[[], object], repeats: int) -> Timing:
    """Of calls that are compiled already; one more runs first."""
    jax.block_until_ready(call())
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - start)
    low, _, high = statistics.quantiles(seconds, n=4) if repeats > 1 else seconds * 3
    return Timing(statistics.median(seconds), (high - low) / 2)


@jax.jit
def _square(x):
    return jnp.matmul(x, x, precision=jax.lax.Precision.HIGHEST)


def unit(repeats: int = 15) -> Timing:
    """U."""
    a = jnp.ones((SIDE, SIDE), jnp.float32)
    return timed(lambda: _square(a), repeats)


def training(resolution: int, channel_base: int, channel_max: int, batch_size: int) -> Work:
    """Generator step, critic step, Adam and moving average, and a sixteenth of what the iteration with R1 adds."""
    fields = dict(resolution=resolution, channel_base=channel_base, channel_max=channel_max)
    config = _config({f"model.{k}": v for k, v in fields.items()} | {"train.batch_size": batch_size})
    mesh = mesh_lib.make_mesh()
    mesh_lib.check_batch(batch_size, mesh)
    nets = steps.networks_of(config)
    rng = np.random.default_rng(0)
    batch = mesh_lib.place_batch(
        Batch(
            rng.integers(0, 256, (batch_size, 2, resolution, resolution, 3), np.uint8),
            np.sort(rng.random((batch_size, 2), np.float32), axis=1),
            np.zeros(batch_size, np.int32),
        ),
        mesh,
    )
    state = loop.fresh(config, nets, mesh)
    sharding = state.step.sharding
    program, compile_seconds, scratch = _compiled(steps.compile_iteration(config, nets, mesh), state, batch)

    def from_step(step: int):
        def call():
            nonlocal state
            at = jax.device_put(jnp.int32(step), sharding)
            state, metrics = program(dataclasses.replace(state, step=at), batch)  # the old state is consumed
            return state, metrics

        return call

    def seconds(repeats: int) -> Timing:
        without = timed(from_step(1), repeats)
        with_r1 = timed(from_step(config.train.r1_every), max(2, repeats // 4))
        added = (with_r1.median - without.median) / config.train.r1_every
        return Timing(without.median + added, without.spread)

    return Work(seconds, compile_seconds, scratch)


def sampling(width: int = 0, frames: int = 16) -> Work:
    """One clip of the full model, untrained, as `Model.generate` draws it: trained pyramid, or smooth at width²."""
    from digan_jax import coords

    config = _config({})
    params = networks.build(config.model).generator.init(jax.random.key(0))
    model = Model(config.model, {**params, "w_avg": jnp.zeros(config.model.w_dim)})
    lat, times = model.latents([0]), np.linspace(0, 1, frames)
    grid = coords.smooth(config.model.resolution, width, width) if width else None
    draw = lambda: model.generate(lat, times, grid)
    start = time.perf_counter()
    draw()
    first = time.perf_counter() - start
    return Work(lambda repeats: timed(draw, repeats), max(0.0, first - timed(draw, 1).median), None)


def i3d() -> Work:
    """Logits of one 16-frame clip under drawn weights: the time does not depend on them."""
    from digan_jax.evaluation.features import i3d as network

    rng = np.random.default_rng(0)
    weights: dict = {}
    for name, shape in network.kernel_shapes().items():
        *blocks, last = name.split(".")
        home = weights.setdefault(blocks[0], {}) if blocks else weights
        kernel = rng.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[:-1]))
        home[last] = network.fold(kernel, np.zeros(shape[-1]))
    video = jnp.asarray(rng.uniform(-1, 1, (1, 16, network.SIZE, network.SIZE, 3)), jnp.float32)
    program, compile_seconds, scratch = _compiled(network.compiled_logits, weights, video)
    return Work(lambda repeats: timed(lambda: program(weights, video), repeats), compile_seconds, scratch)


ROWS = {
    "train_32_512": Row("iteration, R 32, 512/32, batch 16", lambda: training(32, 512, 32, 16), 15, 4.7),
    "train_32_1024": Row("iteration, R 32, 1024/64, batch 16", lambda: training(32, 1024, 64, 16), 15, 8.0),
    "train_64_2048": Row("iteration, R 64, 2048/128, batch 8", lambda: training(64, 2048, 128, 8), 8, 20.7),
    "train_128_full": Row("iteration, R 128, full model, batch 2", lambda: training(128, 32768, 512, 2), 2, 372.0),
    "sample_128": Row("16 frames at 128², full model", sampling, 5, 90.0),
    "smooth_256": Row("one frame at 256², full model, smooth", lambda: sampling(256, 1), 3),
    "i3d": Row("I3D logits of a 16-frame clip", i3d, 5),
}


def run(names: list[str] | None = None, say: Callable[[str], None] = print) -> dict:
    """Measures rows of `ROWS`, all if `names` is None, and says each as it is done.

    Returns:
      {"device", "jax", "rows": {name: {"what", "seconds", "spread", "unit", "in_units", "compile_seconds", ...}}}.

    Raises:
      InputError: a name that is no row.
    """
    for name in names or ():
        if name not in ROWS:
            raise InputError(f"unknown row {name!r}; choose from {', '.join(ROWS)}.")
    device = jax.devices()[0]
    kind = f"{jax.device_count()} x {device.device_kind}, {os.cpu_count()} cores, {platform.machine()}"
    report = {"device": kind, "jax": jax.__version__, "rows": {}}
    say(f"{kind}, jax {jax.__version__}\n{'':44}{'time':>10}{'in U':>16}{'release':>9}{'compile':>10}{'scratch':>10}")
    for name in names or ROWS:
        row = ROWS[name]
        work = row.prepare()
        before = unit()
        taken = work.seconds(row.repeats)
        u = (before.median + unit().median) / 2
        entry = {"what": row.what, "seconds": taken.median, "spread": taken.spread, "unit": u}
        entry |= {"in_units": taken.median / u, "spread_in_units": taken.spread / u, "release_in_units": row.release}
        entry |= {"compile_seconds": work.compile_seconds, "scratch_bytes": work.scratch_bytes}
        entry["peak_bytes_on_device"] = (device.memory_stats() or {}).get("peak_bytes_in_use")
        if name == "sample_128":
            entry["share_of_matrix_product_rate"] = SAMPLING_GFLOP / (2e-9 * SIDE**3) * u / taken.median
        report["rows"][name] = entry
        say(_line(entry))
        del work  # its parameters, before the next row's
    return report


def write(report: dict, path: str) -> None:
    with moved_in(path) as unfinished:
        Path(unfinished).write_text(json.dumps(report, indent=2) + "\n")


def compare(before_file: str, after: dict) -> str:
    """A line for each row that both have: U before, U now, and their ratio.

    Raises:
      InputError: a file that is missing or that `write` did not write.
    """
    try:
        before = json.loads(Path(before_file).read_text())["rows"]
        shared = [(row, before[name]) for name, row in after["rows"].items() if name in before]
        pairs = [(row["what"], old["in_units"], row["in_units"]) for row, old in shared]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"--compare {before_file}: is no report of digan benchmark --json ({error}).") from None
    lines = [f"{what:44}{a:8.2f} U -> {b:8.2f} U   x {b / a:.2f}" for what, a, b in pairs]
    return "\n".join([f"compared with {before_file}", *lines])


def _line(entry: dict) -> str:
    in_units = f"{entry['in_units']:.2f} ± {entry['spread_in_units']:.2f}"
    release, scratch = entry["release_in_units"], entry["scratch_bytes"]
    line = f"{entry['what']:44}{entry['seconds']:8.3f} s{in_units:>16}{release or '-':>9}"
    line += f"{entry['compile_seconds']:8.1f} s" + (f"{scratch / 2**20:6.0f} MiB" if scratch is not None else "")
    if "share_of_matrix_product_rate" in entry:
        line += f"\n{'':4}{entry['share_of_matrix_product_rate']:.2f} of the rate of the matrix product"
    return line


def _config(fields: dict) -> RunConfig:
    """The base configuration with some fields changed, on data that need no files."""
    fields = {"data.source": "bouncing"} | fields
    return config_files.load(str(BASE), [f"--config.{name}={value}" for name, value in fields.items()])


def _compiled(function, *arguments):
    """The program, seconds it took to compile, and its scratch memory in bytes where the device says so."""
    start = time.perf_counter()
    program = function.lower(*arguments).compile()
    seconds = time.perf_counter() - start
    memory = program.memory_analysis()
    return program, seconds, None if memory is None else memory.temp_size_in_bytes
