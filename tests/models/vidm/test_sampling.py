"""Where reverse processes begin, which steps they keep, and guidance: each against its definition."""

import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.config.vidm import VidmConfig, kept_steps
from digan_jax.errors import InputError
from digan_jax.models.vidm import diffusion, sampling

FULL = diffusion.Process.of_betas(diffusion.betas("linear", 1000))


def some(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def test_lambda_steps_are_evenly_spaced_in_lambda():
    for count in (5, 20):
        kept = kept_steps(f"lambda{count}", 1000, FULL.rate)
        assert len(kept) == count and kept[0] == 0 and kept[-1] == 999 and (np.diff(kept) > 0).all()
        gaps = -np.diff(FULL.rate[kept])
        middle = gaps[np.asarray(kept[1:]) > 20]  # below, neighbouring steps are further apart than that
        np.testing.assert_allclose(middle, np.ptp(FULL.rate) / (count - 1), rtol=0.1)
    assert kept_steps("lambda1000", 1000, FULL.rate) == list(range(1000))
    for wrong in ("lambda1", "lambda1001"):
        with pytest.raises(InputError, match=f"sampling_steps='{wrong}': keeps 2 to 1000 of 1000 steps"):
            VidmConfig(resolution=32, multipliers=(1,), attention=(), sampling_steps=wrong)


def test_lambda_steps_without_signal_at_the_end():
    model = VidmConfig(
        resolution=32, multipliers=(1,), attention=(), predict="v", zero_terminal_snr=True, sampling_steps="lambda10"
    )
    kept = diffusion.sampling_process(model).timesteps
    assert len(kept) == 10 and kept[-1] == 999 and (np.diff(kept) > 0).all()


def drawn(steps: str, kind: str, deviation=0.2) -> np.ndarray:
    """Samples of normal data by the exact denoiser, and their exact values (as in test_switches)."""
    process = FULL.respaced(kept_steps(steps, 1000, FULL.rate))
    start, x = np.asarray(some(8, 4, 4, 3)), some(8, 4, 4, 3)
    previous = jnp.zeros_like(x)
    for j in reversed(range(len(process))):
        a = np.float32(process.signal[j])
        frame = np.sqrt(a) * deviation**2 / (a * deviation**2 + 1 - a) * x
        step = {"dpm": diffusion.dpm_step, "ddim": diffusion.ddim_step}[kind]
        x = step(process, diffusion.Back(x, x, frame), x, jnp.full(8, j), previous if kind == "dpm" else 0 * x)
        previous = frame
    last = FULL.signal[999]
    return np.asarray(x) - start * deviation / np.sqrt(last * deviation**2 + 1 - last)


def test_dpm_solver_gains_by_lambda_steps():
    """Lu et al. 2022 space steps evenly in λ; 20 steps evenly spaced in t are no better than DDIM's."""
    error = {key: np.abs(drawn(*key)).max() for key in (("20", "ddim"), ("20", "dpm"), ("lambda20", "dpm"))}
    assert error["lambda20", "dpm"] < 0.5 * min(error["20", "ddim"], error["20", "dpm"])


def test_a_process_that_begins_in_a_picture():
    process = FULL.respaced(kept_steps("20", 1000))
    part = process.begun_at(0.5)
    assert part.timesteps[-1] < 500 <= process.timesteps[len(part)]
    np.testing.assert_array_equal(part.signal, process.signal[: len(part)])
    assert len(process.begun_at(1e-6)) == 1 and len(process.begun_at(1.0)) == 20
    method = sampling.Method(part, "ddim", 0.0, "noise")
    noise, picture = some(2, 4, 4, 3), some(2, 4, 4, 3, seed=1)
    a = part.signal[-1]
    expected = np.sqrt(a) * np.asarray(picture) + np.sqrt(1 - a) * np.asarray(noise)
    np.testing.assert_allclose(sampling.started(method, noise, picture), expected, atol=1e-5)
    assert sampling.started(method, noise, None) is noise


def test_guidance_goes_on_from_no_class_to_the_class():
    """ε̂_∅ + g (ε̂_c − ε̂_∅); ω is that of the class; 1 asks the network once."""
    asked = []

    def network(x, t, label):
        asked.append(label)
        value = jnp.zeros_like(x) if label is None else x * 0 + label.sum(1)[:, None, None, None] * 3 + 1
        return jnp.concatenate([value, 10 * value], axis=-1)

    x, label = some(2, 4, 4, 3), jnp.eye(2)
    found = sampling.guided(network, label, 2.5)(x, 0)
    np.testing.assert_allclose(found[..., :3], 1 + 2.5 * 3)
    np.testing.assert_allclose(found[..., 3:], 40)
    assert len(asked) == 2
    np.testing.assert_allclose(sampling.guided(network, label, 1)(x, 0)[..., :3], 4)
    sampling.guided(network, None, 2.5)(x, 0)
    assert len(asked) == 4 and asked[-1] is None
