"""The files of a render: names, metadata, and the index file of a render by several processes."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Float

from digan_jax.errors import InputError
from digan_jax.host.files import moved_in
from digan_jax.host.video_files import read_metadata
from digan_jax.jobs.render_request import RenderRequest

LISTED_TIMES = 1000  # metadata lists at most this many times, otherwise first, last and count


class Output(NamedTuple):
    """A file to render."""

    path: str
    rows: list[int]  # indices of its clips
    note: dict  # metadata


def outputs(request: RenderRequest, clips: dict, sheet, times: Float[np.ndarray, "t"]) -> list[Output]:
    """The files of a resolved request. The metadata of a file holds a request for that file alone."""
    r, n = request, len(clips["ids"])
    if sheet or r.walk or r.mix:
        return [Output(r.out, list(range(n)), note(r, times))]
    if n == 1:
        return [Output(r.out, [0], note(r, times))]
    stem, suffix = os.path.splitext(r.out)
    files = []
    for i in range(n):
        own = dataclasses.replace(r, **{name: (row[i],) for name, row in clips.items() if row})
        files.append(Output(stem + _name(clips, i) + suffix, [i], note(own, times)))
    return files


def note(request: RenderRequest, times: Float[np.ndarray, "t"]) -> dict:
    """Metadata of a file: the request that reproduces it, the step of the run, the times of the frames."""
    listed = [float(t) for t in times]
    ends = {"first": listed[0], "last": listed[-1], "count": len(listed)}
    return {
        "request": request.of_content(),
        "step": request.step,
        "times": listed if len(listed) <= LISTED_TIMES else ends,
    }


def _name(clips: dict, i: int) -> str:
    marks = {"ids": "_{:04}", "motion_ids": "_m{:04}", "label": "_c{}"}
    return "".join(mark.format(clips[name][i]) for name, mark in marks.items() if clips[name])


def is_whole(file: Output) -> bool:
    """Whether the file exists, complete and with the same metadata."""
    try:
        return read_metadata(file.path) == json.loads(json.dumps(file.note))
    except InputError:
        return False


def write_index(request: RenderRequest, files: Sequence[Output]) -> None:
    """Process 0 of several writes an index of all files and the process that makes each, to find missing files."""
    if request.process_count == 1 or request.process_id:
        return
    count = request.process_count
    rows = [{"file": os.path.basename(f.path), "process": i % count} | f.note for i, f in enumerate(files)]
    with moved_in(os.path.splitext(request.out)[0] + "_index.json") as unfinished:
        epath.Path(unfinished).write_text(json.dumps(rows, indent=1))
