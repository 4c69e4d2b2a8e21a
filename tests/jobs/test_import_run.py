"""From the authors' checkpoint to a run that renders, goes on and serves as a start."""

import dataclasses
import json
import re
import shlex
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import digan_jax as digan
from digan_jax import cli, devices
from digan_jax.errors import InputError
from digan_jax.interop import model_folder, opening, snapshot
from digan_jax.jobs import import_run
from digan_jax.runs import checkpoint, reading, weights
from digan_jax.training import compile as compiling
from digan_jax.training import loop, start
from tests.interop import golden

FILE = golden.GOLDEN / "network_snapshot.pkl"
SMALL = "--config.train.batch_size=8 --config.log.sample_clips=4 --config.data.frames=4".split()


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """The golden checkpoint and its copies are read once: under the tests' type checks that takes seconds."""
    content = snapshot.read_pickle(FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "read_pickle", lambda _: content)
        yield


@pytest.fixture(scope="module")
def imported(tmp_path_factory, request):
    """Folder of a run made of the golden checkpoint, and what was said of it."""
    folder = tmp_path_factory.mktemp("imported")
    shutil.copy(FILE, folder / "network-snapshot-000002.pkl")
    words = ["import", folder / "network-snapshot-000002.pkl", "--out", folder / "taichi"]
    config = request.config.rootpath / "configs" / "bouncing.py"
    with pytest.MonkeyPatch.context() as patch:
        said = []
        patch.setattr("builtins.print", lambda *line, **_: said.append(" ".join(line)))
        assert cli.main([*map(str, words), "--config", str(config), *SMALL]) == 0
    return folder / "taichi", said


@pytest.fixture(scope="module")
def whole():
    return opening.read(FILE, training=True)


def assert_equal(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)  # raises too when the trees differ


def test_the_run_renders_as_the_release_does(imported):
    expected = np.load(golden.GOLDEN / "network_snapshot.npz")
    clip = digan.load(imported[0]).generate_from_noise(expected["z"], expected["z_motion"], expected["t"])
    assert golden.difference(clip, golden.channels_last(expected["video"])) < golden.TOLERANCE


def test_all_networks_are_there_and_the_optimizer_is_fresh(imported, whole):
    assert reading.finished_steps(imported[0]) == [250]  # 2 kimg of 8 clips
    config, found = reading.restore_weights(imported[0])
    assert config.model == whole.config and config.data.source == "bouncing"
    assert_equal(found["generator"], whole.generator)
    assert_equal(found["critic"], whole.critic)
    assert_equal({**found["ema"], "w_avg": found["w_avg"]}, whole.params)
    saved = checkpoint.Checkpointer(imported[0], config)
    like = start.fresh(config, devices.make_mesh())
    state, position = saved.restore(like)
    saved.close()
    assert int(state.step) == 250 and position["dataset"] is None
    assert_equal(state.generator_optimizer, like.generator_optimizer)
    assert_equal(state.critic_optimizer, like.critic_optimizer)


def test_the_command_it_prints_goes_on(imported, tmp_path, monkeypatch, request):
    folder, said = imported
    shutil.copytree(folder, tmp_path / "taichi")
    [line] = [line for line in said if "  continue " in line]
    words = shlex.split(line.split("continue")[1].replace(str(folder), str(tmp_path / "taichi")))[1:]
    seen = []

    def iteration(state, batch):
        seen.append((int(state.step), np.asarray(state.w_avg)))
        return dataclasses.replace(state, step=state.step + 1), {"generator/loss": jnp.float32(0)}

    monkeypatch.setattr(compiling, "compile_iteration", lambda *_: iteration)  # the real one is tested in test_steps.py
    assert cli.main([*words, "--config.train.total_kimg=2.024"]) == 0
    assert [step for step, _ in seen] == [250, 251, 252]
    np.testing.assert_array_equal(seen[0][1], opening.read(folder).params["w_avg"])
    assert reading.finished_steps(tmp_path / "taichi") == [250, 253]
    saved = (tmp_path / "taichi" / "checkpoints" / "253" / "data" / "metadata").read_text()
    assert json.loads(saved)["dataset"] is not None  # from now on the data are its own


def test_a_run_of_step_0_begins_with_its_weights(whole, make_config, tmp_path, monkeypatch):
    config = import_run.run_config(whole, make_config({"train.total_kimg": 0.008, "log.sample_clips": 4}))
    assert import_run.write(tmp_path / "run", whole, config) == 0
    seen = []

    def iteration(state, batch):
        seen.append(np.asarray(state.w_avg))
        return dataclasses.replace(state, step=state.step + 1), {"generator/loss": jnp.float32(0)}

    monkeypatch.setattr(compiling, "compile_iteration", lambda *_: iteration)
    loop.train(config, str(tmp_path / "run"))
    np.testing.assert_array_equal(seen[0], whole.params["w_avg"])


@pytest.mark.parametrize("kind", ["snapshot", "export", "export for training"])
def test_init_from(kind, whole, make_config, tmp_path, capsys):
    place = FILE
    if kind != "snapshot":
        place = tmp_path / "model"
        parts = whole if kind == "export for training" else dataclasses.replace(whole, generator=None, critic=None)
        model_folder.write(place, parts, samples=0)
    model = {f"model.{key}": value for key, value in dataclasses.asdict(whole.config).items()}
    config = make_config(model)
    state = start.fresh(config, devices.make_mesh(), str(place))
    assert int(state.step) == 0
    assert_equal({**state.ema, "w_avg": state.w_avg}, whole.params)
    if kind == "export":
        assert "no critics; new ones are initialised" in capsys.readouterr().err
        assert_equal(state.generator, state.ema)
        assert np.abs(state.critic["image"]["b32"]["conv0"]["weight"]).max() > 0
    else:
        assert_equal(state.generator, whole.generator)
        assert_equal(state.critic, whole.critic)


def test_init_from_another_architecture(imported, make_config):
    config = make_config()
    with pytest.raises(InputError, match=r"model\.z_dim: 24 -> 16"):
        start.fresh(config, devices.make_mesh(), str(imported[0]))


@pytest.mark.parametrize(
    "words, message",
    [
        ([str(FILE), "--out", "{there}"], "something already"),
        (["nowhere.pkl", "--out", "{new}"], "nowhere.pkl: no such run or file"),
        ([str(FILE), "--out", "{new}", "--kimg", "-1"], "--kimg -1"),
        ([str(FILE), "--out", "{new}", "--config", "nowhere.py"], "nowhere.py: cannot be opened"),
        (["{export}", "--out", "{new}"], "a generator without critics"),
        ([str(golden.GOLDEN / "loss_32.npz"), "--out", "{new}"], "no arrays named"),
    ],
)
def test_what_cannot_be_imported(words, message, tmp_path, capsys, request, monkeypatch, tiny_config, tiny_params):
    monkeypatch.chdir(request.config.rootpath)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    model_folder.write(tmp_path / "export", weights.Weights(tiny_config, tiny_params), samples=0)
    places = {name: str(tmp_path / name) for name in ("there", "new", "export")}
    assert cli.main(["import", *(word.format(**places) for word in words)]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "new").exists()
