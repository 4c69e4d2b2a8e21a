"""The generator's operations, fast against the reference and the reference against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from digan_jax import grids, kernels
from digan_jax.errors import InputError
from digan_jax.grids import Level
from digan_jax.kernels import fast, reference

F, B, T = 5, 2, 3  # frequencies, clips, frames


def level(rows: int, columns: int, repeat: int = 1) -> Level:
    (of_picture,) = grids.smooth(32, columns, rows, region=(-1, -0.5, 0.5, 1)).levels
    return Level(of_picture.x, of_picture.y, repeat)


def drawn(*shapes):
    return [jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate(shapes)]


@pytest.mark.parametrize("implementation", [fast, reference])
@pytest.mark.parametrize("rows", [7, 8])  # as they are, and folded
def test_multiplied_fourier_features_are_equation_4(implementation, rows):
    frequency, phase, weight = drawn((B, F, 2), (B, T, F), (B, 2 * F, 4))
    nodes = level(rows, 6)
    twin = np.empty((B, T, rows, 6, 4))
    for b, t, i, j in np.ndindex(B, T, rows, 6):
        angle = np.asarray(3 * frequency[b], np.float64) @ [nodes.x[j], nodes.y[i]] + np.float64(phase[b, t])
        twin[b, t, i, j] = np.concatenate([np.sin(angle), np.cos(angle)]) @ np.float64(weight[b])
    v = implementation.fourier(3 * frequency, phase, nodes)
    ours = implementation.frames(implementation.multiply(v, weight, np.float32))
    np.testing.assert_allclose(ours, twin, atol=2e-5)  # angles up to 10 in float32, sums of ten terms


def two_levels(implementation, grid, kind, frequency, phase, maps, first, weight, few):
    """The generator's shape: Fourier features; upsampled and concatenated with others; few outputs, as colours."""
    below, above = grid
    upsample = lambda x, repeat: implementation.upsample(x, repeat, kind)
    v = implementation.concat(implementation.fourier(frequency, phase, below), implementation.sample(maps, below, 0.1))
    h = jnp.tanh(implementation.multiply(v, first, jnp.float32))
    v = implementation.fourier(2 * frequency, phase, above)
    x = implementation.multiply(implementation.concat(upsample(h, above.repeat), v), weight, jnp.float32)
    colours = implementation.multiply(jnp.tanh(x), few, jnp.float32)
    before = upsample(implementation.multiply(h, few, jnp.float32), above.repeat)
    return implementation.frames(upsample(before + colours, 2))


GRIDS = {
    "folded": (level(4, 6), level(8, 12, repeat=2)),
    "odd": (level(3, 5), level(6, 10, repeat=2)),  # an even number of rows above an odd one
    "smooth": (level(8, 6), level(8, 6)),
    "of clips": jax.tree.map(lambda x: np.stack([x, x / 2]), (level(4, 6), level(8, 12, repeat=2))),
}


@pytest.mark.parametrize("basis", [(B, F, 2), (F, 2)], ids=["basis of each clip", "one basis"])
@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_fast_features_and_their_gradients_are_the_references(grid, kind, basis):
    arguments = drawn(basis, (B, T, F), (3, 4, 2), (B, 2 * F + 2, 4), (B, 4 + 2 * F, 4), (B, 4, 3))

    def everything(implementation):
        score = lambda *arguments: jnp.sin(two_levels(implementation, grid, kind, *arguments)).sum()
        return two_levels(implementation, grid, kind, *arguments), jax.grad(score, tuple(range(6)))(*arguments)

    both = (jax.jit(everything, static_argnums=0)(implementation) for implementation in (fast, reference))
    (ours, our_gradients), (theirs, their_gradients) = both
    np.testing.assert_allclose(ours, theirs, atol=1e-5)  # float32; angles up to 10, products of about 10 numbers near 1
    for a, b in zip(our_gradients, their_gradients):  # sums over up to 240 pixels of three frames
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


def test_features_multiplied_in_bfloat16(key_reuse_allowed):
    """Both round factors to 8 bits, but other factors: a hundredth of the result's size."""
    arguments = drawn((B, F, 2), (B, T, F), (B, 2 * F, 4))
    multiplied = lambda i: i.frames(i.multiply(i.fourier(*arguments[:2], level(8, 6)), arguments[2], jnp.bfloat16))
    ours, theirs = multiplied(fast), multiplied(reference)
    assert ours.dtype == theirs.dtype == jnp.float32
    error = np.sqrt(np.mean(np.square(ours - theirs)) / np.var(theirs))
    assert 1e-4 < error < 1e-2


@pytest.mark.parametrize("sides", [1, 2])
def test_upsampling_repeats_every_pixel_in_its_place(sides):
    x = np.random.default_rng(0).normal(size=(1, sides, 3, 4, 2, 5)).astype(np.float32)
    frames = fast.frames(x)
    assert frames.shape == (1, 2, 3 * sides, 4, 5)
    np.testing.assert_array_equal(fast.frames(fast.upsample(x, 2)), reference.upsample(frames, 2))
    np.testing.assert_array_equal(reference.upsample(frames, 2), np.kron(frames, np.ones((1, 1, 2, 2, 1))))


