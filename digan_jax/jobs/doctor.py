"""`digan doctor`: what a bug report needs to say about a machine, and whether training and rendering work on it."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import jax
import numpy as np

from digan_jax.config import files as config_files
from digan_jax.host import caches, machine
from digan_jax.host.video_reading import open_footage
from digan_jax.interop import opening, shipped
from digan_jax.jobs import render
from digan_jax.jobs.render_request import RenderRequest
from digan_jax.jobs.requests import Request
from digan_jax.training import loop

GIB = 2**30
LEAST_MEMORY, LEAST_DISK = 3 * GIB, 2 * GIB  # of the quickstart
SMOKE = {  # a training of four steps that any machine can do
    "model.resolution": 32,
    "model.channel_base": 256,
    "model.channel_max": 8,
    "model.z_dim": 16,
    "model.w_dim": 16,
    "model.motion_dim": 16,
    "train.batch_size": 8,
    "train.total_kimg": 0.032,
    "log.sample_clips": 1,
}


@dataclasses.dataclass(frozen=True)
class DoctorRequest(Request):
    """What to look at."""

    quick: bool = False  # leaves out the trial, which trains and renders for up to a minute


def run(request: DoctorRequest) -> dict:
    """The report, for JSON: groups of facts, and "problems": sentences with reason and cure, none if all is well.

    Writes nothing but a temporary folder, which it removes.
    """
    required, optional = machine.libraries()
    report = {
        "machine": machine.system(),
        "libraries": required,
        "optional": optional,
        "devices": [_device(device) for device in jax.local_devices()],
        "memory": machine.memory(),
        "disk": {str(place): machine.free_disk(place) for place in _places()},
        "encoders": machine.encoders(),
        "models": [shipped.PREFIX + name for name in shipped.names()],
    }
    report["problems"] = problems(report)
    if not request.quick:
        report["trial"] = trial(report["models"])
        report["problems"] += [report["trial"]["error"]] if "error" in report["trial"] else []
    return report


def _device(device: jax.Device) -> dict:
    facts = {"platform": device.platform, "kind": device.device_kind}
    limit = (device.memory_stats() or {}).get("bytes_limit")
    return facts if limit is None else facts | {"memory": limit}


def _places() -> list[Path]:
    cache = caches.folder("xla")
    return [Path.cwd(), Path(tempfile.gettempdir()), *([cache] if cache else [])]


def problems(report: dict) -> list[str]:
    """What in the facts of a report will hinder, with cures."""
    found = []
    if missing := [name for name, version in report["libraries"].items() if version is None]:
        found.append(f"{', '.join(missing)}: not installed; pip install --force-reinstall digan-jax.")
    if shutil.which("nvidia-smi") and all(device["platform"] == "cpu" for device in report["devices"]):
        found.append('devices: there is an NVIDIA driver, but JAX has no GPU; pip install "digan-jax[cuda]".')
    available = report["memory"].get("available", LEAST_MEMORY)
    if available < LEAST_MEMORY:
        found.append(f"memory: {available / GIB:.1f} GiB are free, and the quickstart takes 3; close other programs.")
    for place, free in report["disk"].items():
        if free < LEAST_DISK:
            found.append(f"{place}: {free / GIB:.1f} GiB of the disk are free; free some.")
    if lacking := [name for name, there in report["encoders"].items() if not there]:
        found.append(f"encoders: PyAV lacks {', '.join(lacking)}; pip install --force-reinstall av, from its wheel.")
    return found


def trial(models: list[str]) -> dict:
    """Seconds of a short training, of a render of its run to a video that is read back, and of a shipped model's first
    picture; with "error" and "traceback" if one of them fails."""
    seconds = {}
    try:
        with tempfile.TemporaryDirectory(prefix="digan_doctor_") as folder, contextlib.redirect_stdout(sys.stderr):
            config = config_files.load("bouncing", [f"--config.{name}={value}" for name, value in SMOKE.items()])
            with _timed(seconds, "train"):
                loop.train(config, f"{folder}/run")
            with _timed(seconds, "render"):
                [video] = render.run(RenderRequest(f"{folder}/run", f"{folder}/clip.mp4", frames=4))
                decoded = sum(1 for _ in open_footage(str(video), None).frames)
            if decoded != 4:
                raise RuntimeError(f"a video of 4 frames was read back with {decoded}")
            for name in models:
                with _timed(seconds, name):
                    frame = opening.load(name).sample([0], [0.0])
                if not np.isfinite(frame).all():
                    raise RuntimeError(f"{name} draws numbers that are not finite")
    except Exception as error:
        told = f"the trial failed after {list(seconds) or 'nothing'}: {type(error).__name__}: {error}"
        return {"seconds": seconds, "error": told, "traceback": traceback.format_exc()}
    return {"seconds": seconds}


@contextlib.contextmanager
def _timed(seconds: dict, name: str):
    start = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - start, 2)


def text(report: dict) -> str:
    """The report for a person, to paste into a bug report."""
    gib = lambda count: f"{count / GIB:.1f} GiB"
    pairs = lambda group: ", ".join(f"{name} {value}" for name, value in group.items())
    device = lambda d: d["kind"] + (f" ({gib(d['memory'])})" if "memory" in d else "")
    lines = {
        "machine": pairs(report["machine"]),
        "libraries": pairs(report["libraries"]),
        "optional": pairs(report["optional"]),
        "devices": ", ".join(map(device, report["devices"])),
        "memory": ", ".join(f"{gib(count)} {name}" for name, count in report["memory"].items()),
        "free disk": ", ".join(f"{gib(free)} at {place}" for place, free in report["disk"].items()),
        "encoders": ", ".join(name for name, there in report["encoders"].items() if there),
        "models": ", ".join(report["models"]) or "none",
    }
    if "trial" in report:
        lines["trial"] = ", ".join(f"{name} {taken:g} s" for name, taken in report["trial"]["seconds"].items())
    found = report["problems"]
    told = [f"{name:10} {value}" for name, value in lines.items()]
    tried = "trains and draws" if "trial" in report else "has what is needed; without --quick a trial follows"
    told += ["", *(f"problem: {one}" for one in found)] if found else ["", f"This machine {tried}."]
    return "\n".join([*told, report.get("trial", {}).get("traceback", "")]).rstrip()
