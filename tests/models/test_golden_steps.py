"""The steps that training runs, on the release's numbers: losses, gradients and R1 of loss_32.npz.

The golden noise stands in for what `sample_noise` draws, and plain gradient descent of rate 1 for Adam, so that a step
moves a weight by its gradient.
"""

import dataclasses

import jax
import numpy as np
import optax
import pytest

from digan_jax.interop import state_dicts
from digan_jax.models.digan import networks, state, steps
from digan_jax.models.digan.sampling import Noise
from digan_jax.models.digan.state import state_from_params
from digan_jax.models.interface import Setting
from digan_jax.shapes import Batch
from tests.interop import golden

WIDE = "float64"  # in float32 one unit of the golden generator may fall on either side of its kink, see below


@pytest.fixture(scope="module")
def arrays():
    with np.load(golden.GOLDEN / "loss_32.npz") as file:
        return dict(file)


@pytest.fixture
def trained(arrays, make_config, monkeypatch):
    """trained(dtype) -> setting, state and batch of the golden numbers."""
    prefixed = lambda prefix: {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
    model = state_dicts.architecture(prefixed("g_param/"))
    generator = state_dicts.generator_params(prefixed("g_param/"), model)
    critic = state_dicts.critic_params(prefixed("d_param/"), model)
    clips = len(arrays["z"])
    fields = {"train.batch_size": clips, "train.augment": (), "train.r1_gamma": 1.0, "train.r1_every": 1}
    config = dataclasses.replace(make_config(fields), model=model)
    descent = lambda *_: optax.sgd(1.0)
    for module, name in ((state, "optimizer"), (steps, "generator_optimizer"), (steps, "critic_optimizer")):
        monkeypatch.setattr(module, name, descent)

    def make(dtype):
        cast = lambda tree: jax.tree.map(lambda x: np.asarray(x, dtype), tree)
        noise = Noise(*cast((arrays["z"], arrays["z_motion"], arrays["t"])), None)
        monkeypatch.setattr(steps.sampling, "sample_noise", lambda setting, key: noise)
        monkeypatch.setattr(steps, "sample_noise", lambda setting, key: noise)
        nets = networks.build(model, dtype)
        for module in (steps, steps.sampling):
            monkeypatch.setattr(module, "networks_of", lambda config: nets)
        w_avg = np.zeros(model.w_dim, dtype)
        trees = {"generator": cast(generator), "critic": cast(critic), "ema": cast(generator), "w_avg": w_avg}
        times = np.stack([np.zeros_like(arrays["real_delta_t"]), arrays["real_delta_t"]], axis=1)
        batch = Batch(cast(golden.channels_last(arrays["real"])), cast(times))
        return Setting(config), state_from_params(**trees, config=config.train), batch

    return make


def run(step, setting, state, batch):
    return jax.jit(lambda state, batch: step(setting, state, batch, jax.random.key(0)))(state, batch)


def moved(before, after):
    """Gradients: what a step of rate 1 took off."""
    return jax.tree.map(lambda a, b: np.asarray(a) - np.asarray(b), before, after)


def test_generator_step(trained, arrays):
    """In float64. One unit of the golden generator sits on the kink of its leaky ReLU, so the gradient has two values:
    weights changed by 1e-7 of themselves give an error of 2e-5 or of 2e-2 about as often, in float64 as in float32, and
    nothing between. Unchanged float64 weights fall on the release's side. 1e-3 as the golden numbers ask."""
    with jax.enable_x64(True):
        setting, before, batch = trained(WIDE)
        after, metrics = run(steps.generator_step, setting, before, batch)
        gradients = state_dicts.generator_state(moved(before.generator, after.generator))
    np.testing.assert_allclose(metrics["generator/loss"], arrays["g_loss"], rtol=1e-5)
    for key, value in arrays.items():
        if key.startswith("g_grad/"):
            error = np.abs(gradients[key.removeprefix("g_grad/")] - value).max()
            assert error <= 1e-3 * max(value.std(), 1e-6), key
    assert jax.tree.all(jax.tree.map(np.array_equal, before.critic, after.critic))


def norms_agree(gradients, arrays, prefix):
    norms = {k: np.linalg.norm(v) for k, v in state_dicts.critic_state(gradients).items()}
    checked = [key for key in arrays if key.startswith(prefix)]
    for key in checked:  # as the golden numbers ask; gradients are differences of float32 weights: 1e-7 of a weight
        np.testing.assert_allclose(norms[key.removeprefix(prefix)], arrays[key], rtol=1e-3, atol=1e-5, err_msg=key)
    assert checked


def test_critic_step(trained, arrays):
    with jax.enable_x64(True):
        setting, before, batch = trained(WIDE)
        after, metrics = run(steps.critic_step, setting, before, batch)
    np.testing.assert_allclose(metrics["critic/loss"], arrays["d_loss"], rtol=1e-5)
    norms_agree(moved(before.critic, after.critic), arrays, "d_grad_norm/")


def test_r1_step(trained, arrays):
    with jax.enable_x64(True):
        setting, before, batch = trained(WIDE)
        after = run(steps.r1_step, setting, before, batch)
    norms_agree(moved(before.critic, after.critic), arrays, "r1_grad_norm/")
    assert (after.r1 > 0).all()


def test_path_length_step(trained, arrays):
    """No golden number: against the penalty written out, on the step's own random direction."""
    with jax.enable_x64(True):
        setting, before, batch = trained(WIDE)
        fields = {"path_length_weight": 2.0, "path_length_every": 1, "path_length_decay": 0.25}
        train = dataclasses.replace(setting.config.train, **fields)
        setting = Setting(dataclasses.replace(setting.config, train=train))
        after = run(steps.path_length_step, setting, before, batch)
        nets, noise = steps.networks_of(setting.config).generator, steps.sample_noise(setting, None)
        key = steps.rng.stream(jax.random.key(0), "path")
        direction = jax.random.normal(key, batch.frames.shape)
        content, _ = steps.sampling.content_of(nets, before.generator, noise, None)

        def projected(content):
            frames = nets.synthesis(
                before.generator, steps.Latents(content, noise.motion), noise.times, steps.grids.native(32)
            )
            return (frames * direction).sum() / np.sqrt(frames[0].size / 3)  # pixels of both frames

        gradient = jax.jit(jax.grad(projected))(content)
        lengths = np.sqrt(np.square(gradient).sum(2).mean(1))
    np.testing.assert_allclose(after.path_length_mean, 0.25 * lengths.mean(), rtol=1e-5)  # float32 direction
    assert not jax.tree.all(jax.tree.map(np.array_equal, before.generator, after.generator))
