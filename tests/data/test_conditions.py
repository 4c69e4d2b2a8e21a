"""What each task shows of a clip."""

import itertools

import numpy as np
import pytest

from digan_jax.data import bouncing, conditions, loader, sources
from digan_jax.errors import InputError

PLANES = {"upscale": 3, "interpolate": 3, "complete": 3, "denoise": 3, "predict": 3, "stylize": 3, "translate": 4}


@pytest.fixture
def of_task(make_config):
    def make(name, **changes):
        fields = {"task.name": name, "model.condition_planes": PLANES[name], "data.frames": 7, "task.every": 3}
        return make_config(fields | {"train.seed": 5} | changes)

    return make


@pytest.fixture(scope="module")
def clip():
    times = np.linspace(0, 1, 7)
    return conditions.Clip(bouncing.render(5, times, 32), bouncing.labels(5, times, 32))


@pytest.mark.parametrize("name", PLANES)
def test_what_is_shown_depends_on_clip_and_key_alone(of_task, clip, name):
    config = of_task(name)
    (maps, at), (again, _), (other, _) = (conditions.of_clip(clip, config, key) for key in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(maps, again)
    assert maps.dtype == at.dtype == np.float32 and maps.shape[-1] == PLANES[name] + 1
    assert np.abs(maps).max() <= 1 and not maps[..., :-1][maps[..., -1] == 0].any() and (np.diff(at) > 0).all()
    assert (name in ("complete", "denoise", "stylize")) != np.array_equal(maps, other)  # these draw random numbers


def test_upscale_shows_means_of_every_third_frame(of_task, clip):
    maps, at = conditions.of_clip(clip, of_task("upscale"), (0,))
    np.testing.assert_array_equal(at, np.float32([0, 0.5, 1]))
    twin = clip.frames[3, 4:8, 8:12].reshape(-1, 3).astype(float).mean(0)
    np.testing.assert_allclose((maps[1, 1, 2, :3] + 1) * 127.5, twin, atol=0.51)  # rounded to 8 bits


def test_upscale_by_random_factors_shows_frames_of_the_full_size(of_task, clip):
    config = of_task("upscale", **{"task.factors": (2, 4)})
    shown = {conditions.of_clip(clip, config, (0, i))[0].tobytes() for i in range(20)}
    twins = [conditions.enlarged(conditions.reduced(clip.frames[::3], factor), (32, 32)) for factor in (2, 4)]
    ones = np.ones((3, 32, 32, 1), np.float32)
    assert shown == {np.concatenate([conditions.unit_range(twin), ones], -1).tobytes() for twin in twins}


def test_interpolate_shows_every_third_frame(of_task, clip):
    maps, at = conditions.of_clip(clip, of_task("interpolate"), (0,))
    np.testing.assert_array_equal(np.rint((maps[..., :3] + 1) * 127.5), clip.frames[::3])
    np.testing.assert_array_equal(at, np.float32([0, 0.5, 1]))


def test_denoise_shows_noise_of_the_deviation_that_it_states(of_task):
    grey = conditions.Clip(np.full((7, 32, 32, 3), 128, np.uint8), None)
    for i in range(3):
        maps, _ = conditions.of_clip(grey, of_task("denoise", **{"task.noise": 40.0}), (0, i))
        sigma = 40 * (1 - maps[0, 0, 0, 3])
        assert (maps[..., 3] == maps[0, 0, 0, 3]).all()
        # 21,504 numbers: the deviation of an estimate is 0.5 %; rounding adds sqrt(1 / 12) grey levels
        np.testing.assert_allclose(np.std(maps[..., :3] * 127.5), np.hypot(sigma, 12**-0.5), rtol=0.03)


def test_complete_fills_what_it_hides_with_a_first_guess(of_task, clip):
    fields = {"task.missing": 0.5, "task.hole": 0.9}
    plain, filled = (
        conditions.of_clip(clip, of_task("complete", **fields, **{"task.fill": on}), (0, 2))[0] for on in (False, True)
    )
    np.testing.assert_array_equal(plain[..., 3], filled[..., 3])
    seen = plain[..., 3] == 1
    np.testing.assert_array_equal(plain[seen], filled[seen])
    truth = conditions.unit_range(clip.frames)
    error = lambda maps: np.square(maps[..., :3] - truth)[~seen].mean()
    assert error(filled) < 0.75 * error(plain)  # hidden texture cannot be guessed


def test_complete_hides_a_rectangle_and_some_frames(of_task, clip):
    config = of_task("complete", **{"task.missing": 0.5})
    masks = np.stack([conditions.of_clip(clip, config, (0, i))[0][..., -1] for i in range(50)])
    shown = masks.any(axis=(2, 3))
    assert shown.any(axis=1).all() and 0.35 < shown.mean() < 0.75  # 0.57 is expected: one of 7 is always shown
    holes = 1 - np.stack([mask[there.argmax()] for mask, there in zip(masks, shown)])
    assert (holes.any(axis=2).sum(axis=1) <= 16).all() and holes.any()
    for mask, there, hole in zip(masks, shown, holes):
        assert all((frame == 1 - hole).all() for frame in mask[there])


def test_predict_shows_the_first_frames(of_task, clip):
    maps, at = conditions.of_clip(clip, of_task("predict", **{"task.shown": 2}), (0,))
    np.testing.assert_array_equal(np.rint((maps[..., :3] + 1) * 127.5), clip.frames[:2])
    np.testing.assert_allclose(at, [0, 1 / 6], rtol=1e-6)  # float32


def test_translate_shows_labels_and_clips_are_mirrored_with_them(of_task):
    """Where a label says background, the frame is that of the clip without shapes: the ground's texture alone."""
    config = of_task("translate", **{"train.batch_size": 8})
    source = sources.open_source(config.data, config.model)
    sources.check_labels(source, config)
    batch = next(loader.make_loader(source, config))
    labels = batch.condition.maps[..., :-1]
    assert labels.shape == (8, 7, 32, 32, 4) and (labels.sum(-1) == 1).all()
    for row in range(8):
        number = np.rint(batch.times[row] * 6).astype(int)
        inside = labels[row, number].argmax(-1)
        assert len(np.unique(inside)) == 2  # one kind of shape, and the background
        edge = np.abs(np.diff(inside.astype(int), axis=2)) > 0  # frames change where labels do, more than elsewhere
        change = np.abs(np.diff(batch.frames[row].astype(int), axis=2)).sum(-1)
        assert change[edge].mean() > 1.5 * change[~edge].mean()


def test_batches_and_their_conditions_do_not_depend_on_where_reading_starts(of_task):
    config = of_task("complete")
    source = sources.open_source(config.data, config.model)
    first, second = itertools.islice(loader.make_loader(source, config), 2)
    later = next(loader.make_loader(source, config, start_step=1))
    half = next(loader.make_loader(source, config, start_step=1, process_index=1, process_count=2))
    assert not np.array_equal(first.condition.maps, second.condition.maps)
    np.testing.assert_array_equal(second.condition.maps, later.condition.maps)
    np.testing.assert_array_equal(second.condition.maps[4:], half.condition.maps)
    for pair, times, maps in zip(second.frames, second.times, second.condition.maps):  # the condition is of this clip
        seen = maps[np.rint(times * 6).astype(int)]
        visible = seen[..., -1] == 1
        np.testing.assert_array_equal(np.rint((seen[..., :3] + 1) * 127.5)[visible], pair[visible])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"task.name": "up"}, "unknown task.name 'up'; choose one of"),
        ({"task.name": "upscale"}, "model.condition_planes=0: task 'upscale' shows frames, so set it to 3"),
        ({"model.condition_planes": 3}, "nothing is shown without a task; set task.name"),
        ({"task.name": "upscale", "model.condition_planes": 3, "task.factor": 5}, "task.factor=5: must divide"),
        ({"task.name": "upscale", "model.condition_planes": 3, "task.every": 4}, "task.every=4: must divide"),
        ({"task.name": "predict", "model.condition_planes": 3, "task.shown": 16}, "leaves none of data.frames=16"),
        (
            {"task.name": "upscale", "model.condition_planes": 3, "task.factors": (2, 5)},
            "task.factors=.2, 5.: must divide",
        ),
        ({"task.name": "interpolate", "model.condition_planes": 3}, "task.every=1: leaves no frame to interpolate"),
        ({"task.noise": 0.0}, "task.noise=0.0: must be more than 0"),
        ({"model.condition_warp": True}, "model.condition_warp=True: needs a condition"),
        ({"model.condition_alone": True}, "model.condition_alone=True: needs a condition"),
        ({"task.name": "predict", "model.condition_planes": 3, "task.spread": 1.5}, r"task.spread=1.5: must lie in \[0, 1\]"),
        (
            {"task.name": "predict", "model.condition_planes": 3, "task.spread": 1.0, "task.l1": 0.0},
            "task.spread=1.0: is a share of the L1 part",
        ),
        (
            {"task.name": "predict", "model.condition_planes": 3, "task.spread": 1.0, "model.condition_alone": True},
            "task.spread=1.0: sets clips of other noise apart, which model.condition_alone=True leaves out",
        ),
        ({"task.name": "predict", "model.condition_planes": 3, "train.horizon": 1.0}, "train.horizon: .* set it to 0"),
        (
            {"task.name": "predict", "model.condition_planes": 3, "task.l1": 0.0, "task.adversarial": 0.0},
            "nothing would",
        ),
    ],
)
def test_tasks_that_cannot_be(make_config, changes, message):
    with pytest.raises(InputError, match=message):
        make_config(changes)


def test_labels_that_a_source_does_not_have(of_task):
    class Plain(bouncing.BouncingSource):
        label_names = ()

    with pytest.raises(InputError, match="has no labels of pixels; use data.source='pairs' or 'bouncing'"):
        sources.check_labels(Plain(32, 7), of_task("translate"))
    config = of_task("translate", **{"model.condition_planes": 5})
    with pytest.raises(InputError, match="condition_planes=5: .* has 4 labels of pixels; set it to 4"):
        sources.check_labels(sources.open_source(config.data, config.model), config)
