"""Reads a folder of videos as a `Source`: .mp4, .avi, .webm, .mkv, .mov, .gif, folders of images, and arrays.

Arrays are .npz or .npy files with one clip [t h w 3] or several [n t h w 3], uint8 in [0, 255] or float in [-1, 1].
"""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import hashlib
import itertools
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8

from digan_jax.data import catalogue
from digan_jax.data.catalogue import Video
from digan_jax.errors import InputError
from digan_jax.host import video_reading
from digan_jax.host.arrays import MAX_BYTES, TooLarge, read_arrays
from digan_jax.host.names import natural_order
from digan_jax.host.showing import UnusableVideo, shown
from digan_jax.host.still_pictures import check_regular, reason_of
from digan_jax.host.video_files import spread
from digan_jax.host.video_reading import VIDEO_SUFFIXES

ARRAY_SUFFIXES = (".npz", ".npy")
MEMORY_BYTES = 2**30  # cache of decoded videos
THREADS = 8  # examine the files


class Item(NamedTuple):
    """One video: its path, number of frames and size."""

    name: str
    path: str
    index: int | None  # clip in an array; None: a video file or a folder of images
    frames: int
    height: int
    width: int


class FolderSource:
    """The videos of a folder, in natural order of their names. A record is one video.

    Attributes:
      skipped: (file, reason) of each file that cannot be used, as in `digan prepare`.
      remarks: (file, conversion) of videos that needed one.
      array_range: dtype, minimum and maximum of the arrays as text; "" without arrays.

    Args:
      folder: a folder or one file.
      size: pixels a side that frames are cropped and resized to; None: their own size, which must be the same for all.
      max_bytes: memory limit of the arrays in one file.
      strict: fail if a video cannot be used. Files that are no videos are always skipped.

    Raises:
      InputError: the folder is missing or holds no usable video; sizes differ; an array holds no clips.
    """

    class_names = ()
    fingerprint_covers = "names and contents of files"

    def __init__(
        self, folder: epath.PathLike, size: int | None = None, strict: bool = False, max_bytes: int = MAX_BYTES
    ):
        self._square, self._max_bytes = size, max_bytes
        root = epath.Path(folder).expanduser()
        if not is_there(root):
            raise InputError(f"{root}: there is no such file or folder.")
        stock = catalogue.take_stock(str(root), suffixes=VIDEO_SUFFIXES + ARRAY_SUFFIXES)
        videos = sorted(stock.videos, key=lambda video: natural_order(video.name))
        looked = list(zip((video.name for video in videos), _look_into(videos, max_bytes)))
        self.items = [item for _, (items, _, _) in looked for item in items]
        self.skipped = [*stock.skipped, *((name, reason) for name, (_, reason, _) in looked if reason)]
        self.remarks = [(name, remark) for name, (_, _, remarks) in looked for remark in remarks]
        bad = [f"{file}: {reason}" for file, reason in self.skipped if not reason.startswith(catalogue.NO_VIDEO)]
        if not self.items or strict and bad:
            raise InputError(f"{folder}: {'; '.join(bad[:5])}; mend or remove {'it' if len(bad) == 1 else 'them'}.")
        first = self.items[0]
        for item in self.items if size is None else ():
            if (item.height, item.width) != (first.height, first.width):
                raise InputError(
                    f"{folder}: {item.name} is {item.width}x{item.height}, {first.name} is {first.width}x{first.height}; "
                    "all frames must be of one size, or give `size` to crop and resize them."
                )
        self.height, self.width = (size, size) if size else (first.height, first.width)
        self.size = self.height
        self.frame_counts = np.array([item.frames for item in self.items], np.int64)
        self.labels = np.zeros(len(self.items), np.int64)
        self.array_range = _range([item.path for item in self.items if item.index is not None], max_bytes)
        hashed = [tuple(item._replace(path="")) for item in self.items]
        self.fingerprint = hashlib.sha256(repr((hashed, stock.fingerprint, size)).encode()).hexdigest()[:16]
        self._decoded: collections.OrderedDict[int, np.ndarray] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.items)

    def video_names(self) -> list[str]:
        return [item.name if item.index is None else f"{item.name}#{item.index:08d}" for item in self.items]

    def read_frames(
        self, record: int, numbers: Sequence[int] | np.ndarray, quantise: str = "round"
    ) -> UInt8[np.ndarray, "k h w 3"]:
        """Frames of a video by number, uint8 [0, 255].

        Args:
          quantise: how float arrays become uint8: "round" to the nearest, or "cut" off decimals.

        Raises:
          InputError: the video cannot be decoded up to these frames, or its frames differ in size; names the video.
        """
        item, numbers = self.items[record], np.asarray(numbers)
        if item.index is not None:
            frames = _arrays(item.path, self._max_bytes)[item.index][numbers]
            if frames.dtype != np.uint8:
                frames = quantised(frames, quantise, item.name)
            return np.stack([shown(f, self._square) for f in frames]) if self._square else frames
        with self._lock:
            if record not in self._decoded or len(self._decoded[record]) <= numbers.max():
                self._decoded[record] = self._decode(item, int(numbers.max()) + 1)
                held = sum(frames.nbytes for frames in self._decoded.values())
                while held > MEMORY_BYTES and len(self._decoded) > 1:
                    held -= self._decoded.popitem(last=False)[1].nbytes
            return self._decoded[record][numbers]

    def _decode(self, item: Item, least: int) -> np.ndarray:
        """The first frames of a video: at least `least`, and as many as fit in a quarter of the cache."""
        wanted = max(least, min(item.frames, MEMORY_BYTES // (4 * 3 * self.height * self.width)))
        try:
            frames = video_reading.open_footage(item.path, self._square).frames
            decoded = np.stack(list(itertools.islice(frames, wanted)))
        except (UnusableVideo, ValueError) as error:
            raise InputError(f"{item.path}: {error}; mend or remove it.") from None
        if len(decoded) < least:
            raise InputError(f"{item.path}: breaks off after {len(decoded)} of {item.frames} frames; make it again.")
        return decoded


def is_there(path: epath.PathLike) -> bool:
    """Whether a file or folder exists; expands ~."""
    return epath.Path(path).expanduser().exists()


def _look_into(videos: Sequence[Video], max_bytes: int) -> list[tuple[list[Item], str, Sequence[str]]]:
    """(items, reason why there are none or "", remarks) of each video."""

    def look(video: Video):
        try:
            if video.path.lower().endswith(ARRAY_SUFFIXES) and not epath.Path(video.path).is_dir():
                clips = _arrays(video.path, max_bytes)
                _check_numbers(clips, video.path)
                return [Item(video.name, video.path, i, *clip.shape[:3]) for i, clip in enumerate(clips)], "", ()
            extent = _extent(video.path, video.stamp)
            return [Item(video.name, video.path, None, *extent[:3])], "", extent[3]
        except UnusableVideo as error:
            return [], str(error), ()
        except MemoryError:
            return [], "too large for the memory there is", ()

    with concurrent.futures.ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(look, videos))


@functools.lru_cache(maxsize=4096)
def _extent(path: str, stamp: str) -> tuple[int, int, int, tuple[str, ...]]:
    """(frames, height, width, remarks) of a video as shown. Decodes it, because headers are unreliable."""
    footage = video_reading.open_footage(path, None)
    count, height, width = 0, 0, 0
    for count, frame in enumerate(footage.frames, 1):
        height, width = frame.shape[:2]
    if not count:
        raise UnusableVideo("no frames")
    return count, height, width, tuple(footage.remarks)


@functools.lru_cache(maxsize=2)
def _arrays(path: str, max_bytes: int) -> np.ndarray:
    """Clips [n t h w 3] of an array file.

    Raises:
      UnusableVideo: the file cannot be read.
      InputError: the file can be read but holds no clips.
    """
    try:
        if not check_regular(epath.Path(path)):
            raise UnusableVideo("empty file")
        arrays = read_arrays(path, max_bytes)
    except (UnusableVideo, TooLarge):
        raise
    except Exception as error:  # NumPy, zipfile and zlib raise different types
        raise UnusableVideo(f"is not a readable array ({reason_of(error)}); write it again with numpy.savez") from error
    clips = [a for a in arrays.values() if a.ndim in (4, 5)] if "" not in arrays else [arrays[""]]
    if len(clips) != 1:
        raise InputError(f"{path}: holds {sorted(arrays)}; give one array of clips [n t h w 3] in a file.")
    stored = clips[0]
    clips = stored[None] if stored.ndim == 4 else stored
    if clips.ndim != 5 or clips.shape[-1] != 3 or not clips.size:
        raise InputError(f"{path}: has shape {list(stored.shape)}; give clips [n t h w 3] or one clip [t h w 3].")
    if clips.dtype != np.uint8 and not np.issubdtype(clips.dtype, np.floating):
        raise InputError(f"{path}: is of type {clips.dtype}; give uint8 in [0, 255] or float in [-1, 1].")
    return clips


def _check_numbers(clips: np.ndarray, path: str) -> None:
    if clips.dtype == np.uint8:
        return
    if bad := int((~np.isfinite(clips)).sum()):
        raise InputError(f"{path}: {bad} numbers are NaN or infinite; look at what made the clips.")
    told = f"{path}: floats from {clips.min():.3g} to {clips.max():.3g}"
    if np.abs(clips).max() > 4:  # generators overshoot a little; [0, 255] as float is a mistake
        raise InputError(f"{told}; give [-1, 1], or uint8.")
    if clips.min() >= 0:  # probably clips in [0, 1], which would become too bright
        raise InputError(f"{told}, none below 0, where [-1, 1] is meant: give 2 x - 1 of clips in [0, 1], or uint8.")


def _range(paths: Sequence[str], max_bytes: int) -> str:
    """The dtypes, minima and maxima of the arrays, in words."""
    found: dict[str, list] = {}
    for path in dict.fromkeys(paths):
        clips = _arrays(path, max_bytes)
        low, high = found.get(clips.dtype.name, (clips.min(), clips.max()))
        found[clips.dtype.name] = [min(low, clips.min()), max(high, clips.max())]
    return ", ".join(f"{kind} from {low:z.3g} to {high:z.3g}" for kind, (low, high) in found.items())


def quantised(frames: Float[np.ndarray, "*axes"], how: str, name: str) -> UInt8[np.ndarray, "*axes"]:
    """Maps float frames in [-1, 1] to uint8 [0, 255], clamped.

    Args:
      how: "round" to the nearest, or "cut" off decimals.
      name: of the video, for the message.

    Raises:
      InputError: NaN or infinity.
    """
    try:
        scaled = spread(frames, 255)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return (np.rint(scaled) if how == "round" else scaled).astype(np.uint8)
