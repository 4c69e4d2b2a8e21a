import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax import grids
from digan_jax.config import ModelConfig
from digan_jax.interop import state_dicts
from digan_jax.models.digan import critics, networks
from digan_jax.shapes import Latents
from tests.interop import golden


def count(tree):
    return sum(int(np.prod(x.shape)) for x in jax.tree.leaves(tree))


def test_parameter_counts_of_the_paper():
    nets = networks.build(ModelConfig(resolution=128, channel_base=32768, channel_max=512))
    assert count(jax.eval_shape(nets.generator.init, jax.random.key(0))) == 63_538_706
    assert count(jax.eval_shape(nets.critic.init, jax.random.key(0))) == 56_779_266


@pytest.mark.parametrize("name", golden.GENERATORS)
def test_mapping_gives_the_golden_vector(name):
    arrays, state, config = golden.load(name)
    params = state_dicts.generator_params(state, config)
    w = networks.build(config).generator.mapping(params, arrays["z"], arrays.get("label"))
    assert golden.difference(w, arrays["w"]) < golden.TOLERANCE


@pytest.mark.parametrize("name", golden.GENERATORS)
def test_truncated_golden_clip(name):
    arrays, state, config = golden.load(name)
    params = state_dicts.generator_params(state, config)
    net = networks.build(config).generator
    w = net.mapping(params, arrays["z"], arrays.get("label"))
    w = params["w_avg"][None] + 0.7 * (w - params["w_avg"][None])
    times = np.broadcast_to(arrays["t"], (len(w), len(arrays["t"])))
    latents = Latents(networks.repeat_content(w, net.n_layers), arrays["z_motion"])
    clip = jax.jit(net.synthesis)(params, latents, times, grids.native(config.resolution))
    assert golden.difference(clip, golden.channels_last(arrays["video_psi07"])) < golden.TOLERANCE


@pytest.mark.parametrize("name", golden.CRITICS)
def test_golden_r1_and_its_gradient(name):
    arrays, state, config = golden.load(name)
    params = state_dicts.critic_params(state, config)
    net = networks.build(config).critic
    frames = golden.channels_last(arrays["frames"])
    inputs = networks.motion_input(frames, arrays["delta_t"])[:, None]
    label = None if "label" not in arrays else arrays["label"][:, None]

    def penalty(params):
        def score(motion_inputs, frames):
            motion, image = net.apply_batches(params, motion_inputs, frames, label)
            return motion.sum() + image.sum()

        by_motion, by_frames = jax.grad(score, (0, 1))(inputs, frames[:, None])
        motion, image = jnp.square(by_motion).sum((1, 2, 3, 4)), jnp.square(by_frames).sum((1, 3, 4, 5)).ravel()
        return (motion.mean() + image.mean()) / 2, (motion, image)

    (_, (motion, image)), gradient = jax.jit(jax.value_and_grad(penalty, has_aux=True))(params)
    np.testing.assert_allclose(motion, arrays["r1_motion"], rtol=1e-3)  # as the golden numbers ask
    np.testing.assert_allclose(image, arrays["r1_image"], rtol=1e-3)
    ours = state_dicts.critic_state(gradient)
    for key, norm in arrays.items():
        if key.startswith("r1_grad_norm/"):
            np.testing.assert_allclose(np.linalg.norm(ours[key.split("/")[1]]), norm, rtol=1e-3, atol=1e-9, err_msg=key)


def test_stacked_batches_score_as_if_alone(tiny_config):
    net = networks.build(tiny_config).critic
    params = net.init(jax.random.key(0))
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(8, 3, 2, 32, 32, 3)).astype(np.float32)
    delta_t = rng.uniform(size=(8, 3)).astype(np.float32)
    motion, image = jax.jit(net.apply_batches)(params, networks.motion_input(frames, delta_t), frames)
    alone = jax.jit(net.apply)
    for s in range(3):
        alone_motion, alone_image = alone(params, frames[:, s], delta_t[:, s], None)
        np.testing.assert_allclose(motion[:, s], alone_motion, atol=1e-5)  # float32, another order of sums
        np.testing.assert_allclose(image[:, s], alone_image, atol=1e-5)


def test_minibatch_deviation_against_its_definition():
    x = np.random.default_rng(0).normal(size=(6, 2, 2, 4, 4, 3)).astype(np.float32)  # 12 samples a batch, groups of 4
    ours = np.asarray(critics.minibatch_deviation(x, 4))
    for s in range(2):
        samples = x[:, s].reshape(12, -1)
        for n in range(12):
            group = samples[[m for m in range(12) if m % 3 == n % 3]]
            expected = np.sqrt(group.var(axis=0) + 1e-8).mean()
            np.testing.assert_allclose(ours[n // 2, s, n % 2], expected, rtol=1e-5)  # float32


def test_bfloat16_stays_near_float32(tiny_config, tiny_params):
    exact, rough = (networks.build(tiny_config, dtype).generator for dtype in ("float32", "bfloat16"))
    w = exact.mapping(tiny_params, jax.random.normal(jax.random.key(0), (2, 16)))
    motion = jax.random.normal(jax.random.key(1), (2, 16))
    latents = Latents(networks.repeat_content(w, exact.n_layers), motion)
    arguments = (tiny_params, latents, np.float32([[0, 1], [0, 1]]), grids.native(32))
    a, b = jax.jit(exact.synthesis)(*arguments), jax.jit(rough.synthesis)(*arguments)
    assert b.dtype == jnp.float32
    error = float(jnp.sqrt(jnp.mean(jnp.square(a - b)) / jnp.var(a)))
    assert 0 < error < 0.03  # bfloat16 keeps 8 bits (0.4 %); errors of nine layers add up like a random walk


@pytest.mark.parametrize("resolution", [32, 64, 128, 256, 512])
def test_every_resolution_has_its_shapes(resolution):
    config = ModelConfig(resolution, channel_base=512, channel_max=8, z_dim=8, w_dim=8, motion_dim=8, n_classes=3)
    nets = networks.build(config)

    def render(key):
        params = nets.generator.init(key)
        w = nets.generator.mapping(params, jnp.zeros((1, 8)), jnp.zeros((1, 3)))
        latents = Latents(networks.repeat_content(w, nets.generator.n_layers), jnp.zeros((1, 8)))
        frames = nets.generator.synthesis(params, latents, jnp.zeros((1, 2)), grids.native(resolution))
        return frames, nets.critic.apply(nets.critic.init(key), frames, jnp.zeros((1,)), jnp.zeros((1, 3)))

    with jax.debug_key_reuse(False):
        frames, (motion, image) = jax.eval_shape(render, jax.random.key(0))
    assert (frames.shape, motion.shape, image.shape) == ((1, 2, resolution, resolution, 3), (1,), (1, 2))
