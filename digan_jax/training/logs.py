"""The log of a run: one `Writer` interface for console, JSON lines and TensorBoard."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from etils import epath
from jaxtyping import UInt8
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from digan_jax.config import TrainConfig
from digan_jax.errors import InputError, full_disk
from digan_jax.host.files import append, is_plain, moved_in
from digan_jax.host.notes import say_once

Image = UInt8[np.ndarray, "h w 3"]
COMPILING = "compiling"  # what the bar shows instead of a rate until the first step has ended
WORTH_SAYING = 0.1  # share of the time spent waiting for data, from which on the console says so


class Writer:
    """Interface of all writers of the log. A writer overrides the methods that it supports; the others do nothing."""

    takes_histograms = False  # histograms need another pass through the critics

    def progress(self, step: int) -> None:
        """Called after each iteration with the number of finished ones. Must be fast."""

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Writes {name: value} of one step."""

    def write_image(self, step: int, name: str, image: Image) -> None:
        """Writes an image, uint8 [0, 255]."""

    def write_histogram(self, step: int, name: str, values: np.ndarray) -> None:
        """Writes a histogram of `values`, of any shape."""

    def write_text(self, step: int, name: str, text: str) -> None:
        """Writes a message for the user."""

    def close(self) -> None:
        """Writes what is pending, and closes files."""


def _to_each(method: str):
    def call(self, *args):
        for writer in self._writers:
            try:
                getattr(writer, method)(*args)
            except Exception as error:  # training continues without a part of its log
                if not full_disk(error):
                    raise
                say_once(f"{type(writer).__name__}: {full_disk(error).lower()}; a part of the log is missing.")

    return call


class MultiWriter(Writer):
    """Passes each call to all of its writers, in order. Errors of a full disk are only reported."""

    def __init__(self, writers: Sequence[Writer]):
        self._writers = list(writers)
        self.takes_histograms = any(writer.takes_histograms for writer in self._writers)

    progress = _to_each("progress")
    write_scalars = _to_each("write_scalars")
    write_image = _to_each("write_image")
    write_histogram = _to_each("write_histogram")
    write_text = _to_each("write_text")
    close = _to_each("close")


