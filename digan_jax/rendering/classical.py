"""Restoration without a trained model: what models are measured against, and what `method` offers beside them.

Frames come and go one by one, so memory does not depend on the length of a video.
"""

from __future__ import annotations

import collections
import functools
import importlib
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from digan_jax.errors import InputError
from digan_jax.rendering.restoring import Frame, Shape

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
MEAN_REACH = 2  # frames before and after each of the mean in time


@functools.cache
def opencv():
    """The module cv2. Raises `InputError` if it is missing."""
    return _installed("cv2", "opencv-python-headless")


@functools.cache
def skimage():
    """scikit-image's `restoration`. Raises `InputError` if it is missing."""
    _installed("pywt", "PyWavelets")  # it looks for it late
    return _installed("skimage.restoration", "scikit-image")


def _installed(module: str, package: str):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"{package} is not installed; run: pip install 'digan-jax[restore]'.") from error


def around(frames: Iterable, reach: int) -> Iterator[tuple[list, int]]:
    """For each frame: the list of frames up to `reach` before and after it, and its place in the list."""
    held, place, ahead = collections.deque(), 0, iter(frames)
    held.extend(frame for _, frame in zip(range(reach + 1), ahead))
    while place < len(held):
        yield list(held), place
        following = next(ahead, None)
        if following is not None:
            held.append(following)
        if place == reach:
            held.popleft()
        else:
            place += 1


# ---- size and time ----


def resized(given: Iterable[Frame], shape: Shape, method: str) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Frames resized by Pillow ("bicubic" or "lanczos"), linear in time between neighbours."""
    enlarge = lambda frame: np.asarray(Image.fromarray(frame).resize(shape.size, FILTERS[method]), np.float32)
    ahead = map(enlarge, given)
    first, before, after = 0, next(ahead), None
    for place in shape.places:
        while first < int(place):
            before, after = next(ahead) if after is None else after, None
            first += 1
        share = np.float32(place - first)
        if share and after is None:
            after = next(ahead)
        yield np.rint(before + share * (after - before) if share else before).astype(np.uint8)


def interpolated(given: Iterable[Frame], shape: Shape) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Frames between given ones along their optical flow, resized by Lanczos."""
    ahead, first, flows = iter(given), 0, None
    before, after = next(ahead), None
    fit = lambda frame: np.asarray(Image.fromarray(frame).resize(shape.size, FILTERS["lanczos"]))
    for place in shape.places:
        while first < int(place):
            before, after = next(ahead) if after is None else after, None
            first, flows = first + 1, None
        share = float(place - first)
        if share and after is None:
            after = next(ahead)
        if share and flows is None:
            flows = Flows.between(before, after)
        yield fit(flows.at(share) if share else before)


class Flows:
    """Optical flow both ways between two frames, (right, down) in pixels, and where each can be trusted.

    Dense inverse search (DIS; Kroeger et al., ECCV 2016) of OpenCV. A flow is trusted where the other leads back
    (Sundaram et al. 2010, eq. 5); elsewhere the pixel is seen in one of the frames alone.
    """

    def __init__(self, before: Frame, after: Frame, forward: np.ndarray, backward: np.ndarray):
        self._frames, self._flows = (before, after), (forward, backward)
        self._trust = [_leads_back(forward, backward), _leads_back(backward, forward)]

    @classmethod
    def between(cls, before: Frame, after: Frame) -> Flows:
        cv2 = opencv()
        grey = [cv2.cvtColor(_at_least(frame), cv2.COLOR_RGB2GRAY) for frame in (before, after)]
        h, w = before.shape[:2]
        flow = lambda a, b: cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(a, b, None)[:h, :w]
        return cls(before, after, flow(*grey), flow(*grey[::-1]))

    def at(self, share: float) -> UInt8[np.ndarray, "h w 3"]:
        """The frame at `share` of the way: both frames moved, each counting by time and where its flow is trusted.

        The flow at a pixel between the frames is taken from the flows at the same pixel of the frames, mixed by time
        (Jiang et al., CVPR 2018, eq. 4).
        """
        forward, backward = self._flows
        to_before = -(1 - share) * share * forward + share**2 * backward
        to_after = (1 - share) ** 2 * forward - share * (1 - share) * backward
        parts = [_moved(frame, flow) for frame, flow in zip(self._frames, (to_before, to_after))]
        trust = [
            np.clip(_moved(x.astype(np.float32), flow), 0.01, 1) for x, flow in zip(self._trust, (to_before, to_after))
        ]
        weights = (1 - share) * trust[0][..., None], share * trust[1][..., None]
        mixed = (parts[0] * weights[0] + parts[1] * weights[1]) / (weights[0] + weights[1])
        return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _at_least(frame: Frame, side: int = 32) -> Frame:
    """DIS needs a few pixels."""
    more = [(0, max(0, side - n)) for n in frame.shape[:2]]
    return np.pad(frame, (*more, (0, 0)), mode="edge")


