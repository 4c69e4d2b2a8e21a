import pickle

import numpy as np
import pytest

from digan_jax import interop
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.interop import snapshot
from digan_jax.interop.pickle_machine import Record
from digan_jax.rendering.model import Model
from tests.interop import golden, pickle_corpus

PATH = golden.GOLDEN / "network_snapshot.pkl"


@pytest.fixture(scope="module")
def content():
    """The golden file as read, once: under the tests' type checks its 250,000 opcodes take seconds."""
    with pickle_corpus.nothing_runs():
        return snapshot.read_pickle(PATH)


@pytest.fixture(scope="module")
def found(content):
    return snapshot.from_content(content)


def test_snapshot_renders_as_the_release_does(found):
    expected = np.load(golden.GOLDEN / "network_snapshot.npz")
    model = Model(found.config, found.params)
    clip = model.generate_from_noise(expected["z"], expected["z_motion"], expected["t"])
    assert golden.difference(clip, golden.channels_last(expected["video"])) < golden.TOLERANCE


def test_architecture_and_all_networks_are_there(found):
    assert found.config == ModelConfig(
        resolution=32, channel_base=256, channel_max=8, z_dim=24, w_dim=24, motion_dim=24, mapping_layers=2
    )
    assert found.params.keys() == {"mapping", "synthesis", "w_avg"}
    assert found.generator.keys() == {"mapping", "synthesis"}
    assert found.critic.keys() == {"motion", "image"}
    scores = interop.critic_from_state(interop.critic_state(found.critic), found.config)
    motion, image = scores(np.zeros((2, 2, 32, 32, 3)), np.zeros(2))
    assert np.isfinite(motion).all() and np.isfinite(image).all()


def test_names_are_the_releases_own(content, found):
    """What we write back has each name that the release's networks have, buffers included."""
    pairs = [("G_ema", interop.generator_state(found.params)), ("D", interop.critic_state(found.critic))]
    for network, back in pairs:
        state = snapshot.state_of(content[network])
        assert back.keys() == state.keys()
        for key in state:
            np.testing.assert_array_equal(back[key], state[key], err_msg=key)


def _shell(**attributes):
    return Record(snapshot._SHELL, ({"state": attributes},))


def test_settings_that_our_networks_fix_are_checked():
    fuser = _shell(_parameters={}, _buffers={}, _modules={}, motion_sigma=0.5)
    network = _shell(_parameters={}, _buffers={}, _modules={"coord_fuser": fuser})
    with pytest.raises(InputError, match="coord_fuser.motion_sigma is 0.5: only networks trained with 0.25"):
        snapshot._check_settings(network)


def test_modules_that_hold_themselves_are_refused():
    modules = {}
    network = _shell(_parameters={}, _buffers={}, _modules=modules)
    modules["again"] = network
    with pytest.raises(InputError, match="nest deeper"):
        snapshot.state_of(network)
    layer = _shell(_modules={})
    for _ in range(4):  # 20^4 modules from a few kilobytes
        layer = _shell(_modules={str(i): layer for i in range(20)})
    with pytest.raises(InputError, match="more than 5000 modules"):
        snapshot.state_of(layer)


def _stylegan2() -> bytes:
    """A pickle with the shells of that release around a network with its names."""
    text = pickle_corpus.short

    def shell(parameters: bytes, modules: bytes) -> bytes:
        tables = b"}(" + text("_parameters") + parameters + text("_buffers") + b"}" + text("_modules") + modules + b"u"
        meta = b"}(" + text("type") + text("class") + text("state") + tables + b"u"
        return pickle_corpus.name("torch_utils.persistence", "_reconstruct_persistent_obj") + meta + b"\x85R"

    embedded = pickle_corpus.small_files()["embedded"][1][2:-1]
    block = shell(b"}" + text("const") + embedded + b"s", b"}")
    network = shell(b"}", b"}" + text("synthesis") + shell(b"}", b"}" + text("b4") + block + b"s") + b"s")
    return pickle_corpus.program(b"}(" + b"".join(text(key) + network for key in ("G", "D", "G_ema")) + b"u")


@pytest.mark.parametrize(
    "data, message",
    [
        (_stylegan2(), "StyleGAN2"),
        (pickle.dumps({"model": 1}), "no network 'G'.*found: .'model'"),
        (pickle.dumps([1, 2]), "no network 'G'.*list"),
        (PATH.read_bytes()[:200_000], "damaged|ends in the middle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"<html><head></head></html>", "web page"),
        (b"PK\x03\x04" + bytes(100), "zip"),
        (pickle_corpus.hostile("unused")["os.system"], "posix.system"),
    ],
)
def test_other_files_are_told_apart(tmp_path, data, message):
    path = tmp_path / "network-snapshot.pkl"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        interop.load_snapshot(path)
    assert str(path) in str(error.value)


def test_a_folder_is_told_apart(tmp_path):
    with pytest.raises(InputError, match="folder"):
        interop.load_snapshot(tmp_path)
