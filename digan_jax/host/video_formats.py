"""Output formats by suffix, and their encodings. Constants and checks only, so the command line imports it fast."""

from __future__ import annotations

import os
from typing import NamedTuple

from digan_jax.errors import InputError


class Encoding(NamedTuple):
    """How frames become a video stream."""

    codec: str
    pixels: str  # ffmpeg's name of the layout
    options: dict[str, str]


DEFAULT_FPS = 8.0  # default frames per second of written files
SUFFIXES = (".mp4", ".webm", ".gif", ".png", ".npz")
QUALITIES = ("standard", "10-bit", "lossless")
_X264, _VP9 = {"crf": "16"}, {"cpu-used": "4", "row-mt": "1", "b": "0"}  # b = 0: constant quality
ENCODINGS = {
    (".mp4", "standard"): Encoding("libx264", "yuv420p", _X264),
    (".mp4", "10-bit"): Encoding("libx264", "yuv420p10le", _X264),
    (".mp4", "lossless"): Encoding("libx264rgb", "rgb24", {"crf": "0"}),
    (".webm", "standard"): Encoding("libvpx-vp9", "yuv420p", _VP9 | {"crf": "20"}),
    (".webm", "lossless"): Encoding("libvpx-vp9", "gbrp", _VP9 | {"lossless": "1"}),
}


def check_suffix(path: os.PathLike | str) -> str:
    """The lower-case suffix of `path`, with its dot. Raises `InputError` unless it is in SUFFIXES."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{os.fspath(path)}: cannot write {suffix!r} files; choose one of {list(SUFFIXES)}.")
    return suffix


def check_quality(path: os.PathLike | str, quality: str) -> Encoding | None:
    """The encoding of a file in this quality; None for .gif, .png and .npz.

    Raises:
      InputError: an unknown suffix or quality, or a quality that the suffix does not support.
    """
    suffix = check_suffix(path)
    if quality not in QUALITIES:
        raise InputError(f"quality={quality!r}: choose one of {list(QUALITIES)}.")
    if suffix not in (".mp4", ".webm"):
        if quality != "standard":
            raise InputError(f"quality={quality!r}: is one of videos; {suffix} files have only one. Choose .mp4.")
        return None
    if (suffix, quality) not in ENCODINGS:
        raise InputError(f"quality={quality!r}: not for {suffix} files; choose .mp4.")
    return ENCODINGS[suffix, quality]
