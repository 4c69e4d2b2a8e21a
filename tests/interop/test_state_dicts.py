import jax
import numpy as np
import pytest

from digan_jax import interop
from digan_jax.errors import InputError
from digan_jax.interop import state_dicts
from digan_jax.models.digan import networks
from tests.interop import golden


@pytest.mark.parametrize("name", golden.GENERATORS)
def test_generator_renders_the_golden_clip(name):
    arrays, state, config = golden.load(name)
    model = interop.model_from_state(state, config)
    clip = model.generate_from_noise(arrays["z"], arrays["z_motion"], arrays["t"], arrays.get("label"))
    assert golden.difference(clip, golden.channels_last(arrays["video"])) < golden.TOLERANCE


@pytest.mark.parametrize("name", golden.CRITICS)
def test_critics_give_the_golden_scores(name):
    arrays, state, config = golden.load(name)
    scores = interop.critic_from_state(state, config)
    motion, image = scores(golden.channels_last(arrays["frames"]), arrays["delta_t"], arrays.get("label"))
    assert image.shape == (len(arrays["delta_t"]), 2)
    assert golden.difference(motion, arrays["motion_logits"][:, 0]) < golden.TOLERANCE
    assert golden.difference(np.ravel(image), arrays["image_logits"][:, 0]) < golden.TOLERANCE


def test_critics_with_groups_of_their_own():
    """In groups of one the minibatch statistics know no other clip."""
    arrays, state, config = golden.load("discriminator_32")
    scores = interop.critic_from_state(state, config, mbstd_group_size=1)
    frames, delta_t = golden.channels_last(arrays["frames"]), np.array(arrays["delta_t"])
    motion, _ = scores(frames, delta_t)
    frames[1:] = frames[::-1][:-1]
    np.testing.assert_allclose(scores(frames, delta_t)[0][0], motion[0], rtol=1e-5)  # float32
    as_trained = interop.critic_from_state(state, config)
    assert abs(as_trained(frames, delta_t)[0][0] - motion[0]) > 1e-3


@pytest.mark.parametrize("name", golden.GENERATORS)
def test_generator_goes_there_and_back_exactly(name):
    _, state, config = golden.load(name)
    back = interop.generator_state(state_dicts.generator_params(state, config))
    assert back.keys() == state.keys()
    for key in state:
        np.testing.assert_array_equal(back[key], state[key], err_msg=key)


@pytest.mark.parametrize("name", golden.CRITICS)
def test_critics_go_there_and_back_exactly(name):
    _, state, config = golden.load(name)
    back = interop.critic_state(state_dicts.critic_params(state, config))
    assert {key for key in back if not key.endswith("resample_filter")} == state.keys()
    for key in state:
        np.testing.assert_array_equal(back[key], state[key], err_msg=key)


def test_our_own_weights_go_out_and_come_back(tiny_config, tiny_params):
    back = state_dicts.generator_params(interop.generator_state(tiny_params), tiny_config)
    jax.tree.map(np.testing.assert_array_equal, back, tiny_params)
    critic = networks.build(tiny_config).critic.init(jax.random.key(0))
    jax.tree.map(
        np.testing.assert_array_equal, state_dicts.critic_params(interop.critic_state(critic), tiny_config), critic
    )


@pytest.mark.parametrize("name", golden.GENERATORS)
def test_architecture_is_read_from_shapes(name):
    _, state, config = golden.load(name)
    assert state_dicts.architecture(state) == config


def _without(state, name):
    return {key: value for key, value in state.items() if key != name}


def test_weights_that_do_not_fit_are_named():
    _, state, config = golden.load("generator_64")
    name = "synthesis.b8.conv0.weight"
    changes = {
        rf"1 \({name}\) missing": _without(state, name),
        r"1 \(synthesis.extra\) unknown": {**state, "synthesis.extra": np.zeros(3, np.float32)},
        f"{name} has shape": {**state, name: state[name][:-1]},
        f"{name} has values that are not finite": {**state, name: np.full_like(state[name], np.nan)},
        "mapping.w_avg has shape": {**state, "mapping.w_avg": np.zeros(3, np.float32)},
    }
    for message, changed in changes.items():
        with pytest.raises(InputError, match=message):
            interop.model_from_state(changed, config)


def test_other_architectures_are_told_apart():
    _, state, _ = golden.load("generator_64")
    stylegan2 = {key: value for key, value in state.items() if "coord_fuser" not in key}
    with pytest.raises(InputError, match="StyleGAN2"):
        state_dicts.architecture({**stylegan2, "synthesis.b4.const": np.zeros((16, 4, 4), np.float32)})
    with pytest.raises(InputError, match="no Fourier layers"):
        state_dicts.architecture({"conv.weight": np.zeros((3, 3), np.float32)})
    with pytest.raises(InputError, match="resolutions"):
        state_dicts.architecture({key: value for key, value in state.items() if ".b16." not in key})
    with pytest.raises(InputError, match="mapping.fc0.weight"):
        state_dicts.architecture(_without(state, "mapping.fc0.weight"))
    with pytest.raises(InputError, match="wide"):
        state_dicts.architecture({**state, "mapping.fc0.weight": np.empty((0, 2**39), np.float32)})
    with pytest.raises(InputError, match="channel_max"):
        state_dicts.architecture({**state, "synthesis.b16.conv1.bias": np.zeros(5, np.float32)})
