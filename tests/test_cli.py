"""What a person types, what they get, and what they are told when it cannot be."""

import argparse
import errno
import json
import re
import subprocess
import sys

import av
import numpy as np
import pytest
from PIL import Image

from digan_jax import cli
from digan_jax.errors import TrainingDiverged
from digan_jax.verbs import arguments


@pytest.fixture(autouse=True)
def in_checkout(request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)


@pytest.fixture
def render(tiny_run, tmp_path):
    """render("--ids", "0-3", out="clips.mp4") -> exit status; the file is meant for tmp_path."""

    def run(*words, out="clips.mp4"):
        return cli.main(["render", "--run", str(tiny_run), "--out", str(tmp_path / out), *words])

    return run


def shape(path):
    """(frames, height, width) of a video."""
    with av.open(path) as container:
        frames = list(container.decode(video=0))
    return len(frames), frames[0].height, frames[0].width


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# ---- help ----


@pytest.mark.parametrize(
    "words",
    [[], ["prepare"], ["train"], ["render"], ["evaluate"], ["study", "make"], ["export"], ["import"], ["config"],
     ["directions"], ["doctor"]],
)
def test_help_is_quick_and_imports_nothing_heavy(words):
    """No jax, numpy or av: they are what takes seconds. A process of its own, since this one has them all."""
    script = (
        "import sys\nfrom digan_jax import cli\n"
        f"try:\n    cli.main({[*words, '--help']!r})\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print(sorted({'jax', 'numpy', 'av', 'absl', 'flax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("verb", "own", "foreign"),
    [
        ("prepare", "--val-fraction", "--workdir"),
        ("train", "--init-from", "--ids"),
        ("render", "--truncation", "--workdir"),
        ("config", "--arrays", "--ids"),
        ("export", "--training", "--ids"),
        ("import", "--kimg", "--ids"),
        ("evaluate", "--protocol", "--ids"),
    ],
)
def test_help_shows_the_options_of_its_verb(capsys, verb, own, foreign):
    with pytest.raises(SystemExit) as end:
        cli.main([verb, "--help"])
    shown = capsys.readouterr().out
    assert end.value.code == 0 and own in shown and foreign not in shown


def test_a_command_without_words_says_what_people_come_for(capsys):
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    commands = re.findall(r"^  digan (\w+)", shown, re.MULTILINE)
    assert {"render", "prepare", "train", "directions"} <= set(commands) <= set(cli.NAMES)
    assert len(shown.splitlines()) <= 20


# ---- render ----


def test_a_grid_is_one_file(render, tmp_path):
    assert render("--ids", "0-5", "--frames", "3", "--fps", "5", "--grid", "3x2") == 0
    assert names(tmp_path) == ["clips.mp4"]
    assert shape(tmp_path / "clips.mp4") == (3, 64, 96)
    with av.open(tmp_path / "clips.mp4") as container:
        note = json.loads(container.metadata["comment"])
        assert container.streams.video[0].average_rate == 5
    assert note["request"]["ids"] == [0, 1, 2, 3, 4, 5] and note["times"] == [0, 0.5, 1]


def test_several_ids_are_a_file_each(render, tmp_path):
    assert render("--ids", "3,12", "--frames", "2", out="clips.png") == 0
    assert names(tmp_path) == ["clips_0003.png", "clips_0012.png"]


def test_one_content_with_several_motions(render, tmp_path):
    assert render("--ids", "4", "--motion-ids", "0-1", "--frames", "2", out="clips.npz") == 0
    assert names(tmp_path) == ["clips_0004_m0000.npz", "clips_0004_m0001.npz"]
    first, second = (np.load(path)["frames"] for path in sorted(tmp_path.iterdir()))
    np.testing.assert_array_equal(first[0], second[0])  # at t = 0 they share a frame
    assert np.abs(first[1] - second[1]).max() > 1e-4


def test_files_hold_what_python_draws(render, tmp_path, tiny_run):
    import digan_jax as digan

    options = ["--ids", "7", "--times", "0.9,-0.5", "--truncation", "0.6", "--seed", "3", "--size", "20x12"]
    assert render(*options, "--region", "-1,-2,0.5,1", out="clip.npz") == 0
    model = digan.load(tiny_run)
    grid = digan.grid(20, 12, region=(-1, -2, 0.5, 1))
    expected = model.sample([7], [0.9, -0.5], grid, truncation=0.6, seed=3)[0]
    np.testing.assert_array_equal(np.load(tmp_path / "clip.npz")["frames"], expected)


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ([], (32, 32)),
        (["--scale", "1.5"], (48, 48)),
        (["--scale", "2", "--mode", "scaled"], (64, 64)),
        (["--size", "50x30"], (50, 30)),
        (["--region", "-2,-1,2,1"], (64, 32)),
        (["--region", "-0.5,-0.5,0.5,0.5", "--scale", "4"], (64, 64)),
    ],
)
def test_sizes(render, tmp_path, words, size):
    assert render("--times", "0.5", *words, out="frame.png") == 0
    with Image.open(tmp_path / "frame.png") as image:
        assert image.size == size


