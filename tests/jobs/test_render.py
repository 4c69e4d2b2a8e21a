"""`digan render`, as a person types it: films, sheets, shares, and files that can be made again."""

import dataclasses
import json
import re
import shlex

import numpy as np
import pytest

from digan_jax import cli, grids
from digan_jax.config import ModelConfig
from digan_jax.host import video_files
from digan_jax.host.progress import Cancelled, Progress
from digan_jax.interop import opening
from digan_jax.jobs import render as jobs
from digan_jax.jobs.render_request import RenderRequest
from digan_jax.models.digan import networks
from digan_jax.rendering import estimate, generate, render_files, tiles
from digan_jax.rendering import model as model_lib
from digan_jax.runs import reading


@pytest.fixture
def render(tiny_run, tmp_path, monkeypatch):
    """render("--ids 0-3 --out clips.npz") -> exit status; files go to tmp_path, which is where the command runs."""
    monkeypatch.chdir(tmp_path)
    return lambda words: cli.main(["render", "--run", str(tiny_run), *shlex.split(words)])


@pytest.fixture
def conditional(tiny_config, tiny_run, monkeypatch):
    """`tiny_run` gives a model of three named classes."""
    import jax

    config = ModelConfig(**{**tiny_config.__dict__, "n_classes": 3})
    params = networks.build(config).generator.init(jax.random.key(2))
    names = ("dog", "cat", "ice skating")
    model = model_lib.Model(config, {**params, "w_avg": np.zeros(16, np.float32)}, class_names=names)
    monkeypatch.setattr(opening, "load", lambda *_: model)
    monkeypatch.setattr(opening, "look", lambda *_: opening.Glance(config, names, 0, model_lib.Model))
    return model


def frames(path):
    with np.load(path) as file:
        return file["frames"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


TOLERANCE = dict(atol=2e-5)  # float32 sums in another order, where pieces have another size


def test_slow_motion_and_rates_share_frames(render):
    assert render("--frames 4 --out plain.npz") == 0
    assert render("--frames 4 --slow 3 --out slow.npz") == 0
    np.testing.assert_allclose(frames("slow.npz")[::3], frames("plain.npz"), **TOLERANCE)
    assert render("--fps 6 --duration .5 --times 0:2 --out low.npz") == 0
    assert render("--fps 12 --duration .5 --times 0:2 --out high.npz") == 0
    assert len(frames("low.npz")) == 3
    np.testing.assert_allclose(frames("high.npz")[::2], frames("low.npz"), **TOLERANCE)


def test_a_walk_passes_its_ids(render):
    assert render("--walk 3,9,4 --seconds .5 --fps 4 --times .5:.5 --out walk.npz") == 0
    assert render("--ids 3,9,4 --times .5 --out still.npz") == 0
    film = frames("walk.npz")
    assert film.shape == (5, 32, 32, 3)
    for i, one in enumerate((3, 9, 4)):
        np.testing.assert_allclose(film[2 * i], frames(f"still_{one:04}.npz")[0], **TOLERANCE)


def test_a_path_is_a_film_of_its_windows(render):
    assert render("--path '0s:-1,-1,1,1 1s:0,0,1,1' --size 12x12 --fps 2 --frames 3 --times 0,0,0 --out pan.npz") == 0
    assert render("--region -.5,-.5,1,1 --size 12x12 --times 0 --out half.npz") == 0
    film = frames("pan.npz")
    np.testing.assert_allclose(film[1], frames("half.npz")[0], **TOLERANCE)
    assert np.abs(film[0] - film[2]).max() > 1e-3


def test_a_mixture_is_a_clip(render, tiny_run):
    import digan_jax as digan

    assert render("--mix 3,9 --layers 0-1 --frames 2 --out mix.npz") == 0
    model = digan.load(tiny_run)
    expected = model.generate(digan.mix(model.latents([3]), model.latents([9]), [0, 1]), [0.0, 1.0])[0]
    np.testing.assert_allclose(frames("mix.npz"), expected, **TOLERANCE)


def test_contents_cross_motions_in_one_picture(render):
    assert render("--ids 1,2 --motion-ids 5-7 --cross --times 0,1 --out cross.npz") == 0
    assert render("--ids 2 --motion-ids 6 --times 0,1 --out one.npz") == 0
    sheet = frames("cross.npz")
    assert sheet.shape == (2, 64, 96, 3)
    one = video_files.to_uint8(frames("one.npz")).astype(int)
    assert np.abs(sheet[:, 32:, 32:64].astype(int) - one).max() <= 1  # rounding of float32 sums in another order
    np.testing.assert_array_equal(sheet[0, :32, :32], sheet[0, :32, 32:64])  # at t = 0 a row is one picture


def test_the_best_step_is_named_by_its_number(render, tmp_path, monkeypatch, tiny_run):
    monkeypatch.setattr(reading, "read_fvd", lambda run: {0: 20.0, 8: 10.0})  # of step 8 nothing is left
    assert render("--ids 2 --frames 1 --step best --out best.npz") == 0
    assert video_files.read_metadata("best.npz")["step"] == 0
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert cli.main(["render", "--again", "best.npz", "--out", "again.npz"]) == 0  # whatever is best by now
    np.testing.assert_array_equal(frames("again.npz"), frames("best.npz"))


def test_classes_by_name_and_all_of_them(render, conditional, tmp_path):
    assert render("--ids 4 --label all --times .5 --out all.npz") == 0
    assert render("--ids 4 --label 'ice skating' --times .5 --out skating.npz") == 0
    assert names(tmp_path) == ["all_0004_c0.npz", "all_0004_c1.npz", "all_0004_c2.npz", "skating.npz"]
    np.testing.assert_allclose(frames("skating.npz"), frames("all_0004_c2.npz"), **TOLERANCE)
    expected = conditional.sample([4], [0.5], label="ice skating")[0]
    np.testing.assert_allclose(frames("skating.npz"), expected, **TOLERANCE)
    assert render("--ids 4,5 --label all --cross --times .5 --out sheet.png") == 0


def test_an_unknown_class_is_named(render, conditional, capsys):
    assert render("--label ice-skating --out a.npz") == 2
    assert re.search("'ice-skating'.*'ice skating'", capsys.readouterr().err)


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "png", "npz"])
def test_a_file_is_made_again(render, tmp_path, suffix):
    assert render(f"--ids 2-3 --frames 2 --times 1:-1 --truncation .7 --out clip.{suffix}") == 0
    assert cli.main(["render", "--again", f"clip_0003.{suffix}", "--out", f"again.{suffix}"]) == 0
    assert names(tmp_path) == [f"again.{suffix}", f"clip_0002.{suffix}", f"clip_0003.{suffix}"]
    a, b = (video_files.read_metadata(f"{name}.{suffix}") for name in ("again", "clip_0003"))
    assert a == b and a["request"]["ids"] == [3] and a["times"] == [1, -1] and a["step"] == 0
    if suffix in ("png", "mp4"):  # webm and zip files hold the hour
        ours, theirs = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("again", "clip_0003"))
        assert ours == theirs


