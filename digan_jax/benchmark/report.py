"""Runs benchmarks, reports them as text and as a dict for JSON, and compares two reports."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax

from digan_jax import flops
from digan_jax.benchmark import networks, pipeline
from digan_jax.benchmark.timing import SIDE, Unavailable, Work, unit
from digan_jax.errors import InputError

SAMPLING_GFLOP = 237.0  # for 16 frames at 128² with the full model and the fast kernels
SHOWN = ("NVIDIA H100", "TPU v5 lite")  # accelerators whose bounds are stated on a CPU


@dataclasses.dataclass(frozen=True)
class Row:
    """A benchmark."""

    what: str
    prepare: Callable[[], Work]
    repeats: int
    release: float | None = None  # time of the authors' release in U (PyTorch 2.13, two CPU cores)


ROWS = {
    "train_32_512": Row("iteration, R 32, 512/32, batch 16", partial(networks.training, 32, 512, 32, 16), 15, 4.7),
    "train_32_1024": Row("iteration, R 32, 1024/64, batch 16", partial(networks.training, 32, 1024, 64, 16), 15, 8.0),
    "train_64_2048": Row("iteration, R 64, 2048/128, batch 8", partial(networks.training, 64, 2048, 128, 8), 8, 20.7),
    "train_128_full": Row("iteration, R 128, full, batch 2", partial(networks.training, 128, 32768, 512, 2), 2, 372.0),
    "train_128_bf16": Row("iteration, R 128, full, 64, bfloat16", networks.full_batch, 8),
    "sample_128": Row("16 frames at 128², full model", networks.sampling, 5, 90.0),
    "smooth_128": Row("one frame at 128², full model, smooth", partial(networks.sampling, (128, 128), 1), 5),
    "smooth_256": Row("one frame at 256², full model, smooth", partial(networks.sampling, (256, 256), 1), 3),
    "smooth_1080": Row("one frame at 1920×1080, full, smooth", partial(networks.sampling, (1920, 1080), 1), 1),
    "smooth_2160": Row("one frame at 3840×2160, full, smooth", partial(networks.sampling, (3840, 2160), 1), 1),
    "train_vidm_32": Row("iteration, VIDM of vidm_digits, batch 8", networks.vidm_training, 8),
    "sample_vidm_32": Row("16 frames at 32², VIDM, 20 steps", partial(networks.sampling, name="vidm_digits"), 3),
    "i3d": Row("I3D logits of a 16-frame clip", networks.i3d, 5),
    "load_32": Row("loader, 20 batches of 16 at 32²", partial(pipeline.loading, 32, 16, True), 15),
    "load_128": Row("loader, 20 batches of 64 at 128², decoding", partial(pipeline.loading, 128, 64, False), 5),
    "prepare": Row("digan prepare, 240 frames of 512² to 128²", pipeline.preparing, 3),
    "ffmpeg": Row("ffmpeg alone, decoding that file", pipeline.ffmpeg, 5),
    "help": Row("digan --help", pipeline.help_page, 5),
    "first_frame": Row("digan render to its first frame, 32²", pipeline.first_frame, 3),
}


def run(names: list[str] | None = None, say: Callable[[str], None] = print) -> dict:
    """Runs the named benchmarks of `ROWS`, all if `names` is None.

    Args:
      say: receives a line of text per result.

    Returns:
      {"device", "jax", "rows": {name: {"what", "seconds", "spread", "unit", "in_units", "compile_seconds", ...}}};
      "unit" is U in seconds.

    Raises:
      InputError: an unknown name.
    """
    for name in names or ():
        if name not in ROWS:
            raise InputError(f"unknown row {name!r}; choose from {', '.join(ROWS)}.")
    kind = f"{jax.device_count()} x {jax.devices()[0].device_kind}, {os.cpu_count()} cores, {platform.machine()}"
    report = {"device": kind, "jax": jax.__version__, "rows": {}}
    say(f"{kind}, jax {jax.__version__}\n{'':44}{'time':>10}{'in U':>16}{'release':>9}{'compile':>10}{'memory':>10}")
    for name in names or ROWS:
        try:
            report["rows"][name] = _measure(name, ROWS[name])
        except Unavailable as reason:
            say(f"{ROWS[name].what:44}left out: {reason}")
        else:
            say(_line(report["rows"][name]))
    return report


def _measure(name: str, row: Row) -> dict:
    work = row.prepare()
    before = unit()
    taken = work.seconds(row.repeats)
    u = (before.median + unit().median) / 2
    entry = {"what": row.what, "seconds": taken.median, "spread": taken.spread, "unit": u}
    entry |= {"in_units": taken.median / u, "spread_in_units": taken.spread / u, "release_in_units": row.release}
    known = ("compile_seconds", "scratch_bytes", "peak_bytes", "flops", "bytes_moved")
    entry |= {name: getattr(work, name) for name in known}
    entry["peak_bytes_on_device"] = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    if work.amount:
        entry["per_second"], entry["of"] = work.amount[0] / taken.median, work.amount[1]
    if name == "sample_128":
        entry["share_of_matrix_product_rate"] = SAMPLING_GFLOP / (2e-9 * SIDE**3) * u / taken.median
    if work.flops:
        entry["bounds"] = _bounds(work)
    if own := entry.get("bounds", {}).get(jax.devices()[0].device_kind):
        entry["share_of_bound"] = own / taken.median
    return entry


def _bounds(work: Work) -> dict[str, float]:
    """Least seconds on these devices if they are known, otherwise, from FLOPs alone, on those of `SHOWN`."""
    kind = jax.devices()[0].device_kind
    own = {kind: flops.peak(kind)} if flops.peak(kind) else {name: flops.PEAKS[name] for name in SHOWN}
    count = jax.device_count() if flops.peak(kind) else 1
    of_one = work.flops / count, work.bytes_moved or 0.0  # a compiled program is that of one device
    return {name: peak.least(*of_one, work.dtype) for name, peak in own.items()}


def compare(before_file: str, after: dict) -> str:
    """One line per shared row: time before and now in U, and their ratio (below 1: faster now).

    Raises:
      InputError: a file that is missing or is no report of `run`.
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
    line = f"{entry['what']:44}{entry['seconds']:8.3f} s{in_units:>16}{entry['release_in_units'] or '-':>9}"
    compiling, peak = entry["compile_seconds"], entry["peak_bytes"]
    line += f"{compiling:8.1f} s" if compiling is not None else f"{'-':>10}"
    line += f"{peak / 2**20:6.0f} MiB" if peak is not None else ""
    if "of" in entry:
        line += f"\n{'':4}{entry['per_second']:,.1f} {entry['of']}/s"
    if "share_of_matrix_product_rate" in entry:
        line += f", {entry['share_of_matrix_product_rate']:.2f} of the rate of the matrix product"
    if "bounds" in entry:
        bounds = ", ".join(f"{name} {seconds * 1e3:.2f} ms" for name, seconds in entry["bounds"].items())
        moved = f", {entry['bytes_moved'] / 1e9:,.1f} GB" if entry["bytes_moved"] else ""
        line += f"\n{'':4}{entry['flops'] / 1e9:,.1f} GFLOP{moved}; at best on {bounds}"
    if "share_of_bound" in entry:
        line += f", {entry['share_of_bound']:.0%} of that"
    return line
