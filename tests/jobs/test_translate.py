"""`digan translate`: requests, maps that do not fit and, with an untrained model, the whole way from file to file."""

import json

import numpy as np
import pytest
from PIL import Image

import digan_jax as digan
from digan_jax import cli
from digan_jax.data import bouncing, figures, poses
from digan_jax.errors import InputError
from digan_jax.jobs.translate import TranslateRequest

TIMES = np.linspace(0, 1, 3)


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """frames, labels and instances of a clip, 24 x 16."""
    root = tmp_path_factory.mktemp("maps")
    for name, kind in (("frames", "render"), ("labels", "labels"), ("instances", "instances")):
        (root / name).mkdir()
        for i, picture in enumerate(getattr(bouncing, kind)(4, TIMES, (16, 24))):
            Image.fromarray(picture).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def run_of(make_config, tmp_path_factory):
    """run_of(fields) -> folder of a run of a tiny model, saved before its first step."""
    import jax

    from digan_jax.models.digan.state import init_state
    from digan_jax.runs import checkpoint

    def make(**changes):
        fields = {"task.name": "translate", "data.frames": 5, "model.condition_width": 4, "model.basis": "shared"}
        config = make_config(fields | {"model.condition_planes": 4} | changes)
        workdir = tmp_path_factory.mktemp("runs") / "translate"
        checkpoint.write_run(workdir, config, 0, init_state(jax.random.key(0), config), {"step": 0})
        return str(workdir)

    return make


@pytest.fixture(scope="module")
def plain_run(run_of):
    return run_of()


def test_maps_that_do_not_fit(plain_run, maps, tmp_path, capsys):
    def refused(*flags):
        out = tmp_path / "a.npz"
        assert cli.main(["translate", "--run", plain_run, "--out", str(out), *map(str, flags)]) == 2 and not out.exists()
        return capsys.readouterr().err

    (tmp_path / "empty").mkdir()
    odd = tmp_path / "odd"
    odd.mkdir()
    for i, (value, side) in enumerate(((0, 16), (0, 17))):
        Image.fromarray(np.full((side, 24), value, np.uint8)).save(odd / f"{i}.png")
    assert "--labels, --edges and --poses: give one of them" in refused()
    assert "there is no such folder" in refused("--labels", tmp_path / "none")
    assert "holds no PNG, so there is no frame" in refused("--labels", tmp_path / "empty")
    assert "1.png: is 24x17," in refused("--labels", odd)
    assert "has the label 7; this model knows 0 to 3. Replace it, for instance by --remap 7=0" in refused(
        "--labels", maps / "labels", "--remap", "2=7"
    )
    assert "1 maps for the 3 of" in refused("--labels", maps / "labels", "--instances", one_of(maps, tmp_path))
    assert "takes no styles" in refused("--labels", maps / "labels", "--style-id", 3)
    assert "was trained on the task 'translate'; --edges needs a model of the task 'edges'" in refused("--edges", odd)
    assert "--remap: 'a=b'" in refused("--labels", odd, "--remap", "a=b")
    person = {"people": [{"pose_keypoints_2d": [0.0] * 75}]}
    (tmp_path / "p.json").write_text(json.dumps({"people": []}))
    assert "has no people in 1 frames" in refused("--poses", tmp_path / "p.json")
    (tmp_path / "p.json").write_text(json.dumps(person))
    assert "does not say how large frames are; give --canvas" in refused("--poses", tmp_path / "p.json")
    assert "poses have 11 labels, this model knows 4" in refused("--poses", tmp_path / "p.json", "--canvas", "9x9")


def one_of(maps, tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "0.png").write_bytes((maps / "instances" / "0.png").read_bytes())
    return folder


def test_models_without_a_task(tiny_run, maps, tmp_path):
    with pytest.raises(InputError, match="follows no maps; `labels` needs a model of the task 'translate'"):
        digan.translate(TranslateRequest(str(tiny_run), str(tmp_path / "a.npz"), labels=str(maps / "labels")))


def test_a_dry_run_says_what_would_be_drawn(plain_run, maps, tmp_path, capsys):
    out = tmp_path / "a.npz"
    flags = ["--labels", str(maps / "labels"), "--fps", "24", "--size", "60x40", "--dry-run"]
    assert cli.main(["translate", "--run", plain_run, "--out", str(out), *flags]) == 0 and not out.exists()
    assert "9 frames of 60x40 pixels at 24 a second, from 3 maps of 24x16" in capsys.readouterr().out


@pytest.mark.slow
def test_labels_become_a_video_and_are_edited(plain_run, maps, tmp_path, capsys):
    out = tmp_path / "a.npz"
    given = ["translate", "--run", plain_run, "--out", str(out), "--labels", str(maps / "labels")]
    assert cli.main(given) == 0
    first = np.load(out)["frames"]
    assert first.shape == (3, 16, 24, 3) and np.isfinite(first).all()
    again = tmp_path / "b.npz"
    assert cli.main(["translate", "--again", str(out), "--out", str(again)]) == 0
    np.testing.assert_array_equal(np.load(again)["frames"], first)
    written = again.stat().st_mtime_ns
    assert cli.main([*given[:4], str(again), *given[5:], "--continue"]) == 0 and again.stat().st_mtime_ns == written
    assert cli.main([*given, "--remap", "2=1"]) == 0
    assert np.abs(np.load(out)["frames"] - first).max() > 1e-3


