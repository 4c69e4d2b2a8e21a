"""FLOPs from a trace, against XLA's count where that one is right, and against counts by hand where it is not."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from digan_jax import flops
from digan_jax.models import families
from digan_jax.training.compile import compile_iteration, work
from tests.models.test_steps import batch_of, mesh_of


def counted(function, *arguments, platform="cpu"):
    return flops.count(jax.make_jaxpr(function)(*arguments), platform)


def convolution(x, w):
    return lax.conv_general_dilated(x, w, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


X, W = jnp.ones((2, 9, 9, 3)), jnp.ones((3, 3, 3, 5))
A = jnp.ones((4, 6, 8))


@pytest.mark.parametrize(
    "function, arguments",
    [
        (lambda a: jnp.einsum("bij,bkj->bik", a, a), (A,)),
        (convolution, (X, W)),
        (lambda x, w: jax.jit(convolution)(x, w) @ jnp.ones((5, 7)), (X, W)),
        (jax.checkpoint(lambda a: (a @ a.mT) @ a), (A,)),
    ],
)
def test_products_are_counted_as_xla_counts_them(function, arguments):
    theirs = jax.jit(function).lower(*arguments).cost_analysis()["flops"]
    assert counted(function, *arguments).always == theirs


def test_loops_branches_and_platforms():
    square = lambda a: a @ a  # 2 · 8³ FLOPs
    a, one = jnp.ones((8, 8)), 2 * 8**3
    assert counted(lambda a: lax.scan(lambda x, _: (square(x), None), a, length=5)[0], a).always == 5 * one
    twice = lambda a: lax.cond(a[0, 0] > 0, lambda a: square(square(a)), square, a)
    found = counted(lambda a: twice(square(twice(a))), a)
    assert found == flops.Work(3 * one, (one, one)) and found.most() == 5 * one
    assert found.mean([4, 1]) == 4.25 * one
    own = lambda a: lax.platform_dependent(a, cpu=lambda a: square(square(a)), default=square)
    assert [counted(own, a, platform=p).always for p in ("cpu", "cuda")] == [2 * one, one]


def test_the_gradient_of_a_convolution_costs_what_it_does():
    """Of stride 2: both transposes have a product for each of the convolution's, and none with a zero in between."""
    gradient = jax.grad(lambda x, w: convolution(x, w).sum(), argnums=(0, 1))
    forward = counted(convolution, X, W).always
    # Forward and twice back; at the border of 9×9 pixels the transpose meets pixels that are not there, a quarter more.
    assert 3 * forward <= counted(gradient, X, W).always < 3.3 * forward


def test_counting_costs_no_second_trace():
    traced = []
    program = jax.jit(lambda a: (traced.append(a.shape), a @ a)[1], donate_argnums=0)
    assert flops.count(program.trace(jnp.ones((8, 8))).jaxpr, "cpu").always == 2 * 8**3
    program(jnp.ones((8, 8)))
    assert traced == [(8, 8)]


def test_peaks_are_those_of_the_device_with_the_longest_name():
    assert flops.peak("NVIDIA H100 80GB HBM3").bandwidth == 3.35e12
    assert flops.peak("NVIDIA H100 PCIe").bandwidth == 2.0e12
    assert flops.peak("TPU v5 lite") != flops.peak("TPU v5")
    assert flops.peak("cpu") is None
    least = flops.peak("TPU v5 lite").least
    assert (least(197e12, 0.0), least(0.0, 1.638e12)) == (1.0, 2.0)


