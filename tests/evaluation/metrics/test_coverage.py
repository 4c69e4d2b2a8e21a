import numpy as np
import pytest
from scipy.spatial import cKDTree

from digan_jax.errors import InputError
from digan_jax.evaluation.metrics import coverage


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 5)), rng.normal(0.7, 0.8, size=(45, 5))


def twin(real, fake, k_precision=3, k_density=5):
    """The four definitions, pair by pair; neighbours from scipy's tree."""

    def radius(x, k):
        return cKDTree(x).query(x, k + 1)[0][:, k]

    def inside(point, centre, r):
        return np.linalg.norm(point - centre) <= r

    r3, f3, r5 = radius(real, k_precision), radius(fake, k_precision), radius(real, k_density)
    precision = np.mean([any(inside(f, x, r) for x, r in zip(real, r3)) for f in fake])
    recall = np.mean([any(inside(x, f, r) for f, r in zip(fake, f3)) for x in real])
    density = np.mean([sum(inside(f, x, r) for x, r in zip(real, r5)) for f in fake]) / k_density
    covered = np.mean([any(inside(f, x, r) for f in fake) for x, r in zip(real, r5)])
    return precision, recall, density, covered


def test_numbers_are_their_definitions(sets):
    ours = coverage.precision_recall(*sets) + coverage.density_coverage(*sets)
    np.testing.assert_allclose(ours, twin(*sets), rtol=1e-12)


def test_extremes(sets):
    real, _ = sets
    assert coverage.precision_recall(real, real + 1e6) == (0, 0)
    assert coverage.density_coverage(real, real + 1e6) == (0, 0)
    assert coverage.precision_recall(real, real) == (1, 1)
    assert coverage.density_coverage(real, real)[1] == 1
    collapsed = np.repeat(real[:1], 40, 0) + 1e-3 * np.random.default_rng(0).normal(size=(40, 5))
    precision, recall = coverage.precision_recall(real, collapsed)
    assert precision == 1 and recall < 0.05


def test_nearest(sets):
    index, distance = coverage.nearest(*sets)
    expected, where = cKDTree(sets[1]).query(sets[0])
    np.testing.assert_array_equal(index, where)
    np.testing.assert_allclose(distance, expected, rtol=1e-12)
    far = [x + 1e5 for x in sets]
    np.testing.assert_allclose(coverage.nearest(*far)[1], expected, atol=1e-9)  # 1e5 leaves digits of 1e-11


def test_too_few_clips(sets):
    with pytest.raises(InputError, match="3 clips: neighbours of rank 3 need 4 or more"):
        coverage.precision_recall(sets[0][:3], sets[1])
