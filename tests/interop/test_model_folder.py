import dataclasses
import errno
import json
import os
import shutil
import struct
import sys

import jax
import numpy as np
import pytest
from huggingface_hub import ModelCard

import digan_jax as digan
from digan_jax import config as config_lib
from digan_jax.errors import InputError
from digan_jax.host import files
from digan_jax.interop import model_folder, opening
from digan_jax.models.digan import networks
from digan_jax.runs import weights
from digan_jax.runs.weights import Weights

FACTS = {
    "data": {"name": "sky", "split": "train", "frames": 16, "stride": 4},
    "training": {"kimg": 1500.0, "batch_size": 64, "r1_gamma": 1.0},
    "scores": [{"metric": "FVD", "protocol": "digan", "mean": 114.6, "deviation": 4.9}],
}


@pytest.fixture(scope="module")
def whole(tiny_config, tiny_params):
    """Weights with all their parts."""
    nets = networks.build(tiny_config)
    generator, critic = nets.generator.init(jax.random.key(2)), nets.critic.init(jax.random.key(3))
    return Weights(tiny_config, tiny_params, "bfloat16", generator, critic, ("cats", "dogs"), FACTS)


@pytest.fixture(scope="module")
def exported(whole, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "model"
    model_folder.write(folder, whole, samples=2)
    return folder


@pytest.fixture
def damaged(exported, tmp_path):
    """damaged({"config.json": bytes}): a copy of the export with these files in place of its own; None: without."""

    def make(changes):
        folder = tmp_path / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in {path.name for path in exported.iterdir()} | changes.keys():
            content = changes[name] if name in changes else (exported / name).read_bytes()
            if content is not None:
                (folder / name).write_bytes(content)
        return folder

    return make


def assert_equal(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)  # raises too when the trees differ


# ---- there and back ----


def test_everything_comes_back(whole, exported):
    found = opening.read(exported, training=True)
    for field in dataclasses.fields(Weights):
        if field.name in ("params", "generator", "critic"):
            assert_equal(getattr(found, field.name), getattr(whole, field.name))
        else:
            assert getattr(found, field.name) == getattr(whole, field.name)
    assert opening.read(exported).critic is None


def test_load_renders_what_was_given_away(whole, exported):
    model = digan.load(exported)
    assert model.compute_dtype == "bfloat16"
    expected = digan.Model(whole.config, whole.params, "bfloat16").sample([3], [0.5])
    np.testing.assert_array_equal(model.sample([3], [0.5]), expected)


def test_files_are_what_other_programs_expect(exported):
    names = {"README.md", "config.json", "model.safetensors", "training.safetensors", "samples.mp4", "samples.png"}
    assert {path.name for path in exported.iterdir()} == names
    content = (exported / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])  # the format's own definition: a length, JSON, and the arrays
    header = json.loads(content[8 : 8 + length])
    entry = header["synthesis.b4.conv1.weight"]
    start, end = entry["data_offsets"]
    array = np.frombuffer(content[8 + length :][start:end], "<f4").reshape(entry["shape"])
    np.testing.assert_array_equal(array, digan.load(exported).params["synthesis"]["b4"]["conv1"]["weight"])
    assert json.loads((exported / "config.json").read_text())["format"] == config_lib.records.FORMAT


def test_the_card_is_the_same_without_the_hubs_library(exported, monkeypatch):
    weights = model_folder.read(exported)
    card = model_folder.model_card.text(weights, 2)
    assert ModelCard(card).data.to_dict() == model_folder.model_card.METADATA["digan"]
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert model_folder.model_card.text(weights, 2) == card