@pytest.mark.slow
def test_objects_look_as_in_a_frame_or_as_drawn_from_the_mixture(run_of, maps, tmp_path):
    """Two looks differ, the same id gives the same, and only objects of the frame count."""
    run = run_of(**{"model.condition_style": 3, "train.batch_size": 4})
    out, made = tmp_path / "a.npz", {}

    def draw(name, run=run, **options):
        request = TranslateRequest(run, str(out), labels=str(maps / "labels"), instances=str(maps / "instances"), **options)
        digan.translate(request)
        made[name] = np.load(out)["frames"]

    with pytest.raises(InputError, match="no styles are fitted yet; run `digan condition styles"):
        draw("none")
    draw("frame", style_from=str(maps / "frames" / "0.png"))
    from digan_jax.jobs import conditions

    conditions.fit_styles(run, clips=16)
    draw("three", style_id=3)
    draw("four", style_id=4)
    draw("again", style_id=3)
    np.testing.assert_array_equal(made["three"], made["again"])
    for source, export in ((run, "export"), (str(tmp_path / "export"), "export of it")):
        assert cli.main(["export", source, "--out", str(tmp_path / export)]) == 0
    draw("exported", run=str(tmp_path / "export of it"), style_id=3)
    np.testing.assert_allclose(made["exported"], made["three"], atol=1e-6)  # float32, another program
    assert np.abs(made["three"] - made["four"]).max() > 1e-4 and np.abs(made["three"] - made["frame"]).max() > 1e-4
    with pytest.raises(InputError, match="must be of one size"):
        draw("size", style_from=str(maps / "frames" / "0.png"), style_labels=str(small(tmp_path)))


@pytest.mark.slow
def test_a_clip_begins_with_the_frame_that_its_objects_are_taken_from(run_of, maps, tmp_path):
    """Untrained, the picture is the frame's pixels, carried along; with another video's maps they count half."""
    fields = {"model.condition_style": 5, "model.condition_skip": True, "model.condition_carried": True}
    run, out = run_of(**fields), str(tmp_path / "a.npz")
    frame = np.asarray(Image.open(maps / "frames" / "0.png")) / np.float32(255)

    def drawn(**options):
        given = dict(labels=str(maps / "labels"), instances=str(maps / "instances"), size=(24, 16), fps=8) | options
        digan.translate(TranslateRequest(run, out, style_from=str(maps / "frames" / "0.png"), **given))
        return np.load(out)["frames"]

    def away(frames):
        shown = frames[0] / 255 if frames.dtype == np.uint8 else frames[0] / 2 + 0.5
        return float(np.abs(shown - frame).mean())

    theirs = {f"style_{name}": str(maps / name / "0.png") for name in ("labels", "instances")}
    same, elsewhere = drawn(), drawn(**theirs)
    assert away(same) < 0.02  # drawn at 48 x 32 and sampled at 24 x 16: two interpolations
    assert away(same) < away(elsewhere) < 0.15
    edited = drawn(remap=((int(np.asarray(Image.open(maps / "labels" / "0.png")).max()), 0),))
    assert away(edited) > away(same)  # its pixels are those of a shape, not of the ground that it became


def small(tmp_path):
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "small.png")
    return tmp_path / "small.png"


@pytest.mark.slow
def test_poses_and_drawings_become_videos(run_of, tmp_path):
    poses_run = run_of(**{"model.condition_planes": 11, "data.source": "figures"})
    people = [figures.person(3, t, 40) for t in (0.0, 0.5)]
    rows = [
        {"image_id": i, "keypoints": [v for n in poses.POINTS[17] for v in (*p.get(n, (0, 0)), float(n in p))]}
        for i, p in enumerate(people)
    ]
    (tmp_path / "p.json").write_text(json.dumps(rows))
    out = tmp_path / "a.npz"
    digan.translate(TranslateRequest(poses_run, str(out), poses=str(tmp_path / "p.json"), canvas=(40, 40)))
    assert np.load(out)["frames"].shape == (2, 40, 40, 3)
    edges_run = run_of(**{"model.condition_planes": 1, "task.name": "edges"})
    (tmp_path / "e").mkdir()
    for i in range(2):
        Image.fromarray(np.where(np.eye(33, dtype=bool), 0, 255).astype(np.uint8)).save(tmp_path / "e" / f"{i}.png")
    digan.translate(TranslateRequest(edges_run, str(out), edges=str(tmp_path / "e"), fps=16))
    assert np.load(out)["frames"].shape == (4, 33, 33, 3)
