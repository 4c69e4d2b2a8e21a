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
