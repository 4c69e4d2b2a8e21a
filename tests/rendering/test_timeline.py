"""Times are exact, so that clips of different rates share them, and a camera rests where its keys say."""

import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.rendering import timeline


def test_slow_motion_keeps_every_time():
    for slow in (2, 3, 7, 8):
        np.testing.assert_array_equal(timeline.spread(0, 1, 16, slow)[::slow], timeline.spread(0, 1, 16))
        np.testing.assert_array_equal(timeline.at_rate(-0.3, 1, 25, 2, slow)[:: slow], timeline.at_rate(-0.3, 1, 25, 2))
        listed = timeline.between([0.9, 0.1, 0.5], slow)
        np.testing.assert_array_equal(listed[::slow], [0.9, 0.1, 0.5])
        assert len(listed) == 2 * slow + 1 and listed[1] == pytest.approx(0.9 - 0.8 / slow)


def test_rates_share_their_times():
    slow, quick = timeline.at_rate(0, 1, 30, 2), timeline.at_rate(0, 1, 120, 2)
    assert (len(slow), len(quick)) == (60, 240)
    np.testing.assert_array_equal(quick[::4], slow)
    np.testing.assert_allclose(slow, np.arange(60) / 60, rtol=1e-15)


def test_spread_holds_both_ends():
    np.testing.assert_array_equal(timeline.spread(1, -1, 5), [1, 0.5, 0, -0.5, -1])
    np.testing.assert_array_equal(timeline.spread(0.25, 7, 1), [0.25])
    np.testing.assert_allclose(timeline.spread(0, 1, 16), np.linspace(0, 1, 16), rtol=1e-15)


def test_a_camera_goes_evenly_from_key_to_key_and_rests_at_the_ends():
    seen = timeline.camera("1s:-1,-1,1,1 3s:0,0,.5,.5", [0, 1, 1.5, 2, 3, 9])
    whole, half, end = (-1, -1, 1, 1), (-0.5, -0.5, 0.75, 0.75), (0, 0, 0.5, 0.5)
    assert seen == [whole, whole, (-0.75, -0.75, 0.875, 0.875), half, end, end]
    assert timeline.camera([(0, whole)], [5]) == [whole]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: timeline.spread(0, 1, 0), "frames=0"),
        (lambda: timeline.spread(0, 1, 4, slow=0), "slow=0"),
        (lambda: timeline.spread(0, float("nan"), 4), "NaN"),
        (lambda: timeline.at_rate(0, 1, 0, 2), "fps=0"),
        (lambda: timeline.at_rate(0, 1, 8, float("inf")), "duration=inf"),
        (lambda: timeline.at_rate(0, 1, 8, 0.01), "less than one frame"),
        (lambda: timeline.read_path("0s:-1,-1,1,1 later"), "'later' does not parse"),
        (lambda: timeline.read_path("0s:-1,-1,1"), "'0s:-1,-1,1' does not parse"),
        (lambda: timeline.read_path(""), "one key or more"),
        (lambda: timeline.read_path("2s:-1,-1,1,1 1s:0,0,1,1"), "later than the one before"),
        (lambda: timeline.read_path("0s:0,0,0,1"), "at 0s: region 0,0,0,1"),
    ],
)
def test_what_cannot_be_used_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
