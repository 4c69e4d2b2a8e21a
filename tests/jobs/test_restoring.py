"""The verbs that make a video of a video: requests, methods without a model, metadata, sound; and a tiny model each."""

import dataclasses

import av
import numpy as np
import pytest
from PIL import Image

from digan_jax import cli
from digan_jax.data import stylizing
from digan_jax.errors import InputError
from digan_jax.host import sound
from digan_jax.host.video_files import read_metadata, write_video
from digan_jax.jobs import complete, denoise, interpolate, predict, stylize
from digan_jax.jobs.complete import CompleteRequest
from digan_jax.jobs.denoise import DenoiseRequest
from digan_jax.jobs.interpolate import InterpolateRequest
from digan_jax.jobs.predict import PredictRequest
from digan_jax.jobs.stylize import StylizeRequest

FRAMES, HEIGHT, WIDTH = 7, 40, 48


@pytest.fixture(scope="module")
def pictures():
    """A textured square that moves two pixels to the right in each frame, on a still ground."""
    draw = np.random.default_rng(0)
    smooth = lambda h, w: np.asarray(
        Image.fromarray(draw.integers(0, 256, (h // 4, w // 4, 3), np.uint8)).resize((w, h), 3)
    )
    ground, square = smooth(HEIGHT, WIDTH), smooth(16, 16)
    frames = np.repeat(ground[None], FRAMES, 0)
    for t, frame in enumerate(frames):
        frame[12:28, 8 + 2 * t : 24 + 2 * t] = square
    return frames


@pytest.fixture(scope="module")
def video(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i}.png")
    return str(folder)


def frames_of(path):
    with np.load(path) as file:
        return file["frames"]


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


# ---- interpolate ----


def test_flow_finds_frames_that_blending_does_not(video, pictures, tmp_path):
    every_second = tmp_path / "half"
    every_second.mkdir()
    for i in range(0, FRAMES, 2):
        Image.fromarray(pictures[i]).save(every_second / f"{i}.png")
    found = {}
    for method in ("flow", "blend"):
        out = str(tmp_path / f"{method}.npz")
        interpolate.run(InterpolateRequest(str(every_second), out, method=method, factor=2))
        found[method] = frames_of(out)
        assert found[method].shape == pictures.shape
        np.testing.assert_array_equal(found[method][::2], pictures[::2])  # given frames stay
    twin = np.rint((pictures[0].astype(float) + pictures[2]) / 2)
    assert np.abs(found["blend"][1] - twin).max() <= 1  # rounding
    assert psnr(found["flow"][1::2], pictures[1::2]) > psnr(found["blend"][1::2], pictures[1::2]) + 3


def test_rates_sizes_and_slow_motion(video, tmp_path, capsys):
    say = lambda *flags: cli.main(
        ["interpolate", video, "--out", str(tmp_path / "a.npz"), "--method", "blend", "--dry-run", *flags]
    )
    assert say() == say("--factor", "2", "--slow") == say("--fps", "20", "--size", "24x20") == 0
    first, second, third = capsys.readouterr().out.split("nothing was drawn.\n")[:3]
    assert "25 frames of 48x40 pixels at 32 a second, from 7 of 48x40, by blend" in first
    assert "13 frames of 48x40 pixels at 8 a second" in second
    assert "16 frames of 24x20 pixels at 20 a second" in third


# ---- denoise ----


def test_noise_is_estimated_and_removed(pictures, tmp_path):
    still = np.repeat(pictures[:1], 5, 0)
    noise = np.random.default_rng(1).normal(0, 20, still.shape)
    noisy = np.clip(np.rint(still + noise), 0, 255).astype(np.uint8)
    given = str(tmp_path / "noisy.npz")
    folder = tmp_path / "noisy"
    folder.mkdir()
    for i, picture in enumerate(noisy):
        Image.fromarray(picture).save(folder / f"{i}.png")
    request = DenoiseRequest(str(folder), given, method="nlm")
    assert 15 < denoise.sigma_of(request) < 22  # clipping at black and white makes it less than 20
    before = psnr(noisy, still)
    for method, gain in (("nlm", 2), ("mean", 3)):  # the mean of three to five still frames: 4.8 to 7 dB
        denoise.run(dataclasses.replace(request, method=method))
        assert psnr(frames_of(given), still) > before + gain


# ---- complete ----


@pytest.mark.parametrize("method", ["blend", "inpaint"])
def test_lost_frames_and_holes_are_filled(video, pictures, tmp_path, method):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[30:34, 4:9] = 255
    Image.fromarray(mask).save(tmp_path / "holes.png")
    out = str(tmp_path / "whole.npz")
    complete.run(CompleteRequest(video, out, method=method, missing=(2, 3), mask=str(tmp_path / "holes.png")))
    found, seen = frames_of(out), mask == 0
    np.testing.assert_array_equal(found[[0, 1, 4, 5, 6]][:, seen], pictures[[0, 1, 4, 5, 6]][:, seen])
    between = (2 * pictures[1].astype(float) + pictures[4]) / 3
    assert np.abs(found[2] - between)[seen].max() <= 1  # rounding
    black = pictures[0].copy()
    black[~seen] = 0
    assert psnr(found[0], pictures[0]) > psnr(black, pictures[0]) + 3


# ---- stylize ----


def test_a_style_is_drawn_to_a_degree_that_may_change(video, pictures, tmp_path):
    out = str(tmp_path / "drawn.npz")
    stylize.run(StylizeRequest(video, out, method="exact", style="poster", degree=(0, 1)))
    expected = stylizing.styled(pictures, "poster", np.linspace(0, 1, len(pictures)))
    np.testing.assert_array_equal(frames_of(out), expected)
    stylize.run(StylizeRequest(video, out, method="exact", style="poster", preview=True))
    np.testing.assert_array_equal(frames_of(out), stylizing.styled(pictures[:1], "poster", np.ones(1)))


# ---- predict ----


def test_the_last_frame_is_repeated_behind_the_past_or_without_it(video, pictures, tmp_path):
    out = str(tmp_path / "then.npz")
    predict.run(PredictRequest(video, out, method="last", frames=3))
    np.testing.assert_array_equal(frames_of(out), np.concatenate([pictures, np.repeat(pictures[-1:], 3, 0)]))
    predict.run(PredictRequest(video, out, method="last", frames=3, past=False))
    np.testing.assert_array_equal(frames_of(out), np.repeat(pictures[-1:], 3, 0))


# ---- all ----


@pytest.mark.parametrize(
    "words, message",
    [
        (["interpolate", "--method", "inr"], "--run is required for --method inr"),
        (["interpolate", "--factor", "2", "--fps", "9", "--method", "flow"], "--factor and --fps: give one of them"),
        (["interpolate", "--factor", "0", "--method", "flow"], "--factor 0.0: must be a number above 0"),
        (["denoise", "--sigma", "300", "--method", "nlm"], "--sigma 300.0: must lie in [0, 255]"),
        (["stylize", "--method", "exact"], "--style is required for --method exact"),
        (["stylize", "--method", "exact", "--style", "ink", "--degree", "1.5"], "--degree (1.5,): must be one number"),
        (["stylize", "--method", "exact", "--style", "ink", "--degree", "more"], "'more' is no degree"),
        (["denoise", "--sigma", "much", "--method", "nlm"], "'much' is no deviation"),
        (["complete", "--method", "blend"], "--missing or --mask is required: nothing is hidden"),
        (["complete", "--method", "blend", "--missing", "9"], "the video has frames 0 to 6"),
        (["complete", "--method", "blend", "--missing", "0-6"], "nothing of it is visible"),
        (["complete", "--method", "blend", "--mask", "no.png"], "--mask no.png: cannot be read"),
        (["predict", "--method", "last", "--futures", "2"], "--futures: the last frame has one; leave it out"),
        (["predict"], "--run is required for --method model"),
    ],
)
def test_requests_that_cannot_be(video, tmp_path, capsys, words, message):
    out = tmp_path / "a.npz"
    assert cli.main([words[0], video, "--out", str(out), *words[1:]]) == 2
    assert message in capsys.readouterr().err and not out.exists()


def test_a_file_is_made_again_and_not_made_twice(video, tmp_path, capsys):
    out = tmp_path / "a.png"
    words = ["denoise", video, "--out", str(out), "--method", "mean"]
    assert cli.main(words) == 0
    first, when = out.read_bytes(), out.stat().st_mtime_ns
    assert cli.main([*words, "--continue"]) == 0 and out.stat().st_mtime_ns == when
    assert cli.main(["denoise", "--again", str(out), "--size", "24x20"]) == 0 and out.read_bytes() != first
    assert read_metadata(out)["denoise"]["size"] == [24, 20]
    assert cli.main(["predict", "--again", str(out)]) == 2
    assert "was not written by digan predict" in capsys.readouterr().err
    assert cli.main(["denoise", "--method", "mean"]) == 2
    assert "a video is required" in capsys.readouterr().err


def clip_with_sound(path, pictures, seconds):
    """An mp4 with a tone."""
    with av.open(str(path), "w") as container:
        video, tone = container.add_stream("libx264", rate=7), container.add_stream("aac", rate=16000, layout="mono")
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for i in range(round(7 * seconds)):
            container.mux(video.encode(av.VideoFrame.from_ndarray(pictures[i % FRAMES])))
        wave = np.sin(np.arange(round(16000 * seconds)) / 10).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux([*video.encode(None), *tone.encode(frame), *tone.encode(None)])


def test_sound_is_kept_where_the_length_is(pictures, tmp_path):
    source, out = tmp_path / "a.mp4", tmp_path / "b.mp4"
    clip_with_sound(source, pictures, 3)
    streams = lambda path: [s.type for s in av.open(str(path)).streams]
    note = {"denoise": 1}
    for frames, kept in ((21, True), (42, False)):
        write_video(out, np.resize(pictures, (frames, *pictures.shape[1:])), 7, note)
        assert sound.keep(source, out) == kept
        assert streams(out) == (["video", "audio"] if kept else ["video"]) and read_metadata(out) == note
    with av.open(str(source)) as a:
        expected = sum(frame.samples for frame in a.decode(audio=0))
    denoise.run(DenoiseRequest(str(source), str(out), method="mean"))
    with av.open(str(out)) as b:
        assert sum(frame.samples for frame in b.decode(audio=0)) == expected
        assert sum(1 for _ in av.open(str(out)).decode(video=0)) == 21
    assert not sound.keep(source, tmp_path / "b.gif")
    denoise.run(DenoiseRequest(str(source), str(out), method="mean", sound=False))
    assert streams(out) == ["video"]


# ---- models ----

@pytest.mark.slow
@pytest.mark.parametrize(
    "words, twin",
    [
        (["interpolate", "--factor", "2"], ["interpolate", "--factor", "2", "--method", "blend"]),
        (["upscale", "--scale", "2", "--fps", "16"], ["upscale", "--scale", "2", "--fps", "16", "--method", "lanczos"]),
        (["complete", "--missing", "2,3"], ["complete", "--missing", "2,3", "--method", "blend"]),
        (["denoise", "--sigma", "5"], None),
        (["stylize", "--degree", "0:1"], None),
        (["predict", "--frames", "4", "--futures", "2"], ["predict", "--frames", "4", "--method", "last"]),
    ],
)
def test_before_training_a_model_draws_its_first_guess(task_run, video, pictures, tmp_path, words, twin):
    """Windows meet without a seam: all show the same guess."""
    out = tmp_path / "a.npz"
    assert cli.main([words[0], video, "--out", str(out), "--run", task_run(words[0]), *words[1:]]) == 0
    if words[0] == "predict":
        assert not out.exists()
        out = tmp_path / "a_1.npz"
        assert read_metadata(out)["predict"]["id"] == 1
    expected = pictures
    if twin:
        other = tmp_path / "b.npz"
        assert cli.main([twin[0], video, "--out", str(other), *twin[1:]]) == 0
        expected = frames_of(other)
    found = (frames_of(out) + 1) * 127.5 if frames_of(out).dtype != np.uint8 else frames_of(out)
    assert found.shape == expected.shape
    assert np.abs(found.astype(float) - expected).max() < 1.1  # both round to 8 bits on the way


@pytest.mark.slow
def test_models_of_another_task_and_videos_that_are_too_short(task_run, video, tmp_path, pictures):
    out, one = str(tmp_path / "a.npz"), tmp_path / "one"
    one.mkdir()
    Image.fromarray(pictures[0]).save(one / "0.png")
    run = task_run("predict")
    with pytest.raises(InputError, match="was trained on the task 'predict'; give a model of the task 'denoise'"):
        denoise.run(DenoiseRequest(video, out, run=run))
    with pytest.raises(InputError, match="has 1 frames; this model predicts from 2"):
        predict.run(PredictRequest(str(one), out, run=run))
