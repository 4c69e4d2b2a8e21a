import itertools

import jax
import numpy as np
import pytest

from digan_jax.data import clips, loader
from digan_jax.errors import InputError
from digan_jax.models.digan import times

N_FRAMES, SIZE = 9, 4


class CountingSource:
    """Records whose pixels tell where they come from: red the record, green the frame, blue the column."""

    size = height = width = SIZE
    class_names, fingerprint, fingerprint_covers = ("x", "y"), "counting", "nothing"

    def __init__(self, n_records=5):
        self.frame_counts = np.full(n_records, N_FRAMES)
        self.labels = np.arange(n_records) % 2
        self.read = []

    def __len__(self):
        return len(self.frame_counts)

    def video_names(self):
        return list("abcdefgh")[: len(self)]

    def read_frames(self, record, numbers):
        self.read.append((int(record), *map(int, numbers)))
        frames = np.zeros((len(numbers), SIZE, SIZE, 3), np.uint8)
        frames[..., 0], frames[..., 2] = record, np.arange(SIZE)
        frames[..., 1] = np.reshape(numbers, (-1, 1, 1))
        return frames


@pytest.fixture
def config(make_config):
    return make_config({"data.frames": 4, "data.stride": 2, "train.seed": 7})


def batches(config, count, source=None, **options):
    iterator = loader.make_loader(source or CountingSource(), config, **options)
    taken = list(itertools.islice(iterator, count))
    iterator.close()
    return taken


def assert_equal(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_batch_is_what_its_plan_says(config):
    source = CountingSource()
    windows = clips.windows(source.frame_counts, 4, 2)
    for step, batch in enumerate(batches(config, 3)):
        plan = clips.draw(windows, times.of_reals, 7, step, 8, flip=True)
        assert batch.frames.dtype == np.uint8 and batch.frames.shape == (8, 2, SIZE, SIZE, 3)
        np.testing.assert_array_equal(batch.frames[:, :, 0, 0, 0], np.stack([plan.record] * 2, 1))
        np.testing.assert_array_equal(batch.frames[:, :, 0, 0, 1], plan.frame)
        columns = np.where(plan.flip[:, None], np.arange(SIZE)[::-1], np.arange(SIZE))
        for frame in (0, 1):  # both frames of a pair are mirrored, or neither
            np.testing.assert_array_equal(batch.frames[:, frame, 0, :, 2], columns)
        np.testing.assert_array_equal(batch.times, plan.times)
        assert batch.condition is None


def test_classes_are_conditions(make_config):
    config = make_config({"data.frames": 4, "data.stride": 2, "train.seed": 7, "model.n_classes": 2})
    source = CountingSource()
    plan = clips.draw(clips.windows(source.frame_counts, 4, 2), times.of_reals, 7, 0, 8, flip=True)
    (batch,) = batches(config, 1)
    np.testing.assert_array_equal(batch.condition.label, np.eye(2)[plan.record % 2])
    assert batch.condition.maps is None and batch.condition.at is None


def test_starting_later_changes_nothing(config):
    assert_equal(batches(config, 6)[4:], batches(config, 2, start_step=4))
    far = 10**9
    assert_equal(batches(config, 2, start_step=far)[1:], batches(config, 1, start_step=far + 1))


def test_seeds_differ(config, make_config):
    other = make_config({"data.frames": 4, "data.stride": 2, "train.seed": 8})
    assert (batches(config, 1)[0].frames != batches(other, 1)[0].frames).any()


@pytest.mark.parametrize("hosts", [2, 4])
def test_hosts_share_the_global_batch(config, hosts):
    whole = batches(config, 2)
    shares = [batches(config, 2, process_index=i, process_count=hosts) for i in range(hosts)]
    joined = [jax.tree.map(lambda *parts: np.concatenate(parts), *step) for step in zip(*shares)]
    assert_equal(joined, whole)


def test_batches_that_hosts_cannot_share(config):
    with pytest.raises(InputError, match="train.batch_size=8: cannot be shared by 3 hosts"):
        loader.make_loader(CountingSource(), config, process_count=3)


def test_no_clip_at_all(make_config):
    config = make_config({"data.frames": N_FRAMES + 1})
    with pytest.raises(InputError, match="the longest record has 9"):
        loader.make_loader(CountingSource(), config)


def test_reading_ahead_is_bounded(config):
    source = CountingSource()
    memoryless = loader.in_memory_if_small
    try:
        loader.in_memory_if_small = lambda source, limit: source
        iterator = loader.make_loader(source, config)
        for _ in range(20):
            next(iterator)
        iterator.close()
    finally:
        loader.in_memory_if_small = memoryless
    ahead = len(source.read) / config.train.batch_size - 20
    assert ahead <= loader.AHEAD + loader.THREADS


def test_processes_change_nothing(config, make_config):
    """A source that can be pickled, read by two processes."""
    bouncing = pytest.importorskip("digan_jax.data.bouncing").BouncingSource(32, 7)
    with_processes = make_config({"data.frames": 4, "data.stride": 2, "train.seed": 7, "data.workers": 2})
    assert_equal(batches(with_processes, 5, bouncing, start_step=3), batches(config, 5, bouncing, start_step=3))


def test_memory_gives_the_same_frames_and_reads_each_once():
    source = CountingSource()
    kept = loader.in_memory_if_small(source)
    assert isinstance(kept, loader.InMemory)
    for numbers in ([1, 3], [3, 1], [3, 3], [0, 8]):
        np.testing.assert_array_equal(kept.read_frames(2, numbers), CountingSource().read_frames(2, numbers))
    assert source.read == [(2, 1, 3), (2, 0, 8)]
    assert loader.in_memory_if_small(source, limit_bytes=100) is source


def test_sample_clips_are_whole_and_spread(config):
    frames, labels = loader.sample_clips(CountingSource(15), config.data, 5)
    assert frames.shape == (5, 4, SIZE, SIZE, 3)
    records, numbers = frames[:, 0, 0, 0, 0].astype(int), frames[:, :, 0, 0, 1].astype(int)
    np.testing.assert_array_equal(np.diff(numbers, axis=1), 2)
    np.testing.assert_array_equal(np.diff(records), 3)
    np.testing.assert_array_equal(labels, records % 2)
    np.testing.assert_array_equal(frames[:, :, :, :, 2], np.broadcast_to(np.arange(SIZE), (5, 4, SIZE, SIZE)))
    again, _ = loader.sample_clips(CountingSource(15), config.data, 5)
    np.testing.assert_array_equal(again, frames)
