"""Places that may not be used: every verb says so in one sentence, before it works, and leaves nothing behind."""

import contextlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from digan_jax import cli
from digan_jax.config import files as config_files
from digan_jax.data import builder
from digan_jax.host import caches
from tests.data.conftest import scene, write

NOBODY = 65534


@pytest.fixture(scope="module")
def shared(tiny_run):
    """A folder that every user may read, with a run, videos and a prepared set in it. Permissions do not bind the
    superuser, so tests become nobody."""
    root = Path(tempfile.mkdtemp(prefix="digan_test_"))
    root.chmod(0o755)
    shutil.copytree(tiny_run, root / "run")
    for i in range(3):
        write(root / "videos" / f"{i}.mkv", scene(20, 24, 24, seed=i))
    builder.prepare(str(root / "videos"), "sky", 24, data_dir=str(root / "sets"), workers=1)
    (root / "file").write_text("")
    (root / "closed").mkdir(mode=0o555)
    (root / "open").mkdir()
    (root / "open").chmod(0o777)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def nobody():
    """A context in which file permissions bind. What is imported inside may lie where nobody may read."""
    for module in (verb.__name__ for verb in cli.VERBS):
        importlib.import_module(module)
    for module in ("benchmark", "training.loop", "jobs.study_page", "jobs.evaluate", "jobs.import_run", "interop.npz"):
        importlib.import_module(f"digan_jax.{module}")
    for module in ("interop.stablehlo", "interop.snapshot", "evaluation.study", "data.builder"):
        importlib.import_module(f"digan_jax.{module}")
    config_files.load("bouncing", [])

    @contextlib.contextmanager
    def become():
        if os.getuid():
            yield
            return
        os.setresuid(NOBODY, NOBODY, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)

    return become


@pytest.fixture
def refused(shared, nobody, capsys, monkeypatch):
    """refused(words with {root}) -> the one message of a command that nobody gives."""
    monkeypatch.setattr(builder, "_build", lambda *_: pytest.fail("worked"))
    monkeypatch.chdir(shared / "open")

    def run(words):
        before = sorted(shared.rglob("*"))
        with nobody():
            assert cli.main([word.replace("{root}", str(shared)) for word in words.split()]) == 2
        shown = capsys.readouterr()
        assert shown.err.count("\n") == 1 and shown.err.startswith("digan: ") and not shown.out
        assert sorted(shared.rglob("*")) == before
        return shown.err

    return run