def test_bilinear_upsampling_has_half_pixel_centres():
    """As Pillow enlarges: a library's own, on one channel."""
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    theirs = np.asarray(Image.fromarray(x).resize((24, 20), Image.Resampling.BILINEAR))
    ours = reference.upsample(x[None, None, :, :, None], 4, "bilinear")[0, 0, :, :, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)  # float32 rounding


def test_maps_are_sampled_at_the_centres_of_pixels_and_mirrored_outside():
    maps = np.random.default_rng(0).normal(size=(32, 32, 2)).astype(np.float32)
    (trained,) = grids.native(32).levels
    np.testing.assert_allclose(reference.sample(maps, trained, 1 / 32)[0, 0], maps, atol=2e-5)  # places in float32
    (wider,) = grids.smooth(32, 64, 64, region=(-2, -2, 2, 2)).levels
    drawn = reference.sample(maps, wider, 1 / 32)[0, 0]
    np.testing.assert_allclose(drawn[16:48, :16], maps[:, 15::-1], atol=5e-5)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_maps_of_each_clip_and_frame(grid):
    """Fast against the reference, and the reference against one map at a time; also their gradients."""
    below, above = grid
    maps, first, weight = drawn((B, T, 3, 4, 2), (B, 2, 4), (B, 6, 3))

    def everything(implementation):
        def frames(maps, first, weight):
            h = jnp.tanh(implementation.multiply(implementation.sample(maps, below, 0.1), first, jnp.float32))
            h = implementation.upsample(h, above.repeat)
            x = implementation.concat(h, implementation.sample(maps, above, 0.1))
            return implementation.frames(implementation.multiply(x, weight, jnp.float32))

        score = lambda *arguments: jnp.sin(frames(*arguments)).sum()
        return frames(maps, first, weight), jax.grad(score, (0, 1, 2))(maps, first, weight)

    (ours, our_gradients), (theirs, their_gradients) = (
        jax.jit(everything, static_argnums=0)(implementation) for implementation in (fast, reference)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)  # float32: sums of ten numbers near 1
    for a, b in zip(our_gradients, their_gradients):  # sums over up to 96 pixels of three frames
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())
    sampled = reference.sample(maps, below, 0.1)
    for b, t in np.ndindex(B, T):
        one = reference.sample(maps[b, t], below, 0.1)[:, 0]
        np.testing.assert_allclose(sampled[b, t], one[b % len(one)], atol=1e-6)  # rounding


def test_a_frame_by_itself_is_the_frame_among_others():
    """To the bit: of a product with a matrix, rows are frames."""
    (weight,) = drawn((256, 256))
    times = jnp.linspace(0.1, 1, 4)[None]
    f = lambda times: jnp.sin(times[:, :, None] * jnp.arange(256.0)[None, None]) @ weight
    of_each = jax.jit(lambda times: fast.each_frame(f, times))
    together = of_each(times)
    np.testing.assert_array_equal(together, f(times))
    for i in range(4):
        np.testing.assert_array_equal(of_each(times[:, i : i + 1])[:, 0], together[:, i])


@pytest.mark.parametrize("n", [1, 5])
def test_mapped_rows(n):
    x, y = drawn((n, 3), (n, 2, 3))
    f = lambda row: jnp.tanh(row[0][:, None] * row[1])
    ours, theirs = (i.map_rows(f, (x, y), finite=x) for i in (fast, reference))
    np.testing.assert_allclose(ours, np.tanh(x[:, None] * y), rtol=1e-6)  # float32 rounding
    np.testing.assert_allclose(theirs, ours, rtol=1e-6)


def test_costs():
    """Of 4 channels on 4x6 nodes, upsampled, and 10 Fourier features on 8x12 nodes, to 3 outputs."""
    nodes = level(8, 12, repeat=2)
    with kernels.use("fast"):
        cost = kernels.cost(nodes, 4, 10, 3, repeat=2)
        assert cost == (4 * 48 * 10, 2 * 4 * 96 * 7, 3 * (24 * 4 + 48 * 10))
        assert kernels.cost(level(7, 12), 4, 10, 3).multiplications == 3 * 84 * 14  # an odd number of rows: not folded
        assert kernels.row_multiple() == 2
    with kernels.use("reference"):
        assert kernels.cost(nodes, 4, 10, 3, repeat=2).multiplications == 96 * 14 * 3 and kernels.row_multiple() == 1


def test_which_implementation(monkeypatch):
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    assert kernels.chosen() == "fast"
    monkeypatch.setenv(kernels.VARIABLE, "reference")
    assert kernels.chosen() == "reference"
    with kernels.use("fast"):
        assert kernels.chosen() == "fast"
    monkeypatch.setenv(kernels.VARIABLE, "quick")
    with pytest.raises(InputError, match="DIGAN_KERNELS=quick.*fast.*reference"):
        kernels.chosen()
