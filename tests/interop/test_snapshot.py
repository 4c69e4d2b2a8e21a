import pickle

import numpy as np
import pytest

from digan_jax import interop
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.host.pickles.machine import Record
from digan_jax.interop import snapshot
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


@pytest.mark.parametrize(
    "data, message",
    [
        (pickle_corpus.STYLEGAN2, "StyleGAN2"),
        (pickle_corpus.snapshot("synthesis.motion_encoder.time_encoder.weight"), "StyleGAN-V"),
        (pickle_corpus.snapshot("synthesis.input.freqs", "synthesis.L0_36_512.weight"), "StyleGAN3"),
        (pickle_corpus.snapshot("layer.weight"), "no Fourier layers; it has 1 .layer.weight."),
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


_READ = ("state", "_parameters", "_buffers", "_modules", "training_set_kwargs", "path", *snapshot._FIXED)


def _places(node, seen) -> list[tuple[dict, str]]:
    """Every dict and key in what a file holds that could matter; records may refer to one another in circles."""
    if id(node) in seen:
        return []
    seen.add(id(node))
    if isinstance(node, Record):
        return [place for part in (*node.args, node.state) for place in _places(part, seen)]
    if isinstance(node, dict):
        own = [(node, key) for key, value in node.items() if isinstance(value, (Record, np.ndarray)) or key in _READ]
        return own + [place for value in node.values() for place in _places(value, seen)]
    return []


def test_content_of_any_kind_gives_networks_or_a_clear_error(tmp_path, content, monkeypatch):
    odd = [None, -1, 2**2000, "x", b"", [], {}, (), np.float64("inf")]
    odd += [np.zeros(()), np.zeros((0, 3)), np.full(2, np.nan)]
    monkeypatch.setattr(snapshot, "read_pickle", lambda _: content)
    rng, places, refused = np.random.default_rng(0), _places(content, set()), 0
    for _ in range(150):
        table, key = places[rng.integers(len(places))]
        whole, table[key] = table[key], odd[rng.integers(len(odd))]
        try:
            snapshot.load_snapshot(tmp_path / "odd.pkl")
        except InputError as error:
            assert "odd.pkl" in str(error)
            refused += 1
        finally:
            table[key] = whole
    assert 0 < refused < 150


def test_a_folder_is_told_apart(tmp_path):
    with pytest.raises(InputError, match="folder"):
        interop.load_snapshot(tmp_path)