COMMANDS = {
    "render": "render --run {root}/run --out %s/a.mp4",
    "render several": "render --run {root}/run --ids 0-3 --out %s/a.mp4",
    "directions": "directions --run {root}/run --out %s/d.npz",
    "train": "train --config bouncing --workdir %s/run",
    "export": "export {root}/run --out %s/model",
    "export npz": "export {root}/run --format npz --out %s/model.npz",
    "import": "import nowhere.pkl --out %s/run",
    "evaluate": "evaluate --run {root}/run --real bouncing --out %s/metrics.json",
    "evaluate cache": "evaluate --run {root}/run --real bouncing --cache %s/cache --out {root}/open/m.json",
    "study": "study make {root}/run {root}/run --pairs 1 --out %s/study",
    "study report": "study report nowhere.json --json %s/report.json",
    "benchmark": "benchmark --rows i3d --json %s/rows.json",
    "prepare": "prepare {root}/videos --name new --data-dir %s/sets",
}
PLACES = {
    "read-only": ("{root}/closed", "cannot be written .permission denied"),
    "below what is not there": ("{root}/closed/a/b", "cannot be written .permission denied"),
    "below a file": ("{root}/file", "file is no folder"),
    "a long name": ("{root}/open/" + "x" * 300, "file name too long"),
    "of the kernel": ("/proc", "/proc.*cannot be written"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_to_write_is_looked_at_first(refused, command, place):
    where, message = PLACES[place]
    assert re.search(message, refused(COMMANDS[command] % where))


@pytest.mark.parametrize(
    "words",
    [
        "render --run {root}/run --out {root}/open/folder.mp4",
        "render --run {root}/run --ids 0,1 --out {root}/open/several.png",
        "evaluate --run {root}/run --real bouncing --out {root}/open/folder.json",
        "export {root}/run --format npz --out {root}/open/folder.npz",
        "benchmark --rows i3d --json {root}/open/folder.json",
        "study report nowhere.json --json {root}/open/folder.json",
    ],
)
def test_a_folder_is_no_file(refused, shared, words):
    for name in ("folder.mp4", "folder.json", "folder.npz", "several_0001.png"):
        (shared / "open" / name).mkdir(exist_ok=True)
    assert "is a folder; name the file" in refused(words)


@pytest.mark.parametrize(
    "closed", ["", "sky", "sky/1.0.0", "sky/1.0.0/dataset_info.json", "sky/1.0.0/digan_index.json"]
)
@pytest.mark.parametrize(
    "words",
    [
        "train --config base --config.data.name=sky --config.data.data_dir={root}/sets --config.model.resolution=32 "
        "--workdir {root}/open/run",
        "evaluate --fake {root}/videos --real sky --data-dir {root}/sets --out {root}/open/m.json",
        "prepare {root}/videos --name sky --size 24 --data-dir {root}/sets",
    ],
)
def test_a_set_that_may_not_be_read_is_not_called_unprepared(refused, shared, words, closed):
    place = shared / "sets" / closed
    mode = place.stat().st_mode
    place.chmod(0o700 if place.is_dir() else 0o600)
    if not os.getuid():
        assert re.search(rf"{place}: may not be read", refused(words))
    place.chmod(mode)


def test_a_prepared_set_is_used_by_who_may_not_write_there(shared, nobody, capsys):
    words = ["prepare", str(shared / "videos"), "--name", "sky", "--size", "24", "--data-dir", str(shared / "sets")]
    with nobody():
        assert cli.main(words) == 0
    assert "was prepared already" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["dataset_info.json", "digan.json", "digan_index.json", "features.json"])
@pytest.mark.parametrize("damage", ["half", "nothing", "list", "empty object", "bytes"])
def test_a_damaged_file_of_a_set_is_named(shared, tmp_path, capsys, name, damage):
    sets = tmp_path / "sets"
    shutil.copytree(shared / "sets", sets)
    file = sets / "sky" / "1.0.0" / name
    (file.parent / "label.labels.txt").unlink(missing_ok=True)
    whole = file.read_bytes()
    made = {
        "half": whole[: len(whole) // 2],
        "nothing": b"",
        "list": b"[]",
        "empty object": b"{}",
        "bytes": b"\xff\xfe\0",
    }
    file.write_bytes(made[damage])
    out = str(tmp_path / "m.json")
    evaluate = ["evaluate", "--fake", str(shared / "videos"), "--real", "sky", "--data-dir", str(sets), "--out", out]
    prepare = ["prepare", str(shared / "videos"), "--name", "sky", "--size", "24", "--data-dir", str(sets)]
    assert cli.main(prepare if name == "digan.json" else evaluate) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    if damage != "empty object":  # which says something: no classes, no splits, no index yet
        assert f"{file}: is damaged" in said and "--overwrite" in said
    assert cli.main([*prepare, "--overwrite", "--workers", "1"]) == 0
    assert json.loads(file.read_text())


@pytest.mark.parametrize("home", ["nobody's", "read-only"])
def test_caches_without_a_place_are_left_out_with_one_note(shared, nobody, monkeypatch, capsys, home):
    monkeypatch.setattr(caches, "_reasons", [])
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as it answers where there is no entry in passwd
    if home == "read-only":
        monkeypatch.setenv("XDG_CACHE_HOME", str(shared / "closed"))
    else:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    caches.usable.cache_clear()
    from digan_jax.evaluation import feature_cache

    with nobody():
        assert cli.main(["config", "--list"]) == 0 and feature_cache.default_folder() is None
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and re.search("note: caches are left out .*XDG_CACHE_HOME", err)
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    caches.usable.cache_clear()


@pytest.mark.slow
@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv"),
    reason="only the superuser can become a user whom the system does not know",
)
def test_a_user_without_a_name_or_a_home(shared, request):
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(request.config.rootpath), "JAX_PLATFORMS": "cpu"}

    def digan(*words):
        become = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
        command = [*become, sys.executable, "-m", "digan_jax", *words]
        return subprocess.run(command, env=env, cwd=shared / "open", capture_output=True, text=True)

    for words in (["--help"], ["train", "--help"]):
        done = digan(*words)
        assert (done.returncode, done.stderr) == (0, "")
    done = digan("prepare", str(shared / "videos"), "--name", "sky")
    assert done.returncode == 2 and "give --data-dir" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    done = digan("render", "--run", "~/run", "--out", "a.png")
    assert done.returncode == 2 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype(np.float32)),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes."),
        PermissionError(13, "Permission denied", "there"),
        OSError(30, "Read-only file system", "there"),
        IsADirectoryError(21, "Is a directory", "there"),
    ],
)
def test_what_the_system_refuses_later_is_one_sentence_too(monkeypatch, capsys, error):
    from digan_jax.training import loop

    def train(*_):
        raise error

    monkeypatch.setattr(loop, "train", train)
    assert cli.main(["train", "--config", "configs/bouncing.py", "--workdir", "/tmp"]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch("digan: (there is not enough memory|there: ).*; .*\n", said)
