"""What was written in each format so far still loads and draws the same.

`python -m tests.interop.test_formats` writes the files of the present format, once, when `config.FORMAT` is raised:
files/format_N.tar.xz with a run, an export with its programs, a .npz, and a few numbers that all of them draw.
"""

import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from jax import export
from safetensors.numpy import load_file

import digan_jax as digan
from digan_jax import config as config_lib
from digan_jax import devices
from digan_jax.errors import InputError
from digan_jax.interop import model_folder, npz, opening, stablehlo
from digan_jax.jobs import import_run
from digan_jax.runs import checkpoint, reading, weights
from digan_jax.training import start

FILES = Path(__file__).parent / "files"
SMALLEST = dict(resolution=32, channel_base=64, channel_max=2, z_dim=3, w_dim=2, motion_dim=2, mapping_layers=1)
SMALLEST |= dict(rank=1, n_frequencies=2, n_classes=2)
NOISE = dict(z=[[0.5, -1.0, 2.0]], z_motion=[[1.0, -0.5]], label=[[0.0, 1.0]])
TIMES, GRID = [0.0, 0.7], (3, 2)


def drawn(model) -> np.ndarray:
    noise = {key: np.float32(value) for key, value in NOISE.items()}
    return model.generate_from_noise(**noise, times=TIMES, grid=digan.grid(*GRID))


@pytest.fixture(scope="module", params=range(1, config_lib.records.FORMAT + 1))
def stored(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"format_{request.param}")
    with tarfile.open(FILES / f"format_{request.param}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("kind", ["run", "model", "state.npz"])
def test_every_format_loads_and_draws_the_same(stored, kind):
    expected = np.float32(json.loads((stored / "expected.json").read_text()))
    np.testing.assert_allclose(drawn(digan.load(stored / kind)), expected, atol=2e-5)  # float32, other kernels


def test_programs_of_every_format_run(stored):
    read = lambda name: export.deserialize((stored / "model" / f"{name}.stablehlo").read_bytes())
    flat = load_file(stored / "model" / "model.safetensors")
    z, motion, label = (np.float32(NOISE[key]) for key in ("z", "z_motion", "label"))
    content = read("mapping").call(flat, z, label, np.float32(1))
    x, y = (((np.arange(n) + 0.5) * 2 / n - 1).astype(np.float32) for n in GRID)
    frames = read("smooth").call(flat, content, motion, np.float32([TIMES]), x, -y)
    expected = np.float32(json.loads((stored / "expected.json").read_text()))
    np.testing.assert_allclose(frames, expected, atol=2e-5)  # float32, other kernels


@pytest.mark.parametrize("kind", ["run", "model", "state.npz"])
def test_training_starts_from_every_format(stored, kind, make_config):
    config = make_config({f"model.{key}": value for key, value in SMALLEST.items()})
    state = start.fresh(config, devices.make_mesh(), str(stored / kind))
    found = opening.read(stored / "run", training=True)
    for ours, theirs in ((state.generator, found.generator), (state.critic, found.critic)):
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_the_configuration_of_every_format_is_read(stored):
    config, _ = reading.restore_for_inference(stored / "run")
    checkpoint.check_workdir(stored / "run", config)  # config.json and the checkpoint's own copy say the same


def test_nothing_stored_is_a_pickle(stored):
    for path in (p for p in stored.rglob("*") if p.is_file()):
        content = path.read_bytes()
        assert content[:1] != b"\x80" or content[-1:] != b".", path
        assert path.suffix not in (".pkl", ".pickle", ".pt", ".pth")


def test_what_was_added_later_has_its_old_meaning(monkeypatch, make_config):
    record = json.loads(config_lib.to_json(make_config()))
    del record["data"]["stride"], record["log"], record["format"]  # as written before there were numbers
    log = json.loads(config_lib.to_json(make_config()))["log"]
    monkeypatch.setattr(config_lib.records, "FORMAT", 3)
    added = {2: {f"log.{key}": value for key, value in log.items()}, 3: {"data.stride": 4}}
    monkeypatch.setattr(config_lib.records, "ADDED", added)
    assert config_lib.from_json(json.dumps(record)) == make_config({"data.stride": 4})
    with pytest.raises(InputError, match="lacks .*log"):
        config_lib.from_json(json.dumps(record | {"format": 2}))
    with pytest.raises(InputError, match="format 4: was written by a newer digan-jax; this one reads formats up to 3"):
        config_lib.from_json(json.dumps(record | {"format": 4}))


def make(path: Path) -> None:
    from configs import base
    from digan_jax.models.digan import networks

    c = base.get_config()
    c.model.update(SMALLEST)
    c.data.source = "bouncing"
    c.train.batch_size = 4
    config = config_lib.parse(c)
    nets = networks.build(config.model)
    generator, ema = (nets.generator.init(jax.random.key(i)) for i in range(2))
    params = {**ema, "w_avg": np.float32([0.5, -0.5])}
    found = weights.Weights(config.model, params, "float32", generator, nets.critic.init(jax.random.key(2)))
    folder = Path(tempfile.mkdtemp())
    import_run.write(folder / "run", found, config, kimg=1)
    model_folder.write(folder / "model", found, 0, lambda place: stablehlo.write(place, found))
    npz.write(folder / "state.npz", found)
    (folder / "expected.json").write_text(json.dumps(drawn(digan.Model(config.model, params)).tolist()))
    (folder / "model" / "native.stablehlo").unlink()  # half of it all, and like the others
    for note in folder.rglob("commit_success.txt"):
        note.write_text("")  # Orbax writes its folder there and reads nothing
    with tarfile.open(path, "x:xz") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name, filter=lambda info: info.replace(uid=0, gid=0, uname="", gname="", deep=False))
    shutil.rmtree(folder)


if __name__ == "__main__":
    make(FILES / f"format_{config_lib.records.FORMAT}.tar.xz")
