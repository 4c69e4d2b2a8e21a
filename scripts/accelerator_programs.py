"""Programs of the training iteration for TPUs and GPUs, compiled on any machine: FLOPs, memory traffic, memory and bound.

    pip install --target libtpu "libtpu==0.0.42.*"     the version that the extra [tpu] of your jax asks for; 640 MB
    TPU_LIBRARY_PATH=libtpu/libtpu/libtpu.so python scripts/accelerator_programs.py --topology v5e:2x2 --chips 1 \\
        model.resolution=128 train.batch_size=8 compute_dtype=bfloat16

    pip install --target cuda --no-deps jax-cuda12-plugin==VERSION jax-cuda12-pjrt==VERSION     VERSION of your jax; 180 MB
    PYTHONPATH=cuda python scripts/accelerator_programs.py --topology h100:8 \\
        model.resolution=128 train.batch_size=64 compute_dtype=bfloat16

No accelerator is needed: libtpu and the plugin are whole compilers. Prints a line of Markdown for each program, and a line
of JSON with --json. A program that does not fit a TPU's memory is refused by the compiler; the line says what it would
take. Without a GPU its kernels cannot be timed, so the compiler takes the first that fits (xla_gpu_autotune_level=0).
A large program for many TPUs compiles much sooner with JAX_EXEC_TIME_OPTIMIZATION_EFFORT=-1 JAX_MEMORY_FITTING_EFFORT=-1.

The bound is the longer of FLOPs / peak and bytes / bandwidth, on average over steps with and without R1: FLOPs of the
trace, bytes of the compiled program in the chip's main memory (`digan_jax.flops`). Nothing is faster; much is slower.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

# The machine is only described: JAX runs on the CPU, libtpu need not ask Google's cloud where it is, nor CUDA for a GPU.
for name, value in {
    "JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1", "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4", "CUDA_VISIBLE_DEVICES": "-1", "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
    "XLA_FLAGS": "--xla_gpu_autotune_level=0 --xla_gpu_enable_command_buffer=",
}.items():  # fmt: skip
    os.environ.setdefault(name, value)

import jax
import numpy as np
from jax.experimental import topologies
from memory_table import GIB, batch_of, config_of, state_of

from digan_jax import devices, flops
from digan_jax.config import RunConfig
from digan_jax.models import families
from digan_jax.training.compile import compile_iteration

KIMG = 25000  # of the release's trainings
SENT = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute"
COLUMNS = {
    "chips": "chips", "fields": "fields", "flops": "TFLOP a chip: plain, R1", "bytes": "GB moved: plain, R1",
    "arguments": "arguments, GiB", "scratch": "scratch, GiB", "sent": "GB sent", "products": "ms of products",
    "traffic": "ms of traffic", "rate": "clips/s at most", "days": f"days to {KIMG} kimg", "seconds": "compiled in, s",
}  # fmt: skip


# An H100 SXM as XLA's GpuTargetConfigProto: sizes from NVIDIA's data sheet and CUDA's table of compute capabilities.
H100 = """
gpu_device_info {
  threads_per_block_limit: 1024  threads_per_warp: 32  threads_per_core_limit: 2048  core_count: 132  fpus_per_core: 128
  shared_memory_per_block: 49152  shared_memory_per_core: 233472  shared_memory_per_block_optin: 232448
  block_dim_limit_x: 2147483647  block_dim_limit_y: 65535  block_dim_limit_z: 65535
  registers_per_core_limit: 65536  registers_per_block_limit: 65536  cuda_compute_capability { major: 9 }
  memory_bandwidth: 3352320000000  device_memory_size: 84929347584  l2_cache_size: 52428800  clock_rate_ghz: 1.98
}
platform_name: "CUDA"  device_description_str: "NVIDIA H100 80GB HBM3"
dnn_version_info { major: 9 minor: 10 }  runtime_version { major: 12 minor: 9 patch: 0 }
"""


def described(topology: str) -> topologies.TopologyDescription:
    """The devices of "v5e:16x16" or "h100:8"."""
    if not topology.startswith("h100:"):
        return topologies.get_topology_desc(platform="tpu", topology_name=topology)
    machine = f"1x1x{topology.removeprefix('h100:')}"  # slices, hosts, devices of each
    return topologies.get_topology_desc(platform="cuda", target_config=H100, topology=machine)


def mesh_of(topology: str, chips: int | None, model: int) -> jax.sharding.Mesh:
    """The mesh of the first `chips` of a described machine, such as "v5e:16x16"; None: of all."""
    try:
        machine = described(topology)
    except Exception as error:
        sys.exit(
            f"--topology {topology}: {str(error).splitlines()[0]}\nThis takes libtpu or the plugin for CUDA (see --help). "
            "Topologies are named like v5e:2x2, v5e:16x16, v5p:2x2x1, v6e:2x2, h100:1, h100:8."
        )
    found = np.array(machine.devices[:chips])
    if chips and len(found) < chips:
        sys.exit(f"--chips {chips}: {topology} has {len(found)}; name a larger topology.")
    axes = (jax.sharding.AxisType.Auto,) * 2
    return jax.sharding.Mesh(found.reshape(-1, model), ("data", "model"), axis_types=axes)


def bytes_sent(text: str) -> dict[str, int]:
    """Bytes of the results of each kind of exchange among chips, each operation once."""
    found: dict[str, int] = {}
    for kind, operation in re.findall(rf"= (.*?) ({SENT})(?:-done)?\(", text):
        found[operation] = found.get(operation, 0) + sum(size for size, _ in flops.array_bytes(kind))
    return found


def compiled(config: RunConfig, mesh: jax.sharding.Mesh) -> dict:
    """What one chip's program of the iteration takes; with "needs", such as "21G of 15.75G", if it does not fit."""
    place = lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
    state = state_of(config)
    state = jax.tree.map(place, state, devices.of_state(mesh, state, config.mesh.fsdp))
    batch = jax.tree.map(lambda x: place(x, devices.by_batch(mesh)), batch_of(config))
    began = time.monotonic()
    traced = compile_iteration(config, mesh).trace(state, batch)
    platform = mesh.devices.flat[0].platform
    work = flops.count(traced.jaxpr, "tpu" if platform == "tpu" else "cuda")
    work = flops.Work(work.always / mesh.size, tuple(more / mesh.size for more in work.more))
    try:
        program = traced.lower().compile()
    except jax.errors.JaxRuntimeError as error:
        if not (needs := re.search(r"Used ([\d.]+\w+) of ([\d.]+\w+)", str(error))):
            raise
        return {"flops": work, "needs": f"{needs[1]} of {needs[2]}", "seconds": time.monotonic() - began}
    seconds = time.monotonic() - began
    memory, cost, text = program.memory_analysis(), program.cost_analysis() or {}, program.as_text()
    return {
        "text": text,
        "flops": work,
        "bytes": flops.bytes_moved(text),
        "arguments": memory.argument_size_in_bytes,
        "scratch": memory.temp_size_in_bytes,
        "donated": memory.alias_size_in_bytes,
        "sent": bytes_sent(text),
        "seconds": seconds,
        "of_the_compiler": {name: cost.get(name) for name in ("flops", "bytes accessed", "optimal_seconds")},
    }


