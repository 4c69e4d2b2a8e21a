"""The golden trajectory: 24 iterations of two tiny runs, recorded before the code was rearranged.

    XLA_FLAGS="$FLAGS" python -m tests.training.golden_trajectory    # FLAGS: those below; adds this machine's bits

One run is unconditional at 32×32; the other has three classes, 64×64 (so Fourier features at two levels and an
upsampling between), cutout, style mixing and other intervals. R1 and path length are due in both.

Programs are compiled without LLVM's optimisations: a third of the time, and the bits are then the same with AVX2 and
AVX-512 (tried), but not on processors with AMX, nor of AMD, where they differ from one model to the next. What they
depend on is the release of jaxlib, the processor, and the number of cores, which parts the sums: `machine()` says these,
and bits are kept for each that was recorded.
"""

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np

from digan_jax import config as config_lib
from digan_jax import devices
from digan_jax.data import loader, sources
from digan_jax.models.digan.state import init_state
from digan_jax.training.compile import compile_iteration

FILE = Path(__file__).parent.parent / "golden" / "trajectory.json"
FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
ITERATIONS = 24
TINY = dict(resolution=32, channel_base=256, channel_max=8, z_dim=16, w_dim=16, motion_dim=16)
CLASSES = {
    "model.resolution": 64, "model.n_classes": 3, "train.augment": ("color", "translation", "cutout"),
    "train.r1_every": 8, "train.style_mixing_probability": 0.5, "train.seed": 3,
}  # fmt: skip
RUNS = {"unconditional": {}, "conditional": CLASSES}


def config_of(run: str):
    from configs import base

    c = base.get_config()
    c.model.update(TINY)
    c.data.source, c.train.batch_size, c.train.path_length_weight = "bouncing", 8, 2.0
    c.update_from_flattened_dict(RUNS[run])
    return config_lib.parse(c)


def trajectory(run: str) -> dict:
    """{"metrics": {name: [of each iteration]}, "arrays": {path: [sha256 of the bits, norm]} of the last state}."""
    config = config_of(run)
    mesh = jax.sharding.Mesh(
        np.array(jax.devices()[:1]).reshape(1, 1), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2
    )
    state = init_state(jax.random.key(config.train.seed), config)
    state = jax.device_put(state, devices.of_state(mesh, state))
    source = sources.open_source(config.data, config.model)
    batches = loader.make_loader(source, config)
    iteration = compile_iteration(config, mesh)
    metrics: dict[str, list[float]] = {}
    for _ in range(ITERATIONS):
        given = state
        state, values = iteration(given, devices.place_batch(next(batches), mesh))
        assert all(x.is_deleted() for x in jax.tree.leaves((given.generator, given.ema)))  # donated
        for name, value in jax.device_get(values).items():
            metrics.setdefault(name, []).append(float(value))
    batches.close()
    arrays = {}
    for path, x in jax.tree.leaves_with_path(jax.device_get(state)):
        digest = hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()
        arrays[jax.tree_util.keystr(path)] = [digest, float(np.linalg.norm(np.float64(x)))]
    return {"metrics": metrics, "arrays": arrays}


def machine() -> str:
    """What the bits depend on, in words."""
    import jaxlib

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = "/".join(re.findall(r"^(?:cpu family|model)\s*: (\d+)", flags, re.M)[:2])  # of the first core
    kind = (f", AMD {model}" if "AuthenticAMD" in flags else "") + (", AMX" if "amx_tile" in flags else "")
    return f"jaxlib {jaxlib.__version__}, {platform.machine()}, {cores} cores{kind}"


def in_a_process(run: str) -> dict:
    """`trajectory` of one run in a process of its own, with one device and the flags above, and its "machine"."""
    command = [sys.executable, "-m", "tests.training.golden_trajectory", run]
    env = os.environ | {"XLA_FLAGS": FLAGS, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=FILE.parent.parent.parent)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def record() -> None:
    kept = json.loads(FILE.read_text()) if FILE.exists() else {"bits": {}}
    found = {run: in_a_process(run) for run in RUNS}
    bits = {run: {k: v[0][:16] for k, v in t["arrays"].items()} for run, t in found.items()}
    kept["bits"][found["conditional"]["machine"]] = bits
    for run, t in found.items():  # values are those of the first machine
        kept.setdefault("machine", t["machine"])
        kept.setdefault(run, {"metrics": t["metrics"], "norms": {k: v[1] for k, v in t["arrays"].items()}})
    lines = json.dumps(kept, indent=None, separators=(",", ":")).replace('":{"', '":{\n"')
    FILE.write_text(lines + "\n")
    print("recorded", found["conditional"]["machine"])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(trajectory(sys.argv[1]) | {"machine": machine()}))
    else:
        record()
