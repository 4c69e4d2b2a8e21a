import numpy as np
import pytest
import scipy.linalg

from digan_jax.errors import InputError
from digan_jax.evaluation.metrics.frechet import frechet_distance, polynomial_mmd
from tests.evaluation.golden_i3d import golden


def textbook(a, b):
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½) by a matrix square root."""
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(first + second - 2 * root)


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((6, 6))
    return rng.standard_normal((200, 6)) @ mixing, 0.5 + rng.standard_normal((150, 6)) * 1.3


def test_frechet_is_the_textbooks(sets):
    np.testing.assert_allclose(frechet_distance(*sets), textbook(*sets), rtol=1e-9)
    np.testing.assert_allclose(frechet_distance(*sets[::-1]), frechet_distance(*sets), rtol=1e-12)


def test_frechet_of_golden_features():
    """The stored features are centred (means of 1e-16), the golden distance is of features that were not.

    Their covariances are unchanged by that, so what is left of the golden number is the squared distance of means.
    """
    a, b = golden()["features_a"], golden()["features_b"]
    ours = frechet_distance(a, b)
    np.testing.assert_allclose(ours, textbook(a, b), rtol=1e-9)
    shift = np.zeros(a.shape[1])
    shift[3] = np.sqrt(golden()["frechet_distance"] - ours)
    np.testing.assert_allclose(frechet_distance(a, b + shift), golden()["frechet_distance"], rtol=1e-9)


def test_frechet_of_two_gaussians():
    """Samples with exact moments: N(0, 1) and N(m, s²) along each axis are |m|² + Σ (1 − s)² apart."""
    d, scale, mean = 5, np.array([1.0, 2.0, 0.5, 3.0, 1.0]), np.array([0.0, 1.0, -2.0, 0.0, 0.25])
    corners = np.concatenate([np.eye(d), -np.eye(d)])
    corners *= np.sqrt((len(corners) - 1) / 2)  # covariance: identity
    expected = np.sum(mean**2) + np.sum((1 - scale) ** 2)
    np.testing.assert_allclose(frechet_distance(corners, corners * scale + mean), expected, rtol=1e-12)


def test_frechet_with_fewer_samples_than_features():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((7, 400)), rng.standard_normal((9, 400))
    assert abs(frechet_distance(a, a)) < 1e-9 * np.sum(a**2)  # rounding alone
    padded = [np.concatenate([x, np.zeros((len(x), 50))], 1) for x in (a, b)]  # features that say nothing
    np.testing.assert_allclose(frechet_distance(*padded), frechet_distance(a, b), rtol=1e-10)
    rotation = np.linalg.qr(rng.standard_normal((400, 400)))[0]
    np.testing.assert_allclose(frechet_distance(a @ rotation, b @ rotation), frechet_distance(a, b), rtol=1e-10)


def test_frechet_of_large_means():
    """Far from the origin, where a difference of large numbers would lose the digits of a float32."""
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((40, 8)), rng.standard_normal((40, 8))
    np.testing.assert_allclose(frechet_distance(a + 1e6, b + 1e6), frechet_distance(a, b), rtol=1e-7)


def test_mmd_is_golden():
    ours = polynomial_mmd(golden()["features_a"], golden()["features_b"])
    np.testing.assert_allclose(ours, golden()["polynomial_mmd"], rtol=1e-9)


def test_mmd_is_the_sum_over_pairs(sets):
    a, b = (x[:12] for x in sets)

    def mean(x, y, same):
        return np.mean(
            [(u @ v / 6 + 1) ** 3 for i, u in enumerate(x) for j, v in enumerate(y) if not (same and i == j)]
        )

    np.testing.assert_allclose(polynomial_mmd(a, b), mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False))


@pytest.mark.parametrize("distance", [frechet_distance, polynomial_mmd])
def test_bad_features(distance):
    good = np.zeros((4, 3))
    for bad, message in [
        (np.zeros((1, 3)), "2 samples"),
        (np.zeros(3), "2 samples"),
        (np.zeros((4, 5)), "widths"),
        (np.full((4, 3), np.nan), "12 features are not finite"),
    ]:
        with pytest.raises(InputError, match=message):
            distance(good, bad)
