"""The public surface, as a person types it."""

import jax
import numpy as np
import pytest

import digan_jax as digan


def test_the_surface_is_there():
    for name in digan.__all__:
        if name not in ("evaluation", "interop"):  # rooms with their own tests
            assert getattr(digan, name) is not None
    assert {"load", "grid", "write_video", "config"} <= set(dir(digan))
    with pytest.raises(AttributeError, match="lode"):
        digan.lode


def test_sample_is_generate_of_latents(tiny_model):
    times = np.linspace(0, 1, 3)
    lat = tiny_model.latents([0, 1], motion_ids=[7, 7], truncation=0.8)
    clip = tiny_model.generate(lat, times)
    assert clip.shape == (2, 3, 32, 32, 3) and clip.dtype == np.float32
    again = tiny_model.sample([0, 1], times, motion_ids=[7, 7], truncation=0.8)
    np.testing.assert_array_equal(clip, again)


def test_frames_are_functions_of_their_own_time(tiny_model):
    lat = tiny_model.latents([0, 1])
    forward = tiny_model.generate(lat, [0.0, 0.3, 1.7])
    backward = tiny_model.generate(lat, [[1.7, 0.3, 0.0], [0.0, 0.0, 1.7]])
    tolerance = dict(atol=2e-5)  # float32 sums in another order
    np.testing.assert_allclose(backward[0], forward[0, ::-1], **tolerance)
    np.testing.assert_allclose(backward[1], forward[1, [0, 0, 2]], **tolerance)


def test_clips_of_one_content_share_the_first_frame(tiny_model):
    """At t = 0 the motion term is a constant (paper, section 3.1)."""
    clips = tiny_model.sample([4, 4], [0.0, 1.0], motion_ids=[0, 1])
    np.testing.assert_array_equal(clips[0, 0], clips[1, 0])
    assert np.abs(clips[0, 1] - clips[1, 1]).max() > 1e-4


def test_windows_agree_with_the_whole(tiny_model):
    lat = tiny_model.latents([0])
    whole = tiny_model.generate(lat, [0.4], digan.grid(40, 40))[0, 0]
    corner = tiny_model.generate(lat, [0.4], digan.grid(20, 10, region=(0, 0.5, 1, 1)))[0, 0]
    np.testing.assert_allclose(corner, whole[:10, 20:], atol=1e-4)  # coordinates round differently, times frequency


def test_a_large_picture_shrinks_to_the_trained_one(tiny_model):
    lat = tiny_model.latents([0, 1, 2])
    native = tiny_model.generate(lat, [0.5])[:, 0]
    large = tiny_model.generate(lat, [0.5], digan.grid(96, 96))[:, 0]
    shrunk = large.reshape(3, 32, 3, 32, 3, 3).mean((2, 4))
    error = {
        (i, j): np.square(np.roll(shrunk, (i, j), (1, 2)) - native)[:, 2:-2, 2:-2].mean()
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    }
    assert min(error, key=error.get) == (0, 0)


def test_noise_in_numbers_out(tiny_model):
    z, motion = (np.asarray(jax.random.normal(jax.random.key(i), (2, 16))) for i in (5, 6))
    clip = tiny_model.generate_from_noise(z, motion, [0.0, 0.5])
    w = tiny_model.nets.generator.mapping(tiny_model.params, z, None)
    content = np.asarray(w)[:, None].repeat(tiny_model.nets.generator.n_layers, 1)
    expected = tiny_model.generate(digan.Latents(content, motion), [0.0, 0.5])
    np.testing.assert_allclose(clip, expected, atol=2e-5)  # float32


@pytest.mark.parametrize(
    ("times", "message"),
    [([], "shape"), (["soon"], "must be numbers"), ([np.nan], "NaN"), (np.zeros((3, 2)), r"\[2 t\]"), (0.5, "shape")],
)
def test_times_that_cannot_be_used_are_named(tiny_model, times, message):
    with pytest.raises(digan.InputError, match=message):
        tiny_model.sample([0, 1], times)


def test_latents_of_another_model_are_refused(tiny_model):
    lat = tiny_model.latents([0])
    with pytest.raises(digan.InputError, match="content has shape"):
        tiny_model.generate(digan.Latents(lat.content[:, :-1], lat.motion), [0.0])
    with pytest.raises(digan.InputError, match="motion has shape"):
        tiny_model.generate(digan.Latents(lat.content, lat.motion[:, :3]), [0.0])


@pytest.mark.parametrize(("name", "width"), [("z", 15), ("z_motion", 17), ("label", 3)])
def test_noise_of_another_shape_is_refused(tiny_model, name, width):
    noise = {"z": np.zeros((1, 16)), "z_motion": np.zeros((1, 16)), name: np.zeros((1, width))}
    with pytest.raises(digan.InputError, match=f"^{name} has shape"):
        tiny_model.generate_from_noise(times=[0.0], **noise)


def test_a_run_and_a_snapshot_load(tiny_run, request):
    run = digan.load(tiny_run)
    assert run.config.resolution == 32 and set(run.params) == {"mapping", "synthesis", "w_avg"}
    golden = request.config.rootpath / "tests" / "golden"
    expected = np.load(golden / "network_snapshot.npz")
    snapshot = digan.load(golden / "network_snapshot.pkl")
    clip = snapshot.generate_from_noise(expected["z"], expected["z_motion"], expected["t"])
    np.testing.assert_allclose(clip, expected["video"].transpose(0, 1, 3, 4, 2), atol=2e-4)  # float32, other kernels


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(digan.InputError, match="no such run"):
        digan.load(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(digan.InputError, match="not a model"):
        digan.load(tmp_path / "notes.txt")


@pytest.mark.parametrize("name", ["z", "z_motion"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(tiny_model, name, value):
    """One NaN must not make the last clip black."""
    noise = {"z": np.zeros((3, 16)), "z_motion": np.zeros((3, 16))}
    noise[name][1, 4] = value
    with pytest.raises(digan.InputError, match=f"^{name}: 1 numbers are NaN or infinite"):
        tiny_model.generate_from_noise(times=[0.0], **noise)
    lat = tiny_model.latents([0, 1, 2])
    part = {"z": "content", "z_motion": "motion"}[name]
    spoilt = np.array(getattr(lat, part))
    spoilt[0, ..., 2] = value
    with pytest.raises(digan.InputError, match=f"^latents.{part}: .* NaN or infinite"):
        tiny_model.generate(lat._replace(**{part: spoilt}), [0.0])
