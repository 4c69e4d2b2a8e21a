"""Clips with label maps in folders, for training models that translate labels (data.source="pairs").

  PATH/frames/NAME.mp4 or PATH/frames/NAME/*.png    a clip, as in a folder of videos
  PATH/labels/NAME/*.png                            a label map for each of its frames, in order of name
  PATH/instances/NAME/*.png                         which object each pixel belongs to; may be left out altogether
  PATH/labels.txt                                   names of the labels 0, 1, ..., one a line; may be left out

PATH may hold folders train, val, test with these in each; data.split names one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from etils import epath
from jaxtyping import Integer, UInt8

from digan_jax.data import label_maps
from digan_jax.data.video_folders import FolderSource, Item
from digan_jax.errors import InputError


class PairedSource:
    """A `Source` of square frames whose pixels have labels, and instances where there are any. Maps stay in memory.

    Args:
      folder: PATH above.
      size: pixels a side. Frames and maps are cropped to their centre square and resized.
      split: a folder in PATH; "train" also stands for PATH itself.

    Raises:
      InputError: a missing folder; a clip with another number of maps than frames, or maps of another size; labels
        without a name.
    """

    class_names = ()
    fingerprint_covers = "names and contents of files"

    def __init__(self, folder: epath.PathLike, size: int, split: str = "train"):
        root = epath.Path(folder).expanduser()
        if (root / split).is_dir():
            root = root / split
        elif split != "train":
            raise InputError(f"data.split={split!r}: {root} has no folder of this name.")
        self._clips = FolderSource(root / "frames", size)
        self.size = self.height = self.width = size
        self.frame_counts, self.labels = self._clips.frame_counts, self._clips.labels
        self._labels = [_maps(root / "labels", item, size) for item in self._clips.items]
        own = (root / "instances").is_dir()
        self._instances = [_maps(root / "instances", item, size) for item in self._clips.items] if own else None
        self.label_names = _names(root / "labels.txt", 1 + max(int(maps.max()) for maps in self._labels))
        digest = hashlib.sha256(self._clips.fingerprint.encode())
        for maps in (*self._labels, *(self._instances or ())):
            digest.update(maps.tobytes())
        self.fingerprint = digest.hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._clips)

    def video_names(self) -> list[str]:
        return self._clips.video_names()

    def read_frames(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w 3"]:
        return self._clips.read_frames(record, numbers)

    def read_labels(self, record: int, numbers: Sequence[int] | np.ndarray) -> Integer[np.ndarray, "k h w"]:
        """Labels of the pixels of frames by number: indices into `label_names`."""
        return self._labels[record][np.asarray(numbers)]

    def read_instances(self, record: int, numbers: Sequence[int] | np.ndarray) -> Integer[np.ndarray, "k h w"]:
        """Instances of the pixels of frames by number, from 0 within a clip; without instance maps, the labels."""
        if self._instances is None:
            return self.read_labels(record, numbers)
        return label_maps.numbered(self._instances[record])[0][np.asarray(numbers)]


def _maps(root: epath.Path, item: Item, size: int) -> Integer[np.ndarray, "t size size"]:
    """The maps of a clip, as small whole numbers."""
    name = item.name if (root / item.name).is_dir() else item.name.rpartition(".")[0] or item.name
    files = label_maps.files_in(root / name)
    if len(files) != item.frames:
        count = f"{len(files)} maps for the {item.frames} frames of {item.name}"
        raise InputError(f"{root / name}: {count}; give one for each.")
    found = []
    for file in files:
        labels = label_maps.read(file)
        label_maps.check_size(labels.shape, (item.height, item.width), file, item.name)
        found.append(label_maps.square(labels, size))
    maps = np.stack(found)
    return maps.astype(np.min_scalar_type(maps.max()) if maps.min() >= 0 else np.int32)


def _names(file: epath.Path, count: int) -> tuple[str, ...]:
    if not file.exists():
        return tuple(map(str, range(count)))
    names = tuple(file.read_text().rstrip().splitlines())
    if len(names) < count:
        raise InputError(f"{file}: names {len(names)} labels, and the maps have {count}; give a line for each.")
    return names
