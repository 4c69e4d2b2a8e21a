"""People's poses to label maps: each limb is a label. Reads keypoints of OpenPose and COCO (JSON).

  OpenPose   a folder of files such as a_000000000000_keypoints.json, one for each frame, in order of name
             {"people": [{"pose_keypoints_2d": [x, y, confidence, ...]}]}, of 25 (BODY_25), 18 or 17 points
  COCO       one file {"images": [{"id", "width", "height"}], "annotations": [{"image_id", "keypoints": [x, y, v,
             ...]}]}, or a list of results [{"image_id", "keypoints"}]; frames in order of image_id
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from digan_jax.errors import InputError
from digan_jax.host.files import read_json
from digan_jax.host.names import natural_order

LIMBS = {
    "trunk": ("neck", "hip"), "head": ("neck", "nose"),
    "right upper arm": ("rshoulder", "relbow"), "right forearm": ("relbow", "rwrist"),
    "left upper arm": ("lshoulder", "lelbow"), "left forearm": ("lelbow", "lwrist"),
    "right thigh": ("rhip", "rknee"), "right shin": ("rknee", "rankle"),
    "left thigh": ("lhip", "lknee"), "left shin": ("lknee", "lankle"),
}  # fmt: skip
LABELS = ("background", *LIMBS)
_ARMS_AND_LEGS = "neck rshoulder relbow rwrist lshoulder lelbow lwrist {}rhip rknee rankle lhip lknee lankle"
POINTS = {  # number of keypoints -> names of those that are used, in order
    25: ("nose " + _ARMS_AND_LEGS.format("hip ")).split(),
    18: ("nose " + _ARMS_AND_LEGS.format("")).split(),
    17: "nose - - - - lshoulder rshoulder lelbow relbow lwrist rwrist lhip rhip lknee rknee lankle rankle".split(),
}
RADIUS = 0.025  # of a limb, as a fraction of the picture's shorter side
FAR = 1e9  # pixels between people who share no point
SEEN = 0.05  # least confidence, or visibility, of a point
Person = dict[str, Float[np.ndarray, "2"]]  # points by name, in pixels from the top left corner


class Poses(NamedTuple):
    """People of each frame, and the (width, height) of the frames if the file says so."""

    frames: list[list[Person]]
    size: tuple[int, int] | None


def read(path: epath.PathLike) -> Poses:
    """The poses of a folder (OpenPose) or a file (either).

    Raises:
      InputError: no such file, another format, or no people in any frame.
    """
    path = epath.Path(path).expanduser()
    if path.is_dir():
        files = sorted((f for f in path.iterdir() if f.suffix == ".json"), key=lambda f: natural_order(f.name))
        frames, size = [_of_openpose(read_json(file), file) for file in files], None
    else:
        stored = read_json(path)
        openpose = isinstance(stored, dict) and "people" in stored
        frames, size = ([_of_openpose(stored, path)], None) if openpose else _of_coco(stored, path)
    if not any(frames):
        raise InputError(f"{path}: has no people in {len(frames)} frames, so there is nothing to draw.")
    return Poses(frames, size)


def _of_openpose(stored, path) -> list[Person]:
    try:
        return [_person(person["pose_keypoints_2d"], path) for person in stored["people"]]
    except (KeyError, TypeError):
        raise InputError(f"{path}: is no file of OpenPose (people, pose_keypoints_2d).") from None


def _of_coco(stored, path) -> tuple[list[list[Person]], tuple[int, int] | None]:
    try:
        images = stored["images"] if isinstance(stored, dict) else []
        rows = stored["annotations"] if isinstance(stored, dict) else stored
        ids = sorted({image["id"] for image in images} | {row["image_id"] for row in rows})
        people = [(row["image_id"], _person(row["keypoints"], path)) for row in rows if "keypoints" in row]
        sizes = {(int(image["width"]), int(image["height"])) for image in images}
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: is no file of keypoints, neither of COCO nor of OpenPose.") from None
    return [[person for i, person in people if i == one] for one in ids], sizes.pop() if len(sizes) == 1 else None


def _person(numbers, path) -> Person:
    points = np.asarray(numbers, np.float64).reshape(-1, 3) if np.size(numbers) % 3 == 0 else np.zeros((0, 3))
    if len(points) not in POINTS:
        known = f"{sorted(POINTS)} are known (x, y, confidence of each)"
        raise InputError(f"{path}: a person of {len(points)} keypoints; {known}.")
    person = {name: point[:2] for name, point in zip(POINTS[len(points)], points) if point[2] > SEEN and name != "-"}
    for middle, sides in (("neck", ("rshoulder", "lshoulder")), ("hip", ("rhip", "lhip"))):
        if middle not in person and all(side in person for side in sides):
            person[middle] = (person[sides[0]] + person[sides[1]]) / 2
    return person


def at(frames: list[list[Person]], place: float) -> list[Person]:
    """The people at a place among frames: between two, each one's points are mixed with those of the nearest person.

    People and points of one frame alone are there in the half that is nearer to it.
    """
    number, share = int(place), place % 1
    if share == 0:
        return frames[number]
    before, after = frames[number], frames[number + 1]
    apart = lambda a, b: np.mean([np.hypot(*(a[name] - b[name])) for name in a.keys() & b.keys()] or [FAR])
    costs = np.array([[apart(a, b) for b in after] for a in before]).reshape(len(before), len(after))
    pairs = {int(i): int(j) for i, j in zip(*linear_sum_assignment(costs)) if before[i].keys() & after[j].keys()}
    nearer = before if share < 0.5 else after
    found = []
    for i, j in pairs.items():
        a, b = before[i], after[j]
        mixed = {name: (1 - share) * a[name] + share * b[name] for name in a.keys() & b.keys()}
        found.append((a if share < 0.5 else b) | mixed)
    alone = set(range(len(nearer))) - set(pairs if nearer is before else pairs.values())
    return found + [nearer[i] for i in sorted(alone)]


def drawn(people: list[Person], width: int, height: int, thickness: float = 1.0) -> Int[np.ndarray, "h w"]:
    """The label map of one frame: an index into LABELS for each pixel; later limbs and people cover earlier ones.

    Args:
      thickness: of limbs, in twice RADIUS.
    """
    y, x = np.mgrid[:height, :width] + 0.5
    labels, radius = np.zeros((height, width), np.int32), thickness * max(0.75, RADIUS * min(width, height))
    for person in people:
        for label, (a, b) in enumerate(LIMBS.values(), 1):
            if a in person and b in person:
                start, way = person[a], person[b] - person[a]
                along = ((x - start[0]) * way[0] + (y - start[1]) * way[1]) / max(float(way @ way), 1e-9)
                along = np.clip(along, 0, 1)
                away = np.hypot(x - start[0] - along * way[0], y - start[1] - along * way[1])
                labels[away <= radius * (2 if LABELS[label] == "head" else 1)] = label
    return labels
