"""A small function fitted to one clip."""

import jax
import numpy as np
import pytest

from digan_jax.data import bouncing
from digan_jax.data.conditions import unit_range
from digan_jax.host import range_coder
from digan_jax.models import one_clip
from digan_jax.models.one_clip import Size, size_for
from digan_jax.rendering import compression

SIZE = Size(((1, 4, 4), (2, 2, 2), (4, 2, 2)), 8)


@pytest.mark.parametrize("bits", [4000, 12000, 40000])
def test_sizes_keep_to_their_bits_and_use_them(bits):
    size = size_for(16, 64, 64, bits)
    assert 0.6 * bits <= size.bits <= bits  # grids have whole numbers of nodes
    assert size.weights == sum(x.size for x in jax.tree.leaves(one_clip.init(jax.random.key(0), size)))


def test_grids_are_linear_between_their_nodes():
    share = np.asarray(one_clip.nodes(4, np.float32([0, 0.125, 0.25, 0.5, 0.9, 1])))
    twin = [[1, 0, 0, 0], [1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
    np.testing.assert_allclose(share, twin, atol=1e-6)


def test_stored_numbers_are_the_weights_to_half_a_step():
    params = one_clip.init(jax.random.key(0), SIZE)
    steps = {name: float(step) for name, step in compression.step_sizes(params).items()}
    numbers = compression.stored(params, steps, SIZE)
    again = compression.restored(numbers, tuple(steps[name] for name in SIZE.shapes), SIZE)
    for name in params:
        assert np.abs(again[name] - params[name]).max() <= steps[name] * 0.5001  # and rounding to float32


def test_a_fit_comes_nearer_and_rounding_costs_little():
    clip = unit_range(bouncing.render(1, np.linspace(0, 1, 6), 16))
    size, bits = size_for(6, 16, 16, 4000), 4000
    params, steps = compression.fit(clip, size, 200, bits)
    numbers = compression.stored(params, steps, size)
    assert 0.7 * bits < 8 * len(range_coder.encode(numbers)) < 1.3 * bits  # steered in few steps
    again = compression.restored(numbers, tuple(steps[n] for n in size.shapes), size)
    t, y, x = compression.places(6, 16, 16)
    drawn = np.stack(list(compression.frames(again, t, 16, 16)))
    error, flat = np.square(drawn - clip).mean(), clip.var()
    assert error < flat / 3  # 200 steps; the mean colour alone has the variance
    larger = np.stack(list(compression.frames(again, t[2:3], 48, 48)))
    assert np.abs(larger[0, 1::3, 1::3] - drawn[2]).max() < 1e-5  # the same function at the same places
