"""What a person gives a model that follows maps: folders of label maps or drawings, or poses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from etils import epath
from jaxtyping import Bool, Integer

from digan_jax.data import label_maps, poses
from digan_jax.errors import InputError

Maps = Integer[np.ndarray, "h w"]


@dataclasses.dataclass(frozen=True, eq=False)
class MapInput:
    """Maps by number, read when they are needed.

    Attributes:
      count: of maps.
      size: (height, width) of all.
      known: labels of the model; 0: maps are drawings, 1 on lines.
      anywhere: there are maps at all places 0 to count - 1, not at whole numbers alone.
    """

    name: str
    count: int
    size: tuple[int, int]
    known: int
    _read: Callable[[float], tuple[Maps, epath.PathLike]]
    _instances: list[epath.Path] | None = None
    _remap: Mapping[int, int] = dataclasses.field(default_factory=dict)
    anywhere: bool = False

    def labels(self, number: float) -> Maps:
        """Labels of a map, replaced as asked for. Raises `InputError` for another size or a label that is not known."""
        found, name = self._read(number)
        label_maps.check_size(found.shape, self.size, name, self.name)
        found = replaced(found, self._remap)
        if self.known:
            label_maps.check_values(found, self.known, name)
        return found

    def edited(self, number: int) -> Bool[np.ndarray, "h w"]:
        """Pixels whose label was replaced."""
        return np.isin(self._read(number)[0], [old for old, new in self._remap.items() if old != new])

    def instances(self, number: float) -> Maps:
        """Instances of a map as stored; its labels before the replacement where there are none."""
        if self._instances is None:
            return self._read(number)[0]
        found = label_maps.read(self._instances[number])
        label_maps.check_size(found.shape, self.size, self._instances[number], self.name)
        return found

    def check(self) -> None:
        """Reads all maps. Raises `InputError` as `labels` and `instances`."""
        for number in range(self.count):
            self.labels(number), self.instances(number)


def replaced(labels: Maps, remap: Mapping[int, int]) -> Maps:
    """Labels with some replaced by others."""
    found = labels.copy()
    for old, new in remap.items():
        found[labels == old] = new
    return found


def of_folder(
    folder: str, known: int, instances: str | None = None, remap: Mapping[int, int] | None = None
) -> MapInput:
    """Label maps, or with known=0 drawings, of a folder. Raises `InputError` as `label_maps.files_in`."""
    files = label_maps.files_in(folder)
    read = label_maps.read if known else label_maps.read_sketch
    own = None
    if instances is not None:
        own = label_maps.files_in(instances)
        if len(own) != len(files):
            count = f"{len(own)} maps for the {len(files)} of {folder}"
            raise InputError(f"instances={instances!r}: {count}; give one for each.")
    size = read(files[0]).shape
    return MapInput(str(folder), len(files), size, known, lambda n: (read(files[n]), files[n]), own, remap or {})


def of_poses(path: str, known: int, canvas: tuple[int, int] | None) -> MapInput:
    """Poses drawn as label maps.

    Args:
      canvas: (width, height) of the frames that the poses were found in; None: as the file says.

    Raises:
      InputError: as `poses.read`; a size that nobody says; a model that has other labels.
    """
    found = poses.read(path)
    size = canvas or found.size
    if size is None:
        raise InputError(f"poses={path!r}: does not say how large frames are; give `canvas`, such as 640x480.")
    if known != len(poses.LABELS):
        raise InputError(f"poses={path!r}: poses have {len(poses.LABELS)} labels, this model knows {known}.")
    draw = lambda place: (poses.drawn(poses.at(found.frames, place), *size), path)
    return MapInput(str(path), len(found.frames), size[::-1], known, draw, anywhere=True)
