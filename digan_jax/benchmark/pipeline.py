"""Benchmarks of data and startup: decoding, the loader, the command line. Clips are synthetic."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np

from digan_jax.benchmark.networks import base_config
from digan_jax.benchmark.timing import Unavailable, Work, timed
from digan_jax.data import bouncing, builder, loader, sources
from digan_jax.host.video_files import write_video
from digan_jax.models import families
from digan_jax.runs import checkpoint

VIDEO_SIZE, VIDEO_FRAMES = 512, 240  # of the file that `preparing` and `ffmpeg` decode
BATCHES = 20  # per measurement of the loader; more than it prefetches


class _Folder:
    """A temporary folder, deleted with this object."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="digan_")
        self.path = Path(self._folder.name)


def _write_videos(folder: Path, size: int, frames: int, count: int) -> Path:
    """Writes H.264 files of synthetic clips; returns their folder."""
    for clip in range(count):
        write_video(folder / "videos" / f"{clip}.mp4", bouncing.render(clip, np.linspace(0, 4, frames), size), 25.0)
    return folder / "videos"


def loading(size: int, batch_size: int, cached: bool) -> Work:
    """Batches of the loader from a prepared dataset; `cached`: decoded once, otherwise for each batch."""
    home = _Folder()
    builder.prepare(str(_write_videos(home.path, size, 64, 4)), "drawn", size, data_dir=str(home.path))
    fields = {"data.source": "tfds", "data.name": "drawn", "data.data_dir": home.path, "train.batch_size": batch_size}
    config = base_config(fields | {"model.resolution": size})
    source = sources.open_source(config.data, config.model)
    cache = {} if cached else {"cache_bytes": 0}
    batches = loader.make_loader(source, config, **cache)

    def seconds(repeats: int, home=home):
        return timed(lambda: [next(batches).times for _ in range(BATCHES)], repeats)

    return Work(seconds, amount=(BATCHES * batch_size, "pairs"))


def preparing() -> Work:
    """`digan prepare` of one H.264 file to 128×128: decode, crop, resize, compress, write."""
    home = _Folder()
    videos, number = _write_videos(home.path, VIDEO_SIZE, VIDEO_FRAMES, 1), itertools.count()

    def once():
        builder.prepare(str(videos), f"drawn_{next(number)}", 128, data_dir=str(home.path))

    return Work(lambda repeats, home=home: timed(once, repeats), amount=(VIDEO_FRAMES, "frames"))


def ffmpeg() -> Work:
    """Decoding of the same file with the ffmpeg program, as a reference for `preparing`."""
    if (program := shutil.which("ffmpeg")) is None:
        raise Unavailable("there is no ffmpeg on the path")
    home = _Folder()
    file = _write_videos(home.path, VIDEO_SIZE, VIDEO_FRAMES, 1) / "0.mp4"
    command = [program, "-v", "error", "-i", str(file), "-f", "null", "-"]
    once = lambda: subprocess.run(command, check=True)
    return Work(lambda repeats, home=home: timed(once, repeats), amount=(VIDEO_FRAMES, "frames"))


def _digan(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "digan_jax", *words], check=True, stdout=subprocess.DEVNULL, env=os.environ)


def help_page() -> Work:
    """The process `digan --help`."""
    return Work(lambda repeats: timed(lambda: _digan("--help"), repeats))


def first_frame() -> Work:
    """The process `digan render` of one frame with a model of the quickstart's size, with compilation cached."""
    home = _Folder()
    fields = {"model.resolution": 32, "model.channel_base": 512, "model.channel_max": 32}
    config, run = base_config(fields), home.path / "run"
    state = families.of(config).init(jax.random.key(0), config)
    checkpoint.write_run(run, config, 0, state, {"step": 0})
    words = ["render", "--run", str(run), "--frames", "1", "--scale", "8", "--out", str(home.path / "a.png")]
    once = lambda: _digan(*words)
    return Work(lambda repeats, home=home: timed(once, repeats), amount=(1, "frames"))
