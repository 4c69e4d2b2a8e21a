"""Label maps: PNG files with one whole number for each pixel, the label of what it shows or its instance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from etils import epath
from jaxtyping import Int, Integer, Shaped, UInt8
from PIL import Image

from digan_jax.errors import InputError
from digan_jax.host.names import natural_order

MODES = ("P", "L", "1", "I", "I;16", "I;16B")  # of Pillow: palettes, grey of 1, 8, 16 and 32 bits


def read(path: epath.PathLike) -> Int[np.ndarray, "h w"]:
    """The numbers of a label map; of a picture with a palette, the indices.

    Raises:
      InputError: no such file, no PNG, or a picture in colours.
    """
    picture = _opened(path)
    if picture.mode not in MODES:
        raise InputError(
            f"{path}: is a picture in colours ({picture.mode}); a label map has one number for each pixel: store it in "
            "grey, or with a palette."
        )
    return np.asarray(picture).astype(np.int32)


def read_sketch(path: epath.PathLike) -> UInt8[np.ndarray, "h w"]:
    """1 on the lines of a drawing, otherwise 0. Lines may be dark on light or light on dark: the rarer is the line.

    Raises:
      InputError: no such file, or no picture.
    """
    grey = np.asarray(_opened(path).convert("RGBA"), np.float32)
    level = (grey[..., :3].mean(-1) * grey[..., 3] + 255 * (255 - grey[..., 3])) / 255  # on white paper
    light = level > 127.5
    return (light if light.mean() <= 0.5 else ~light).astype(np.uint8)


def _opened(path: epath.PathLike) -> Image.Image:
    path = epath.Path(path)
    try:
        with path.open("rb") as file:
            picture = Image.open(file, formats=["PNG"])
            picture.load()
            return picture
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "there is no such file" if not path.exists() else f"is no PNG that can be read ({error})"
        raise InputError(f"{path}: {reason}.") from None


def files_in(folder: epath.PathLike) -> list[epath.Path]:
    """The PNG files of a folder, in natural order of their names; all must be of one size, see `check_size`.

    Raises:
      InputError: no such folder, or no PNG in it.
    """
    folder = epath.Path(folder).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; give a folder of PNG files, one for each frame.")
    found = [path for path in folder.iterdir() if path.suffix.lower() == ".png"]
    if not found:
        raise InputError(f"{folder}: holds no PNG, so there is no frame.")
    return sorted(found, key=lambda path: natural_order(path.name))


def check_size(found: tuple[int, ...], wanted: tuple[int, ...], name: epath.PathLike, like: epath.PathLike) -> None:
    """Raises `InputError` unless two pictures have one size (height, width)."""
    if tuple(found[:2]) != tuple(wanted[:2]):
        (h, w), (height, width) = found[:2], wanted[:2]
        raise InputError(f"{name}: is {w}x{h}, {like} is {width}x{height}; they must be of one size.")


def check_values(labels: Int[np.ndarray, "h w"], known: int, name: epath.PathLike) -> None:
    """Raises `InputError` for a number that is not one of 0 ... known - 1; names it."""
    unknown = np.unique(labels[(labels < 0) | (labels >= known)])
    if len(unknown):
        listed = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        raise InputError(
            f"{name}: has the label {listed}; this model knows 0 to {known - 1}. Replace it, for instance "
            f"by `remap` {unknown[0]}=0."
        )


def resized(maps: Shaped[np.ndarray, "*n h w"], height: int, width: int) -> Shaped[np.ndarray, "*n _ _"]:
    """The value at the centre of each new pixel: labels are not mixed."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip((height, width), maps.shape[-2:])
    )
    return maps[..., rows[:, None], columns[None]]


def brought_to(maps: Shaped[np.ndarray, "*n h w"], side: int) -> Shaped[np.ndarray, "*n _ _"]:
    """Maps resized to `side` along their shorter side, and in proportion along the longer one."""
    return resized(maps, *(max(side, round(side * n / min(maps.shape[-2:]))) for n in maps.shape[-2:]))


def square(maps: Shaped[np.ndarray, "*n h w"], size: int) -> Shaped[np.ndarray, "*n size size"]:
    """The centre square that `host.showing.shown` cuts out of frames, at size x size."""
    h, w = maps.shape[-2:]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return resized(maps[..., top : top + side, left : left + side], size, size)


def numbered(instances: Integer[np.ndarray, "*n"], known: Sequence[int] = ()) -> tuple[Int[np.ndarray, "*n"], list[int]]:
    """Instance numbers of any size as 0, 1, 2, ... in ascending order, after those in `known`; and the originals."""
    originals = [*known, *sorted(set(np.unique(instances).tolist()) - set(known))]
    place = {value: i for i, value in enumerate(originals)}
    values, inverse = np.unique(instances, return_inverse=True)
    return np.array([place[value] for value in values.tolist()], np.int32)[inverse].reshape(instances.shape), originals
