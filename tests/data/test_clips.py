import numpy as np
import pytest

from digan_jax.data import clips
from digan_jax.models.digan.times import of_reals


def windows_slowly(frame_counts, frames, stride, starts):
    step = 1 if starts == "any" else frames * stride
    return [
        (record, start)
        for record, count in enumerate(frame_counts)
        for start in range(0, count, step)
        if start + (frames - 1) * stride < count
    ]


@pytest.mark.parametrize("starts", ["any", "disjoint"])
@pytest.mark.parametrize("frames, stride", [(2, 1), (4, 1), (4, 3)])
def test_windows_are_all_legal_starts(frames, stride, starts):
    counts = [3, 0, 4, 1, 10, 13, 32, 2]
    found = clips.windows(np.array(counts), frames, stride, starts)
    expected = windows_slowly(counts, frames, stride, starts)
    assert found.total == len(expected)
    assert list(zip(*(column.tolist() for column in found.locate(np.arange(found.total))))) == expected


@pytest.mark.parametrize("total", [1, 2, 7, 100])
def test_an_epoch_shows_every_clip_once(total):
    order = clips.shuffled(np.arange(3 * total), total, seed=5).reshape(3, total)
    for epoch in order:
        assert sorted(epoch) == list(range(total))
    if total == 100:
        assert (order[0] != order[1]).any() and (order[0] != np.arange(total)).any()
        assert (order[0] != clips.shuffled(np.arange(total), total, seed=6)).any()


def test_any_place_of_the_order_stands_alone():
    whole = clips.shuffled(np.arange(50), 20, seed=1)
    np.testing.assert_array_equal(clips.shuffled(np.array([33, 7]), 20, seed=1), whole[[33, 7]])


def test_pairs_are_a_function_of_seed_and_step():
    windows = clips.windows(np.full(9, 40), 16, 2)
    first, again = (clips.draw(windows, of_reals, seed=3, step=11, batch_size=8, flip=True) for _ in range(2))
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    for other in ({"seed": 4, "step": 11}, {"seed": 3, "step": 12}):
        assert (clips.draw(windows, of_reals, batch_size=8, flip=True, **other).frame != first.frame).any()


def test_pairs_lie_in_their_window():
    windows = clips.windows(np.array([40, 33, 31]), 16, 2)
    pairs = clips.draw(windows, of_reals, 0, 0, 256, flip=False)
    record, start = windows.locate(clips.shuffled(np.arange(256), windows.total, 0))
    np.testing.assert_array_equal(pairs.record, record)
    position = (pairs.frame - start[:, None]) / 2
    assert (position == position.astype(int)).all() and position.min() == 0 and position.max() == 15
    np.testing.assert_allclose(pairs.times, position / 15, rtol=1e-6)  # float32
    assert (pairs.times[:, 0] <= pairs.times[:, 1]).all()
    assert not pairs.flip.any()


def test_half_of_the_pairs_are_so_many_frames_apart():
    """Steps that do not fit in the clip are left out. The Beta pairs are as far apart as they are without steps."""
    draw = lambda steps: of_reals(np.random.default_rng(0), 6, 20_000, steps=steps)[0]
    pairs, without = draw((1, 3, 9)), draw(())
    assert pairs.min() == 0 and pairs.max() == 5
    of = lambda pairs: np.bincount(np.diff(pairs)[:, 0], minlength=6) / len(pairs)
    expected = of(without) / 2 + np.array([0, 0.25, 0, 0.25, 0, 0])
    np.testing.assert_allclose(of(pairs), expected, atol=0.015)  # four deviations of a share, √(¼/20,000) = 0.0035
    assert (draw((9,)) == without).all()


def test_pairs_have_the_paper_s_distribution():
    """Counts of (i, j) against floor(n Beta(2, 1)) and floor(n Beta(1, 2)), sorted, worked out bin by bin."""
    n, size = 4, 20_000
    edges = np.arange(n + 1) / n
    late, early = np.diff(edges**2), np.diff(1 - (1 - edges) ** 2)  # distribution functions of the two Betas
    expected = np.triu(np.outer(early, late) + np.outer(late, early))
    np.fill_diagonal(expected, early * late)
    pairs = clips.draw(clips.windows(np.array([n]), n, 1), of_reals, 0, 0, size, flip=True)
    counts = np.zeros((n, n))
    np.add.at(counts, tuple(pairs.frame.T), 1)
    # Five standard deviations of a count of the likeliest bin, √(p/size) ≈ 0.003.
    np.testing.assert_allclose(counts / size, expected, atol=0.015)
    assert abs(pairs.flip.mean() - 0.5) < 0.018


def test_rows_are_cut_from_every_column():
    pairs = clips.draw(clips.windows(np.array([40]), 16, 1), of_reals, 0, 0, 8, flip=True)
    for part, whole in zip(pairs.rows(2, 3), pairs):
        np.testing.assert_array_equal(part, whole[2:5])
