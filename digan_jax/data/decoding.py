"""Videos to examples of a prepared set: here in order, over processes, or on Beam. The same examples by each way."""

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
    """What is to be said of the videos: (file, reason) of what was skipped, (file, remark) of what was used."""

    skipped: Skipped = dataclasses.field(default_factory=list)
    remarks: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def add(self, file: str, told: pieces.Told) -> None:
        self.skipped += [(file, told.reason)] if told.reason else []
        self.remarks += [(file, remark) for remark in told.remarks]


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
    if skipped and strict:
        raise InputError("`strict`: {}: {}; mend or remove it, or leave `strict` out.".format(*skipped[0]))


@contextlib.contextmanager
def local(
    stock: Catalogue, recipe: Recipe, workers: int, strict: bool, advance: Callable[[], None], found: Findings
) -> Iterator[dict[str, Iterator[Example]]]:
    """{split: examples in the order of the catalogue}, decoded while they are read. Fills `found`, and leaves splits
    without a usable video out.

    Args:
      workers: decoding processes; 0: one for each core.
      advance: called once for each video that is done.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = min(workers or cores, len(stock.videos))
    threads = max(1, cores // workers)
    with scratch_folder() as scratch, _mapper(workers) as ordered_map:

        def of_split(split: str) -> Iterator[Example]:
            videos = stock.split(split)
            files = [os.path.join(scratch, f"{split}_{number}") for number in range(len(videos))]
            jobs = ((video.path, recipe, file, threads) for video, file in zip(videos, files))
            for video, file, told in zip(videos, files, ordered_map(pieces.spool, jobs)):
                advance()
                found.add(video.name, told)
                if told.reason:
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
    """`ordered_map(function, argument tuples)`: results in order, so few ahead that scratch files stay few."""
    if workers == 1:
        yield itertools.starmap
        return
    # Not forked: the parent may hold the threads of JAX, whose locks a fork would copy.
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
        for worker in set(multiprocessing.active_children()) - others:  # a long video would be decoded to its end
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(pool: concurrent.futures.Executor, function: Callable, jobs: Iterable[tuple], ahead: int) -> Iterator:
    """function(*job) of each job, in order; at most `ahead` of them are under way or done and not yet taken."""
    waiting = collections.deque()
    for job in jobs:
        waiting.append(pool.submit(function, *job))
        if len(waiting) == ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _live_and_die_with_parent() -> None:
    """Ctrl-C is the parent's to handle; when it is killed, nobody would end its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def on_beam(stock: Catalogue, recipe: Recipe, strict: bool, told_folder: epath.Path) -> dict:
    """{split: Beam transform of the same examples}. Workers leave what is to be said as files in `told_folder`."""
    import apache_beam as beam

    decode = functools.partial(_decode_on_worker, recipe=recipe, strict=strict, told_folder=str(told_folder))
    return {
        split: beam.Create(stock.split(split), reshuffle=True) | f"Decode{split}" >> beam.FlatMap(decode)
        for split in stock.splits
    }


def _decode_on_worker(video: Video, recipe: Recipe, strict: bool, told_folder: str) -> Iterator[Example]:
    with scratch_folder() as scratch:
        file = os.path.join(scratch, "pieces")
        told = pieces.spool(video.path, recipe, file)
        if told.reason or told.remarks:
            # Named by the video, so that a worker who repeats the work writes the same file.
            note = epath.Path(told_folder) / f"{zlib.crc32(video.name.encode()):08x}.json"
            note.write_text(json.dumps([video.name, told]))
        if told.reason:
            fail_if_strict(strict, [(video.name, told.reason)])
        else:
            yield from _examples(video, file)


def findings_from_beam(told_folder: epath.Path) -> Findings:
    found = Findings()
    for file, told in sorted(json.loads(note.read_text()) for note in told_folder.glob("*.json")):
        found.add(file, pieces.Told(*told))
    return found
