import numpy as np
import pytest

from digan_jax.rendering import windows


@pytest.mark.parametrize("total, size, overlap", [(20, 8, 2), (21, 8, 2), (8, 8, 2), (3, 8, 2), (299, 4, 2), (5, 1, 0)])
def test_shares_cover_all_places_and_change_without_a_jump(total, size, overlap):
    starts = windows.starts(total, size, overlap)
    assert starts[0] == 0 and max(starts) == max(0, total - size)
    assert all(b - a <= size - overlap for a, b in zip(starts, starts[1:]))
    places = np.linspace(0, total, 50 * total + 1)
    shares = windows.shares(places, starts, size, overlap)
    np.testing.assert_allclose(shares.sum(0), 1, atol=1e-12)
    for start, share in zip(starts, shares):
        assert ((places[share > 0] >= start - 1e-9) & (places[share > 0] <= start + max(size, total) + 1e-9)).all()
    if overlap:  # the last windows overlap by more; the steepest share goes from 0 to 1 over the overlap
        assert np.abs(np.diff(shares)).max() <= 1.5 / overlap / 50 * 2
    else:
        assert set(np.unique(shares)) <= {0, 0.5, 1}


def test_windows_within_their_reach():
    """No window has a share beyond its end."""
    starts = windows.starts(20, 8, 2)
    places = np.linspace(0, 20, 401)
    for start, share in zip(starts, windows.shares(places, starts, 8, 2)):
        assert not share[(places < start) | (places > start + 8)].any()