def test_flags_change_what_is_made_again(render, tmp_path, capsys):
    """A flag replaces the file's own value, and that of a flag which would exclude it."""
    assert render("--ids 2-3 --frames 2 --scale 2 --times 1:-1 --out clip.npz") == 0
    again = ["render", "--again", "clip_0003.npz", "--out", "b.npz"]
    assert cli.main([*again, "--size", "20x10", "--times", "0,0.5,1", "--truncation", "0"]) == 0
    request = video_files.read_metadata("b.npz")["request"]
    assert (request["ids"], request["size"], request["scale"], request["truncation"]) == ([3], [20, 10], None, 0)
    assert frames("b.npz").shape[-4:] == (3, 10, 20, 3) and request["times"] == [0, 0.5, 1]
    video_files.write_video("old.npz", np.zeros((1, 4, 4, 3)), metadata={"command": "digan render", "step": 0})
    assert cli.main(["render", "--again", "old.npz", "--size", "20x10"]) == 2
    assert "--again old.npz: is of an older version; leave out --size." in capsys.readouterr().err


def test_what_digan_did_not_write_cannot_be_made_again(tmp_path, capsys):
    video_files.write_video(tmp_path / "a.npz", np.zeros((1, 4, 4, 3)))
    (tmp_path / "b.mp4").write_bytes(b"no video")
    for name, message in (("a.npz", "no request"), ("b.mp4", "no note"), ("c.mp4", "no such file")):
        assert cli.main(["render", "--again", str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err


def test_a_killed_render_continues(render, tmp_path, monkeypatch, capsys):
    """The second file fails; what was finished stays, and is not made again."""
    monkeypatch.setattr(generate, "HOST_BYTES", 1)
    write, calls = video_files._WRITERS[".npz"], []

    def full(path, *rest):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device", path)
        write(path, *rest)

    monkeypatch.setitem(video_files._WRITERS, ".npz", full)
    assert render("--ids 0-2 --frames 2 --out c.npz") == 2
    assert "c_0001.npz: no space left" in capsys.readouterr().err
    assert names(tmp_path) == ["c_0000.npz"]
    assert render("--ids 0-2 --frames 2 --out c.npz --continue") == 0
    assert names(tmp_path) == ["c_0000.npz", "c_0001.npz", "c_0002.npz"] and len(calls) == 4
    assert "c_0000.npz (was whole already)" in capsys.readouterr().out
    assert render("--ids 0-2 --frames 2 --seed 1 --out c.npz --continue") == 0  # of another world: all anew
    assert len(calls) == 7


def test_a_file_of_older_days_is_made_again(render, tmp_path, tiny_run):
    """Its note holds the command line, and its own ids where that made several files."""
    render("--ids 2-3 --motion-ids 5 --frames 2 --times -1:1 --out clip.npz")
    command = f"digan render --run {tiny_run} --ids 2-3 --motion-ids 5 --frames 2 --times -1:1 --out clip.npz"
    command += " --process-id 1 --process-count 2 --continue"
    note = {"run": str(tiny_run), "step": 0, "command": command, "seed": 0, "truncation": 1.0, "times": [-1, 1]}
    note |= {"ids": 3, "motion_ids": 5, "alone": True}
    video_files.write_video("old.npz", np.zeros((2, 32, 32, 3)), metadata=note)
    assert cli.main(["render", "--again", "old.npz"]) == 0
    assert video_files.read_metadata("old.npz") == video_files.read_metadata("clip_0003_m0005.npz")
    np.testing.assert_array_equal(frames("old.npz"), frames("clip_0003_m0005.npz"))


def test_python_and_shell_make_the_same_files(render, tmp_path, tiny_run):
    import digan_jax as digan

    assert render("--ids 2-3 --motion-ids 7 --frames 2 --fps 5 --size 20x12 --truncation .7 --out shell.mp4") == 0
    request = digan.RenderRequest(
        tiny_run, "python.mp4", ids=[2, 3], motion_ids=[7], frames=2, fps=5, size=(20, 12), truncation=0.7
    )
    written = digan.render(request)
    assert [path.name for path in written] == ["python_0002_m0007.mp4", "python_0003_m0007.mp4"]
    for path in written:
        assert path.read_bytes() == (tmp_path / path.name.replace("python", "shell")).read_bytes()
    assert digan.render(dataclasses.replace(request, resume=True)) == written  # found whole, not made
    assert jobs.describe(dataclasses.replace(request, resume=True)).count("(is whole already)") == 2


def test_progress_counts_frames(tmp_path, tiny_run, capsys):
    told = []
    request = RenderRequest(tiny_run, tmp_path / "c.npz", ids=[0, 1], frames=3)
    jobs.run(request, Progress(tell=lambda *what: told.append(what)))
    assert told == [("rendering", i, 6, "frames") for i in range(7)]
    jobs.run(dataclasses.replace(request, sheet=(2, 1)), Progress(tell=lambda *what: told.append(what)))
    assert told[7:] == [("rendering", i, 3, "frames") for i in range(4)]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["mp4", "gif", "npz"])
@pytest.mark.parametrize("end", [Cancelled, KeyboardInterrupt])
def test_an_early_end_leaves_whole_files_alone(tmp_path, tiny_run, monkeypatch, suffix, end):
    monkeypatch.setattr(render_files, "HOST_BYTES", 1)  # clip by clip
    told = []

    def tell(*what):
        told.append(what)
        if end is KeyboardInterrupt and len(told) == 5:
            raise KeyboardInterrupt

    progress = Progress(tell, cancelled=lambda: end is Cancelled and len(told) == 5)
    (tmp_path / f"c_0001.{suffix}").write_bytes(b"old")
    with pytest.raises(end):
        jobs.run(RenderRequest(tiny_run, tmp_path / f"c.{suffix}", ids=range(3), frames=3), progress)
    assert names(tmp_path) == [f"c_0000.{suffix}", f"c_0001.{suffix}"]
    assert (tmp_path / f"c_0001.{suffix}").read_bytes() == b"old"
    assert video_files.read_metadata(tmp_path / f"c_0000.{suffix}")["request"]["ids"] == [0]


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".png", ".npz"])
def test_the_note_of_a_file_in_a_bucket_is_read(bucket, suffix):
    """So --again and --resume work there, too."""
    path = bucket / "clips" / f"a{suffix}"
    video_files.write_video(path, np.zeros((2, 16, 16, 3), np.uint8), metadata={"ids": [3]})
    assert video_files.read_metadata(path) == {"ids": [3]}


