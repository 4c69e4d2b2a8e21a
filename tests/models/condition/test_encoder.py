"""The encoder of conditions, and a generator that has one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax import grids
from digan_jax.errors import InputError
from digan_jax.models.condition.encoder import ContextEncoder, details
from digan_jax.models.digan import networks
from digan_jax.rendering.contexts import styles_of
from digan_jax.shapes import Condition, Latents, Styles

SHOWN = {"condition_planes": 3, "condition_width": 4, "basis": "shared"}


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 3)])
def test_every_scale_of_any_size_spans_the_frame(size):
    maps = jax.random.normal(jax.random.key(1), (2, 3, *size, 4))
    encoder, at = ContextEncoder(width=5, pooled=6), jnp.tile(jnp.linspace(0, 1, 3)[None], (2, 1))
    context = encoder.apply(encoder.init(jax.random.key(0), maps, at), maps, at)
    sides = [tuple(-(-side // 2**i) for side in size) for i in range(4)]
    assert [x.shape for x in context.maps] == [maps.shape, *((2, 3, *side, 5) for side in sides)]
    assert context.pooled.shape == (2, 6) and all(jnp.isfinite(x).all() for x in context.maps)


def test_a_map_is_encoded_with_its_neighbours_in_time_and_no_others():
    maps = jax.random.normal(jax.random.key(1), (1, 5, 8, 8, 2))
    encoder, at = ContextEncoder(width=4, pooled=6), jnp.linspace(0, 1, 5)[None]
    params = encoder.init(jax.random.key(0), maps, at)
    of = lambda maps: encoder.apply(params, maps, at).maps[1]
    differ = jnp.any(of(maps) != of(maps.at[:, 3].add(1)), axis=(0, 2, 3, 4))
    assert differ.tolist() == [False, False, True, True, True]


def test_the_generator_follows_its_condition_and_without_one_is_what_it_was(tiny_config, tiny_params):
    """The weights besides the condition's are those of a model without; the layer that gets both has more inputs."""
    config = dataclasses.replace(tiny_config, **SHOWN)
    before, now = networks.build(dataclasses.replace(tiny_config, basis="shared")), networks.build(config)
    ours, theirs = (jax.eval_shape(nets.generator.init, jax.random.key(0)) for nets in (now, before))
    assert set(ours) - set(theirs) == {"condition"} and "condition" not in tiny_params
    assert ours["mapping"] == theirs["mapping"]
    wider = [path for path, x in jax.tree.leaves_with_path(ours["synthesis"]) if x not in jax.tree.leaves(theirs)]
    assert {jax.tree_util.keystr(path[:2], simple=True, separator=".") for path in wider} == {"b4.conv1"}

    params, grid, times = now.generator.init(jax.random.key(0)), grids.native(32), jnp.array([[0.0, 0.3]])
    w, motion = jax.random.normal(jax.random.key(2), (2, 1, 16))
    latents = Latents(networks.repeat_content(w, now.generator.n_layers), motion)
    maps = jax.random.normal(jax.random.key(3), (1, 2, 8, 8, 4))

    @jax.jit
    def drawn(maps):
        context = now.generator.encode(params, maps, jnp.array([[0.0, 0.5]]))
        return now.generator.synthesis(params, latents, times, grid, context)

    change = jnp.abs(drawn(maps) - drawn(maps.at[:, :, :4].set(0))).max((0, 3, 4))  # [t h]: the upper half is hidden
    assert (change[:, :12] > 1e-3).all()


