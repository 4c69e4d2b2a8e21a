"""Models that come with the package: found by name, small, with a card; and exports of fewer bits."""

import dataclasses

import jax
import numpy as np
import pytest
from etils import epath

import digan_jax as digan
from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.interop import model_folder, opening, packing, shipped
from digan_jax.runs.weights import Weights

MOST = 4_000_000  # bytes of a shipped model: the wheel stays small


@pytest.fixture
def package(tiny_config, tiny_params, tmp_path, monkeypatch):
    """A package whose one model is the tiny one, under the name "tiny"."""
    monkeypatch.setattr(shipped, "_folder", lambda: epath.Path(tmp_path / "shipped"))
    model_folder.write(tmp_path / "shipped" / "tiny", Weights(tiny_config, tiny_params), samples=0, bits=7)


def test_a_name_opens_its_model_everywhere(package, tmp_path):
    from digan_jax.jobs.opening_sides import open_fake

    assert shipped.names() == ["tiny"]
    frame = digan.load("digan://tiny").sample([0], [0.5])
    assert opening.look("digan://tiny").config.resolution == 32
    assert open_fake("digan://tiny").model.config.resolution == 32
    out = tmp_path / "a.npz"
    assert cli.main(["render", "--run", "digan://tiny", "--times", "0.5", "--out", str(out)]) == 0
    np.testing.assert_array_equal(np.load(out)["frames"], frame[0])


def test_unknown_names_list_what_is_there(package):
    with pytest.raises(InputError, match="no such model.*digan://tiny"):
        digan.load("digan://quikstart")


@pytest.mark.parametrize("bits, share, error", [(16, 0.55, 0.01), (8, 0.3, 0.02), (7, 0.27, 0.04), (6, 0.25, 0.08)])
def test_fewer_bits_are_smaller_and_nearly_the_same(bits, share, error):
    """Rows of 64 numbers and more are packed; an error of half a step a number, relative to the largest of a row."""
    rng = np.random.default_rng(0)
    arrays = {"matrix": rng.normal(size=(70, 513)).astype(np.float32), "bias": rng.normal(size=9).astype(np.float32)}
    arrays["matrix"][3] = 0
    stored = packing.packed(arrays, bits)
    size = lambda group: sum(value.nbytes for value in group.values())
    assert size(stored) < share * size(arrays)
    for name, value in arrays.items():
        again = packing.unpacked(stored, name, value.shape, bits)
        assert again.dtype == np.float32 and np.abs(again - value).max() <= error * np.abs(value).max()
    assert packing.unpacked(stored, "matrix", (70, 512), bits) is None  # of another shape


def test_an_export_of_few_bits_is_read_back_as_its_samples_were_drawn(tiny_config, tiny_params, tmp_path):
    weights = Weights(tiny_config, tiny_params, facts={"data": {"name": "heads", "credit": "theirs (MIT)"}})
    model_folder.write(tmp_path / "model", weights, samples=0, bits=7)
    found, expected = model_folder.read(tmp_path / "model"), model_folder.rounded(weights, 7)
    for ours, theirs in zip(jax.tree.leaves(expected.params), jax.tree.leaves(found.params), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert "Credit: theirs (MIT)" in (tmp_path / "model" / "README.md").read_text()
    assert found.facts["data"]["credit"] == "theirs (MIT)"


def test_bits_that_are_not_known_are_refused(tiny_config, tiny_params, tmp_path):
    weights = Weights(tiny_config, tiny_params)
    with pytest.raises(InputError, match="bits=9: choose one"):
        model_folder.write(tmp_path / "model", weights, samples=0, bits=9)
    model_folder.write(tmp_path / "model", weights, samples=0, bits=8)
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace('"bits": 8', '"bits": 5'))
    with pytest.raises(InputError, match="bits=5"):
        model_folder.read(tmp_path / "model")
    config.write_text(config.read_text().replace('"bits": 5', '"bits": 7'))
    with pytest.raises(InputError, match="7 bits"):
        model_folder.read(tmp_path / "model")


def test_numbers_too_large_for_few_bits_are_refused(tiny_config, tiny_params, tmp_path):
    weights = Weights(tiny_config, tiny_params | {"w_avg": np.full(16, 1e6, np.float32)})
    with pytest.raises(InputError, match="w_avg.*too large for float16"):
        model_folder.write(tmp_path / "model", weights, samples=0, bits=16)
    assert not (tmp_path / "model").exists()


@pytest.mark.skipif(not shipped.names(), reason="no model is in this checkout")
@pytest.mark.parametrize("name", shipped.names())
def test_what_is_shipped_is_small_and_credited(name):
    folder = shipped.located(shipped.PREFIX + name)
    assert sum(file.stat().length for file in folder.iterdir()) <= MOST
    assert "Credit: " in (folder / model_folder.CARD).read_text()
    weights = opening.read(shipped.PREFIX + name)
    assert weights.family == "digan" and weights.generator is None
    clip = digan.load(shipped.PREFIX + name).sample([0, 1], [0.0, 1.0])
    assert np.isfinite(clip).all() and clip.std() > 0.1
    assert dataclasses.asdict(weights.config)["resolution"] >= 32
