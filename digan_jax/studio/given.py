"""What clients give: files that they sent and labels that they drew, as paths in the store."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from digan_jax.errors import InputError
from digan_jax.host.showing import UnusableVideo
from digan_jax.host.still_pictures import IMAGE_SUFFIXES
from digan_jax.host.video_reading import VIDEO_SUFFIXES, open_footage
from digan_jax.studio.limits import Limits
from digan_jax.studio.store import Store

SUFFIXES = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)


def file_of(store: Store, value: object, label: str) -> tuple[Path, str]:
    """(path, name) of a file that was sent.

    Raises:
      InputError: none was sent, or it is not there any more.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{label}: choose a file first.")
    kept = store.find(value.get("token"))
    if kept is None or not kept.own:
        raise InputError(f"{label}: the file is not here any more; choose it again.")
    return kept.path, kept.name


def check_video(path: Path, name: str, limits: Limits) -> None:
    """Decodes a video up to the limits.

    Raises:
      InputError: it is unusable, or has too many or too large frames.
    """
    count = 0
    try:
        for frame in open_footage(str(path), None).frames:
            count += 1
            if max(frame.shape[:2]) > limits.side or count > limits.frames:
                most = f"{limits.frames} frames of {limits.side} pixels a side"
                raise InputError(f"{name}: this studio takes at most {most}; cut it or make it smaller.")
    except UnusableVideo as error:
        raise InputError(f"{name}: {error}.") from None
    if not count:
        raise InputError(f"{name}: holds no frames.")


def drawn(store: Store, value: object, label: str, labels: int, grey: int = 1) -> Path:
    """A folder with the one label map that was drawn, 0.png, kept in the store.

    Args:
      value: {"width", "height", "labels"}, as `widgets.sketch` has it.
      labels: number of labels.
      grey: of label 1 in the file; 255 for a drawing of lines.

    Raises:
      InputError: nothing was drawn, or it does not parse.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{label}: draw something first.")
    try:
        pixels = np.frombuffer(base64.b64decode(value["labels"], validate=True), np.uint8)
        pixels = pixels.reshape(int(value["height"]), int(value["width"]))
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise InputError(f"{label}: the drawing does not parse; reload the page.") from None
    if not pixels.size or pixels.max() >= labels:
        raise InputError(f"{label}: has other labels than 0 to {labels - 1}.")
    folder = store.place("")
    folder.mkdir()
    Image.fromarray(pixels * np.uint8(grey)).save(folder / "0.png")
    store.keep(folder, "labels")
    return folder
