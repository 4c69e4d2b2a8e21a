"""Pixels of one frame, carried along with its objects."""

import numpy as np

from digan_jax.data import bouncing
from digan_jax.data.carrying import between, carried


def scene(top, left, texture, size=16):
    """(frame, instances): a textured 4 x 5 object, number 1, on a ground of stripes, number 0."""
    here = np.zeros((size, size), np.int32)
    here[top : top + 4, left : left + 5] = 1
    frame = np.broadcast_to(np.linspace(-1, 1, size)[:, None, None], (size, size, 3)).copy()
    frame[here == 1] = texture.reshape(-1, 3)
    return frame, here


def test_an_object_takes_its_pixels_along_and_the_ground_stays():
    texture = np.random.default_rng(0).uniform(-1, 1, (4, 5, 3))
    frame, here = scene(3, 2, texture)
    later, there = scene(9, 8, texture)
    found = carried(frame, here, np.stack([here, there]), np.array([0.0, 0.5]))
    np.testing.assert_allclose(found[0, ..., :3], frame, atol=1e-6)  # float32
    np.testing.assert_array_equal(found[0, ..., 3], 1)
    beside = np.zeros_like(here)
    beside[2:8, 1:8] = 1
    hidden = (beside == 1) & (there == 0)  # ground that the frame does not show, or beside the object
    known = ~hidden
    np.testing.assert_allclose(found[1][known][:, :3], later[known], atol=1e-6)
    np.testing.assert_allclose(found[1][known][:, 3], 1 / 1.5, atol=1e-6)
    assert not found[1][hidden].any()


def test_objects_that_the_frame_does_not_show_have_no_pixels():
    frame, here = scene(3, 2, np.zeros((4, 5, 3)))
    there = np.full((1, 16, 16), 7, np.int32)
    assert not carried(frame, here, there, np.zeros(1)).any()
    nobody = np.full_like(here, -1)
    assert not carried(frame, nobody, nobody[None], np.zeros(1)).any()


def test_beside_an_object_that_is_taken_out_the_ground_is_not_its_colour():
    frame, here = scene(3, 2, np.ones((4, 5, 3)))
    out = np.where(here == 1, -1, here)
    found = carried(frame, out, np.zeros((1, 16, 16), np.int32), np.zeros(1))[0, ..., 3]
    wanted = np.ones((16, 16))
    wanted[2:8, 1:8] = 0
    np.testing.assert_array_equal(found, wanted)


def test_maps_may_be_larger_than_the_frame():
    """Pixels have one size; where an object was not seen, nothing is carried."""
    texture = np.random.default_rng(0).uniform(-1, 1, (4, 5, 3))
    frame, here = scene(3, 2, texture)
    _, there = scene(20, 11, texture, size=32)
    found = carried(frame, here, there[None], np.zeros(1))[0]
    np.testing.assert_allclose(found[20:24, 11:16, :3], texture, atol=1e-6)
    assert not found[16:, :11].any()  # ground below the frame


def test_bouncing_shapes_keep_their_textures():
    """Nearer to the truth than each object's mean colour, a sixth of a clip away; farther, less and less."""
    times, errors = np.linspace(0, 1, 7), []
    for clip in range(20):
        truth = bouncing.render(clip, times, 32) / 127.5 - 1
        maps = bouncing.instances(clip, times, 32).astype(np.int32)
        found = carried(truth[0], maps[0], maps, times)
        known = found[..., 3] > 0
        flat = np.zeros_like(truth)
        for i in np.intersect1d(maps, maps[0]):
            flat[maps == i] = truth[0][maps[0] == i].mean(0)
        of = lambda picture, t: np.square(picture[t] - truth[t])[known[t]].mean()
        errors.append([(of(found[..., :3], t), of(flat, t)) for t in (1, 6)])
    (near, near_flat), (far, _) = np.mean(errors, axis=0)
    assert near < 0.5 * near_flat and near < far


def test_between_two_maps_objects_are_halfway_and_the_ground_is_whole():
    texture = np.zeros((4, 5, 3))
    first, second = (scene(*place, texture)[1] for place in ((3, 2), (7, 8)))
    for share, place in ((0, (3, 2)), (0.5, (5, 5)), (1, (7, 8))):
        labels, instances = between(np.stack([first, second]) * 3, np.stack([first, second]), share)
        wanted = scene(*place, texture)[1]
        np.testing.assert_array_equal(instances, wanted)
        np.testing.assert_array_equal(labels, wanted * 3)


def test_an_object_of_one_map_stays_there_until_halfway():
    there, nobody = scene(3, 2, np.zeros((4, 5, 3)))[1], np.zeros((16, 16), np.int32)
    for share, wanted in ((0.4, there), (0.6, nobody)):
        np.testing.assert_array_equal(between(np.stack([there, nobody]), np.stack([there, nobody]), share)[1], wanted)


def test_maps_between_those_of_bouncing_shapes():
    """Most pixels of shapes are right, more than in the nearer of the two maps."""
    times, overlaps = np.linspace(0, 1, 13), []
    for clip in range(20):
        maps = bouncing.instances(clip, times, 32).astype(np.int32)
        for n in range(0, 12, 2):
            pair = maps[[n, n + 2]]
            guesses = (between(pair, pair, 0.5)[1], pair[0])
            overlaps.append([((g == maps[n + 1]) & (g > 0)).sum() / ((g > 0) | (maps[n + 1] > 0)).sum() for g in guesses])
    ours, nearest = np.mean(overlaps, axis=0)
    assert ours > 0.75 > nearest
