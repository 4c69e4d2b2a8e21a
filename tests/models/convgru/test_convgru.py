"""The ConvGRU predictor: against its equations written out, and as a family that trains and predicts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import digan_jax as digan
from configs import convgru
from digan_jax import config as digan_config
from digan_jax.config.convgru import ConvGruConfig
from digan_jax.errors import InputError
from digan_jax.models import families
from digan_jax.models.convgru import network
from digan_jax.models.interface import Setting
from digan_jax.rendering import samplers
from digan_jax.shapes import Batch

SMALL = ConvGruConfig(resolution=8, width=4, layers=2)


@pytest.fixture(scope="module")
def params():
    frames = jnp.zeros((1, 2, 8, 8, 3))
    return jax.jit(network.Predictor(SMALL).init)(jax.random.key(0), frames, jnp.ones(2, bool))["params"]


def test_pixels_come_back_from_channels():
    x = jax.random.normal(jax.random.key(0), (2, 4, 6, 3))
    np.testing.assert_array_equal(network.doubled(network.halved(x)), x)
    np.testing.assert_array_equal(network.halved(x)[0, 1, 2], x[0, 2:4, 4:6].reshape(-1))


def test_a_unit_keeps_its_state_where_its_gate_is_shut():
    h, x = jax.random.normal(jax.random.key(1), (2, 1, 4, 4, 3))
    params = network.Unit(3).init(jax.random.key(0), h, x)["params"]
    shut = jax.tree.map(jnp.zeros_like, params)
    shut["gates"]["bias"] = jnp.concatenate([jnp.full(3, -50.0), jnp.zeros(3)])
    np.testing.assert_allclose(network.Unit(3).apply({"params": shut}, h, x), h, atol=1e-6)  # sigmoid(-50) is 2e-22
    shut["gates"]["bias"] = -shut["gates"]["bias"]
    np.testing.assert_allclose(network.Unit(3).apply({"params": shut}, h, x), 0, atol=1e-6)  # tanh 0


def test_before_training_the_last_frame_is_repeated_and_then_not(params):
    frames = jax.random.normal(jax.random.key(2), (1, 3, 8, 8, 3))
    made = network.continued(SMALL, params, frames, 4)
    np.testing.assert_array_equal(made, jnp.broadcast_to(frames[:, -1:], made.shape))
    learnt = jax.tree.map(lambda x: x + 0.05, params)
    made = network.continued(SMALL, learnt, frames, 4)
    one_by_one = frames
    for _ in range(4):  # a twin: what was predicted is given, from the beginning
        one_by_one = jnp.concatenate([one_by_one, network.continued(SMALL, learnt, one_by_one, 1)], axis=1)
    np.testing.assert_allclose(made, one_by_one[:, 3:], atol=1e-5)  # float32


def test_it_learns_a_brightening_picture_and_predicts_it():
    c = convgru.get_config()
    c.model.resolution, c.model.width, c.model.layers = 8, 4, 1
    c.data.source, c.data.frames, c.task.shown, c.train.learning_rate = "bouncing", 6, 3, 0.01
    config = digan_config.parse(c)
    family = families.of(config)
    state = family.init(jax.random.key(0), config)
    numbers, times = family.frames(config, np.random.default_rng(0), 6, 4)
    assert numbers.shape == (4, 6)
    frames = np.broadcast_to((40 + 20 * numbers)[..., None, None, None], (4, 6, 8, 8, 3)).astype(np.uint8)
    step = jax.jit(lambda state: family.iteration(Setting(config), state, Batch(frames, times)))
    losses = []
    for _ in range(60):
        state, metrics = step(state)
        losses.append(float(metrics["generator/loss"]))
    assert losses[-1] < losses[0] / 2
    model = samplers.of_run(config, family.inference(state))
    maps = frames[:1, :3].astype(np.float32) / 127.5 - 1
    clip = model.sample([0], [0.2, 0.6, 1.0], condition=digan.Condition(maps=maps, at=[0, 0.2, 0.4]))
    np.testing.assert_array_equal(clip[:, 0], maps[:, 1])  # a given frame
    assert clip.shape == (1, 3, 8, 8, 3) and clip[0, 1].mean() > maps[0, 2].mean()
    with pytest.raises(InputError, match="this model continues frames"):
        model.sample([0], [0.5])


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("task.name", "upscale", "task.name='upscale': the family convgru predicts"),
        ("model.resolution", 9, "model.resolution=9: must be even"),
        ("task.shown", 14, "task.shown=14: leaves none"),
        ("train.microbatch", 4, "train.microbatch=4: is built for the family digan alone"),
    ],
)
def test_configurations_that_cannot_be(field, value, message):
    c = convgru.get_config()
    c.update_from_flattened_dict({field: value})
    with pytest.raises(InputError, match=message):
        digan_config.parse(c)