def test_shown_colours_are_added_to_the_picture(tiny_config):
    """Before training the picture is the condition, enlarged with half-pixel centres."""
    nets = networks.build(dataclasses.replace(tiny_config, **SHOWN, condition_skip=True))
    params = nets.generator.init(jax.random.key(0))
    maps = jax.random.normal(jax.random.key(3), (1, 1, 8, 8, 4))
    latents = Latents(jnp.ones((1, nets.generator.n_layers, 16)), jnp.ones((1, 16)))

    @jax.jit
    def drawn(maps, grid):
        context = nets.generator.encode(params, maps, jnp.zeros((1, 1)))
        return nets.generator.synthesis(params, latents, jnp.zeros((1, 1)), grid, context)

    twin = jax.image.resize(maps[0, 0, :, :, :3], (32, 32, 3), "linear")
    np.testing.assert_allclose(drawn(maps, grids.native(32))[0, 0], twin, atol=2e-5)  # places in float32


def test_skipping_colours_needs_three_planes_or_styles(tiny_config):
    with pytest.raises(InputError, match="model.condition_skip=True.*condition_planes=3, not 5"):
        dataclasses.replace(tiny_config, condition_planes=5, condition_skip=True)
    with pytest.raises(InputError, match="condition_style=4 or more"):
        dataclasses.replace(tiny_config, condition_planes=5, condition_skip=True, condition_style=3)
    with pytest.raises(InputError, match="model.condition_carried=True.*condition_skip=True"):
        dataclasses.replace(tiny_config, condition_planes=5, condition_style=5, condition_carried=True)


@pytest.mark.parametrize("carry", [False, True])
def test_with_styles_the_picture_starts_as_each_instance_in_its_mean_colour_or_carried(tiny_config, carry):
    fields = dict(condition_planes=2, condition_width=8, condition_style=5, condition_skip=True, condition_carried=carry)
    nets = networks.build(dataclasses.replace(tiny_config, **fields))
    params = nets.generator.init(jax.random.key(0))
    draw = np.random.default_rng(0)
    here, there = (np.kron(draw.integers(0, 3, (1, n, 4, 4)), np.ones((8, 8), int)).astype(np.int32) for n in (1, 2))
    frame = draw.uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    latents = Latents(jnp.ones((1, nets.generator.n_layers, 16)), jnp.ones((1, 16)))
    at = jnp.array([[0.0, 1.0]])

    @jax.jit
    def drawn(styles):
        context = nets.generator.encode(params, jnp.ones((1, 2, 32, 32, 3)), at, styles)
        return nets.generator.synthesis(params, latents, at, grids.native(32), context)

    mean = np.stack([frame[0][here[0, 0] == i].mean(0) for i in range(3)])
    start, carried = mean[there], None
    if carry:
        colours, trust = draw.uniform(-1, 1, start.shape), draw.uniform(0, 1, (*start.shape[:4], 1))
        start, carried = trust * colours + (1 - trust) * start, np.concatenate([colours, trust], -1).astype(np.float32)
    styles = Styles(there, frame, here[:, 0], carried=carried)
    np.testing.assert_allclose(drawn(styles), start, atol=2e-5)  # places in float32


def test_a_reach_of_two_sees_five_maps():
    maps = jax.random.normal(jax.random.key(1), (1, 7, 8, 8, 2))
    encoder, at = ContextEncoder(width=4, pooled=6, depth=1, reach=2), jnp.linspace(0, 1, 7)[None]
    params = encoder.init(jax.random.key(0), maps, at)
    assert {name[:5] for name in params["params"]} == {"conv0", "conv1", "conv2", "conv3", "poole"}
    of = lambda maps: encoder.apply(params, maps, at).maps[1]
    differ = jnp.any(of(maps) != of(maps.at[:, 4].add(1)), axis=(0, 2, 3, 4))
    assert differ.tolist() == [False, False, True, True, True, True, True]


