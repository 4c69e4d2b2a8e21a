"""Directions move what they should: content from the first frame on, motion never the first frame."""

import dataclasses

import jax
import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.models.digan import networks
from digan_jax.rendering import directions
from digan_jax.rendering.directions import Directions
from digan_jax.rendering.model import Model

SAMPLES = 4 * directions.TOGETHER


@pytest.fixture(scope="module", params=["linear", "octaves"])
def model(request, tiny_config, tiny_params):
    config = dataclasses.replace(tiny_config, motion=request.param)
    params = networks.build(config).generator.init(jax.random.key(0))
    return Model(config, {**params, "w_avg": tiny_params["w_avg"]})


@pytest.fixture(scope="module")
def found(model):
    return model.directions(4, SAMPLES)


def test_motion_leaves_the_first_frame_untouched(model, found):
    lat = model.latents([0, 1])
    before, after = (model.generate(x, [0.0, 1.0]) for x in (lat, found.edited(lat, [("m0", 3.0), ("m3", -2.0)])))
    # exact for "linear"; "octaves" subtracts the noise at 0 from itself, which rounds
    np.testing.assert_allclose(before[:, 0], after[:, 0], atol=0 if model.config.motion == "linear" else 1e-5)
    assert np.abs(before[:, 1] - after[:, 1]).max() > 1e-3


def test_content_changes_colour_and_layout_of_the_first_frame(model, found):
    lat = model.latents([0])
    before, after = (model.generate(x, [0.0])[0, 0] for x in (lat, found.edited(lat, [("0", 3.0)])))
    colour = lambda frame: frame.mean((0, 1))
    layout = lambda frame: ((frame - colour(frame)) / frame.std((0, 1))).ravel()
    assert np.abs(colour(before) - colour(after)).max() > 1e-3
    assert np.corrcoef(layout(before), layout(after))[0, 1] < 0.999


def test_what_was_made_strong_is_found_first(tiny_config, tiny_params):
    """One entry of w varies ten times as much, and one entry of the motion vector moves phases ten times as far."""
    params = jax.tree.map(np.array, tiny_params)
    params["mapping"]["fc1"]["weight"][3] *= 10
    params["synthesis"]["b4"]["fourier"]["motion"]["weight"][:, tiny_config.w_dim + 5] *= 10
    found = Model(tiny_config, params).directions(2, 2 * SAMPLES)
    assert abs(found.content[0, 3]) > 0.9 and abs(found.motion[0, 5]) > 0.9


def test_directions_are_those_of_the_second_moments():
    """With moments that are known: directions are the axes, by strength, and deviations those of w."""
    rows = np.random.default_rng(0).normal(size=(40, 3))
    rows, _ = np.linalg.qr(rows - rows.mean(0))  # uncorrelated, of mean 0
    w = np.sqrt(39) * rows * [1, 2, 0.5] + [3, 0, 0]
    made = directions.strongest(directions.Moments(np.diag([9.0, 1, 1]), np.diag([1.0, 2, 5])), w, 2)
    np.testing.assert_allclose(made.content, [[1, 0, 0], [0, 1, 0]], atol=1e-6)  # 9·1² > 1·2² > 1·0.5²
    np.testing.assert_allclose(made.deviation, [1, 2], rtol=1e-6)
    np.testing.assert_allclose(made.content_share, np.array([9, 4]) / 13.25, rtol=1e-6)
    np.testing.assert_allclose(made.motion, [[0, 0, 1], [0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(made.motion_share, [5 / 8, 2 / 8], rtol=1e-6)
    np.testing.assert_allclose(made.mean, [3, 0, 0], atol=1e-6)


@pytest.mark.slow
def test_gradients_have_the_moment_of_the_jacobian(tiny_model):
    """The slow, obvious twin: JᵀJ of one clip's first frame by jax.jacobian, against one random weighting each time."""
    from digan_jax.rendering import tiles

    lat = tiny_model.latents(np.zeros(directions.TOGETHER, int))
    grid = tiles.grid(4, 4).resolve(tiny_model.config)

    def frames(content):
        rows = lat._replace(content=content[None, None] + 0 * lat.content[:1], motion=lat.motion[:1])
        return tiny_model.nets.generator.synthesis(tiny_model.params, rows, np.zeros((1, 1), np.float32), grid).ravel()

    jacobian = np.asarray(jax.jit(jax.jacobian(frames))(lat.content[0, 0]))
    draws = []
    for i in range(16):
        times = np.zeros((directions.TOGETHER, 1), np.float32)
        key = jax.random.key(i)
        draws.append(directions._gradients(tiny_model.params, lat, times, grid, key, tiny_model.nets)[0])
    gradients = np.concatenate(draws)
    estimate, exact = gradients.T @ gradients / len(gradients), jacobian.T @ jacobian
    # 512 draws in 16 dimensions: a relative error of about sqrt(16 / 512)
    assert np.linalg.norm(estimate - exact) < 0.35 * np.linalg.norm(exact)


def test_a_walk_is_moved_as_a_whole(model, found):
    walk = model.walk([0, 1], 2)
    moved, times = found.edited(walk, [("1", 2.0), ("m0", 1.0)]), np.linspace(0, 1, 3)
    ends = found.edited(model.latents([0, 1]), [("1", 2.0), ("m0", 1.0)])
    expected = model.generate(ends, times)
    frames = model.generate(moved, times)[0]
    np.testing.assert_allclose(frames[0], expected[0, 0], atol=1e-5)  # sums of weights in another order
    np.testing.assert_allclose(frames[-1], expected[1, -1], atol=1e-5)
    with pytest.raises(InputError, match="walk in w"):
        found.edited(model.walk([0, 1], 2, space="z"), [("1", 2.0)])


def test_files_hold_what_was_found(found, tmp_path):
    found.save(tmp_path / "d.npz")
    again = Directions.load(tmp_path / "d.npz")
    for field in dataclasses.fields(Directions):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(again, field.name))
    with np.load(tmp_path / "d.npz") as file:
        assert file["content"].shape == file["motion"].shape == (4, 16) and file["deviation"].shape == (4,)


def changed(**arrays):
    return lambda record: record | arrays


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda record: {"frames": record["mean"]}, "lacks content"),
        (changed(mean=np.zeros(3, np.float32)), "do not fit"),
        (changed(deviation=np.zeros(9, np.float32)), "do not fit"),
        (changed(content=np.zeros(16, np.float32)), "do not fit"),
        (changed(mean=np.full(16, np.nan, np.float32)), "finite"),
        (changed(mean=np.zeros(16, int)), "float32"),
    ],
)
def test_other_files_are_no_directions(found, tmp_path, change, message):
    record = {field.name: getattr(found, field.name) for field in dataclasses.fields(Directions)}
    np.savez(tmp_path / "d.npz", **change(record))
    with pytest.raises(InputError, match=message):
        Directions.load(tmp_path / "d.npz")


@pytest.mark.parametrize(
    "edit, message", [(("x", 1.0), "name a direction"), (("9", 1.0), "0 to 3"), (("m0", np.inf), "a number")]
)
def test_edits_that_cannot_be(model, found, edit, message):
    with pytest.raises(InputError, match=message):
        found.edited(model.latents([0]), [edit])


@pytest.mark.parametrize("options, message", [({"count": 99}, "1 to 16"), ({"samples": 5}, "128 or more")])
def test_counts_that_cannot_be(tiny_model, options, message):
    with pytest.raises(InputError, match=message):
        tiny_model.directions(**options)
