"""Each convolution and its first and second derivatives against the reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.kernels import fast, reference
from digan_jax.kernels.fast import convolution, winograd

FORMS = {
    "convolve": lambda kernels, x, w: kernels.convolve(x, w),
    "convolve_downsample": lambda kernels, x, w: kernels.convolve_downsample(x, w),
    "downsample": lambda kernels, x, w: kernels.convolve(kernels.downsample(x), w[:1, :1]),
}


@pytest.mark.parametrize("name", FORMS)
def test_values_and_derivatives(name):
    keys = jax.random.split(jax.random.key(0), 3)
    x, w = jax.random.normal(keys[0], (2, 8, 8, 3)), jax.random.normal(keys[1], (3, 3, 3, 4))

    def everything(kernels):
        def score(x, w):
            return jnp.tanh(FORMS[name](kernels, x, w)).sum()

        def penalty(x, w):
            return jnp.square(jax.grad(score)(x, w)).sum()

        return lambda x, w: (FORMS[name](kernels, x, w), jax.grad(score, (0, 1))(x, w), jax.grad(penalty, (0, 1))(x, w))

    ours, theirs = (jax.jit(everything)(x, w) for everything in map(everything, (fast, reference)))
    # sums of up to some hundred float32 products of order 1, in another order
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), ours, theirs)


@pytest.mark.parametrize("cached", [1, 1 << 18])  # image by image, all at once
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_forms_for_accelerators_and_for_cpu_agree(monkeypatch, cached, dtype):
    """The main path's ÷2, of which both are written in another way for each; only the CPU's runs elsewhere here."""
    monkeypatch.setattr(convolution, "CACHED", cached)
    keys = jax.random.split(jax.random.key(0), 3)
    x, g = jax.random.normal(keys[0], (6, 9, 9, 3), dtype), jax.random.normal(keys[1], (6, 4, 4, 5), dtype)
    weight = jax.random.normal(keys[2], (3, 3, 5, 3), dtype)
    how = dict(stride=2, border=0)
    for ours, theirs in [
        (convolution._im2col(x, g, **how), convolution._swapped(x, g, **how)),
        (convolution._polyphase(g, weight), convolution._dilated(g, weight, **how)),
    ]:
        assert ours.dtype == theirs.dtype == dtype
        ours, theirs = (np.asarray(a, np.float32) for a in (ours, theirs))
        # Sums of up to 100 products: some roundings of the largest; bfloat16 holds 8 bits, the result's rounding alone.
        np.testing.assert_allclose(ours, theirs, atol={"float32": 1e-6, "bfloat16": 2**-7}[dtype] * np.abs(ours).max())


@pytest.mark.parametrize("tiles", [1, 48, 1 << 11])  # an image, two, all at once
def test_winograds_products_are_the_direct_sums(monkeypatch, tiles):
    monkeypatch.setattr(winograd, "TILES", tiles)
    keys = jax.random.split(jax.random.key(0), 3)
    x, weight = jax.random.normal(keys[0], (6, 8, 12, 5)), jax.random.normal(keys[1], (3, 3, 5, 7))
    g = jax.random.normal(keys[2], (6, 8, 12, 7))
    how = dict(stride=1, border=1)
    for ours, theirs in [
        (winograd.convolve(x, weight), reference.convolve(x, weight)),
        (winograd.correlate(x, g), convolution._swapped(x, g, **how)),
    ]:
        # Some roundings of the largest: transformed inputs are sums of up to four numbers, outputs of up to nine.
        np.testing.assert_allclose(ours, theirs, atol=2e-6 * np.abs(theirs).max())


def test_winograd_is_taken_where_it_pays():
    x = jnp.zeros((2, 8, 8, 64))
    suits = lambda x, n_out=64, how=(3, 1, 1): winograd.suits(x, n_out, *how, channels=64)
    assert suits(x)
    assert not any([suits(x, n_out=32), suits(x, how=(1, 1, 0)), suits(x, how=(3, 2, 1))])
    assert not any([suits(x[:, 1:]), suits(x.astype(jnp.bfloat16))])


def test_derivatives_through_winograds_products():
    """The critics' convolution with as many channels as a full model has, differentiated twice, as R1 does."""
    keys = jax.random.split(jax.random.key(0), 2)
    x, w = jax.random.normal(keys[0], (2, 4, 4, 128)), jax.random.normal(keys[1], (3, 3, 128, 128)) / 34

    def penalty(f, x, w):
        gradient = jax.grad(lambda x: jnp.tanh(f(x, w)).sum())(x)
        return jnp.square(gradient).mean()

    ours = jax.jit(jax.grad(penalty, (1, 2)), static_argnums=0)(fast.convolve, x, w)
    theirs = jax.jit(jax.grad(penalty, (1, 2)), static_argnums=0)(reference.convolve, x, w)
    for a, b in zip(ours, theirs):  # sums of 1152 products of order 1/34, three in a row
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())