def test_a_rerun_replaces_the_file(render, tmp_path):
    (tmp_path / "clip.png").write_bytes(b"old")
    assert render("--times", "0.5", out="clip.png") == 0
    assert (tmp_path / "clip.png").read_bytes() != b"old"


def test_long_renders_say_how_far_they_are(capsys, monkeypatch):
    from digan_jax.host import progress
    from digan_jax.rendering import render_files

    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with render_files.frame_counter(progress.TerminalProgress(), 4) as count:
        assert list(count(np.arange(4))) == [0, 1, 2, 3]
    assert capsys.readouterr().err == "2/4 frames, 0.17 frames/s, 12 s left\n4/4 frames, 0.17 frames/s, 0 s left\n"


# ---- the other verbs ----


def test_config_shows_fields_and_parameter_counts(capsys):
    words = ["--config", "configs/bouncing.py", "--config.model.resolution=128"]
    words += ["--config.model.channel_base=32768", "--config.model.channel_max=512"]
    words += [f"--config.model.{name}=512" for name in ("z_dim", "w_dim", "motion_dim")]
    assert cli.main(["config", *words]) == 0
    shown = capsys.readouterr().out
    assert "train.learning_rate = 0.0025\n" in shown and "model.resolution = 128\n" in shown
    assert re.search(r"generator +63,538,706 ", shown)
    assert re.search(r"critics +56,779,266 ", shown)


def test_config_lists_what_is_shipped(capsys):
    assert cli.main(["config", "--list"]) == 0
    shown = capsys.readouterr().out
    assert re.search("^taichi_128 +TaiChi-HD, unconditional", shown, re.MULTILINE) and "__init__" not in shown


def test_prepare_passes_its_flags_on(monkeypatch, capsys):
    from digan_jax.jobs import prepare

    calls = []
    monkeypatch.setattr(prepare, "run", lambda request, progress: calls.append(request) or "the report")
    words = "prepare clips --name sky --size 64 --frames 8 --stride 2 --data-dir d --val-fraction 0.1 --cuts"
    words = [*words.split(), "--strict", "--overwrite", "--beam", "--runner=DirectRunner --direct_num_workers=2"]
    assert cli.main(words) == 0
    assert capsys.readouterr().out == "the report\n"
    expected = dict(source="clips", name="sky", size=64, frames=8, stride=2, data_dir="d", val_fraction=0.1, cuts=True)
    expected |= dict(piece_frames=128, workers=0, strict=True, overwrite=True)
    beam = ("--runner=DirectRunner", "--direct_num_workers=2")
    assert calls == [prepare.PrepareRequest(**expected, beam_options=beam)]
    assert cli.main(["prepare", "clips", "--name", "sky"]) == 0
    assert calls[1] == prepare.PrepareRequest("clips", "sky")


@pytest.mark.parametrize(
    "words, message",
    [
        (["--val-fraction", "2"], "--val-fraction 2.0: must lie in"),
        (["--piece-frames", "0"], "--piece-frames 0: must be 1 or more"),
        (["--name", "Sky"], "--name 'Sky': use small letters"),
    ],
)
def test_prepare_names_flags_where_requests_name_fields(words, message, capsys):
    assert cli.main(["prepare", "clips", "--name", "sky", *words]) == 2
    assert message in capsys.readouterr().err


def test_train_parses_and_names_the_folder(monkeypatch):
    from digan_jax.training import loop

    calls = []
    monkeypatch.setattr(loop, "train", lambda *arguments: calls.append(arguments))
    assert cli.main(["train", "--config", "bouncing", "--config.train.seed=5", "--init-from", "runs/a"]) == 0
    assert cli.main(["train", "--config=configs/bouncing.py", "--workdir", "runs/b", "--profile", "10"]) == 0
    (first, folder, init_from, unprofiled), (_, other, nothing, profiled) = calls
    assert (first.train.seed, folder, init_from) == (5, "runs/bouncing", "runs/a")
    assert (other, nothing) == ("runs/b", None)
    assert (unprofiled, profiled) == (0, 10)


