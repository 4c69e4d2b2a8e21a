"""`digan doctor` says what is there and what hinders."""

import json

import pytest

from digan_jax import cli
from digan_jax.jobs import doctor

FINE = {
    "libraries": {"jax": "0.10"},
    "devices": [{"platform": "gpu", "kind": "H100"}],
    "memory": {"available": 2**40},
    "disk": {"/here": 2**40},
    "encoders": {"libx264 yuv420p": True},
}


def test_json_holds_the_facts(capsys):
    cli.main(["doctor", "--quick", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["libraries"]["digan-jax"] and report["libraries"]["jaxlib"] and report["machine"]["cores"] >= 1
    assert len(report["devices"]) == 8 and report["devices"][0]["platform"] == "cpu"
    assert report["memory"]["total"] > report["memory"]["available"] > 0
    assert report["encoders"]["libx264 yuv420p"] is True and all(free > 0 for free in report["disk"].values())


@pytest.mark.parametrize(
    "facts, message",
    [
        ({"libraries": {"jax": None}}, "jax: not installed"),
        ({"memory": {"available": 2**30}}, "memory: 1.0 GiB"),
        ({"disk": {"/here": 2**20}}, "/here: 0.0 GiB"),
        ({"encoders": {"libx264 yuv420p": False}}, "PyAV lacks libx264"),
    ],
)
def test_problems_have_cures(facts, message):
    assert doctor.problems(FINE) == []
    [problem] = doctor.problems(FINE | facts)
    assert problem.startswith(message) or message in problem


def test_a_gpu_that_jax_does_not_use_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/bin/{name}")
    [problem] = doctor.problems(FINE | {"devices": [{"platform": "cpu", "kind": "cpu"}]})
    assert "digan-jax[cuda]" in problem


def test_a_trial_that_fails_is_a_problem_with_its_traceback(monkeypatch, capsys):
    def broken(*_):
        raise OSError("no compiler")

    monkeypatch.setattr(doctor.loop, "train", broken)
    monkeypatch.setattr(doctor, "problems", lambda report: [])  # whatever this machine's are
    assert cli.main(["doctor"]) == 2
    shown = capsys.readouterr()
    assert "OSError: no compiler" in shown.err and "Traceback" in shown.out


@pytest.mark.slow
def test_the_trial_trains_and_draws(capsys):
    report = doctor.run(doctor.DoctorRequest())
    assert {"train", "render"} <= report["trial"]["seconds"].keys() and "error" not in report["trial"]
    assert "trial" in doctor.text(report)
