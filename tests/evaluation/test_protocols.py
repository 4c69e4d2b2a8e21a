import numpy as np
import pytest

from digan_jax.data import clips
from digan_jax.errors import InputError
from digan_jax.evaluation import protocols
from digan_jax.evaluation.protocols import PROTOCOLS, choose, choose_fakes


def starts(selection):
    return list(zip(selection.record.tolist(), selection.frames[:, 0].tolist()))


def small(name, n):
    import dataclasses

    return dataclasses.replace(PROTOCOLS[name], n_real=n, n_fake=n)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_says_what_it_is(name):
    p = PROTOCOLS[name]
    assert p.choice in protocols.CHOICES and p.resize in protocols.RESIZES and p.quantise in protocols.QUANTISE
    assert p.frames == 16 and p.source and p.draws >= 1 and p.n_real == p.n_fake


def test_published_counts():
    assert (PROTOCOLS["digan"].n_real, PROTOCOLS["digan"].draws) == (2048, 10)
    assert (PROTOCOLS["magvit_10k4"].n_real, PROTOCOLS["magvit_10k4"].draws) == (10_000, 4)
    assert PROTOCOLS["latte"].stride_of("sky", 1) == 3 and PROTOCOLS["latte"].stride_of("TaiChi_HD", 1) == 6
    assert PROTOCOLS["digan"].stride_of("taichi", 4) == 4  # as trained
    assert PROTOCOLS["stylegan_v_random"].stride_of("taichi", 4) == 1


@pytest.mark.parametrize("name", ["digan", "quick"])
def test_windows_are_distinct_and_lie_within_records(name):
    counts = np.array([20, 3, 100, 64, 16])
    selection = choose(small(name, 6), counts, 1, 0)
    assert len(set(starts(selection))) == 6
    assert (selection.frames[:, -1] < counts[selection.record]).all() and 1 not in selection.record
    assert (np.diff(selection.frames, axis=1) == 1).all()
    if PROTOCOLS[name].starts == "disjoint":
        assert (selection.frames[:, 0] % 16 == 0).all()


def test_draws_differ_and_repeat_themselves():
    counts = np.full(50, 64)
    first, second, again = (starts(choose(small("digan", 20), counts, 1, draw)) for draw in (0, 1, 0))
    assert first == again != second


def test_all_windows_are_equally_likely():
    counts = np.array([16, 31])  # 1 and 16 windows
    seen = [choose(small("magvit_10k4", 1), counts, 1, draw).record[0] for draw in range(2000)]
    assert abs(np.mean(np.array(seen) == 0) - 1 / 17) < 0.02  # 4 standard deviations


def test_videos_in_alphabetical_order_one_window_each():
    names = ["b", "a", "b", "c", "a", "d"]  # pieces of four videos
    counts = np.array([20, 18, 40, 15, 30, 16])  # c is too short
    selection = choose(small("stylegan_v_first_2048", 2), counts, 1, 0, names)
    assert sorted(names[r] for r in selection.record) == ["a", "b"]
    several = [choose(small("stylegan_v_random", 2), counts, 1, draw, names) for draw in range(40)]
    assert {names[r] for selection in several for r in selection.record} == {"a", "b", "d"}
    of_b = [r for selection in several for r in selection.record if names[r] == "b"]
    assert of_b.count(2) > of_b.count(0) > 0  # 25 windows against 5
    with pytest.raises(InputError, match="too few videos: .* each of 4 videos, the data hold 3"):
        choose(small("stylegan_v_random", 4), counts, 1, 0, names)


def test_stride():
    counts = np.array([clips.span(16, 3)] * 3 + [45])
    selection = choose(small("latte", 3), counts, 3, 0, ["a", "b", "c", "d"])
    assert selection.record.tolist() == [0, 1, 2] and selection.frames[:, -1].tolist() == [45] * 3


def test_too_few_windows():
    with pytest.raises(InputError, match="takes 2048, the data hold 3 windows of 16 frames, stride 1, disjoint"):
        choose(PROTOCOLS["digan"], np.array([50]), 1, 0)


def test_generated_clips_of_a_draw():
    assert choose_fakes(3, None, 2, 10).tolist() == [6, 7, 8]
    assert choose_fakes(3, 6, 1, 2).tolist() == [3, 4, 5]
    redrawn = [choose_fakes(3, 4, draw, 10) for draw in range(10)]
    assert all(len(set(ids)) == 3 for ids in redrawn) and len({tuple(ids) for ids in redrawn}) > 1
    with pytest.raises(InputError, match="takes 5, there are 4"):
        choose_fakes(5, 4, 0, 1)


def test_names():
    assert list(protocols.named("quick,digan")) == ["quick", "digan"]
    assert list(protocols.named("all")) == list(PROTOCOLS)
    with pytest.raises(InputError, match="unknown protocol 'fvd2048'; choose from"):
        protocols.named("fvd2048")