def test_processes_share_the_files(render, tmp_path):
    for process in range(2):
        assert render(f"--ids 0-2 --times 0 --out c.png --process-id {process} --process-count 2") == 0
        assert len(names(tmp_path)) == [3, 4][process]
    index = json.loads((tmp_path / "c_index.json").read_text())
    assert [(row["file"], row["process"], *row["request"]["ids"]) for row in index] == [
        ("c_0000.png", 0, 0), ("c_0001.png", 1, 1), ("c_0002.png", 0, 2),
    ]  # fmt: skip


def test_a_dry_run_draws_nothing(render, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(opening, "load", None)
    assert render("--ids 0-1 --size 3840x2160 --duration 600 --fps 60 --out c.mp4 --dry-run") == 0
    shown = capsys.readouterr().out
    assert "2 clips of 36000 frames, 3840x2160" in shown and "c_0001.mp4" in shown and "nothing was drawn" in shown
    memory = float(re.search(r"about ([\d.]+) GB", shown)[1])
    assert render("--ids 0-1 --size 3840x2160 --frames 1 --out c.mp4 --dry-run") == 0
    short = float(re.search(r"about ([\d.]+) GB", capsys.readouterr().out)[1])
    assert memory <= 1.5 * short + 0.5  # a piece of frames on each device, whatever the length
    assert not names(tmp_path)


@pytest.mark.parametrize("resolution", [32, 128])
def test_the_estimate_counts_what_xla_counts(resolution):
    import jax

    config = ModelConfig(resolution=resolution, channel_base=2048, channel_max=64, z_dim=32, w_dim=32, motion_dim=32)
    nets = networks.build(config)
    params = jax.eval_shape(nets.generator.init, jax.random.key(0))
    assert estimate.parameters(config) == pytest.approx(sum(x.size for x in jax.tree.leaves(params)), rel=0.02)
    grid, lat = grids.native(resolution), (1, nets.generator.n_layers, 32)
    shape = lambda *axes: jax.ShapeDtypeStruct(axes, np.float32)
    for frames_ in (1, 4):
        latents = generate.Latents(shape(*lat), shape(1, 32))
        lowered = jax.jit(nets.generator.synthesis).lower(params, latents, shape(1, frames_), grid)
        of_clip, of_frame = estimate.operations(config, grid)
        counted = lowered.cost_analysis()["flops"]  # of everything, activations and Fourier features too
        assert 0.6 * counted < of_clip + frames_ * of_frame < counted


def test_an_early_end_is_quicker_and_keeps_its_size():
    config = ModelConfig(resolution=128, channel_base=32768, channel_max=512)
    for mode, share in (("native", 0.6), ("smooth", 0.9)):  # a smooth picture has all levels at every pixel
        whole, early = (tiles.grid(128, 128, mode=mode, levels=r).resolve(config) for r in (None, 64))
        assert early.size == whole.size == (128, 128)
        assert estimate.operations(config, early)[1] < share * estimate.operations(config, whole)[1]
        plan = tiles.Plan(1, 1, 16, 8)
        places = [tiles.tile(early, *corner, plan)[1] for corner in tiles.corners(early, plan)]
        assert max(rows.stop for rows, _ in places) == max(columns.stop for _, columns in places) == 128


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--walk 3", "two or more"),
        ("--walk 3,4 --grid 2x1", "one film"),
        ("--walk 3,4 --ids 1,2", "one film"),
        ("--walk 3,4 --seconds 0", "--seconds 0: must"),
        ("--walk 3,4 --motion-ids 1", "--walk-of content"),
        ("--walk 3,4 --times 0,1", "2 times for a walk of 17"),
        ("--walk 3,4 --duration 2", "--duration"),
        ("--mix 3,4", "--layers"),
        ("--layers 3", "--mix"),
        ("--mix 3,4,5 --layers 1", "3 ids"),
        ("--mix 3,4 --layers 99", "layers 0 to"),
        ("--cross --ids 1,2", "--cross"),
        ("--levels 48", "--levels 48.*32"),
        ("--path 0s:0,0,0,1", "region 0,0,0,1"),
        ("--path 0s:0,0,1,1 --region 0,0,1,1", "give one of them"),
        ("--path 0s:0,0,1,1 --mode native", "use mode smooth"),
        ("--slow 0", "--slow: '0'"),
        ("--slow 1.5", "--slow: '1.5'"),
        ("--duration -1", "--duration -1: must"),
        ("--times 0,1 --duration 2", "--duration"),
        ("--times 0:nan", "NaN"),
        ("--fps inf", "--fps inf: must"),
        ("--size 0x4", "--size: '0x4'"),
        ("--region 0,0,0,1", "x0 < x1"),
        ("--label all", "no classes"),
        ("--label dog", "no names"),
        ("--step 7", "no checkpoint of step 7"),
        ("--step best", "no checkpoint of it was measured"),
        ("--step newest", "'newest' is no step"),
        ("--process-id 2 --process-count 2", "--process-id 2"),
        ("--out clip.webm --quality 10-bit", "choose .mp4"),
        ("--out clip.gif --quality lossless", "Choose .mp4"),
    ],
)
def test_refused_before_anything_is_overwritten(render, tmp_path, capsys, words, message):
    (tmp_path / "clip.mp4").write_bytes(b"old")
    assert render(f"--out clip.mp4 {words}") == 2
    shown = capsys.readouterr().err
    assert re.search(message, shown) and shown.count("\n") == 1
    assert names(tmp_path) == ["clip.mp4"] and (tmp_path / "clip.mp4").read_bytes() == b"old"
