"""The diffusion process on the numbers of the release's P2 code (tests/golden/vidm_diffusion.npz).

Tolerances are those of the golden numbers: tables 1e-7 relative (both float64); tensors 1e-4 and sampled frames 1e-3 of
their standard deviation; losses 1e-3 · (|value| + 1e-3).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.config.vidm import VidmTrainConfig, kept_steps
from digan_jax.models.vidm import diffusion, sampling
from tests.models.vidm import golden
from tests.models.vidm.golden import difference, last

ARRAYS, _, FIELDS = golden.load("vidm_diffusion")
FULL = diffusion.Process.of_betas(diffusion.betas("linear", 1000))
TABLES = {
    "betas": "betas",
    "alphas_cumprod": "signal",
    "posterior_variance": "posterior_variance",
    "posterior_log_variance_clipped": "posterior_log_variance",
    "posterior_mean_coef1": "of_frame",
    "posterior_mean_coef2": "of_noisy",
    "snr": "snr",
}


def process(name: str) -> diffusion.Process:
    return FULL if name == "schedule" else FULL.respaced(kept_steps(name.removeprefix("respaced_").replace("_", ","), 1000))


@pytest.mark.parametrize("name", ["schedule", *(f"respaced_{s.replace(',', '_')}" for s in FIELDS["spacings"])])
def test_tables(name):
    ours = process(name)
    np.testing.assert_array_equal(ours.timesteps, ARRAYS[f"{name}/timesteps"])
    for theirs, field in TABLES.items():
        np.testing.assert_allclose(getattr(ours, field), ARRAYS[f"{name}/{theirs}"], rtol=1e-7, err_msg=theirs)
    np.testing.assert_allclose(ours.p2_weight(), ARRAYS[f"{name}/p2_weight"], rtol=1e-7)


def arrays():
    return *(jnp.asarray(last(ARRAYS[name])) for name in ("x_start", "noise", "model_output")), jnp.asarray(ARRAYS["t"])


def test_forward_and_posterior():
    x, noise, _, t = arrays()
    x_t = diffusion.noised(FULL, x, noise, t)
    assert difference(x_t, ARRAYS["x_t"]) <= 1e-4
    assert difference(diffusion.posterior_mean(FULL, x, x_t, t), ARRAYS["posterior_mean"]) <= 1e-4
    for field in ("posterior_variance", "posterior_log_variance"):
        np.testing.assert_allclose(diffusion.at(getattr(FULL, field), t).ravel(), ARRAYS[field], rtol=1e-6)


@pytest.mark.parametrize(("name", "clip"), [("p_clipped", True), ("p_raw", False)])
def test_backward(name, clip):
    x, noise, output, t = arrays()
    x_t = jnp.asarray(last(ARRAYS["x_t"]))
    found = diffusion.back(FULL, output, x_t, t, clip)
    for ours, theirs in ((found.mean, "mean"), (found.log_variance, "log_variance"), (found.frame, "pred_xstart")):
        assert difference(ours, ARRAYS[f"{name}/{theirs}"]) <= 1e-4, theirs
    close(diffusion.bound(FULL, output, x, x_t, t, clip), ARRAYS[f"{name}/vb_bits"])


def close(ours, golden_value):
    assert (np.abs(np.asarray(ours) - golden_value) <= 1e-3 * (np.abs(golden_value) + 1e-3)).all()


def test_losses():
    x, noise, output, t = arrays()
    cases = {"loss": VidmTrainConfig(), "loss_rescaled": VidmTrainConfig(rescale=True, p2_gamma=0.0)}
    for name, train in cases.items():
        found = diffusion.errors(FULL, output, x, noise, t, train)
        for part in ("mse", "vb"):
            close(found[part], ARRAYS[f"{name}/{part}"])
        close(found["mse"] + found["vb"], ARRAYS[f"{name}/loss"])
    robust = VidmTrainConfig(penalty="charbonnier", charbonnier=FIELDS["charbonnier_eta"])
    close(diffusion.errors(FULL, output, x, noise, t, robust)["mse"], ARRAYS["ours/charbonnier"])


def test_weighted_noise_error_is_the_frames_error():
    """With γ = k = 1, w = 1 − ᾱ and mse = ᾱ · mean((x̂ − x)²), x̂ unclipped (spec, section 6)."""
    x, noise, output, t = arrays()
    np.testing.assert_allclose(FULL.p2_weight(), 1 - FULL.signal, rtol=1e-12)
    frame = diffusion.back(FULL, output, diffusion.noised(FULL, x, noise, t), t, clip=False).frame
    mse = diffusion.errors(FULL, output, x, noise, t, VidmTrainConfig())["mse"]
    np.testing.assert_allclose(mse, FULL.signal[np.asarray(t)] * np.square(frame - x).mean((1, 2, 3)), rtol=1e-3)


def test_one_step():
    _, _, output, _ = arrays()
    ours = process(f"respaced_{FIELDS['respacing']}")
    x_t, z, j = jnp.asarray(last(ARRAYS["x_t"])), jnp.asarray(last(ARRAYS["step_noise"])), jnp.asarray(ARRAYS["step/index"])
    found = diffusion.back(ours, output, x_t, j, clip=True)
    assert difference(diffusion.ancestral_step(ours, found, x_t, j, z), ARRAYS["step/ancestral"]) <= 1e-4
    for eta in (0.0, 0.5, 1.0):
        step = diffusion.ddim_step(ours, found, x_t, j, z, eta)
        assert difference(step, ARRAYS[f"step/ddim_{eta}"]) <= 1e-4, eta


@pytest.mark.parametrize("kind", ["ancestral", "ddim"])
def test_the_whole_process(kind):
    start, step = jnp.asarray(last(ARRAYS["loop/start"])), jnp.asarray(last(ARRAYS["loop/step_noise"]))

    def network(x, t):
        s = ((t + 1) / 1000)[:, None, None, None]
        return jnp.concatenate([jnp.tanh(x) * (1 - s / 2), jnp.sin(2 * x)], axis=-1)

    method = sampling.Method(process(f"respaced_{FIELDS['respacing']}"), kind, 0.0, "noise")
    found = jax.jit(lambda x: sampling.reverse(method, network, x, lambda j: step[j]))(start)
    assert difference(found, ARRAYS[f"loop/{kind}"]) <= 1e-3
