"""Content and motion model on the numbers of the authors' release (tests/golden/vidm_*.npz).

Tolerances are those of the golden numbers: 1e-4 of a tensor's standard deviation, room for another order of sums in
float32; 1e-3 for sampled frames, which pass through a network again and again; gradients 1e-3 of their largest entry.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.config.vidm import VidmTrainConfig
from digan_jax.interop import vidm_state_dicts
from digan_jax.models.vidm import diffusion, networks, sampling
from digan_jax.models.vidm.layers import coordinates
from digan_jax.models.vidm.unet import Motion, sinusoid
from tests.models.vidm import golden
from tests.models.vidm.golden import difference, last

TOLERANCE, SAMPLED = 1e-4, 1e-3


@pytest.fixture(scope="module")
def motion():
    arrays, state, fields = golden.load("vidm_unet")
    model = golden.model_of(fields)
    return arrays, model, vidm_state_dicts.motion_params(state, model)


@pytest.fixture(scope="module")
def content():
    arrays, state, fields = golden.load("vidm_content")
    model = golden.model_of(fields)
    return arrays, model, vidm_state_dicts.content_params(state, model)


def inputs(arrays, model, call):
    images = [last(arrays[f"{call}/{name}"]) for name in ("x_t", "motion", "x_0")]
    t, i = (jnp.asarray(arrays[f"{call}/{name}"]) for name in "ti")
    return *images, networks.place_of(model, t, i)


def test_outputs_of_two_sizes(motion):
    arrays, model, params = motion
    apply = jax.jit(networks.build(model).motion.apply)
    for call in "ab":
        assert difference(apply(params, *inputs(arrays, model, call)), arrays[f"{call}/out"]) <= TOLERANCE


def test_every_stage(motion):
    arrays, model, params = motion
    module = Motion(model, jnp.dtype("float32"))
    run = jax.jit(lambda *args: module.apply({"params": params}, *args, capture_intermediates=True, mutable="intermediates"))
    found = run(*inputs(arrays, model, "b"))[1]["intermediates"]
    encoded = found["encoder"]["__call__"][0]
    of = lambda name: found["unet"][name]["__call__"][0]
    stages = sum(key.startswith("b/e/") for key in arrays)
    assert stages == len(encoded) == 4
    for k in range(stages):
        assert difference(encoded[k], arrays[f"b/e/{k}"]) <= TOLERANCE, k
        assert difference(encoded[k] + 0.2 * of(f"input_blocks_{k}"), arrays[f"b/h/{k}"]) <= TOLERANCE, k
        assert difference(of(f"output_blocks_{k}"), arrays[f"b/d/{k}"]) <= TOLERANCE, k
    assert difference(of("middle_block"), arrays["b/middle"]) <= TOLERANCE
    block = found["unet"]["input_blocks_1"]["0"]
    assert difference(block["in_layers_2"]["__call__"][0], arrays["b/posgn/in"]) <= TOLERANCE
    assert difference(block["emb_layers"]["linear_1_2"]["__call__"][0], arrays["b/posgn/scale_shift"]) <= TOLERANCE
    assert difference(block["emb_layers"]["__call__"][0], arrays["b/posgn/out"]) <= TOLERANCE
    at = coordinates(inputs(arrays, model, "b")[-1], 8, 8)
    assert np.abs(np.asarray(at) - arrays["b/posgn/coordinates"]).max() <= 1e-6


def test_losses_and_gradients(motion):
    arrays, model, params = motion
    process, train = diffusion.process_of(model), VidmTrainConfig()
    x, noise, first, told = (last(arrays[f"train/{name}"]) for name in ("x_start", "noise", "x_0", "motion"))
    t, i = (jnp.asarray(arrays[f"train/{name}"]) for name in "ti")

    def loss(params):
        x_t = diffusion.noised(process, x, noise, t)
        output = networks.build(model).motion.apply(params, x_t, told, first, networks.place_of(model, t, i))
        found = diffusion.errors(process, output, x, noise, t, train)
        return (found["mse"] + found["vb"]).mean(), found

    gradients, found = jax.jit(jax.grad(loss, has_aux=True))(params)
    for name in ("mse", "vb"):
        golden_value = arrays[f"train/{name}"]
        assert (np.abs(found[name] - golden_value) <= 1e-3 * (np.abs(golden_value) + 1e-3)).all(), name
    state, whole = vidm_state_dicts.motion_state(gradients), arrays["train/clip_norm"]
    assert np.abs(np.sqrt(sum(np.square(g).sum() for g in state.values())) - whole) <= 1e-3 * whole
    checked = 0
    for key, value in arrays.items():
        if key.startswith("train/grad_norm/"):
            error = abs(np.linalg.norm(state[key.removeprefix("train/grad_norm/")]) - value)
            assert error <= 1e-3 * (value + 0.01 * whole), key
            checked += 1
        elif key.startswith("train/grad/"):
            error = np.abs(state[key.removeprefix("train/grad/")] - value).max()
            assert error <= 1e-3 * np.abs(value).max(), key
    assert checked == len(state)


def given(start, step) -> sampling.Noises:
    """The golden noise of frames 1, 2, … as `Noises`."""
    start, step = jnp.asarray(last(start)), jnp.asarray(last(step))
    return sampling.Noises(lambda i: start[i - 1], lambda i, j: step[i - 1, j])


def test_a_clip(motion):
    arrays, model, params = motion
    method, first = sampling.method_of(model), jnp.asarray(last(arrays["clip/first"]))
    np.testing.assert_array_equal(method.process.timesteps, arrays["clip/timesteps"])
    noises = given(arrays["clip/start_noise"], arrays["clip/step_noise"])
    told = lambda first, before, i: (before - first)[..., :2]  # as the golden numbers were made
    nets = networks.build(model)
    draw = jax.jit(lambda params: sampling.draw_next(nets, model, method, params, first, first, jnp.arange(1, 4), noises, told))
    assert difference(draw(params), arrays["clip/frames"]) <= SAMPLED


def test_content_model(content):
    arrays, model, params = content
    t = jnp.asarray(arrays["t"], jnp.float32)
    out = jax.jit(networks.build(model).content.apply)(params, last(arrays["x_t"]), t)
    assert difference(out, arrays["out"]) <= TOLERANCE
    assert np.abs(sinusoid(t, model.width) - arrays["sinusoid"]).max() <= TOLERANCE * arrays["sinusoid"].std()
    e = params["dt_embed"]
    hidden = np.asarray(jax.nn.silu(arrays["sinusoid"] @ e["0"]["weight"].T + e["0"]["bias"][None]))
    embedding = hidden @ e["2"]["weight"].T + e["2"]["bias"][None]
    assert np.abs(embedding - arrays["embedding"]).max() <= TOLERANCE * arrays["embedding"].std()


def test_a_first_frame(content):
    arrays, model, params = content
    method = sampling.method_of(model)
    np.testing.assert_array_equal(method.process.timesteps, arrays["sample/timesteps"])
    noises = given(arrays["sample/start_noise"][None], arrays["sample/step_noise"][None])
    shifted = sampling.Noises(lambda i: noises.start(i + 1), lambda i, j: noises.step(i + 1, j))
    draw = jax.jit(lambda params: sampling.draw_first(networks.build(model), method, params, shifted))
    assert difference(draw(params), arrays["sample/frame"]) <= SAMPLED


def test_state_dicts_there_and_back(motion, content):
    for (_, model, params), name in ((motion, "vidm_unet"), (content, "vidm_content")):
        _, state, _ = golden.load(name)
        convert = vidm_state_dicts.motion_state if name == "vidm_unet" else vidm_state_dicts.content_state
        back = convert(params)
        assert back.keys() == state.keys()
        for key, value in state.items():
            np.testing.assert_array_equal(back[key], value, err_msg=key)
