import json

import numpy as np
import pytest
from huggingface_hub import constants, hf_api

import digan_jax as digan
from digan_jax import cli, interop
from digan_jax.errors import InputError
from digan_jax.interop import hub, model_folder
from digan_jax.runs.weights import Weights
from tests.interop.fake_hub import FakeHub


@pytest.fixture(scope="module")
def exported(tiny_config, tiny_params, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "model"
    model_folder.write(folder, Weights(tiny_config, tiny_params), samples=0)
    return folder


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """The library talks to a hub of this process, with a cache and a login of the test's own."""
    server = FakeHub()
    monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
    template = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hf_api.api, "endpoint", server.endpoint)
    monkeypatch.setenv("HF_TOKEN", "good")
    yield server
    server.close()


def test_a_model_goes_up_and_comes_down(exported, fake, tiny_params):
    address = interop.push_to_hub(exported, "someone/tiny")
    assert address == f"{fake.endpoint}/someone/tiny"
    assert set(fake.repos["someone/tiny"]) == {"README.md", "config.json", "model.safetensors"}
    fake.repos["someone/tiny"]["setup.py"] = b"raise SystemExit"  # is not even downloaded
    model = interop.from_pretrained("someone/tiny")
    np.testing.assert_array_equal(model.params["w_avg"], tiny_params["w_avg"])
    commit = fake.commit("someone/tiny")
    for place in ("hf://someone/tiny", f"hf://someone/tiny@{commit}"):
        np.testing.assert_array_equal(digan.load(place).params["w_avg"], tiny_params["w_avg"])
    names = {path.name for path in hub.download("someone/tiny").iterdir()}
    assert names == {"README.md", "config.json", "model.safetensors"}


def test_a_folder_of_this_machine_serves_too(exported, tiny_config):
    assert interop.from_pretrained(str(exported)).config == tiny_config


def test_the_hub_says_no(exported, fake, monkeypatch, tmp_path):
    with pytest.raises(InputError, match="someone/absent: "):
        interop.from_pretrained("someone/absent")
    with pytest.raises(InputError, match="some one/absent: .*[Rr]epo"):
        interop.from_pretrained("some one/absent")
    monkeypatch.setenv("HF_TOKEN", "bad")
    with pytest.raises(InputError, match="--push someone/tiny: .*401"):
        interop.push_to_hub(exported, "someone/tiny")
    with pytest.raises(InputError, match="is no exported model"):
        interop.push_to_hub(tmp_path, "someone/tiny")
    fake.repos["someone/bert"] = {"config.json": json.dumps({"model_type": "bert"}).encode()}
    with pytest.raises(InputError, match="someone/bert: holds no model of digan-jax"):
        interop.from_pretrained("someone/bert")


def test_without_connection(exported, fake):
    fake.close()
    with pytest.raises(InputError, match="--push someone/tiny: "):
        interop.push_to_hub(exported, "someone/tiny")
    with pytest.raises(InputError, match="someone/tiny: "):
        interop.from_pretrained("someone/tiny")


def test_export_pushes(tiny_run, fake, tmp_path, capsys):
    words = ["export", str(tiny_run), "--out", str(tmp_path / "model"), "--samples", "0", "--push", "someone/tiny"]
    assert cli.main(words) == 0
    assert "someone/tiny" in capsys.readouterr().out and "model.safetensors" in fake.repos["someone/tiny"]


def test_the_library_is_an_extra(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    assert cli.main(["export", "run", "--out", "model", "--push", "someone/tiny"]) == 2
    assert "digan-jax[hub]" in capsys.readouterr().err
