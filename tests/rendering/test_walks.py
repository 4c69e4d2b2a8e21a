"""Walks keep their ends to the bit and their steps even; a mixture has each layer from where it was said."""

import numpy as np
import pytest

import digan_jax as digan
from digan_jax.errors import InputError
from digan_jax.rendering import walks

STEPS = 5


def noise(seed, n=4, d=16):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def test_an_arc_has_equal_angles_and_exact_ends():
    a, b = noise(0, 1), 3 * noise(1, 1)
    shares = np.linspace(0, 1, 7)[:, None]
    points = walks.spherical(a.repeat(7, 0), b.repeat(7, 0), shares)
    np.testing.assert_array_equal(points[[0, -1]], np.concatenate([a, b]))
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    angles = np.arccos(np.sum(unit[1:] * unit[:-1], axis=1))
    np.testing.assert_allclose(angles, angles.mean(), rtol=1e-5)  # float32 ends
    lengths = np.linalg.norm(points, axis=1)
    np.testing.assert_allclose(np.diff(lengths), (lengths[-1] - lengths[0]) / 6, rtol=1e-4)


def test_an_arc_without_an_angle_is_a_line():
    a = noise(0, 1)
    np.testing.assert_allclose(walks.spherical(a, 3 * a, np.array([[0.5]])), 2 * a, rtol=1e-6)
    assert np.isfinite(walks.spherical(a, -a, np.array([[0.5]]))).all()


@pytest.mark.parametrize("space", walks.SPACES)
@pytest.mark.parametrize("of", walks.OF)
def test_stations_are_the_ids(tiny_model, space, of):
    walk = tiny_model.walk([3, 9, 4], STEPS, of, space, truncation=0.8)
    assert len(walk) == 2 * STEPS + 1
    at = walk.latents([0, STEPS, 2 * STEPS])
    ids = tiny_model.latents([3, 9, 4], truncation=0.8)
    content, motion = (ids.content, ids.motion[:1]) if of == "content" else (ids.content[:1], ids.motion)
    if of == "both":
        content, motion = ids.content, ids.motion
    np.testing.assert_array_equal(at.content, np.broadcast_to(content, at.content.shape))
    np.testing.assert_array_equal(at.motion, np.broadcast_to(motion, at.motion.shape))


@pytest.mark.parametrize("space", walks.SPACES)
@pytest.mark.parametrize("ids", [[3, 9, 3], [5, 5], [1, 2, 4, 8, 1]])
def test_a_walk_that_ends_where_it_began_closes(tiny_model, space, ids):
    walk = tiny_model.walk(ids, STEPS, space=space, truncation=0.7)
    last = len(walk) - 1
    for frames in ([0, last], [last, 0, 1]):  # whatever is asked for with it
        at = walk.latents(frames)
        first, end = frames.index(0), frames.index(last)
        for name in ("content", "motion"):
            rows = np.asarray(getattr(at, name))
            assert rows[first].tobytes() == rows[end].tobytes()


def test_steps_in_w_are_equal(tiny_model):
    content = np.asarray(tiny_model.walk([3, 9], STEPS).latents(range(STEPS + 1)).content)[:, 0]
    steps = np.diff(content, axis=0)
    np.testing.assert_allclose(steps, (content[-1:] - content[:1]) / STEPS + 0 * steps, atol=1e-6)  # float32, about 1


def test_a_walk_is_drawn_as_its_frames(tiny_model):
    walk, times = tiny_model.walk([3, 9], STEPS, space="z"), np.linspace(0, 1, STEPS + 1)
    film = tiny_model.generate(walk, times)
    assert film.shape == (1, STEPS + 1, 32, 32, 3)
    lat = walk.latents(range(STEPS + 1))
    by_hand = tiny_model.generate(lat, times[:, None])[:, 0]
    np.testing.assert_allclose(film[0], by_hand, atol=2e-5)  # float32 sums in another order
    whole = tiny_model.sample([3], [0.0])[0, 0]
    np.testing.assert_allclose(film[0, 0], whole, atol=2e-5)


def test_a_moving_camera_sees_what_a_resting_one_does(tiny_model):
    lat, times = tiny_model.latents([0, 1]), np.linspace(0, 1, 3)
    regions = digan.camera("0s:-1,-1,1,1 2s:0,-.5,1,.5", [0, 1, 2])
    grids = [digan.grid(24, 18, region) for region in regions]
    film = tiny_model.generate(lat, times, grids)
    for i in range(3):
        still = tiny_model.generate(lat, times[i : i + 1], grids[i])
        np.testing.assert_allclose(film[:, i], still[:, 0], atol=2e-5)  # float32 sums in another order
    walk = tiny_model.walk([0, 1], 2)
    np.testing.assert_allclose(tiny_model.generate(walk, times, grids)[0, 0], film[0, 0], atol=2e-5)


def test_a_mixture_has_each_layer_from_where_it_was_said(tiny_model):
    a, b = tiny_model.latents([3]), tiny_model.latents([9])
    mixed = digan.mix(a, b, [0, 2])
    for layer in range(tiny_model.nets.generator.n_layers):
        expected = b if layer in (0, 2) else a
        np.testing.assert_array_equal(mixed.content[:, layer], expected.content[:, layer])
    np.testing.assert_array_equal(mixed.motion, a.motion)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: m.walk([3], 4), "two ids or more"),
        (lambda m: m.walk([3, 4], 0), "steps=0"),
        (lambda m: m.walk([3, 4], 4, of="sound"), "of='sound'.*both"),
        (lambda m: m.walk([3, 4], 4, space="x"), "space='x'.*w.*z"),
        (lambda m: m.generate(m.walk([3, 4], 4), [0.0, 1.0]), "2 times for a walk of 5"),
        (lambda m: m.generate(m.latents([0]), [0.0, 1.0], [digan.grid(4, 4)] * 3), "3 grids for 2 frames"),
        (lambda m: m.generate(m.latents([0]), [0, 1], [digan.grid(4, 4), digan.grid(5, 4)]), "one size"),
        (lambda m: digan.mix(m.latents([0]), m.latents([1]), [99]), "layers 0 to"),
        (lambda m: digan.mix(m.latents([0]), m.latents([1, 2]), [0]), "agree"),
    ],
)
def test_what_cannot_be_used_is_named(tiny_model, make, message):
    with pytest.raises(InputError, match=message):
        make(tiny_model)
