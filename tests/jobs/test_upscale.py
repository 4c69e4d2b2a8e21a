"""`digan upscale`: the request, the baselines and, with an untrained model, the whole way from file to file."""

import numpy as np
import pytest
from PIL import Image

import digan_jax as digan
from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.host.video_files import read_metadata
from digan_jax.jobs import upscale
from digan_jax.rendering import classical
from digan_jax.jobs.upscale import UpscaleRequest

FRAMES, HEIGHT, WIDTH = 5, 6, 9


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def video(pictures, tmp_path_factory):
    """A folder of images: 8 frames a second, as nothing else is known."""
    folder = tmp_path_factory.mktemp("video")
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i}.png")
    return str(folder)


@pytest.mark.parametrize("method", ["bicubic", "lanczos"])
def test_resized_frames_are_pillows_and_linear_in_time(video, pictures, tmp_path, method):
    out = str(tmp_path / "a.npz")
    upscale.run(UpscaleRequest(video, out, method=method, size=(20, 13), fps=20))
    made = np.load(out)["frames"]
    enlarged = [np.float64(Image.fromarray(p).resize((20, 13), classical.FILTERS[method])) for p in pictures]
    assert len(made) == round(FRAMES * 20 / 8) == 12
    for k, frame in enumerate(made):
        place = min(k * 8 / 20, FRAMES - 1)
        first, second = int(place), min(int(place) + 1, FRAMES - 1)
        twin = enlarged[first] + (place - first) * (enlarged[second] - enlarged[first])
        np.testing.assert_allclose(frame, twin, atol=0.51)  # rounded to 8 bits
    assert read_metadata(out)["upscale"]["method"] == method


def test_the_same_rate_gives_as_many_frames(video, pictures, tmp_path, capsys):
    out = tmp_path / "a.npz"
    assert cli.main(["upscale", video, "--out", str(out), "--method", "bicubic", "--scale", "1"]) == 0
    np.testing.assert_array_equal(np.load(out)["frames"], pictures)
    assert cli.main(["upscale", video, "--out", str(out), "--method", "bicubic", "--scale", "2.5", "--dry-run"]) == 0
    assert f"{FRAMES} frames of 22x15 pixels at 8 a second, from 5 of 9x6, by bicubic" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--method", "model"], "--run is required for --method model"),
        (["--method", "bicubic", "--run", "r"], "--method bicubic: needs no model; leave --run and --step out"),
        (["--method", "bicubic", "--scale", "2", "--size", "9x9"], "--size and --scale: give one of them"),
        (["--method", "bicubic", "--scale", "0"], "--scale 0.0: must be a number above 0"),
        (["--method", "bicubic", "--size", "9999x9999"], "has more than 64 Mi pixels; choose a smaller one"),
    ],
)
def test_requests_that_cannot_be(video, tmp_path, capsys, flags, message):
    out = tmp_path / "a.npz"
    assert cli.main(["upscale", video, "--out", str(out), *flags]) == 2
    assert message in capsys.readouterr().err and not out.exists()


def test_videos_and_models_that_cannot_be_used(video, tmp_path, tiny_run):
    nothing = tmp_path / "empty"
    nothing.mkdir()
    with pytest.raises(InputError, match="empty: "):
        upscale.run(UpscaleRequest(str(nothing), str(tmp_path / "a.npz"), method="bicubic"))
    with pytest.raises(InputError, match="takes no small clip; give a model of the task 'upscale'"):
        upscale.run(UpscaleRequest(video, str(tmp_path / "a.npz"), run=str(tiny_run)))


@pytest.mark.slow
def test_a_model_upscales_and_so_does_its_export(upscaling_run, video, tmp_path):
    made = []
    assert cli.main(["export", str(upscaling_run), "--out", str(tmp_path / "model")]) == 0
    assert "upscale" in (tmp_path / "model" / "README.md").read_text()
    for model in (upscaling_run, tmp_path / "model"):
        out = str(tmp_path / "a.npz")
        upscale.run(UpscaleRequest(video, out, run=str(model), scale=2, fps=16))
        made.append(np.load(out)["frames"])
    assert made[0].shape == (2 * FRAMES, 2 * HEIGHT, 2 * WIDTH, 3) and np.isfinite(made[0]).all()
    np.testing.assert_array_equal(*made)
    for form in ("npz", "stablehlo"):
        out = str(tmp_path / f"other.{form}")
        assert cli.main(["export", str(upscaling_run), "--out", out, "--format", form]) == 2


@pytest.mark.slow
def test_a_conditional_model_draws_tiles_frames_and_regions_of_one_picture(upscaling_run, monkeypatch):
    from digan_jax.rendering import generate

    model = digan.load(upscaling_run)
    lat, times = model.latents([3]), np.float32([0.1, 0.5, 2.0])
    maps = np.random.default_rng(0).uniform(-1, 1, (1, 3, 8, 8, 3)).astype(np.float32)
    condition = digan.Condition(maps=maps, at=np.float32([0, 0.5, 1]))
    draw = lambda times, grid: model.generate(lat, times, grid, condition=condition)
    whole = draw(times, digan.grid(48, 32))
    # float32: sums in another order, colours of about 1 through five layers
    close = lambda a, b: np.testing.assert_allclose(a, b, atol=5e-5)
    close(draw(times, digan.grid(24, 16, region=(0, -1, 1, 0))), whole[:, :, 16:, 24:])
    close(draw(times[1:2], digan.grid(48, 32)), whole[:, 1:2])
    close(draw(times, [digan.grid(48, 32)] * 3), whole)  # a grid for each frame, as when a camera moves
    run = generate.stream
    small = lambda *args, **options: run(*args, **options | {"workspace": 100_000})
    monkeypatch.setattr(generate, "stream", small)
    close(draw(times, digan.grid(48, 32)), whole)
    hidden = digan.Condition(maps=np.concatenate([maps, np.zeros_like(maps[..., :1])], -1), at=condition.at)
    assert np.abs(model.generate(lat, times, digan.grid(48, 32), condition=hidden) - whole).max() > 1e-3


def test_conditions_that_do_not_fit(upscaling_run, tiny_model):
    model = digan.load(upscaling_run)
    lat, good = model.latents([0, 1]), np.zeros((2, 3, 8, 8, 3), np.float32)
    for condition, message in (
        (None, "was trained to follow maps of 3 planes"),
        (digan.Condition(maps=good[0]), "condition.maps of shape .* takes .b s H W 3"),
        (digan.Condition(maps=good[..., :2]), "condition.maps of shape"),
        (digan.Condition(maps=good, at=[0, 1]), "condition.at of shape .2,.: give the 3 times"),
        (digan.Condition(maps=good, at=[0, 1, 1]), "times must ascend"),
        (digan.Condition(maps=good * np.nan), "condition.maps holds NaN"),
    ):
        with pytest.raises(InputError, match=message):
            model.generate(lat, [0.0], condition=condition)
    with pytest.raises(InputError, match="this model takes none"):
        tiny_model.generate(tiny_model.latents([0]), [0.0], condition=digan.Condition(maps=good[:1]))
