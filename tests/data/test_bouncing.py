import numpy as np
import pytest

from digan_jax.data import bouncing


def test_sizes_agree():
    """Averaged over 8 x 8 blocks, the large frame is the small one but for what a small pixel's centre misses."""
    small = bouncing.render(3, [0.0, 0.4], 32).astype(float)
    large = bouncing.render(3, [0.0, 0.4], 256).reshape(2, 32, 8, 32, 8, 3).mean((2, 4))
    error = np.abs(small - large).mean()
    assert error < 3  # levels of 255, at edges and textures
    for shift in ((1, 1), (1, 2), (-1, 1), (-1, 2)):
        assert np.abs(np.roll(small, *shift) - large).mean() > 2 * error


def test_a_pixel_is_a_function_of_its_place():
    """Where the centres of two grids coincide (3 centres of 1), so do the pixels."""
    small, large = (bouncing.render(5, [0.3], size) for size in (20, 60))
    np.testing.assert_array_equal(large[:, 1::3, 1::3], small)


def test_any_time_and_shape():
    frames = bouncing.render(1, [-2.0, 0.123, 7.5], (20, 40))
    assert frames.shape == (3, 20, 40, 3) and frames.dtype == np.uint8
    np.testing.assert_array_equal(frames[1:2], bouncing.render(1, [0.123], (20, 40)))


@pytest.mark.parametrize("clip_id", range(6))
def test_clips_move_without_jumps(clip_id):
    frames = bouncing.render(clip_id, np.linspace(0, 1, 201), 32).astype(float)
    steps = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    assert np.abs(frames[-1] - frames[0]).mean() > 5
    assert steps.max() < 8 and steps.min() > 0.01  # levels in 1/200 of a clip: bounces turn, nothing jumps or rests


def test_clips_differ_and_stay_the_same():
    np.testing.assert_array_equal(bouncing.render(7, [0.5], 32), bouncing.render(7, [0.5], 32))
    others = [bouncing.render(i, [0.5], 32) for i in range(8)]
    assert all((a != b).mean() > 0.5 for i, a in enumerate(others) for b in others[:i])


def test_kinds():
    """Distances of the middle and of a point outside: a ring has a hole, a disc none."""
    middle, far = np.zeros((1, 1)), np.full((1, 1), 2.0)
    for kind in bouncing.CLASS_NAMES:
        assert (bouncing._distance(kind, middle, middle, 0.5) > 0) == (kind == "ring")
        assert bouncing._distance(kind, far, middle, 0.5) > 0


def test_source_is_the_clips_at_even_times():
    source = bouncing.BouncingSource(32, 5)
    np.testing.assert_array_equal(source.read_frames(9, [0, 3]), bouncing.render(9, [0, 0.75], 32))
    assert source.labels[9] == 0 and source.frame_counts[9] == 5
    other = bouncing.BouncingSource(32, 5, "test")
    assert (other.read_frames(0, [0]) != source.read_frames(0, [0])).any()
    assert len({s.fingerprint for s in (source, other, bouncing.BouncingSource(32, 6))}) == 3
