"""Decodes videos to the examples of a prepared dataset, in local processes or on Beam. Both give the same examples."""

from __future__ import annotations

import collections
import concurrent.futures
import concurrent.futures.process
import contextlib
import dataclasses
import functools
import itertools
import json
import multiprocessing
import os
import signal
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from etils import epath

from digan_jax.data import pieces
from digan_jax.data.catalogue import Catalogue, Video
from digan_jax.data.pieces import Recipe
from digan_jax.errors import InputError
from digan_jax.host.files import scratch_folder

Example = tuple[str, dict]  # key and features
Skipped = list[tuple[str, str]]  # (file, reason)


@dataclasses.dataclass
class Findings:
    """(file, reason) of each skipped video, and (file, remark) of used ones."""

    skipped: Skipped = dataclasses.field(default_factory=list)
    remarks: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def add(self, file: str, outcome: pieces.Outcome) -> None:
        self.skipped += [(file, outcome.reason)] if outcome.reason else []
        self.remarks += [(file, remark) for remark in outcome.remarks]


def _examples(video: Video, scratch: str) -> Iterator[Example]:
    for piece in pieces.unspool(scratch):
        yield (
            f"{video.name}#{piece.start:08d}",
            {
                "video": piece.frames,
                "label": video.label,
                "file": video.name,
                "start_frame": piece.start,
                "fps": piece.fps,
            },
        )


def fail_if_strict(strict: bool, skipped: Sequence[tuple[str, str]]) -> None:
    """Raises `InputError`, which names the first skipped file, if `strict` and there is one."""
    if skipped and strict:
        raise InputError("`strict`: {}: {}; mend or remove it, or leave `strict` out.".format(*skipped[0]))


@contextlib.contextmanager
def local(
    stock: Catalogue, recipe: Recipe, workers: int, strict: bool, advance: Callable[[], None], found: Findings
) -> Iterator[dict[str, Iterator[Example]]]:
    """Gives {split: examples in the order of the catalogue}, decoded lazily. Omits splits without a usable video.

    Args:
      stock: the videos.
      recipe: how they become records.
      workers: decoding processes; 0: one per core.
      strict: fail on the first unusable video.
      advance: called once per finished video.
      found: filled with the skipped videos and remarks.

    Raises:
      InputError: an unusable video when strict, or a decoding process was killed.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = min(workers or cores, len(stock.videos))
    threads = max(1, cores // workers)
    with scratch_folder() as scratch, _mapper(workers) as ordered_map:

        def of_split(split: str) -> Iterator[Example]:
            videos = stock.split(split)
            files = [os.path.join(scratch, f"{split}_{number}") for number in range(len(videos))]
            jobs = ((video.path, recipe, file, threads) for video, file in zip(videos, files))
            for video, file, outcome in zip(videos, files, ordered_map(pieces.spool, jobs)):
                advance()
                found.add(video.name, outcome)
                if outcome.reason:
                    fail_if_strict(strict, found.skipped)
                else:
                    yield from _examples(video, file)

        splits = {}
        for split in stock.splits:
            examples = of_split(split)
            first = list(itertools.islice(examples, 1))
            if first:
                splits[split] = itertools.chain(first, examples)
        yield splits


@contextlib.contextmanager
def _mapper(workers: int):
    """Gives `ordered_map(function, argument tuples)`: results in order, few of them ahead to limit temporary files."""
    if workers == 1:
        yield itertools.starmap
        return
    # Not forked: the parent may run threads of JAX, whose locks a fork would copy.
    spawn = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = concurrent.futures.ProcessPoolExecutor(workers, spawn, _live_and_die_with_parent)
    try:
        yield lambda function, jobs: in_order(pool, function, jobs, 2 * workers)
    except concurrent.futures.process.BrokenProcessPool:
        raise InputError(
            "a decoding process was killed, perhaps for want of memory; try again with fewer `workers`."
        ) from None
    except KeyboardInterrupt:
        for worker in set(multiprocessing.active_children()) - others:  # or they would finish their videos
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(pool: concurrent.futures.Executor, function: Callable, jobs: Iterable[tuple], ahead: int) -> Iterator:
    """Yields function(*job) of each job, in order. At most `ahead` results are pending or not yet taken."""
    waiting = collections.deque()
    for job in jobs:
        waiting.append(pool.submit(function, *job))
        if len(waiting) == ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _live_and_die_with_parent() -> None:
    """Initialises a worker: it ignores Ctrl-C, which the parent handles, and exits when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def on_beam(stock: Catalogue, recipe: Recipe, strict: bool, notes_folder: epath.Path) -> dict:
    """{split: Beam transform that gives its examples}.

    Workers write skipped videos and remarks to files in `notes_folder`; `findings_from_beam` reads them.
    """
    import apache_beam as beam

    decode = functools.partial(_decode_on_worker, recipe=recipe, strict=strict, notes_folder=str(notes_folder))
    return {
        split: beam.Create(stock.split(split), reshuffle=True) | f"Decode{split}" >> beam.FlatMap(decode)
        for split in stock.splits
    }


def _decode_on_worker(video: Video, recipe: Recipe, strict: bool, notes_folder: str) -> Iterator[Example]:
    with scratch_folder() as scratch:
        file = os.path.join(scratch, "pieces")
        outcome = pieces.spool(video.path, recipe, file)
        if outcome.reason or outcome.remarks:
            # Named after the video, so that a worker that repeats the work writes the same file.
            note = epath.Path(notes_folder) / f"{zlib.crc32(video.name.encode()):08x}.json"
            note.write_text(json.dumps([video.name, outcome]))
        if outcome.reason:
            fail_if_strict(strict, [(video.name, outcome.reason)])
        else:
            yield from _examples(video, file)


def findings_from_beam(notes_folder: epath.Path) -> Findings:
    """Collects what the workers of `on_beam` wrote to `notes_folder`."""
    found = Findings()
    for file, outcome in sorted(json.loads(note.read_text()) for note in notes_folder.glob("*.json")):
        found.add(file, pieces.Outcome(*outcome))
    return found