def test_the_card_says_what_is_known(exported, whole, tmp_path):
    card = (exported / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: digan-jax\n") and "![Samples" in card and "Ids 0 to 1" in card
    for line in ("Data: sky, split train; clips of 16 frames, every 4th frame.", "FVD (protocol digan): 114.6 ± 4.9."):
        assert line in card
    assert "Training: 1500 kimg" in card and "--init-from" in card and "stablehlo" not in card
    model_folder.write(tmp_path / "plain", Weights(whole.config, whole.params), samples=0)
    card = (tmp_path / "plain" / "README.md").read_text()
    assert "Data: not recorded." in card and "FVD: not measured." in card
    assert "samples.png" not in card and "--init-from" not in card


def test_a_run_goes_out_with_its_scores_and_without_its_folders(tiny_run, make_config, monkeypatch):
    score = {"metric": "FVD", "protocol": "quick", "mean": 300.5}
    monkeypatch.setattr(opening, "scores_of", lambda run, step: [score | {"step": step}])
    found = opening.read(tiny_run)
    assert found.facts["scores"] == [score | {"step": 0}]
    assert found.facts["training"]["kimg"] == 0 and found.facts["data"]["name"] == "bouncing"
    files = {"data.path": "/home/someone/secret/clips", "data.data_dir": "/home/x"}
    facts = json.dumps(weights.facts_of(make_config(files | {"data.source": "folder"}), 1.0))
    assert "/home" not in facts and "clips" in facts


# ---- writing ----


def test_an_export_is_replaced_and_nothing_else_is(whole, tmp_path):
    model_folder.write(tmp_path / "model", whole, samples=0)
    model_folder.write(tmp_path / "model", dataclasses.replace(whole, generator=None, critic=None), samples=0)
    assert not (tmp_path / "model" / "training.safetensors").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    for place in ("mine", "mine/thesis.txt"):
        with pytest.raises(InputError, match="something already"):
            model_folder.write(tmp_path / place, whole, samples=0)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "mine"}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_one(whole, exported, tmp_path, monkeypatch, error):
    model_folder.write(tmp_path / "model", whole, samples=0)
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}

    def fail(*_):
        raise error

    monkeypatch.setattr(model_folder.model_card, "text", fail)
    with pytest.raises(type(error)) as caught:
        model_folder.write(tmp_path / "model", whole, samples=0)
    assert getattr(caught.value, "filename", None) in (None, str(tmp_path / "model"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_stopped_between_the_two_moves(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("old")
    replace = os.replace

    def stop(source, target):
        if str(target) == str(tmp_path / "a") and ".old" not in str(source):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt), files.folder_moved_in(tmp_path / "a"):
        pass
    assert (tmp_path / "a" / "old").read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["a"]


# ---- what cannot be used ----


def _record(exported, **changes) -> bytes:
    return json.dumps(json.loads((exported / "config.json").read_text()) | changes).encode()


def test_damaged_configurations_are_named(exported, damaged):
    model = json.loads((exported / "config.json").read_text())["model"]
    cases = {
        "format 99: was written by a newer digan-jax": _record(exported, format=99),
        "format 'x': is no format": _record(exported, format="x"),
        "model.rank=0: must be 1 or more": _record(exported, model=model | {"rank": 0}),
        "lacks .*model.rank": _record(exported, model={k: v for k, v in model.items() if k != "rank"}),
        "compute_dtype='int8'": _record(exported, compute_dtype="int8"),
        "config.json: is damaged": _record(exported, model=None),
        "model.mapping_layers=1000000000: no more than 64": _record(exported, model=model | {"mapping_layers": 10**9}),
        "model.w_dim=.*: no more than": _record(exported, model=model | {"w_dim": 2**62}),
        "config.json: is no JSON": _record(exported)[:-9],
        "/config.json: is no JSON": b"[" * 100_000,
    }
    for message, record in cases.items():
        with pytest.raises(InputError, match=message):
            digan.load(damaged({"config.json": record}))


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors"])
@pytest.mark.parametrize("at", [0.3, 0.6, 0.999])
def test_a_flipped_byte_of_the_arrays_is_refused(exported, damaged, name, at):
    content = bytearray((exported / name).read_bytes())
    content[int(len(content) * at)] ^= 1
    with pytest.raises(InputError, match=f"{name}: is damaged .its SHA-256"):
        model_folder.read(damaged({name: bytes(content)}), training=True)


def test_an_export_from_before_digests_is_read(exported, damaged):
    record = json.loads((exported / "config.json").read_text())
    assert set(record.pop("sha256")) == {"model.safetensors", "training.safetensors"}
    folder = damaged({"config.json": json.dumps(record).encode()})
    ours, theirs = (model_folder.read(place, training=True) for place in (folder, exported))
    jax.tree.map(np.testing.assert_array_equal, ours.critic, theirs.critic)


def test_a_pipe_for_a_file_is_no_model(exported, damaged):
    for name in ("config.json", "model.safetensors"):
        folder = damaged({})
        (folder / name).unlink()
        os.mkfifo(folder / name)
        with pytest.raises(InputError):
            digan.load(folder)


def _renamed(content: bytes, old: str, new: str) -> bytes:
    assert len(old) == len(new)
    return content.replace(old.encode(), new.encode(), 1)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda content: None, "is missing; get the whole folder"),
        (lambda content: content[:-100], "damaged or incomplete"),
        (lambda content: content[:5], "damaged or incomplete"),
        (lambda content: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS pointer"),
        (lambda content: b"<!DOCTYPE html><html>Not found</html>", "damaged or incomplete"),
        (lambda content: struct.pack("<Q", 2**60) + content[8:], "damaged or incomplete"),
        (lambda content: _renamed(content, '"w_avg"', '"w_bvg"'), "array w_avg is missing"),
        (lambda content: _renamed(content, '"F32"', '"I32"'), "type int32; config.json says .* float32"),
    ],
)
def test_damaged_weights_are_named(exported, damaged, change, message):
    folder = damaged({"model.safetensors": change((exported / "model.safetensors").read_bytes())})
    with pytest.raises(InputError, match=f"model.safetensors: .*{message}"):
        digan.load(folder)


def test_other_shapes_are_named(exported, damaged):
    model = json.loads((exported / "config.json").read_text())["model"]
    with pytest.raises(InputError, match=r"has shape .* config.json says"):
        digan.load(damaged({"config.json": _record(exported, model=model | {"w_dim": 24})}))


def test_parts_and_neighbours_are_told_apart(exported, tmp_path):
    with pytest.raises(InputError, match="part of an exported model; give its folder"):
        digan.load(exported / "model.safetensors")
    with pytest.raises(InputError, match="only runs have a choice of steps"):
        opening.read(exported, step=3)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="holds model.safetensors, but it is no export of digan-jax"):
        digan.load(tmp_path)
    (tmp_path / "network-snapshot-000100.pkl").write_bytes(b"")
    with pytest.raises(InputError, match="is a folder; name the file in it, such as .*000100.pkl"):
        digan.load(tmp_path)
