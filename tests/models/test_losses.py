import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax import grids
from digan_jax.interop import state_dicts
from digan_jax.models.digan import losses, networks, steps
from digan_jax.shapes import Latents
from tests.interop import golden


@pytest.fixture(scope="module")
def batch():
    with np.load(golden.GOLDEN / "loss_32.npz") as file:
        arrays = dict(file)
    state = {k.removeprefix("g_param/"): v for k, v in arrays.items() if k.startswith("g_param/")}
    critic = {k.removeprefix("d_param/"): v for k, v in arrays.items() if k.startswith("d_param/")}
    config = state_dicts.architecture(state)
    generator = state_dicts.generator_params(state, config)
    return arrays, generator, state_dicts.critic_params(critic, config), networks.build(config)


def render(params, arrays, nets):
    w = nets.generator.mapping(params, arrays["z"])
    latents = Latents(networks.repeat_content(w, nets.generator.n_layers), arrays["z_motion"])
    return nets.generator.synthesis(params, latents, arrays["t"], grids.native(32))


def inputs(arrays):
    return {k: arrays[k] for k in ("z", "z_motion", "t")}


def test_golden_generator_loss_and_gradient(batch):
    """In float64. One unit of the golden generator sits on the kink of its leaky ReLU, so the gradient has two values:
    weights changed by 1e-7 of themselves give an error of 2e-5 or of 2e-2 about as often, in float64 as in float32, and
    nothing between. Unchanged float64 weights fall on the release's side. 1e-3 as the golden numbers ask."""
    arrays, generator, critic, _ = batch
    config = state_dicts.architecture(state_dicts.generator_state(generator))
    with jax.enable_x64(True):
        wide = lambda tree: jax.tree.map(lambda x: np.asarray(x, np.float64), tree)
        nets = networks.build(config, "float64")
        numbers, weights, delta_t = wide(inputs(arrays)), wide(critic), wide(steps.deltas(arrays["t"]))

        def loss(params):
            return losses.generator_loss(*nets.critic.apply(weights, render(params, numbers, nets), delta_t, None))

        value, gradient = jax.jit(jax.value_and_grad(loss))(wide(generator))
        ours = state_dicts.generator_state(gradient)
    np.testing.assert_allclose(value, arrays["g_loss"], rtol=1e-5)
    for key, golden_gradient in arrays.items():
        if key.startswith("g_grad/"):
            error = np.abs(ours[key.split("/")[1]] - golden_gradient).max()
            assert error <= 1e-3 * max(golden_gradient.std(), 1e-6), key


def test_golden_critic_loss_and_gradient(batch):
    arrays, generator, critic, nets = batch
    fakes = jax.jit(lambda params: render(params, inputs(arrays), nets))(generator)
    frames = jnp.stack([fakes, golden.channels_last(arrays["real"])], axis=1)
    delta_t = jnp.stack([steps.deltas(arrays["t"]), arrays["real_delta_t"]], axis=1)

    def loss(params):
        motion, image = nets.critic.apply_batches(params, networks.motion_input(frames, delta_t), frames)
        return losses.critic_loss(motion[:, 0], motion[:, 1]) + losses.critic_loss(image[:, 0], image[:, 1])

    value, gradient = jax.jit(jax.value_and_grad(loss))(critic)
    np.testing.assert_allclose(value, arrays["d_loss"], rtol=1e-5)
    norms = {k: np.linalg.norm(v) for k, v in state_dicts.critic_state(gradient).items()}
    for key, norm in arrays.items():
        if key.startswith("d_grad_norm/"):
            np.testing.assert_allclose(norms[key.split("/")[1]], norm, rtol=1e-3, err_msg=key)


def test_path_length_of_a_linear_generator():
    """For frames = content · A the length is |A noise| / sqrt(pixels), whatever the content."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 2 * 3 * 3 * 3)).astype(np.float32)
    noise = rng.normal(size=(5, 2, 3, 3, 3)).astype(np.float32)
    content = rng.normal(size=(5, 1, 4)).astype(np.float32)
    ours = losses.path_length(lambda v: (v[:, 0] @ a).reshape(5, 2, 3, 3, 3), jnp.array(content), jnp.array(noise))
    np.testing.assert_allclose(ours, np.linalg.norm(noise.reshape(5, -1) @ a.T, axis=1) / np.sqrt(18), rtol=1e-5)
