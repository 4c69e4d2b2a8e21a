"""Mixtures of styles: fitted, drawn, stored."""

import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.rendering.styles import Mixtures


@pytest.fixture(scope="module")
def mixtures():
    """Label 0: two clouds around -3 and 3; label 2: one around 10 in the first number."""
    draw = np.random.default_rng(0)
    zero = draw.normal(size=(200, 2)) * 0.1 + np.repeat([[-3, 0], [3, 0]], 100, 0)
    two = draw.normal(size=(20, 2)) * (2.0, 0.1) + (10, 0)
    return Mixtures.fitted(np.repeat([0, 2], [200, 20]), np.concatenate([zero, two]).astype(np.float32))


def test_drawn_styles_are_like_those_of_their_label(mixtures):
    drawn = np.stack([mixtures.drawn(i, np.array([0, 2, 0]))[0, :3] for i in range(200)])
    zero = drawn[:, [0, 2]].reshape(-1, 2)
    assert (np.abs(np.abs(zero[:, 0]) - 3) < 0.6).all() and 0.3 < (zero[:, 0] > 0).mean() < 0.7
    assert abs(drawn[:, 1, 0].mean() - 10) < 1 and 1.2 < drawn[:, 1, 0].std() < 2.8  # 20 vectors say no more
    np.testing.assert_array_equal(mixtures.drawn(3, np.array([0, 2])), mixtures.drawn(3, np.array([0, 2])))
    # The look of an instance does not change when another one comes.
    np.testing.assert_array_equal(mixtures.drawn(3, np.array([0]))[0, 0], mixtures.drawn(3, np.array([0, 2]))[0, 0])
    with pytest.raises(InputError, match="style_id=1: no style is known for the label 1; give `style_from`"):
        mixtures.drawn(1, np.array([1]))


def test_files_of_styles(mixtures, tmp_path):
    assert Mixtures.read(tmp_path, 2) is None
    mixtures.save(tmp_path)
    np.testing.assert_array_equal(Mixtures.read(tmp_path, 2).drawn(5, np.array([0])), mixtures.drawn(5, np.array([0])))
    with pytest.raises(InputError, match="styles.npz: does not fit this model; fit it again"):
        Mixtures.read(tmp_path, 3)
    (tmp_path / "styles.npz").write_bytes((tmp_path / "styles.npz").read_bytes()[:300])
    with pytest.raises(InputError, match="styles.npz: is damaged"):
        Mixtures.read(tmp_path, 2)