# ---- what cannot be used ----


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["draw"], "draw"),
        (["train", "--config", "configs/bouncing.py", "--profile", "-1"], "--profile -1"),
        (["render", "--out", "a.mp4"], "--run"),
        (["export", "r", "--out", "m", "--samples", "-1"], "--samples -1"),
        (["export", "r", "--out", "m", "--format", "tf"], "'tf'.*safetensors.*npz.*stablehlo"),
        (["export", "r", "--out", "m", "--format", "npz"], "--out m: .* ends in .npz"),
        (["export", "r", "--out", "m.npz", "--format", "npz", "--push", "a/b"], "--push: uploads a folder"),
        (["export", "nowhere", "--out", "m"], "nowhere: no such run"),
        (["export", "r", "--out", "tests"], "tests: there is something already"),
        (["import", "nowhere.pkl"], "--out"),
        (["import", "nowhere.pkl", "--out", "m"], "nowhere.pkl: no such run"),
        (["render", "--run", "r", "--out", "a.mov"], r"'\.mov'.*\.mp4"),
        (["render", "--run", "nowhere", "--out", "a.mp4"], "nowhere: no such run"),
        (["render", "--run", "r", "--out", "a.mp4", "--ids", "3-1"], "--ids: '3-1'"),
        (["render", "--run", "r", "--out", "a.mp4", "--ids", "x"], "--ids: 'x'"),
        (["render", "--run", "r", "--out", "a.mp4", "--ids", "-3"], "--ids: '-3'"),
        (["render", "--run", "r", "--out", "a.mp4", "--times", "0:1:2"], "'0:1:2' has 3 ends"),
        (["render", "--run", "r", "--out", "a.mp4", "--times", "noon"], "'noon' does not parse"),
        (["render", "--run", "r", "--out", "a.mp4", "--frames", "0"], "--frames 0"),
        (["render", "--run", "r", "--out", "a.mp4", "--size", "4"], "--size: '4'"),
        (["render", "--run", "r", "--out", "a.mp4", "--region", "0,1"], "'0,1' has 2 numbers"),
        (["render", "--run", "r", "--out", "a.mp4", "--ids", "1,2", "--motion-ids", "1-3"], "--ids: 2 given for 3"),
        (["render", "--run", "r", "--out", "a.mp4", "--speed", "3"], "unknown option --speed"),
        (["config", "--config", "configs/bouncing.py", "--config.train.sead=1"], "train.sead; did you mean train.seed"),
        (["config", "--config", "configs/nowhere.py"], "configs/nowhere.py: cannot be opened"),
        (["train", "--config", "boucing"], "--config boucing: is not shipped; did you mean bouncing?"),
        (["config"], "--config --list"),
        (["config", "--list", "--config.train.seed=1"], "--list: takes no --config.train.seed=1"),
        (["prepare", "nowhere-at-all", "--name", "sky"], "nowhere-at-all"),
    ],
)
def test_one_message_and_status_2(capsys, words, message):
    assert cli.main(words) == 2
    shown = capsys.readouterr()
    assert re.search(message, shown.err) and shown.err.count("\n") == 1 and shown.err.startswith("digan: ")
    assert not shown.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ids", "0-4", "--grid", "2x2"], "--grid 2x2.*5 clips; 2x3 has"),
        (["--label", "1"], "no classes"),
        (["--scale", "2", "--size", "64x64"], "give one of them"),
        (["--scale", "1.3", "--mode", "scaled"], "42x42.*whole multiple"),
        (["--scale", "0"], "--scale 0"),
        (["--fps", "0"], "--fps 0: must be"),
        (["--region", "1,0,0,1"], "x0 < x1"),
        (["--times", "0,inf"], "infinity"),
    ],
)
def test_refused_before_anything_is_overwritten(render, tmp_path, capsys, words, message):
    (tmp_path / "clips.mp4").write_bytes(b"old")
    assert render(*words) == 2
    assert re.search(message, capsys.readouterr().err)
    assert names(tmp_path) == ["clips.mp4"] and (tmp_path / "clips.mp4").read_bytes() == b"old"


def test_a_run_without_checkpoint_is_named(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    assert cli.main(["render", "--run", str(tmp_path), "--out", str(tmp_path / "a.mp4")]) == 2
    assert "no finished checkpoint" in capsys.readouterr().err


def test_a_full_disk_is_one_message(render, tmp_path, capsys, monkeypatch):
    from digan_jax.host import video_files

    def full(path, *_):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setitem(video_files._WRITERS, ".mp4", full)
    assert render("--frames", "1") == 2
    assert re.search("no space left on the device; free some", capsys.readouterr().err)
    assert not names(tmp_path)


@pytest.mark.parametrize(("error", "status"), [(TrainingDiverged("step 3: nan"), 1), (KeyboardInterrupt(), 130)])
def test_other_ends(monkeypatch, capsys, error, status):
    from digan_jax.training import loop

    def train(*_):
        raise error

    monkeypatch.setattr(loop, "train", train)
    assert cli.main(["train", "--config", "configs/bouncing.py"]) == status
    assert capsys.readouterr().err in ("digan: step 3: nan\n", "digan: interrupted\n")


def test_a_defect_shows_its_traceback(monkeypatch):
    from digan_jax.training import loop

    def train(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(loop, "train", train)
    with pytest.raises(ZeroDivisionError):
        cli.main(["train", "--config", "configs/bouncing.py"])


@pytest.mark.parametrize("text", ["²", "①", "1²", "v2"])
def test_digits_that_are_no_numbers_are_text(text):
    """Unicode knows digits that int() does not."""
    assert arguments.labels(text) == [text]
    with pytest.raises(argparse.ArgumentTypeError, match="no step"):
        arguments.step(text)
