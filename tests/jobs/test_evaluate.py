"""`digan evaluate` from end to end, with quick networks and protocols of a few clips."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.evaluation import protocols, tables
from digan_jax.host.files import write_json
from digan_jax.host.progress import Cancelled, Progress
from digan_jax.jobs import evaluate
from digan_jax.jobs.evaluate import EvaluateRequest

N = 12


@pytest.fixture(autouse=True)
def small_protocols(monkeypatch):
    """Of 12 clips; digan with 3 draws."""
    small = {name: dataclasses.replace(p, n_real=N, n_fake=N, draws=min(p.draws, 3)) for name, p in protocols.PROTOCOLS.items()}
    small["magvit_10k4"] = protocols.PROTOCOLS["magvit_10k4"]
    monkeypatch.setattr(protocols, "PROTOCOLS", small)


def clips(seed, n=N, frames=16, shift=0, motion=3):
    """Smooth noise that moves to the right by `motion` pixels a frame, brighter by `shift`."""
    random = np.random.default_rng(seed)
    ground = random.integers(40, 160, (n, 4, 4, 3)).repeat(4, 1).repeat(4, 2)
    moved = np.stack([np.roll(ground, motion * t, 2) for t in range(frames)], 1)
    return (moved + shift).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    def make(name, *arguments, **options):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "clips.npz", clips(*arguments, **options))
        return str(tmp_path / name)

    return make


@pytest.fixture
def ask(quick_networks, tmp_path, folder):
    """ask(fake, ...) -> the report, against a folder of 40 real clips."""
    real = folder("real", 0, 40, 20)

    def run(fake, progress=Progress(), **options):
        return evaluate.run(EvaluateRequest(fake, real, cache=str(tmp_path / "cache"), **options), progress)

    run.real = real
    return run


def test_a_report_says_everything_that_moves_the_number(ask, folder):
    found = ask(folder("fake", 1, shift=20))
    quick = found["protocols"]["quick"]
    assert (quick["n_real"], quick["n_generated"], quick["draws"], quick["stride"]) == (N, N, 1, 1)
    assert "centre crop" in quick["resize"] and "cut to uint8" in quick["quantise"] and quick["source"]
    assert found["weights"] == {"i3d_kinetics400_logits": "a" * 64, "efficientnet_lite0": "b" * 64}
    assert found["real"]["records"] == 40 and len(found["real"]["fingerprint"]) == 16
    assert found["versions"]["jax"] and found["date"] and found["seconds"] > 0 and "cpu" in found["device"].lower()
    assert quick["fvd"]["mean"] > quick["references"]["real"] and quick["fvd"]["deviation"] is None
    text = tables.table(found)
    for word in ("quick", "(of names and contents of files)", "a" * 12, "frozen", f"{quick['fvd']['mean']:.1f}", "versions"):
        assert word in text
    json.dumps(found)


def test_reference_lines_tell_motion_from_pictures(ask, folder):
    lines = ask(folder("fake", 1))["protocols"]["quick"]["references"]
    assert lines["real"] < lines["frozen"]
    still = ask(folder("still", 1, motion=0))["protocols"]["quick"]
    moving = ask(folder("moving", 1))["protocols"]["quick"]
    assert moving["fvd"]["mean"] < still["fvd"]["mean"]


def test_draws_give_mean_and_deviation(ask, folder):
    found = ask(folder("fake", 1), protocol="digan")["protocols"]["digan"]
    draws = found["fvd"]["draws"]
    assert len(set(draws)) == 3 and found["generated_clips"] == "the same in each draw"
    np.testing.assert_allclose([found["fvd"]["mean"], found["fvd"]["deviation"]], [np.mean(draws), np.std(draws, ddof=1)])
    several = ask(folder("many", 1, 40), protocol="digan")["protocols"]["digan"]
    assert several["generated_clips"] == "new in each draw"


def test_is_stands_there_with_its_files_alone(ask, folder, tmp_path):
    without = ask(folder("fake", 1))
    assert "inception_score" not in without["protocols"]["quick"] and " IS" not in tables.table(without)
    one_colour = clips(1, 40) // 8
    one_colour[..., 0] += 150
    (tmp_path / "red").mkdir()
    np.savez(tmp_path / "red" / "clips.npz", one_colour)
    files = {"c3d": "c" * 32, "c3d_mean": "d" * 32}
    found, red = (ask(str(tmp_path / name), protocol="digan", **files) for name in ("real", "red"))
    score = found["protocols"]["digan"]["inception_score"]
    assert len(set(score["draws"])) == 3 and score["mean"] == np.mean(score["draws"]) and 1.3 < score["mean"] < 3
    assert red["protocols"]["digan"]["inception_score"]["mean"] == pytest.approx(1)
    assert red["protocols"]["digan"]["inception_score"]["real"] == score["real"] > 1.3  # of the same real clips
    assert found["weights"]["c3d_ucf101"] == files["c3d"] + files["c3d_mean"]
    assert f"{score['mean']:.2f} ± {score['deviation']:.2f}  {score['real']:.2f}" in tables.table(found)
    assert "IS" in tables.comparison([found, red]).split("\n")[0].split()
    red["weights"]["c3d_ucf101"] = "e" * 64
    assert "IS" not in tables.comparison([found, red]).split("\n")[0].split()
    with pytest.raises(InputError, match="`c3d` and `c3d_mean` go together"):
        ask(str(tmp_path / "red"), c3d="x")


def test_all_protocols_side_by_side(ask, folder):
    found = ask(folder("fake", 1), protocol="all")
    assert list(found["skipped"]) == ["magvit_10k4", "latte"][::-1]  # 20 frames are too few at stride 3
    assert "too few videos" in found["skipped"]["latte"] and "takes 10000" in found["skipped"]["magvit_10k4"]
    text = tables.table(found)
    assert all(name in text for name in protocols.PROTOCOLS) and "left out: latte" in text


def test_a_run_against_the_data_it_was_trained_on(tiny_run, quick_networks, tmp_path, capsys):
    out = tmp_path / "metrics.json"
    command = ["evaluate", "--run", str(tiny_run), "--cache", str(tmp_path / "cache"), "--out", str(out)]
    assert cli.main(command) == 0
    found = evaluate.read(out)
    assert found["real"]["name"] == "bouncing" and found["subject"]["step"] == 0
    assert found["motion"]["diversity_of_motions"][0] < 1e-3 < found["motion"]["diversity_of_contents"][0]
    assert len(found["motion"]["drift"]["sharpness"]) == 4 * 16
    assert "FVD" in capsys.readouterr().out
    sheet = np.asarray(Image.open(tmp_path / "metrics_nearest.png"))
    assert sheet.shape == (8 * (3 * 32 + 2), 16 * 32, 3)
    quick_networks.clear()
    assert cli.main(command) == 0 and not quick_networks  # all known
    again = evaluate.read(out)
    assert again["protocols"] == found["protocols"]


def test_copies_of_real_clips_are_found(ask, folder, tmp_path):
    (tmp_path / "copied").mkdir()
    planned = protocols.choose(protocols.PROTOCOLS["quick"], np.full(40, 20), 1, 0)
    real = clips(0, 40, 20)
    copied = np.stack([real[r, f] for r, f in zip(planned.record, planned.frames)])
    copied[6:] = clips(5, 6)
    np.savez(tmp_path / "copied" / "clips.npz", copied)
    numbers = ask(str(tmp_path / "copied"))["protocols"]["quick"]["coverage"]
    for space, least in (("nearest_video", 0.01), ("nearest_pixels", 5.0)):
        assert numbers[space]["real_clip"][:6] == [0, 1, 2, 3, 4, 5]
        # Means of copies, taken in another order of sums: 1e-3 grey levels and 1e-6 of the features at most.
        assert max(numbers[space]["distance"][:6]) < 1e-3 < least < min(numbers[space]["distance"][6:])


def test_several_in_one_table(ask, folder, tmp_path, capsys):
    near, far = folder("near", 1), folder("far", 1, shift=60)
    out, real = str(tmp_path / "all.json"), str(tmp_path / "real")
    write_json(tmp_path / "near.json", ask(near))
    words = ["--real", real, "--cache", str(tmp_path / "cache"), "--out", out]
    assert cli.main(["evaluate", "--compare", far, str(tmp_path / "near.json"), *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    places = [next(i for i, line in enumerate(lines) if name in line) for name in ("near", "far", "frozen")]
    assert places == sorted(places)
    assert Image.open(tmp_path / "all.png").size[0] > 300


def test_reports_of_other_real_clips_are_not_compared(ask, folder, tmp_path, quick_networks):
    first = ask(folder("fake", 1))
    other = folder("other_real", 9, 40)
    second = evaluate.run(EvaluateRequest(str(tmp_path / "fake"), other, cache=None))
    with pytest.raises(InputError, match="different real clips under quick; their numbers cannot be compared"):
        tables.comparison([first, second])
    weights = evaluate.run(EvaluateRequest(str(tmp_path / "fake"), str(tmp_path / "real"), cache=None, weights="d" * 64))
    with pytest.raises(InputError, match="different I3D weights"):
        tables.comparison([first, weights])


@pytest.mark.parametrize(
    ("fake", "options", "message"),
    [
        (dict(n=11), {}, "^protocol=quick: too few generated clips: the protocol takes 12, there are 11"),
        (dict(frames=15), {}, "has 15 frames, a clip needs 16"),
        ({}, {"protocol": "latte"}, "^protocol=latte: .*too few videos"),
        ({}, {"protocol": "fvd"}, "unknown protocol"),
    ],
)
def test_bad_input_before_any_work(ask, folder, quick_networks, fake, options, message):
    with pytest.raises(InputError, match=message):
        ask(folder("fake", 1, **fake), **options)
    assert not quick_networks


def test_sizes_must_agree(quick_networks, folder, tmp_path):
    wide = folder("wide", 1)
    np.savez(tmp_path / "wide" / "clips.npz", clips(1)[:, :, :8])
    with pytest.raises(InputError, match="real frames are 16x16, generated ones 16x8"):
        evaluate.run(EvaluateRequest(wide, folder("real", 0, 40), cache=None))
    resized = evaluate.run(EvaluateRequest(wide, str(tmp_path / "real"), cache=None, size=12))
    assert resized["real"]["size"] == 12 and resized["protocols"]["quick"]["fvd"]["mean"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run", "x", "--out", "report.txt"], "ends in .json"),
        (["--run", "x", "--pairs", "y"], "--pairs needs --fake"),
        (["--fake", "x", "--lpips", "y"], "--lpips needs --pairs"),
        (["--run", "x", "--c3d", "y"], "--c3d and --c3d-mean go together"),
        (["--run", "x", "--c3d-mean", "y"], "--c3d and --c3d-mean go together"),
        (["--fake", "x", "--pairs", "z", "--lpips", "a", "b", "c"], "--lpips ['a', 'b', 'c']: 3 files"),
        (["--run", "x", "--size", "0"], "--size 0: must be 1"),
        (["--run", "x", "--step", "last"], "'last' is no step"),
        (["--compare", "none.json", "--real", "x"], "none.json: is no report"),
        (["--real", "x"], "one of the arguments --run --fake --compare is required"),
    ],
)
def test_bad_options(words, message, capsys):
    assert cli.main(["evaluate", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_bucket_serves_as_a_folder_does(ask, folder, bucket, quick_networks, monkeypatch):
    """Report, sheet and features go to a bucket and are read from it."""
    cache, out = str(bucket / "features"), bucket / "results" / "metrics.json"
    words = ["--cache", cache, "--out", str(out)]
    fake, real = folder("fake", 1), ask.real
    assert cli.main(["evaluate", "--fake", fake, "--real", real, *words]) == 0
    found = evaluate.read(out)
    assert found["protocols"]["quick"]["fvd"]["mean"] > 0
    with (bucket / "results" / "metrics_nearest.png").open("rb") as file:
        assert Image.open(file).size == (16 * 16, 8 * (3 * 16 + 2))
    quick_networks.clear()
    again = evaluate.run(EvaluateRequest(fake, real, cache=cache))
    assert again["protocols"] == found["protocols"] and not quick_networks
    assert evaluate.as_reports([str(out)], EvaluateRequest(fake)) == [found]
    with pytest.raises(InputError, match="none.json: is no report"):
        evaluate.read(bucket / "none.json")


def test_whoever_watches_is_told_and_can_end_it(ask, folder):
    told = []
    ask(folder("fake", 1), progress=Progress(lambda *now: told.append(now)))
    assert ("quick: generated clips", N, N, "clips") in told and ("quick: real clips", 0, N, "clips") in told
    with pytest.raises(Cancelled, match="quick: real clips: cancelled after 1 of 12 clips"):
        ask(folder("other", 1), progress=Progress(cancelled=lambda: True))