class _Console(Console):
    def on_broken_pipe(self):
        """Continues without output when its reader closes it. rich would end the process."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ConsoleWriter(Writer):
    """Prints one line per entry of the log; on a terminal also a progress bar with rate and time left."""

    def __init__(self, train: TrainConfig, start_step: int = 0, console: Console | None = None):
        self._kimg = train.kimg
        self._console = console or _Console(highlight=False, soft_wrap=True)
        columns = (
            TextColumn("{task.completed:.1f}/{task.total:g} kimg"), BarColumn(None),
            TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        self._bar = Progress(
            *columns,
            console=self._console,
            expand=True,
            speed_estimate_period=120,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", completed=self._kimg(start_step), total=train.total_kimg, rate=COMPILING)
        self._bar.start()

    def progress(self, step):
        compiled = {"rate": ""} if self._bar.tasks[self._task].fields["rate"] == COMPILING else {}
        self._bar.update(self._task, completed=self._kimg(step), **compiled)

    def write_scalars(self, step, scalars):
        line = [f"{self._kimg(step):9.3f} kimg"]
        if "rate/clips_per_second" in scalars:
            rate = f"{scalars['rate/clips_per_second']:.1f} clips/s"
            self._bar.update(self._task, rate=rate)
            line += [rate, f"{scalars['rate/seconds_per_kimg']:.1f} s/kimg"]
            if scalars.get("rate/input_share", 0) >= WORTH_SAYING:
                line.append(f"{scalars['rate/input_share']:.0%} of the time waiting for data")
            if "rate/mfu" in scalars:
                line.append(f"{scalars['rate/mfu']:.0%} of the peak")
        line += [f"{key} {value:+.3f}" for key, value in scalars.items() if key.endswith("/loss") or "/sign_" in key]
        if "memory/peak_gib" in scalars:
            line.append(f"{scalars['memory/peak_gib']:.2f} GiB")
        if len(line) > 1:  # an evaluation prints its numbers as text
            self._print("  ".join(line))

    def write_text(self, step, name, text):
        self._print(text)

    def close(self):
        self._bar.stop()

    def _print(self, text):
        self._bar.console.print(text, markup=False)


class JsonlWriter(Writer):
    """Writes one JSON object per line, {"step": 40, "critic/loss": 1.2, ...}. Continues a file without repeating steps.

    While the disk is full, keeps the lines in memory.
    """

    def __init__(self, path: epath.PathLike, start_step: int = 0):
        """Removes the lines after `start_step`, and damaged ones, from an existing file: those steps are repeated.

        Raises:
          InputError: `path` exists and is no regular file.
        """
        self._path, self._waiting = epath.Path(path), []
        if not self._path.exists():
            return
        if not is_plain(self._path):
            raise InputError(f"{path}: is no ordinary file, and the log goes there; move it away.")
        kept = [line for line in self._path.read_bytes().splitlines() if _step_of(line) <= start_step]
        with moved_in(self._path) as unfinished:
            epath.Path(unfinished).write_bytes(b"".join(line + b"\n" for line in kept))

    def write_scalars(self, step, scalars):
        self._waiting.append(json.dumps({"step": step, **scalars}) + "\n")
        self._write()

    def _write(self):
        # Whole lines in one write: a process killed at any time leaves no partial line.
        try:
            append(self._path, "".join(self._waiting))
        except FileNotFoundError:
            raise InputError(f"{self._path.parent}: was removed meanwhile; nothing more can be saved there.") from None
        except OSError as error:
            if not full_disk(error):
                raise
            say_once(f"{self._path}: {full_disk(error).lower()}; its lines wait until there is some.")
            return
        self._waiting.clear()

    def close(self):
        if self._waiting:
            self._write()
        if self._waiting:
            say_once(f"{self._path}: the last {len(self._waiting)} lines could not be written.")


def _step_of(line: bytes) -> float:
    """The step of a line of metrics.jsonl; infinity for a damaged line."""
    try:
        step = json.loads(line)["step"]
        return step if isinstance(step, (int, float)) else float("inf")
    except (ValueError, KeyError, TypeError, RecursionError):
        return float("inf")


class TensorBoardWriter(Writer):
    """Writes TensorBoard event files with clu, which supports no videos. Needs the extra `[tensorboard]`."""

    takes_histograms = True

    def __init__(self, folder: epath.PathLike):
        import tensorflow as tf
        from clu import metric_writers

        tf.config.set_visible_devices([], "GPU")  # TensorFlow would reserve the memory that JAX needs
        self._events = metric_writers.SummaryWriter(str(folder))

    def write_scalars(self, step, scalars):
        self._events.write_scalars(step, scalars)
        self._events.flush()

    def write_image(self, step, name, image):
        self._events.write_images(step, {name: image[None]})

    def write_histogram(self, step, name, values):
        self._events.write_histograms(step, {name: values})

    def write_text(self, step, name, text):
        self._events.write_texts(step, {name: text})

    def close(self):
        self._events.close()


def open_writers(workdir: epath.PathLike, train: TrainConfig, start_step: int) -> Writer:
    """All writers of a run that starts at `start_step`. On processes other than process 0, a writer that does nothing.

    Raises:
      InputError: WORKDIR/metrics.jsonl is no regular file.
    """
    if jax.process_index() != 0:
        return MultiWriter([])
    workdir = epath.Path(workdir)
    writers = [JsonlWriter(workdir / "metrics.jsonl", start_step)]
    try:
        writers.append(TensorBoardWriter(workdir / "tensorboard"))
    except ImportError:
        pass  # the extra is not installed
    return MultiWriter([ConsoleWriter(train, start_step), *writers])  # last: its bar captures the terminal


class Meter:
    """Means of the metrics since the last line of the log, with rates, step times and memory."""

    def __init__(self, train: TrainConfig):
        self._train, self._least = train, None
        self._began, self._last, self._waited, self._times, self._sums = None, 0.0, 0.0, [], {}

    def expect(self, seconds: float | None) -> None:
        """Says what a step would take if every device did all the FLOPs that it can; None: not known."""
        self._least = seconds

    def wait(self, seconds: float) -> None:
        """Adds time that the loop waited for a batch."""
        self._waited += seconds

    def add(self, metrics: Mapping[str, float | np.floating | np.ndarray]) -> None:
        """Adds the metrics of one step. A metric that only some steps have is averaged over those steps."""
        now = time.monotonic()
        if self._began is None:  # excludes the first step, which compiles, from the rates
            self._began, self._waited = now, 0.0
        else:
            self._times.append(now - self._last)
        self._last = now
        for key, value in metrics.items():
            total, count = self._sums.get(key, (0.0, 0))
            self._sums[key] = (total + float(value), count + 1)

    def summary(self, step: int) -> dict[str, float]:
        """The means since the last call, "progress/kimg", "rate/…" and "memory/peak_gib".

        Rates are clips per second, seconds per kimg, the share [0, 1] of the time spent waiting for a batch, and the 50th
        and 95th percentile of the time from one step's end to the next, in seconds, hooks included. Where the devices'
        peak is known, also model FLOPs utilisation [0, 1]: the share of it that went into products (`flops.count`).
        """
        now, clips = time.monotonic(), len(self._times) * self._train.batch_size
        summary = {"progress/kimg": self._train.kimg(step), "memory/peak_gib": peak_memory_gib()}
        if clips:
            seconds = now - self._began
            summary |= {"rate/clips_per_second": clips / seconds, "rate/seconds_per_kimg": 1000 * seconds / clips}
            median, slow = np.percentile(self._times, [50, 95])
            summary |= {"rate/step_seconds_p50": float(median), "rate/step_seconds_p95": float(slow)}
            summary["rate/input_share"] = min(self._waited / seconds, 1.0)
            if self._least is not None:
                summary["rate/mfu"] = self._least * len(self._times) / seconds
        summary |= {key: total / count for key, (total, count) in self._sums.items()}
        self._began, self._waited, self._times, self._sums = now, 0.0, [], {}
        return summary


def peak_memory_gib() -> float:
    """Peak memory in GiB: of the first local device if the backend counts it, otherwise of this process."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"] / 2**30
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