PROGRAM = """\
HloModule jit_f, is_scheduled=true

%fused (p: bf16[8,128]) -> f32[8,128] {
  %p = bf16[8,128]{1,0:T(8,128)(2,1)S(1)} parameter(0)
  ROOT %convert = f32[8,128]{1,0:T(8,128)} convert(%p)
}

%body (state: (s32[], f32[8,128])) -> (s32[], f32[8,128]) {
  %state = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) parameter(0)
  %count = s32[]{:T(128)} get-tuple-element(%state), index=0
  %held = f32[8,128]{1,0:T(8,128)} get-tuple-element(%state), index=1
  %twice = f32[8,128]{1,0:T(8,128)} add(%held, %held)
  ROOT %next = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) tuple(%count, %twice)
}

%cheap (x: f32[8,128]) -> f32[8,128] {
  ROOT %x = f32[8,128]{1,0:T(8,128)} parameter(0)
}

%dear (y: f32[8,128]) -> f32[8,128] {
  %y = f32[8,128]{1,0:T(8,128)} parameter(0)
  ROOT %sine = f32[8,128]{1,0:T(8,128)} sine(%y)
}

ENTRY %main (a: bf16[8,128], due: pred[]) -> f32[8,128] {
  %a = bf16[8,128]{1,0:T(8,128)(2,1)} parameter(0)
  %due = pred[]{:T(512)} parameter(1)
  %copy-start = (bf16[8,128]{1,0:T(8,128)(2,1)S(1)}, bf16[8,128]{1,0:T(8,128)(2,1)}, u32[]{:S(2)}) copy-start(%a)
  %copy-done = bf16[8,128]{1,0:T(8,128)(2,1)S(1)} copy-done(%copy-start)
  %wide = f32[8,128]{1,0:T(8,128)} fusion(%copy-done), kind=kLoop, calls=%fused
  %start = (f32[8,128]{1,0:T(8,128)}, f32[8,128]{1,0:T(8,128)}) all-reduce-start(%wide), to_apply=%sum
  %done = f32[8,128]{1,0:T(8,128)} all-reduce-done(%start)
  %zero = s32[]{:T(128)} constant(0)
  %first = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) tuple(%zero, %done)
  %loop = (s32[], f32[8,128]{1,0}) while(%first), body=%body, backend_config={"known_trip_count":{"n":"5"}}
  %last = f32[8,128]{1,0:T(8,128)} get-tuple-element(%loop), index=1
  ROOT %end = f32[8,128]{1,0:T(8,128)} conditional(%due, %last, %last), branch_computations={%cheap, %dear}
}
"""


def test_traffic_of_a_program_is_that_of_the_main_memory():
    narrow, wide = 2 * 8 * 128, 4 * 8 * 128
    # Into vector memory, out of it at twice the width, an exchange, and five times two reads and a write.
    always = narrow + wide + 2 * wide + 5 * 3 * wide
    assert flops.bytes_moved(PROGRAM) == flops.Work(always, (2 * wide,))


def test_traffic_of_a_program_that_was_compiled_here():
    a = jnp.ones((64, 64))
    branches = lambda a, due: lax.cond(due, lambda a: jnp.sin(a) @ a, lambda a: a, a + 1)
    found = flops.bytes_moved(jax.jit(branches).lower(a, True).compile().as_text())
    assert found.always >= 2 * a.nbytes and len(found.more) == 1 and found.more[0] >= 3 * a.nbytes


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields", [{"train.penalty": "finite_differences"}, {}, {"train.path_length_weight": 2.0}], ids=str
)
def test_lazy_steps_are_found_in_the_iteration(make_config, fields):
    """As many branches as the family says, each with work of its own."""
    config = make_config(fields)
    program = compile_iteration(config, mesh_of(1))
    shapes = jax.eval_shape(lambda key: families.of(config).init(key, config), jax.random.key(0))
    state = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=_alone()), shapes)
    mean = work(config, program, state, batch_of(8))
    found = flops.count(program.trace(state, batch_of(8)).jaxpr, "cpu")
    every = families.of(config).lazy(config)
    assert len(every) == len(found.more) and mean == found.mean(every) and all(more > 0 for more in found.more)
    assert found.always < mean or not every


def _alone():
    return jax.sharding.SingleDeviceSharding(jax.devices()[0])
