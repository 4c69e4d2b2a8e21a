"""The files of a render: their names, the note that each holds of its making, and the index of several processes."""

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

LISTED_TIMES = 1000  # a note lists so many times; of more it says the ends


class Output(NamedTuple):
    path: str
    rows: list[int]  # which of the clips are in it
    note: dict  # its metadata


def outputs(request: RenderRequest, clips: dict, sheet, times: Float[np.ndarray, "t"]) -> list[Output]:
    """The files of a request whose step and labels are numbers by now; a note holds the request of its file alone."""
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
    """What a file says of itself: the request that makes it again, the step of its run, the times of its frames."""
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
    """Whether the file is there and was made of the same."""
    try:
        return read_metadata(file.path) == json.loads(json.dumps(file.note))
    except InputError:
        return False


def write_index(request: RenderRequest, files: Sequence[Output]) -> None:
    """Of several processes the first says which files there will be and which process makes each: what is not there
    in the end was not finished."""
    if request.process_count == 1 or request.process_id:
        return
    count = request.process_count
    rows = [{"file": os.path.basename(f.path), "process": i % count} | f.note for i, f in enumerate(files)]
    with moved_in(os.path.splitext(request.out)[0] + "_index.json") as unfinished:
        epath.Path(unfinished).write_text(json.dumps(rows, indent=1))
