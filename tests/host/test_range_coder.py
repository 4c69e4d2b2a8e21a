"""The range coder: the way there and back, and near the entropy of its numbers."""

import numpy as np
import pytest

from digan_jax.host import range_coder

RANDOM = np.random.default_rng(0)
EVEN = RANDOM.integers(-127, 128, 700).astype(np.int8)
SPARSE = np.rint(RANDOM.laplace(size=(4, 9, 8, 4)) * 0.4).astype(np.int8)
STILL = np.repeat(RANDOM.integers(-3, 4, (1, 9, 8, 4)), 4, axis=0).astype(np.int8)
STILL[:, :, 4:] = 0


@pytest.mark.parametrize(
    "arrays",
    [[EVEN], [SPARSE], [STILL, EVEN, SPARSE], [np.full(9, 127, np.int8)], [np.zeros((2, 3, 4, 4), np.int8)], []],
)
def test_what_was_coded_is_decoded(arrays):
    found = range_coder.decode(range_coder.encode(arrays), [array.shape for array in arrays])
    for ours, theirs in zip(found, arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_carries_run_through_the_code():
    for seed in range(100):
        numbers = (127 * np.random.default_rng(seed).integers(-1, 2, 60)).astype(np.int8)
        np.testing.assert_array_equal(range_coder.decode(range_coder.encode([numbers]), [(60,)])[0], numbers)


def entropy(array) -> float:
    """Bytes, by the frequencies of the numbers."""
    count = np.unique(array, return_counts=True)[1]
    return float(-(count * np.log2(count / count.sum())).sum() / 8)


def test_codes_are_short():
    assert len(range_coder.encode([EVEN])) < 1.1 * entropy(EVEN)
    assert len(range_coder.encode([SPARSE])) < 1.15 * entropy(SPARSE)  # independent: contexts only cost
    assert len(range_coder.encode([STILL])) < 0.9 * entropy(STILL)  # alike where they are near
    assert range_coder.encode([np.zeros((2, 3, 4, 4), np.int8)]) == b""
    assert range_coder.decode(b"\xff" * 9, [(3,), (1, 2, 2, 1)])[1].shape == (1, 2, 2, 1)  # of damaged code, any numbers
