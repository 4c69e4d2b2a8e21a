import dataclasses

import jax
import numpy as np
import pytest

import digan_jax as digan
from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.interop import npz, opening, snapshot
from digan_jax.runs import weights
from tests.interop import golden

FILE = golden.GOLDEN / "network_snapshot.pkl"


def assert_equal(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)  # raises too when the trees differ


def test_the_release_goes_through_ours_and_back_exactly(tmp_path, monkeypatch):
    """Every array of all three networks, buffers included, under its own name."""
    content = snapshot.read_pickle(FILE)
    monkeypatch.setattr(snapshot, "read_pickle", lambda _: content)  # once: under the type checks it takes seconds
    states = {network: snapshot.state_of(content[network]) for network in ("G_ema", "G", "D")}
    expected = {f"{network}.{name}": value for network, state in states.items() for name, value in state.items()}
    assert cli.main(["export", str(FILE), "--out", str(tmp_path / "state.npz"), "--format", "npz", "--training"]) == 0
    with np.load(tmp_path / "state.npz", allow_pickle=False) as file:
        assert set(file.files) == expected.keys()
        for name, value in expected.items():
            assert file[name].dtype == value.dtype
            np.testing.assert_array_equal(file[name], value, err_msg=name)


def test_our_own_weights_come_back(tiny_run, tmp_path):
    assert cli.main(["export", str(tiny_run), "--out", str(tmp_path / "a.npz"), "--format", "npz", "--training"]) == 0
    ours, found = opening.read(tiny_run, training=True), opening.read(tmp_path / "a.npz", training=True)
    for name in ("params", "generator", "critic"):
        assert_equal(getattr(found, name), getattr(ours, name))
    # Several channel_base give the same channels; the smallest is read from the shapes.
    assert found.config == dataclasses.replace(ours.config, channel_base=found.config.channel_base)
    assert_equal(digan.load(tmp_path / "a.npz").params, ours.params)


def test_a_generator_alone(tiny_config, tiny_params, tmp_path, capsys):
    npz.write(tmp_path / "a.npz", weights.Weights(tiny_config, tiny_params))
    assert opening.read(tmp_path / "a.npz", training=True).critic is None
    assert cli.main(["export", str(tmp_path / "a.npz"), "--out", str(tmp_path / "b"), "--training"]) == 2
    assert "holds only the EMA generator" in capsys.readouterr().err and not (tmp_path / "b").exists()
    with np.load(tmp_path / "a.npz") as file:
        assert all(name.startswith("G_ema.") for name in file.files)


def test_what_is_no_state_dict(tmp_path, tiny_config, tiny_params):
    path = tmp_path / "a.npz"
    npz.write(path, weights.Weights(tiny_config, tiny_params))
    whole = path.read_bytes()
    with np.load(path) as file:
        state = {name: file[name] for name in file.files}
    np.savez(tmp_path / "pickled.npz", a=np.array([{}], object))
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "short.npz", **{n: v for n, v in state.items() if "b8.conv0.weight" not in n})
    np.savez(tmp_path / "flat.npz", **{n: v.ravel() for n, v in state.items()})
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "page.npz").write_bytes(b"<html></html>")
    cases = {"pickled": "no .npz of numbers", "other": "no arrays named", "short": "b8.conv0.weight", "flat": "damaged"}
    cases |= {"cut": "damaged", "page": "damaged"}
    for name, message in cases.items():
        with pytest.raises(InputError, match=f"{name}.npz: .*{message}"):
            digan.load(tmp_path / f"{name}.npz")
    with pytest.raises(InputError, match="is a folder; name the file"):
        npz.write(tmp_path, weights.Weights(tiny_config, tiny_params))
