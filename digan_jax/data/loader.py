"""Loads training batches with Grain, and whole clips for display."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import grain
import numpy as np
from absl import flags
from jaxtyping import Int, UInt8

from digan_jax.config import DataConfig, RunConfig, phases
from digan_jax.data import clips, conditions, edges
from digan_jax.data.sources import Source, check_lengths
from digan_jax.errors import InputError
from digan_jax.models import families
from digan_jax.shapes import Batch, Condition

CACHE_BYTES = 2**30  # limit on cached decoded frames, over all reading processes of a host
THREADS = 4  # reading threads; decoding releases Python's lock, so a few help even in one process
AHEAD = 4  # batches prefetched at most


def make_loader(
    source: Source,
    config: RunConfig,
    *,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    cache_bytes: int = CACHE_BYTES,
) -> Iterator[Batch]:
    """Endless batches from `start_step` on: this host's rows of uint8 frames, prefetched by threads or processes.

    The global batch depends on (train.seed, step) only, not on the number of hosts, threads or reading processes.
    Starting at any step costs the same.

    Args:
      source: of the clips.
      config: of the run. Uses the model family's choice of frames; data.frames, data.stride, data.windows, data.flip
        and data.workers (reading processes; 0: threads of this process); train.seed and train.batch_size (all hosts).
      start_step: iteration of the first batch.
      process_index: of this host.
      process_count: number of hosts.
      cache_bytes: a dataset whose decoded frames fit is decoded once and kept in memory.

    Returns:
      An iterator of `Batch`: NumPy frames uint8 [b k h w 3], times [b k] in [0, 1], and one-hot labels if the model
      has classes. Its `close()` ends the threads and processes; it is also called at exit.

    Raises:
      InputError: the source holds no clip, or the hosts cannot share the batch evenly.
    """
    data, train = config.data, config.train
    if train.batch_size % process_count:
        raise InputError(f"train.batch_size={train.batch_size}: cannot be shared by {process_count} hosts evenly.")
    reader = _BatchReader(source, config, process_index, process_count, cache_bytes)
    steps = grain.MapDataset.range(start_step, 2**62).map(reader)
    batches = steps.to_iter_dataset(grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=AHEAD))
    if data.workers:
        if not flags.FLAGS.is_parsed():  # Grain reads absl flags, which are not parsed in Python or notebooks
            flags.FLAGS.mark_as_parsed()
        options = grain.MultiprocessingOptions(num_workers=data.workers, per_worker_buffer_size=AHEAD)
        batches = batches.mp_prefetch(options)
    iterator = iter(batches)
    atexit.register(_close, weakref.ref(iterator))
    return iterator


def _close(iterator: weakref.ref) -> None:
    """Ends the reading processes before the interpreter exits; otherwise they print tracebacks."""
    if iterator() is not None:
        iterator().close()


class _BatchReader:
    """Maps a step to this host's rows of the batch."""

    def __init__(self, source: Source, config: RunConfig, process_index: int, process_count: int, cache_bytes: int):
        check_lengths(source, config.data)
        data = self._data = config.data
        self._train, self._classes = config.train, config.model.n_classes
        self._windows = clips.windows(source.frame_counts, data.frames, data.stride, data.windows)
        self._rows = config.train.batch_size // process_count
        self._first_row = process_index * self._rows
        self._labels, self._config = source.labels, config
        self._frames = in_memory_if_small(source, cache_bytes // max(1, data.workers))
        self._planes = pixel_planes(source, self._frames, config)

    def __call__(self, step: int) -> Batch:
        train, now = self._train, phases.at(self._config, step)
        choose = partial(families.of(now).frames, now)
        plan = clips.draw(self._windows, choose, train.seed, step, train.batch_size, self._data.flip)
        mine = plan.rows(self._first_row, self._rows)
        frames = np.stack([self._frames.read_frames(int(r), f) for r, f in zip(mine.record, mine.frame)])
        frames[mine.flip] = frames[mine.flip, :, :, ::-1]
        frames = conditions.targets(frames, mine.times, self._config, self._keys(step))
        if now.model.resolution < frames.shape[2]:
            small = conditions.reduced(frames.reshape(-1, *frames.shape[2:]), frames.shape[2] // now.model.resolution)
            frames = small.reshape(*frames.shape[:2], *small.shape[1:])
        labels = np.eye(self._classes, dtype=np.float32)[self._labels[mine.record]] if self._classes else None
        condition = None if labels is None else Condition(labels)
        if self._config.task.name != "none":
            condition = self._shown(step, mine)._replace(label=labels)
        return Batch(frames, mine.times, condition)

    def _shown(self, step: int, mine: clips.FramePlan) -> Condition:
        """What the task shows of this host's clips; random numbers by (train.seed, step, row of the global batch)."""
        whole = []
        for record, start, flip in zip(mine.record, mine.start, mine.flip):
            clip = read_clip(self._frames, self._planes, int(record), int(start), self._data)
            whole.append(conditions.Clip(*(x if x is None or not flip else x[:, :, ::-1] for x in clip)))
        return conditions.of_clips(whole, self._config, self._keys(step))

    def _keys(self, step: int) -> list[tuple[int, ...]]:
        return [(self._train.seed, step, self._first_row + row) for row in range(self._rows)]


def pixel_planes(source: Source, frames, config: RunConfig) -> Sequence[Callable | None]:
    """Functions (record, numbers) -> labels, and instances, of the pixels of frames; None for what is not known.

    Args:
      frames: the source, or its cache, whose edges are the labels of the task "edges".
    """
    if config.task.name == "edges":
        return edges.EdgesOf(frames).read_labels, None
    return tuple(getattr(source, name, None) for name in ("read_labels", "read_instances"))


def read_clip(
    frames, planes: Sequence[Callable | None], record: int, start: int, data: DataConfig
) -> conditions.Clip:
    """The whole clip of a record that begins at frame `start`, with what is known of its pixels.

    Args:
      frames: a source, or its cache. planes: from `pixel_planes`.
    """
    numbers = start + np.arange(data.frames) * data.stride
    return conditions.Clip(frames.read_frames(record, numbers), *(of and of(record, numbers) for of in planes))


def in_memory_if_small(source: Source, limit_bytes: int = CACHE_BYTES) -> Source | InMemory:
    """The source, with its decoded frames cached in memory if all fit in `limit_bytes`."""
    needed = int(source.frame_counts.sum()) * source.size**2 * 3
    return InMemory(source) if needed <= limit_bytes else source


class InMemory:
    """Caches the decoded frames of a source: decodes each frame once, when it is first read."""

    def __init__(self, source: Source):
        self._source = source
        self._begins = np.cumsum(source.frame_counts) - source.frame_counts
        self._allocate()

    def _allocate(self):
        # np.empty reserves address space; the system allocates memory as frames are filled.
        total, size = int(self._source.frame_counts.sum()), self._source.size
        self._frames, self._filled = np.empty((total, size, size, 3), np.uint8), np.zeros(total, bool)

    def read_frames(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w 3"]:
        places = self._begins[record] + np.asarray(numbers)
        missing = places[~self._filled[places]]
        if len(missing):  # two threads may decode the same frame, and write the same bytes
            self._frames[missing] = self._source.read_frames(record, missing - self._begins[record])
            self._filled[missing] = True
        return self._frames[places]

    def __getstate__(self):  # each reading process fills its own cache
        return {"_source": self._source, "_begins": self._begins}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._allocate()


def sample_clips(
    source: Source, data: DataConfig, count: int, seed: int = 0
) -> tuple[UInt8[np.ndarray, "count t h w 3"], Int[np.ndarray, "count"]]:
    """Whole real clips, uint8 and not mirrored, and their labels: evenly spaced over all clips, from a random offset.

    Repeats clips when the source has fewer than `count`. Depends on the seed only.

    Raises:
      InputError: the source holds no clip.
    """
    check_lengths(source, data)
    records, starts = _spaced(source, data, count, seed)
    steps = np.arange(data.frames) * data.stride
    frames = np.stack([source.read_frames(int(r), start + steps) for r, start in zip(records, starts)])
    return frames, source.labels[records].astype(np.int32)


def sample_conditions(source: Source, config: RunConfig, count: int, seed: int = 0) -> Condition | None:
    """What the run's task shows of the clips of `sample_clips`; None without a task."""
    if config.task.name == "none":
        return None
    planes = pixel_planes(source, source, config)
    chosen = zip(*_spaced(source, config.data, count, seed))
    whole = [read_clip(source, planes, int(record), int(start), config.data) for record, start in chosen]
    return conditions.of_clips(whole, config, [(seed, row) for row in range(count)])


def _spaced(
    source: Source, data: DataConfig, count: int, seed: int
) -> tuple[Int[np.ndarray, "count"], Int[np.ndarray, "count"]]:
    """(record, first source frame) of clips evenly spaced over all clips, from a random offset."""
    windows = clips.windows(source.frame_counts, data.frames, data.stride, data.windows)
    offset = np.random.default_rng(seed).random()
    return windows.locate(((np.arange(count) + offset) * windows.total / count).astype(np.int64))
