"""Checkpoints that are no longer what was saved: refused, passed over or set aside, but never used."""

import dataclasses
import json
import os
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import digan_jax
from digan_jax.errors import InputError
from digan_jax.models.families import FAMILIES
from digan_jax.runs import checkpoint, reading
from digan_jax.runs.checkpoint import Checkpointer
from digan_jax.runs.stored import Damaged
from tests.runs.conftest import saved_run


def same(ours, theirs) -> bool:
    if jax.tree.structure(ours) != jax.tree.structure(theirs):
        return False
    return all(
        np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(*map(jax.tree.leaves, (ours, theirs)))
    )


def flip(file, offset, mask=0x10):
    content = bytearray(file.read_bytes())
    content[offset] ^= mask
    file.write_bytes(content)


def flips(folder, per_file, seed=0):
    """(file, offset, mask): in each file of a folder, at the ends and in between."""
    rng = np.random.default_rng(seed)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = file.stat().st_size
        for offset in sorted({0, size - 1, *rng.integers(0, max(size, 1), per_file).tolist()} if size else ()):
            yield file, int(offset), 1 << int(rng.integers(8))


@pytest.fixture
def other(state):
    return jax.tree.map(lambda x: x + jnp.ones((), x.dtype), state)


@pytest.fixture
def two(tmp_path, config, state, other):
    """A run of two checkpoints: 1 of `state`, 2 of `other`."""
    saved = saved_run(tmp_path, config, state)
    saved.save(2, other, {"step": 2})
    saved.close()
    return tmp_path


READERS = {
    "inference": (("ema", "config", "digest"), lambda run, config, state: reading.restore_for_inference(run, 1)),
    "weights": (("state", "config", "digest"), lambda run, config, state: reading.restore_weights(run, 1)),
    "training": (("state", "data", "digest"), lambda run, config, state: restore(run, config, state)),
}


def restore(run, config, like):
    saved = Checkpointer(run, config)
    try:
        return saved.restore(like)
    finally:
        saved.close()


@pytest.mark.parametrize("kind", READERS)
def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path, config, state, kind):
    items, read = READERS[kind]
    saved_run(tmp_path, config, state).close()
    whole = read(tmp_path, config, state)
    step = tmp_path / "checkpoints" / "1"
    refused = 0
    for item in items:
        for file, offset, mask in flips(step / item, per_file=6, seed=len(kind)):
            content = file.read_bytes()
            flip(file, offset, mask)
            try:
                found = read(tmp_path, config, state)
            except InputError as error:
                refused += 1
                assert str(tmp_path) in str(error) and "step 1" in str(error) and item in str(error), (file, offset)
            else:
                assert same(whole[0] if kind == "training" else whole[1], found[0] if kind == "training" else found[1])
                assert kind == "training" or found[0] == whole[0]
            file.write_bytes(content)
    assert refused > 10
    assert same(whole[1], read(tmp_path, config, state)[1])


def test_the_message_names_the_array(tmp_path, config, state, monkeypatch):
    saved_run(tmp_path, config, state).close()
    digest = tmp_path / "checkpoints" / "1" / "digest" / "metadata"
    record = json.loads(digest.read_text())
    assert record["state"]["critic.image.b4.weight"][:2] == ["float32", [4, 8]]
    assert record["ema"]["w_avg"] == record["state"]["w_avg"]
    from digan_jax.runs import digests

    found = digests.of_arrays(state)
    found["critic.image.b4.weight"] = ["float32", [4, 8], "0" * 16]
    monkeypatch.setattr(digests, "of_arrays", lambda tree: found)
    with pytest.raises(
        Damaged, match="checkpoint of step 1 is damaged: .*state: array critic.image.b4.weight is not what"
    ):
        restore_state(tmp_path, state)


def restore_state(run, like):
    return reading.of_whole(run, 1, lambda stored: stored.state(like))


def empty(step):
    shutil.rmtree(step)
    step.mkdir()


def lose(*names):
    return lambda step: [shutil.rmtree(step / name) for name in names]


