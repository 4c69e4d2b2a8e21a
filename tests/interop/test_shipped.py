"""Models that come with the package: found by name, small, with a card; and exports of half the size."""

import dataclasses

import numpy as np
import pytest
from etils import epath

import digan_jax as digan
from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.interop import model_folder, opening, shipped
from digan_jax.runs.weights import Weights

MOST = 4_000_000  # bytes of a shipped model: the wheel stays small


@pytest.fixture
def package(tiny_config, tiny_params, tmp_path, monkeypatch):
    """A package whose one model is the tiny one, under the name "tiny"."""
    monkeypatch.setattr(shipped, "_folder", lambda: epath.Path(tmp_path / "shipped"))
    model_folder.write(tmp_path / "shipped" / "tiny", Weights(tiny_config, tiny_params), samples=0, half=True)


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


def test_half_is_half_the_size_and_nearly_the_same(tiny_config, tiny_params, tmp_path):
    weights = Weights(tiny_config, tiny_params, facts={"data": {"name": "heads", "credit": "theirs (MIT)"}})
    for name, half in (("full", False), ("half", True)):
        model_folder.write(tmp_path / name, weights, samples=0, half=half)
    size = lambda name: (tmp_path / name / "model.safetensors").stat().st_size
    assert size("half") < 0.6 * size("full")
    full, half = (digan.load(tmp_path / name).sample([0, 1], [0.0, 1.0]) for name in ("full", "half"))
    assert 0 < np.abs(full - half).max() < 0.02 * full.std() + 0.01  # float16 has eleven bits
    assert "Credit: theirs (MIT)" in (tmp_path / "half" / "README.md").read_text()
    assert model_folder.read(tmp_path / "half").facts["data"]["credit"] == "theirs (MIT)"


def test_numbers_too_large_for_half_are_refused(tiny_config, tiny_params, tmp_path):
    weights = Weights(tiny_config, tiny_params | {"w_avg": np.full(16, 1e6, np.float32)})
    with pytest.raises(InputError, match="w_avg.*too large for float16"):
        model_folder.write(tmp_path / "model", weights, samples=0, half=True)
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
