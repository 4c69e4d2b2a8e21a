"""Frames in a style that is a known function of them, to a degree: what the task "stylize" learns.

Degree 0 is the frame itself, 1 the style, and between both are mixed, so the truth is exact at every degree.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageFilter

from digan_jax.config.tasks import check_style
from digan_jax.errors import InputError

Frame = UInt8[np.ndarray, "h w 3"]
LEVELS = 4  # of each colour of a poster
DARK, LIGHT = (24, 34, 66), (250, 240, 214)  # of the duotone
LUMINANCE = np.float32([0.299, 0.587, 0.114])  # of red, green and blue
BLUR = 1.0  # deviation in pixels, before edges are taken


def poster(frame: Frame) -> Float[np.ndarray, "h w 3"]:
    """A few flat colours, without what is smaller than three pixels."""
    flat = np.asarray(Image.fromarray(frame).filter(ImageFilter.MedianFilter(3)), np.float32)
    return np.rint(flat / 255 * (LEVELS - 1)) * (255 / (LEVELS - 1))


def ink(frame: Frame) -> Float[np.ndarray, "h w 3"]:
    """Dark lines on white where the luminance changes."""
    smooth = np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(BLUR)), np.float32) @ LUMINANCE
    lines = np.hypot(*np.gradient(smooth))
    return np.clip(255 - 8 * lines, 0, 255)[..., None].repeat(3, -1)


def duotone(frame: Frame) -> Float[np.ndarray, "h w 3"]:
    """From a dark colour to a light one by the luminance."""
    share = (frame @ LUMINANCE)[..., None] / 255
    return np.float32(DARK) * (1 - share) + np.float32(LIGHT) * share


STYLES: dict[str, Callable] = {"poster": poster, "ink": ink, "duotone": duotone}


def styled(
    frames: UInt8[np.ndarray, "n h w 3"], style: str, degrees: Float[np.ndarray, "n"]
) -> UInt8[np.ndarray, "n h w 3"]:
    """Frames in a style, each to its degree, rounded as stored clips are.

    Args:
      style: a name of `STYLES`, or the path of a picture, whose mean and deviation of each colour frames then have
        (Reinhard et al. 2001).

    Raises:
      InputError: an unknown style, or no such picture.
    """
    check_style(style)
    of = STYLES.get(style) or functools.partial(_coloured, *_colours(style))
    found = np.stack([of(frame) for frame in frames])
    shares = np.float32(degrees)[:, None, None, None]
    return np.rint(np.clip(frames * (1 - shares) + found * shares, 0, 255)).astype(np.uint8)


def degrees_of(random: np.random.Generator, times: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Degrees at times of a training clip in [0, 1]: from one random degree to another, evenly."""
    first, last = random.random(2)
    return np.float32(first + (last - first) * np.asarray(times))


def _coloured(mean, deviation, frame: Frame) -> Float[np.ndarray, "h w 3"]:
    own = frame.std((0, 1)) + np.float32(1)
    return (frame - frame.mean((0, 1))) * (deviation / own) + mean


@functools.lru_cache(maxsize=8)
def _colours(picture: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each colour of a picture."""
    try:
        with Image.open(picture) as image:
            pixels = np.asarray(image.convert("RGB"), np.float32)
    except (OSError, ValueError) as error:
        raise InputError(f"style={picture!r}: cannot be read as a picture ({error}).") from None
    return pixels.mean((0, 1)), pixels.std((0, 1))
