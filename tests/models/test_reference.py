"""The whole networks on reference kernels: the same clips and scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax import grids, kernels
from digan_jax.config import ModelConfig
from digan_jax.models.digan import networks
from digan_jax.rendering.model import Model

CONFIG = ModelConfig(resolution=64, channel_base=512, channel_max=16, z_dim=16, w_dim=16, motion_dim=16, n_classes=3)
IMPLEMENTATIONS = ("fast", "reference")


def built(implementation, config=CONFIG):
    with kernels.use(implementation):
        return networks.build(config)


@pytest.fixture(scope="module")
def params():
    nets = built("fast")
    return {**nets.generator.init(jax.random.key(0)), "w_avg": np.zeros(16, np.float32)}


GRIDS = {
    "native": grids.native(64),
    "scaled": grids.scaled(64, 2),
    "stopped early": grids.scaled(64, 2).up_to(32),
    "smooth": grids.smooth(64, 40, 30),
    "odd rows": grids.smooth(64, 20, 33, (-1.5, -1, 1, 0.5)),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("frames", [1, 3])
def test_clips(params, grid, frames):
    latents = Model(CONFIG, params).latents([3, 4], label=[0, 2])
    times = np.float32([[0, 0.7, 1.6], [1, 0.2, 0]])[:, :frames]
    ours, theirs = (jax.jit(built(i).generator.synthesis)(params, latents, times, grid) for i in IMPLEMENTATIONS)
    assert ours.shape == (2, frames, *grid.size[::-1], 3)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)  # 1e-5 of the range, -1 to 1


def test_scores(tiny_config):
    critic = built("fast", tiny_config).critic.init(jax.random.key(0))
    frames = jax.random.uniform(jax.random.key(2), (4, 2, 32, 32, 3), minval=-1)
    delta_t = np.float32([0, 0.2, 0.5, 1])
    ours, theirs = (jax.jit(built(i, tiny_config).critic.apply)(critic, frames, delta_t) for i in IMPLEMENTATIONS)
    for a, b in zip(ours, theirs):  # scores near 1, from ten layers of sums of some hundred float32 products
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_networks_stay_on_the_kernels_that_they_were_built_on():
    fast, reference = (built(i) for i in IMPLEMENTATIONS)
    assert fast is built("fast") and reference is built("reference") and fast is not reference
    frames = jax.ShapeDtypeStruct((1, 2, 64, 64, 3), jnp.float32)
    critic, label = jax.eval_shape(fast.critic.init, jax.random.key(0)), jnp.zeros((1, 3))

    def derivatives(nets):
        with kernels.use("fast"):
            return "custom_vjp" in str(jax.make_jaxpr(nets.critic.apply)(critic, frames, jnp.zeros(1), label))

    assert derivatives(fast) and not derivatives(reference)
