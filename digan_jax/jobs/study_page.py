"""`digan study make`: the web page of a blinded preference study, with pairs of clips and a form that saves answers."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import tempfile

import numpy as np
from etils import epath

from digan_jax.errors import InputError
from digan_jax.host.files import moved_in
from digan_jax.host.video_files import write_video
from digan_jax.host.video_formats import DEFAULT_FPS
from digan_jax.jobs.opening_sides import open_fake

QUESTION = "Which clip looks more real?"


MIN_PIXELS = 128  # a side; smaller clips are enlarged by a whole factor, since H.264 blurs colours (4:2:0)


def make(a: str, b: str, pairs: int, out: str, question: str = QUESTION, fps: float = DEFAULT_FPS) -> dict:
    """Writes OUT/study.html, one page with all clips, and OUT/study.json, the key with the names of A and B.

    Args:
      a, b: runs, model files or folders of videos.
      pairs: number of pairs that a rater sees; pair k shows clip k of both.
      question: shown above each pair.
      fps: frame rate of the clips.

    Returns:
      the key, as in study.json.

    Raises:
      InputError: `pairs` below 1, fewer clips than pairs, or unusable clips.
    """
    if pairs < 1:
        raise InputError(f"--pairs {pairs}: a rater needs one pair or more.")
    sides = {"a": open_fake(a), "b": open_fake(b)}
    for name, side in sides.items():
        if side.total is not None and side.total < pairs:
            raise InputError(f"{side.name}: holds {side.total} clips for {pairs} pairs; lower --pairs.")
    encoded = {
        name: [_as_mp4(clip, fps) for clip in side.read(np.arange(pairs), "round")] for name, side in sides.items()
    }
    shown = [{"a": x, "b": y} for x, y in zip(encoded["a"], encoded["b"])]
    identity = hashlib.sha256(json.dumps([question, shown]).encode()).hexdigest()[:12]
    template = importlib.resources.files("digan_jax.evaluation").joinpath("study_page.html").read_text()
    # Escape "</", which would close the script element around the data.
    data = json.dumps({"id": identity, "question": question, "pairs": shown}).replace("</", "<\\/")
    key = {"study": identity, "a": sides["a"].describe(), "b": sides["b"].describe(), "pairs": pairs}
    for file, text in (("study.html", template.replace("/*STUDY*/", data)), ("study.json", json.dumps(key, indent=1))):
        with moved_in(epath.Path(out) / file) as unfinished:
            epath.Path(unfinished).write_text(text)
    return key


def _as_mp4(clip: np.ndarray, fps: float) -> str:
    factor = -(-MIN_PIXELS // min(clip.shape[1:3]))
    with tempfile.TemporaryDirectory() as folder:
        file = epath.Path(folder) / "clip.mp4"
        write_video(file, clip.repeat(factor, 1).repeat(factor, 2), fps)
        return base64.b64encode(file.read_bytes()).decode()
