"""Batches of frames for training, and whole clips for looking at: Grain over a source."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Iterator, Sequence

import grain
import numpy as np
from absl import flags
from jaxtyping import Int, UInt8

from digan_jax.config import DataConfig, RunConfig
from digan_jax.data import clips
from digan_jax.data.sources import Source, check_lengths
from digan_jax.errors import InputError
from digan_jax.models import families
from digan_jax.shapes import Batch, Condition

CACHE_BYTES = 2**30  # of decoded frames, shared by the reading processes of a host
THREADS = 4  # reading at once; decoding leaves Python's lock, so a few help even without processes
AHEAD = 4  # batches ready at most; then the readers wait


def make_loader(
    source: Source,
    config: RunConfig,
    *,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    cache_bytes: int = CACHE_BYTES,
) -> Iterator[Batch]:
    """Endless batches from `start_step` on: this host's rows, uint8 in NumPy, read ahead by threads or processes.

    The global batch is a function of (train.seed, step), whatever the number of hosts, threads and reading processes;
    starting at any step costs the same.

    Args:
      source: of the clips.
      config: of the run. Its family says which frames of a clip a step sees; of `data`: frames, stride, windows, flip,
        and workers, reading processes, 0 for threads of this one; of `train`: seed and batch_size over all hosts.
      start_step: iteration of the first batch.
      process_index: of this host.
      process_count: hosts.
      cache_bytes: a set whose frames take no more is decoded once and kept.

    Returns:
      An iterator with a `close()` that ends its threads and processes; at exit it is called anyway.

    Raises:
      InputError: no clip in the source, or a batch that cannot be shared out evenly.
    """
    data, train = config.data, config.train
    if train.batch_size % process_count:
        raise InputError(f"train.batch_size={train.batch_size}: cannot be shared by {process_count} hosts evenly.")
    reader = _BatchReader(source, config, process_index, process_count, cache_bytes)
    steps = grain.MapDataset.range(start_step, 2**62).map(reader)
    batches = steps.to_iter_dataset(grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=AHEAD))
    if data.workers:
        if not flags.FLAGS.is_parsed():  # Grain reads absl flags; from Python and notebooks nobody parsed any
            flags.FLAGS.mark_as_parsed()
        options = grain.MultiprocessingOptions(num_workers=data.workers, per_worker_buffer_size=AHEAD)
        batches = batches.mp_prefetch(options)
    iterator = iter(batches)
    atexit.register(_close, weakref.ref(iterator))
    return iterator


def _close(iterator: weakref.ref) -> None:
    """Reading processes that outlive the interpreter's modules die loudly."""
    if iterator() is not None:
        iterator().close()


class _BatchReader:
    """step -> this host's rows of the batch."""

    def __init__(self, source: Source, config: RunConfig, process_index: int, process_count: int, cache_bytes: int):
        check_lengths(source, config.data)
        data = self._data = config.data
        self._train, self._classes, self._family = config.train, config.model.n_classes, families.of(config)
        self._windows = clips.windows(source.frame_counts, data.frames, data.stride, data.windows)
        self._rows = config.train.batch_size // process_count
        self._first_row = process_index * self._rows
        self._labels = source.labels
        self._frames = in_memory_if_small(source, cache_bytes // max(1, data.workers))

    def __call__(self, step: int) -> Batch:
        train = self._train
        plan = clips.draw(self._windows, self._family.frames, train.seed, step, train.batch_size, self._data.flip)
        mine = plan.rows(self._first_row, self._rows)
        frames = np.stack([self._frames.read_frames(int(r), f) for r, f in zip(mine.record, mine.frame)])
        frames[mine.flip] = frames[mine.flip, :, :, ::-1]
        labels = np.eye(self._classes, dtype=np.float32)[self._labels[mine.record]] if self._classes else None
        return Batch(frames, mine.times, None if labels is None else Condition(labels))


def in_memory_if_small(source: Source, limit_bytes: int = CACHE_BYTES) -> Source | InMemory:
    """The source, its decoded frames kept in memory if all of them fit."""
    needed = int(source.frame_counts.sum()) * source.size**2 * 3
    return InMemory(source) if needed <= limit_bytes else source


class InMemory:
    """Decoded frames of a whole source: each is decoded when first asked for, then never again."""

    def __init__(self, source: Source):
        self._source = source
        self._begins = np.cumsum(source.frame_counts) - source.frame_counts
        self._allocate()

    def _allocate(self):
        # np.empty takes address space only; memory follows as frames are filled.
        total, size = int(self._source.frame_counts.sum()), self._source.size
        self._frames, self._filled = np.empty((total, size, size, 3), np.uint8), np.zeros(total, bool)

    def read_frames(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w 3"]:
        places = self._begins[record] + np.asarray(numbers)
        missing = places[~self._filled[places]]
        if len(missing):  # two threads may decode the same frame; they write the same bytes
            self._frames[missing] = self._source.read_frames(record, missing - self._begins[record])
            self._filled[missing] = True
        return self._frames[places]

    def __getstate__(self):  # a reading process fills its own
        return {"_source": self._source, "_begins": self._begins}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._allocate()


def sample_clips(
    source: Source, data: DataConfig, count: int, seed: int = 0
) -> tuple[UInt8[np.ndarray, "count t h w 3"], Int[np.ndarray, "count"]]:
    """Whole real clips and their labels, evenly spread over all there are, unflipped; the same for the same seed.

    With fewer clips than `count` some come twice.
    """
    check_lengths(source, data)
    windows = clips.windows(source.frame_counts, data.frames, data.stride, data.windows)
    offset = np.random.default_rng(seed).random()
    records, starts = windows.locate(((np.arange(count) + offset) * windows.total / count).astype(np.int64))
    steps = np.arange(data.frames) * data.stride
    frames = np.stack([source.read_frames(int(r), start + steps) for r, start in zip(records, starts)])
    return frames, source.labels[records].astype(np.int32)
