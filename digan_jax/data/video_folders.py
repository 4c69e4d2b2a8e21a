"""A folder of videos that any tool made, as a `Source`: .mp4 .avi .webm .mkv .mov .gif, folders of images, arrays.

Arrays are .npz or .npy files of one clip [t h w 3] or several [n t h w 3]: uint8, or float in [-1, 1].
"""

from __future__ import annotations

import collections
import functools
import hashlib
import itertools
import threading
import zipfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import av
import numpy as np
from etils import epath
from jaxtyping import Float, UInt8
from PIL import Image

from digan_jax.data import catalogue
from digan_jax.errors import InputError
from digan_jax.host import video_reading
from digan_jax.host.video_files import spread
from digan_jax.host.video_reading import IMAGE_SUFFIXES, VIDEO_SUFFIXES, UnusableVideo, natural_order

ARRAY_SUFFIXES = (".npz", ".npy")
MEMORY_BYTES = 2**30  # of decoded videos


class Item(NamedTuple):
    """One video: where it lies and what it holds."""

    name: str
    path: str
    index: int | None  # clip of an array; None: a video file or a folder of images
    frames: int
    height: int
    width: int


class FolderSource:
    """Videos of a folder, in natural order of their names; a record is a video.

    Args:
      folder: or one file.
      size: pixels a side that frames are cropped and resized to; None: as they are, and then all must be of one size.

    Raises:
      InputError: nothing there, a file that cannot be read, sizes that differ, NaN.
    """

    class_names = ()
    fingerprint_covers = "names, frame counts and sizes of files"

    def __init__(self, folder: epath.PathLike, size: int | None = None):
        self._square = size
        self.items = _items(epath.Path(folder).expanduser())
        first = self.items[0]
        for item in self.items if size is None else ():
            if (item.height, item.width) != (first.height, first.width):
                raise InputError(
                    f"{folder}: {item.name} is {item.width}x{item.height}, {first.name} is {first.width}x{first.height}; "
                    "all frames must be of one size, or give --size to crop and resize them."
                )
        self.height, self.width = (size, size) if size else (first.height, first.width)
        self.size = self.height
        self.frame_counts = np.array([item.frames for item in self.items], np.int64)
        self.labels = np.zeros(len(self.items), np.int64)
        told = [(i.name, i.index, i.frames, i.height, i.width, _bytes(i.path)) for i in self.items]
        self.fingerprint = hashlib.sha256(repr((told, size)).encode()).hexdigest()[:16]
        self._decoded: collections.OrderedDict[int, np.ndarray] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.items)

    def video_names(self) -> list[str]:
        return [item.name if item.index is None else f"{item.name}#{item.index:08d}" for item in self.items]

    def read_frames(
        self, record: int, numbers: Sequence[int] | np.ndarray, quantise: str = "round"
    ) -> UInt8[np.ndarray, "k h w 3"]:
        """Frames of a video; those stored as floats are "round"-ed or "cut" to uint8.

        Raises:
          InputError: the video breaks off, or frames are of another size than its first; names it.
        """
        item, numbers = self.items[record], np.asarray(numbers)
        if item.index is not None:
            frames = _arrays(item.path)[item.index][numbers]
            if frames.dtype != np.uint8:
                frames = quantised(frames, quantise, item.name)
            return np.stack([video_reading.square(f, self._square) for f in frames]) if self._square else frames
        with self._lock:
            if record not in self._decoded or len(self._decoded[record]) <= numbers.max():
                self._decoded[record] = self._decode(item, int(numbers.max()) + 1)
                held = sum(frames.nbytes for frames in self._decoded.values())
                while held > MEMORY_BYTES and len(self._decoded) > 1:
                    held -= self._decoded.popitem(last=False)[1].nbytes
            return self._decoded[record][numbers]

    def _decode(self, item: Item, least: int) -> np.ndarray:
        """All frames of a video, or a good part of a long one, at least `least`."""
        wanted = max(least, min(item.frames, MEMORY_BYTES // (4 * 3 * self.height * self.width)))
        try:
            _, frames = video_reading.square_frames(item.path, self._square)
            decoded = np.stack(list(itertools.islice(frames, wanted)))
        except (UnusableVideo, ValueError) as error:
            raise InputError(f"{item.path}: {error}; mend or remove it.") from None
        if len(decoded) < least:
            raise InputError(f"{item.path}: breaks off after {len(decoded)} of {item.frames} frames; make it again.")
        return decoded


def is_there(path: epath.PathLike) -> bool:
    return epath.Path(path).expanduser().exists()


def _items(root: epath.Path) -> list[Item]:
    if not root.exists():
        raise InputError(f"{root}: there is no such file or folder.")
    files = [root] if not root.is_dir() else list(_walk(root))
    arrays = [p for p in files if p.suffix.lower() in ARRAY_SUFFIXES]
    found = []
    for path in arrays:
        clips = _arrays(str(path))
        _check_finite(clips, path)
        found += [Item(_name(path, root), str(path), i, *clip.shape[:3]) for i, clip in enumerate(clips)]
    kinds = VIDEO_SUFFIXES + IMAGE_SUFFIXES
    if any(p.suffix.lower() in kinds for p in files):
        stock = catalogue.take_stock(str(root))
        found += [Item(v.name, v.path, None, *_inspect(v.path)) for v in stock.videos]
    if not found:
        raise InputError(
            f"{root}: no video ({' '.join(VIDEO_SUFFIXES)}), no folder of frames and no array "
            f"({' '.join(ARRAY_SUFFIXES)}) in it."
        )
    return sorted(found, key=lambda item: (natural_order(item.name), item.index or 0))


def _walk(folder: epath.Path) -> Iterator[epath.Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def _name(path: epath.Path, root: epath.Path) -> str:
    return path.relative_to(root).as_posix() if path != root else path.name


def _bytes(path: str) -> int:
    place = epath.Path(path)
    return 0 if place.is_dir() else place.stat().length


def _inspect(path: str) -> tuple[int, int, int]:
    """Frames, height and width of a video, without decoding it."""
    place = epath.Path(path)
    try:
        if place.is_dir():
            images = [p for p in place.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
            with min(images, key=lambda p: natural_order(p.name)).open("rb") as file:
                width, height = Image.open(file).size
            return len(images), height, width
        with av.open(path) as container:
            stream = container.streams.video[0]
            frames = sum(packet.size > 0 for packet in container.demux(stream))
            return frames, stream.codec_context.height, stream.codec_context.width
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise InputError(f"{path}: is not a readable video ({error}); mend or remove it.") from None


@functools.lru_cache(maxsize=2)
def _arrays(path: str) -> np.ndarray:
    """Clips [n t h w 3] of an array file."""
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.lib.npyio.NpzFile):
            with stored:
                arrays = {key: stored[key] for key in stored.files}
            clips = [a for a in arrays.values() if a.ndim in (4, 5)]
            if len(clips) != 1:
                raise InputError(f"{path}: holds {sorted(arrays)}; give one array of clips [n t h w 3] in a file.")
            stored = clips[0]
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is not a readable array ({error}); write it again with numpy.savez.") from None
    clips = stored[None] if stored.ndim == 4 else stored
    if clips.ndim != 5 or clips.shape[-1] != 3 or not clips.size:
        raise InputError(f"{path}: has shape {list(stored.shape)}; give clips [n t h w 3] or one clip [t h w 3].")
    if clips.dtype != np.uint8 and not np.issubdtype(clips.dtype, np.floating):
        raise InputError(f"{path}: is of type {clips.dtype}; give uint8 in [0, 255] or float in [-1, 1].")
    return clips


def _check_finite(clips: np.ndarray, path: epath.PathLike) -> None:
    if clips.dtype == np.uint8:
        return
    if bad := int((~np.isfinite(clips)).sum()):
        raise InputError(f"{path}: {bad} numbers are NaN or infinite; look at what made the clips.")
    if np.abs(clips).max() > 4:  # generators overshoot a little; [0, 255] as float is a mistake
        raise InputError(f"{path}: floats from {clips.min():.3g} to {clips.max():.3g}; give [-1, 1], or uint8.")


def quantised(frames: Float[np.ndarray, "*axes"], how: str, name: str) -> UInt8[np.ndarray, "*axes"]:
    """Float frames in [-1, 1] to uint8, "round"-ed or "cut".

    Raises:
      InputError: NaN or infinity; `name` says where.
    """
    try:
        scaled = spread(frames, 255)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return (np.rint(scaled) if how == "round" else scaled).astype(np.uint8)