def test_colours_move_and_the_condition_alone_decides(tiny_config):
    """Before training the flow is 0, so the picture is the mixed condition; noise changes nothing, not even weights."""
    switches = dict(condition_skip=True, condition_warp=True, condition_detail=True, condition_alone=True)
    nets = networks.build(dataclasses.replace(tiny_config, **SHOWN, **switches))
    params = nets.generator.init(jax.random.key(0))
    maps = jax.random.normal(jax.random.key(3), (1, 2, 32, 32, 4))
    times, at = jnp.array([[0.25]]), jnp.array([[0.0, 1.0]])

    @jax.jit
    def drawn(params, noise):
        context = nets.generator.encode(params, maps, at)
        latents = Latents(noise * jnp.ones((1, nets.generator.n_layers, 16)), noise * jnp.ones((1, 16)))
        return nets.generator.synthesis(params, latents, times, grids.native(32), context)[0, 0]

    twin = 0.75 * maps[0, 0, :, :, :3] + 0.25 * maps[0, 1, :, :, :3]
    np.testing.assert_allclose(drawn(params, 1.0), twin, atol=2e-5)  # places in float32
    learnt = jax.tree.map(lambda x: x + 0.1, params)
    np.testing.assert_array_equal(drawn(learnt, 1.0), drawn(learnt, -2.0))
    assert np.abs(drawn(learnt, 1.0) - twin).max() > 0.1


@pytest.mark.parametrize("size", [(5, 7), (1, 3)])
def test_the_classical_flow_is_there_for_any_size(size):
    maps, at = jax.random.normal(jax.random.key(0), (2, 3, *size, 4)), jnp.tile(jnp.array([0.0, 0.5, 1.0]), (2, 1))
    encoder = ContextEncoder(4, 3, warp=True, classical=True)
    flow = jax.jit(lambda maps: encoder.apply(encoder.init(jax.random.key(0), maps, at), maps, at).flow)(maps)
    assert flow.shape == (2, 3, *size, 6) and np.isfinite(flow).all()
    assert (np.abs(flow[..., :4]).max() > 0) == (min(size) > 1)


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 3)])
def test_details_and_differences_are_encoded_and_correct_colours(size):
    """Flat maps have no details; the correction is 0 at first, and then a share of what is seen."""
    maps = jax.random.normal(jax.random.key(1), (1, 3, *size, 4))
    once, twice = details(maps)
    assert once.shape == twice.shape == maps.shape
    np.testing.assert_allclose(details(jnp.ones((1, 1, *size, 2)))[0], 0, atol=1e-6)  # rounding of numbers near 1
    encoder, at = ContextEncoder(width=5, pooled=6, detail=True), jnp.array([[0.0, 0.5, 1.0]])
    params = encoder.init(jax.random.key(0), maps, at)
    assert params["params"]["share"].shape == (1, 1, 1, 1, 4)  # two details and two neighbours
    context = encoder.apply(params, maps, at)
    assert not context.correction.any()
    params["params"]["share"] = jnp.array([0.5, 0, 0, 0]).reshape(1, 1, 1, 1, 4)
    corrected = encoder.apply(params, maps, at).at_times(at)
    np.testing.assert_allclose(corrected.maps[0][..., :3], (maps + 0.5 * once)[..., :3], atol=1e-5)  # float32
    np.testing.assert_array_equal(corrected.maps[0][..., 3:], maps[..., 3:])


def test_carried_colours_of_another_shape_are_refused_and_none_are_zeros(tiny_config):
    maps, there = np.zeros((1, 2, 8, 8, 3), np.float32), np.zeros((1, 2, 8, 8), np.int32)
    vectors, pixels = np.zeros((1, 3, 5), np.float32), np.zeros((1, 2, 8, 8, 4), np.float32)
    fields = dict(condition_planes=2, condition_style=5, condition_skip=True)
    plain, carrying = (dataclasses.replace(tiny_config, **fields, condition_carried=carry) for carry in (False, True))
    of = lambda config, carried: styles_of(Condition(styles=Styles(there, vectors=vectors, carried=carried)), config, maps)
    assert of(plain, None).carried is None
    np.testing.assert_array_equal(of(carrying, None).carried, pixels)
    for config, given, wanted in ((plain, pixels, "none"), (carrying, pixels[..., :3], r"\(1, 2, 8, 8, 4\)")):
        with pytest.raises(InputError, match=f"carried colours of shape .*takes {wanted}"):
            of(config, given)
