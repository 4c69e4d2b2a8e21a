"""The program that an accelerator would get, read as text: no accelerator is needed to lower for one."""

import math
import re

import jax
import jax.numpy as jnp
import pytest
from jax import export
from jax.sharding import AxisType

from digan_jax import devices
from digan_jax.config import files
from digan_jax.models.digan.state import init_state
from digan_jax.shapes import Batch
from digan_jax.training.compile import compile_iteration

TENSOR = re.compile(r"tensor<([\dx]*)x?(\w+)>")


@pytest.fixture(scope="module")
def program():
    """The iteration at R 64 in bfloat16, lowered for both at once: as StableHLO text. Widths and vectors are large
    enough for the layers to outweigh what the augmentation does in float32."""
    fields = "data.source=bouncing compute_dtype=bfloat16 model.resolution=64 model.channel_base=2048"
    fields += " model.channel_max=64 train.batch_size=4"
    config = files.load("configs/base.py", [f"--config.{field}" for field in fields.split()])
    axes = dict(axis_types=(AxisType.Auto,) * 2, devices=jax.devices()[:1])
    mesh = jax.make_mesh((1, 1), ("data", "model"), **axes)
    state = jax.eval_shape(lambda key: init_state(key, config), jax.random.key(0))
    frames, times = jax.ShapeDtypeStruct((4, 2, 64, 64, 3), jnp.uint8), jax.ShapeDtypeStruct((4, 2), jnp.float32)
    batch = Batch(frames, times)
    iteration = compile_iteration(config, mesh)
    return export.export(iteration, platforms=["cuda", "tpu"])(state, batch).mlir_module()


def test_no_float64_and_no_call_to_the_host(program):
    assert "f64" not in program
    assert "callback" not in program and "infeed" not in program and "outfeed" not in program


def test_accelerators_get_the_plain_kernels(program):
    """No loop over images: those of Winograd's algorithm and of im2col are the CPU's. Weight gradients are convolutions."""
    assert "stablehlo.while" not in program
    assert program.count("stablehlo.convolution") > 100


def shape(text: str) -> tuple[list[int], str]:
    sizes, dtype = TENSOR.fullmatch(text).groups()
    return [int(size) for size in sizes.split("x") if size], dtype


def products(program: str):
    """(element type of the operands, multiplications) of every matrix product and convolution."""
    for line in program.splitlines():
        if not (operation := re.search(r"stablehlo\.(dot_general|convolution)\b", line)):
            continue
        left, right, result = re.search(r": \((tensor<\S+>), (tensor<\S+>)\) -> (tensor<\S+>)", line).groups()
        (left, dtype), (right, _), (result, _) = map(shape, (left, right, result))
        if operation[1] == "dot_general":
            contracted = re.search(r"contracting_dims = \[([\d, ]*)\]", line)[1]
            summed = math.prod(left[int(axis)] for axis in contracted.split(",") if axis)
        else:
            layout = re.search(r"x\[([^\]]*)\]->", line)[1].replace(" ", "").split(",")
            summed = math.prod(right) // right[layout.index("o")]
        yield dtype, math.prod(result) * summed


def test_bfloat16_carries_the_work(program):
    work = {"bf16": 0, "f32": 0}
    for dtype, multiplications in products(program):
        work[dtype] += multiplications
    # What stays in float32 is small by construction: affine layers of one vector a clip, modulations of rank 10, the
    # Fourier features' matrices for one frame, the last layers of the critics, shifts by 0-1 matrices.
    assert work["bf16"] > 0.9 * sum(work.values())


def test_compiler_options_are_those_that_this_jaxlib_knows(monkeypatch):
    assert devices.compiler_options("cpu") == devices.CPU_OPTIONS and devices.compiler_options("tpu") is None
    monkeypatch.setattr(devices, "CPU_OPTIONS", {"xla_cpu_of_another_day": "1"})
    assert devices.compiler_options.__wrapped__("cpu") is None