def cut_largest(step):
    file = max((path for path in (step / "ema").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    os.truncate(file, file.stat().st_size // 2)


def empty_files(step):
    for path in step.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)


DAMAGE = {
    "an empty folder": empty,
    "no averages": lose("ema"),
    "no configuration": lose("config"),
    "no digest": lose("digest"),
    "cut arrays": cut_largest,
    "a cut configuration": lambda step: os.truncate(step / "config" / "metadata", 40),
    "empty files": empty_files,
    "no files": lambda step: [path.unlink() for path in step.rglob("*") if path.is_file()],
    "swapped items": lambda step: (lose("ema")(step), shutil.copytree(step / "state", step / "ema")),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_with_a_note(two, config, state, capsys, name):
    DAMAGE[name](two / "checkpoints" / "2")
    theirs, params = reading.restore_for_inference(two)
    assert theirs == config and same(params, FAMILIES["digan"].inference(state))
    said = capsys.readouterr().err
    assert "the checkpoint of step 2 is damaged" in said and "The checkpoint of step 1 is used instead" in said
    assert reading.restore_config(two) == (config, 1)
    with pytest.raises(InputError, match=r"step 2 is damaged.*choose another --step, of \[1\]"):
        reading.restore_for_inference(two, 2)
    DAMAGE[name](two / "checkpoints" / "1")
    with pytest.raises(InputError, match="(?s)holds no checkpoint that is whole.*step 2.*step 1"):
        reading.restore_for_inference(two)


TRAINING_DAMAGE = DAMAGE | {"no state": lose("state"), "no data position": lose("data")}
TRAINING_DAMAGE = {k: v for k, v in TRAINING_DAMAGE.items() if k not in ("no averages", "cut arrays", "swapped items")}


@pytest.mark.parametrize("name", TRAINING_DAMAGE)
def test_training_sets_a_damaged_checkpoint_aside_and_saves_that_step_again(two, config, state, other, capsys, name):
    TRAINING_DAMAGE[name](two / "checkpoints" / "2")
    saved = Checkpointer(two, config)
    theirs, data = saved.restore(state)
    assert same(theirs, state) and data == {"step": 1}
    assert "step 1 is used instead" in capsys.readouterr().err
    assert reading.finished_steps(two) == [1] and (two / "checkpoints" / "damaged-2").is_dir()
    saved.save(2, other, {"step": 2})
    saved.wait()
    saved.close()
    assert reading.finished_steps(two) == [1, 2]
    again = Checkpointer(two, config)
    assert same(again.restore(state)[0], other)
    TRAINING_DAMAGE[name](two / "checkpoints" / "2")
    again.restore(state)
    again.close()
    assert {p.name for p in (two / "checkpoints").iterdir()} == {"1", "damaged-2", "damaged-2-2"}


LISTINGS = {
    "cut": lambda file: os.truncate(file, 30),
    "empty": lambda file: os.truncate(file, 0),
    "gone": lambda file: file.unlink(),
    "no text": lambda file: file.write_bytes(b"\xff\xfe"),
    "a flipped byte": lambda file: flip(file, 20, 1),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_the_list_of_items_is_not_needed(two, config, state, other, name):
    """Orbax writes it; everything that is used has a digest of its own."""
    for step in ("1", "2"):
        LISTINGS[name](two / "checkpoints" / step / "_CHECKPOINT_METADATA")
    assert same(reading.restore_for_inference(two)[1], FAMILIES["digan"].inference(other))
    saved = Checkpointer(two, config)
    assert same(saved.restore(state)[0], other)
    saved.save(3, state, {"step": 3})
    saved.wait()
    saved.close()
    assert 3 in reading.finished_steps(two)


def test_folders_of_other_names_are_no_checkpoints(two, config, state):
    for name in ("backup", "old_160", "0160", "160"):
        (two / "checkpoints" / name).mkdir() if name != "160" else (two / "checkpoints" / name).write_text("")
    assert reading.finished_steps(two) == [1, 2]
    assert same(restore(two, config, state)[1], {"step": 2})


def test_a_checkpoint_from_before_digests_is_read_with_one_note(two, state, capsys):
    step = two / "checkpoints" / "2"
    shutil.rmtree(step / "digest")
    metadata = json.loads((step / "_CHECKPOINT_METADATA").read_text())
    metadata["item_handlers"].pop("digest")
    (step / "_CHECKPOINT_METADATA").write_text(json.dumps(metadata))
    for _ in range(2):
        assert reading.restore_config(two)[1] == 2
    assert capsys.readouterr().err.count("not verified") == 1


def test_a_state_of_another_version_is_no_damage(two, config, state):
    wider = dataclasses.replace(state, w_avg=jnp.zeros(9))
    with pytest.raises(InputError, match="holds other arrays than this version trains, such as w_avg"):
        restore(two, config, wider)
    assert reading.finished_steps(two) == [1, 2]


CONFIGS = {
    "cut": lambda file: os.truncate(file, 100),
    "empty": lambda file: os.truncate(file, 0),
    "a list": lambda file: file.write_text("[1]"),
    "text for a group": lambda file: file.write_text(json.dumps(json.loads(file.read_text()) | {"data": "<b>"})),
    "text for a group, format 1": lambda file: file.write_text(
        json.dumps(json.loads(file.read_text()) | {"eval": "<b>", "format": 1})
    ),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "no text": lambda file: file.write_bytes(b"\xff\xfe\x00"),
    "nested": lambda file: file.write_text("[" * 100_000),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_damaged_configuration_is_read_from_the_checkpoint(two, config, capsys, name):
    CONFIGS[name](two / "config.json")
    assert reading.run_config(two) == config
    assert "config.json" in (said := capsys.readouterr().err) and "checkpoint of step 2 stands in" in said
    checkpoint.check_workdir(two, config)
    with pytest.raises(InputError, match="another configuration"):
        checkpoint.check_workdir(two, dataclasses.replace(config, compute_dtype="bfloat16"))
    empty(two / "checkpoints" / "2")
    assert reading.run_config(two) == config
    empty(two / "checkpoints" / "1")
    with pytest.raises(InputError, match="config.json.*No checkpoint of .* has a copy"):
        reading.run_config(two)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_folder_with_a_foreign_configuration_is_refused(tmp_path, config, name):
    checkpoint.claim(tmp_path, config)
    CONFIGS[name](tmp_path / "config.json")
    for use in (lambda: checkpoint.check_workdir(tmp_path, config), lambda: digan_jax.load(tmp_path)):
        with pytest.raises(InputError, match="config.json|is no run|give a run|no finished checkpoint"):
            use()


@pytest.mark.parametrize("text", ['{"1": 20.0, "2', "[1]", '{"a": 1}', '{"1": "x"}', '{"1": NaN}', "\xff"])
def test_damaged_measurements_and_names_are_ignored_with_a_note(two, capsys, text):
    for name in ("fvd.json", "classes.json"):
        (two / name).write_bytes(text.encode("latin-1"))
    assert reading.read_fvd(two) == {}
    assert "fvd.json" in (said := capsys.readouterr().err) and "ignored" in said
    if text != '{"a": 1}' and not text.startswith('{"1": '):
        assert reading.class_names(two) == ()
        assert "classes.json" in capsys.readouterr().err
