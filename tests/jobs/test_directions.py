"""`digan directions` and `digan render --edit`, as a person types them."""

import numpy as np
import pytest
from PIL import Image

from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.jobs.directions import DirectionsRequest
from digan_jax.jobs.render_request import RenderRequest


@pytest.fixture(scope="module")
def file(tiny_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("directions") / "dirs.npz"
    words = ["--run", str(tiny_run), "--out", str(out), "--count", "2", "--samples", "128"]
    assert cli.main(["directions", *words]) == 0
    return out


def test_a_contact_sheet_lies_beside_the_file(file):
    with Image.open(file.with_suffix(".png")) as sheet:
        assert sheet.width > 7 * 64 and sheet.height > 4 * 64  # a row for each of four directions
        assert len(set(np.asarray(sheet).reshape(-1, 3)[:, 0].tolist())) > 50  # not one flat colour


def frames(run, path, *words):
    assert cli.main(["render", "--run", str(run), "--frames", "2", "--out", str(path), *words]) == 0
    return np.load(path)["frames"]


def test_edits_reach_the_frames(tiny_run, file, tmp_path):
    plain = frames(tiny_run, tmp_path / "a.npz")
    content = frames(tiny_run, tmp_path / "b.npz", "--edit", "1:+3", "--directions", str(file))
    motion = frames(tiny_run, tmp_path / "c.npz", "--edit", "m1:-3", "--directions", str(file))
    np.testing.assert_array_equal(plain[0], motion[0])
    assert np.abs(plain[1] - motion[1]).max() > 1e-3 and np.abs(plain[0] - content[0]).max() > 1e-3
    assert cli.main(["render", "--again", str(tmp_path / "b.npz"), "--out", str(tmp_path / "d.npz")]) == 0
    np.testing.assert_array_equal(content, np.load(tmp_path / "d.npz")["frames"])


def test_directions_of_no_file_are_the_models(tiny_run, tmp_path, monkeypatch):
    import digan_jax as digan
    from digan_jax.rendering.model import Model

    whole = Model.directions
    monkeypatch.setattr(Model, "directions", lambda self, count: whole(self, count, 128))  # of 4096 samples
    found = frames(tiny_run, tmp_path / "a.npz", "--edit", "0:2")
    model = digan.load(tiny_run)
    expected = model.generate(model.directions(1).edited(model.latents([0]), [("0", 2.0)]), [0.0, 1.0])[0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--edit", "3"], "does not parse"),
        (["--edit", "x:1"], "does not parse"),
        (["--edit", "0:1,0:2"], "names a direction twice"),
        (["--edit", "7:1", "--directions", "FILE"], "directions 0 to 1"),
        (["--edit", "77:1"], "directions 0 to 15"),
        (["--directions", "FILE"], "is for --edit"),
        (["--edit", "0:1", "--directions", "nowhere.npz"], "is not there"),
        (["--walk", "0,1", "--walk-in", "z", "--edit", "0:1"], "a walk in z"),
    ],
)
def test_refused_before_anything_is_written(tiny_run, file, tmp_path, capsys, words, message):
    words = [str(file) if word == "FILE" else word for word in words]
    assert cli.main(["render", "--run", str(tiny_run), "--out", str(tmp_path / "a.npz"), *words]) == 2
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_another_models_file_is_refused(tiny_run, file, tmp_path, capsys):
    with np.load(file) as arrays:
        record = dict(arrays)
    record["motion"] = np.zeros((2, 5), np.float32)
    np.savez(tmp_path / "other.npz", **record)
    words = ["--edit", "0:1", "--directions", str(tmp_path / "other.npz"), "--out", str(tmp_path / "a.npz")]
    assert cli.main(["render", "--run", str(tiny_run), *words]) == 2
    assert "directions of vectors of (16, 5); this model's have (16, 16)" in capsys.readouterr().err


def test_vidm_has_none():
    from digan_jax.interop.opening import Glance
    from digan_jax.jobs import edits
    from digan_jax.rendering.vidm import VidmModel

    with pytest.raises(InputError, match="no directions"):
        edits.opened(None, (("0", 1.0),), Glance(None, (), None, VidmModel))
    with pytest.raises(InputError, match="family has none"):
        object.__new__(VidmModel).directions()


@pytest.mark.parametrize("fields", [{"out": "a.png"}, {"count": 0}, {"reach": 0.0}, {"id": -1}])
def test_requests_are_checked(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        DirectionsRequest(**{"run": "r", "out": "d.npz"} | fields)


def test_edits_survive_json():
    request = RenderRequest("r", "a.mp4", edit=[("3", 2), ("m1", -1.0)])
    assert RenderRequest.from_json(request.to_json()) == request and request.edit == (("3", 2.0), ("m1", -1.0))