def bound(config: RunConfig, kind: str, program: dict) -> dict:
    """Seconds that a step takes at least, of products and of traffic on average, and what follows."""
    peak, every = flops.peak(kind), families.of(config).lazy(config)
    products = program["flops"].mean(every) / getattr(peak, config.compute_dtype)
    traffic = program["bytes"].mean(every) / peak.bandwidth
    rate = config.train.batch_size / max(products, traffic)
    return {"products": products, "traffic": traffic, "rate": rate, "days": KIMG * 1000 / rate / 86400}


def row(chips: int, fields: list[str], program: dict) -> str:
    """A line of the table."""
    both = lambda work, unit: f"{work.always / unit:.3g}, {work.most() / unit:.3g}"
    cells = {"chips": chips, "fields": " ".join(fields), "flops": both(program["flops"], 1e12)}
    cells["seconds"] = f"{program['seconds']:.0f}"
    if "needs" in program:
        cells["scratch"] = f"does not fit: {program['needs']}"
    else:
        cells |= {"bytes": both(program["bytes"], 1e9), "sent": f"{sum(program['sent'].values()) / 1e9:.3g}"}
        cells |= {name: f"{program[name] / GIB:.2f}" for name in ("arguments", "scratch")}
        cells |= {name: f"{program[name] * 1e3:.3g}" for name in ("products", "traffic")}
        cells |= {name: f"{program[name]:.3g}" for name in ("rate", "days")}
    return f"| {' | '.join(str(cells.get(name, '')) for name in COLUMNS)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topology", default="v5e:2x2", help="machine, such as v5e:16x16 (default v5e:2x2)")
    parser.add_argument("--chips", type=int, help="the first so many of them (default all)")
    parser.add_argument("--json", action="store_true", help="a line of JSON, too")
    parser.add_argument("--text", metavar="FILE", help="write the compiled program there, as text")
    parser.add_argument("fields", nargs="*", metavar="FIELD=VALUE", help="fields of the configuration base")
    a = parser.parse_args()
    config = config_of(dict(field.split("=", 1) for field in a.fields))
    mesh = mesh_of(a.topology, a.chips, config.mesh.model)
    devices.check_batch(config.train.batch_size, mesh, config.train.microbatch)
    program, kind = compiled(config, mesh), mesh.devices.flat[0].device_kind
    text = program.pop("text", "")
    if a.text:
        Path(a.text).write_text(text)
    if "needs" not in program:
        program |= bound(config, kind, program)
    print(f"| {' | '.join(COLUMNS.values())} |\n{row(mesh.size, a.fields, program)}", flush=True)
    if a.json:
        print(json.dumps({"kind": kind, "chips": mesh.size, "fields": a.fields} | program))


if __name__ == "__main__":
    main()