def _moved(picture: np.ndarray, flow: Float[np.ndarray, "h w 2"]) -> Float[np.ndarray, "h w *c"]:
    """The picture looked at (right, down) pixels away; its border goes on outside."""
    cv2 = opencv()
    h, w = flow.shape[:2]
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    places = (x + flow[..., 0]).astype(np.float32), (y + flow[..., 1]).astype(np.float32)
    return cv2.remap(picture.astype(np.float32), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _leads_back(forward: Float[np.ndarray, "h w 2"], backward: Float[np.ndarray, "h w 2"]) -> Bool[np.ndarray, "h w"]:
    back = _moved(backward, forward)
    size = (forward**2).sum(-1) + (back**2).sum(-1)
    return ((forward + back) ** 2).sum(-1) <= 0.01 * size + 0.5


# ---- noise ----


def noise_of(frames: UInt8[np.ndarray, "n h w 3"]) -> float:
    """The deviation of white noise in grey levels of 255: the median over frames of scikit-image's wavelet estimate."""
    of_frame = lambda frame: skimage().estimate_sigma(frame.astype(np.float64), channel_axis=-1, average_sigmas=True)
    return float(np.median([of_frame(frame) for frame in frames]))


def mean_in_time(given: Iterable[Frame]) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The mean of each frame with the MEAN_REACH before and after it."""
    for window, _ in around(given, MEAN_REACH):
        yield np.rint(np.mean(window, axis=0, dtype=np.float64)).astype(np.uint8)


def non_local_means(given: Iterable[Frame], sigma: float) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Non-local means of each frame (Buades et al. 2005; scikit-image's) for noise of this deviation."""
    strength = dict(h=0.8 * sigma / 255, sigma=sigma / 255, patch_size=5, patch_distance=6)  # as its documentation says
    for frame in given:
        clean = (
            skimage().denoise_nl_means(frame / 255, fast_mode=True, channel_axis=-1, **strength)
            if sigma
            else frame / 255
        )
        yield np.rint(np.clip(clean, 0, 1) * 255).astype(np.uint8)


# ---- holes ----


def inpainted(
    given: Iterable[Frame], lost: frozenset[int], mask: Bool[np.ndarray, "h w"] | None
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Holes filled in each frame (Telea 2004; OpenCV's), lost frames linear between the frames around them."""
    cv2 = opencv()
    fill = lambda frame: frame if mask is None else cv2.inpaint(frame, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    before, waiting = None, 0
    for number, frame in enumerate(given):
        if number in lost:
            waiting += 1
            continue
        frame = fill(np.ascontiguousarray(frame))
        start = frame if before is None else before
        for i in range(waiting):
            share = (i + 1) / (waiting + 1)
            yield np.rint((1 - share) * start + share * frame.astype(np.float64)).astype(np.uint8)
        yield frame
        before, waiting = frame, 0
    for _ in range(waiting):
        yield before
