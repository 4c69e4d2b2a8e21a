"""What a source folder holds: videos and frame folders, their classes and splits. Nothing is decoded here."""

from __future__ import annotations

import dataclasses
import hashlib

from etils import epath

from digan_jax.errors import InputError
from digan_jax.host.video_reading import IMAGE_SUFFIXES, VIDEO_SUFFIXES, natural_order

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclasses.dataclass(frozen=True)
class Video:
    """A video file, or a folder whose images are the frames of one."""

    path: str
    name: str  # path relative to the source, with slashes
    split: str  # "train", "val" or "test"
    label: int  # index of its class; 0 where there are no classes
    n_bytes: int  # of the file; for a folder of images, their number


@dataclasses.dataclass(frozen=True)
class Catalogue:
    videos: tuple[Video, ...]
    class_names: tuple[str, ...]  # empty: no classes
    skipped: tuple[tuple[str, str], ...]  # (name, reason) of what is no video

    def split(self, name: str) -> list[Video]:
        return [v for v in self.videos if v.split == name]

    @property
    def splits(self) -> list[str]:
        return sorted({v.split for v in self.videos})

    @property
    def fingerprint(self) -> str:
        """Of names, sizes, splits and classes: changes when the files do, not when the folder moves."""
        rows = sorted((v.name, v.n_bytes, v.split, v.label) for v in self.videos)
        return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def take_stock(source: str, val_fraction: float = 0.0) -> Catalogue:
    """Find the videos below a folder.

    Folders train, val (valid, validation) and test at the top are splits; without them all is "train", of which
    `val_fraction` may go to "val", by file. If every video then lies in a subfolder, the first subfolder is its class.

    Args:
      source: folder of videos or frame folders, or one video file.
      val_fraction: part of the files for the split "val", in [0, 1).

    Raises:
      InputError: no such folder, nothing in it, or a fraction that cannot be had.
    """
    root = epath.Path(source).expanduser()
    if not root.exists():
        raise InputError(f"source {source!r}: no such file or folder; give a folder of videos or of frame folders.")
    if not 0 <= val_fraction < 1:
        raise InputError(f"--val-fraction={val_fraction}: must lie in [0, 1).")
    if not root.is_dir():
        return _label([(root, root.name, "train", (), root.stat().length)], [])
    folders = [p for p in _children(root) if p.is_dir()]
    named = {p.name: SPLIT_FOLDERS[p.name.lower()] for p in folders if p.name.lower() in SPLIT_FOLDERS}
    if named and val_fraction:
        raise InputError(
            f"--val-fraction={val_fraction}: {source!r} has folders {sorted(named)} already; leave it out."
        )
    found, skipped = [], []
    for top in [root / name for name in named] or [root]:
        _walk(top, root, named.get(top.name, "train") if named else "train", len(top.parts), found, skipped)
    skipped += [(p.name, "beside split folders") for p in _children(root) if named and p.name not in named]
    if val_fraction:
        by_chance = sorted(found, key=lambda f: hashlib.sha256(f[1].encode()).digest())
        held_out = {f[1] for f in by_chance[: round(val_fraction * len(found))]}
        found = [(p, name, "val" if name in held_out else s, parts, n) for p, name, s, parts, n in found]
    if not found:
        raise InputError(
            f"source {source!r}: no video ({' '.join(VIDEO_SUFFIXES)}) and no folder of frames "
            f"({' '.join(IMAGE_SUFFIXES)}) in it; {len(skipped)} other files."
        )
    return _label(found, skipped)


def _children(folder: epath.Path) -> list[epath.Path]:
    visible = [p for p in folder.iterdir() if not p.name.startswith(".")]
    return sorted(visible, key=lambda p: natural_order(p.name))


def _walk(folder, root, split, depth, found, skipped):
    """Append (path, name, split, folders between split and video, size) of every video below, depth first."""
    children = _children(folder)
    suffix = {p: p.suffix.lower() for p in children}
    images = [p for p in children if suffix[p] in IMAGE_SUFFIXES]
    videos = [p for p in children if suffix[p] in VIDEO_SUFFIXES]

    def name(path):
        return path.relative_to(root).as_posix() if path != root else path.name

    if images and not videos:
        found.append((folder, name(folder), split, folder.parts[depth:-1], len(images)))
    for path in children:
        if path in videos and not path.is_dir():
            found.append((path, name(path), split, path.parts[depth:-1], path.stat().length))
        elif path in images:
            if videos:
                skipped.append((name(path), "an image beside videos; frames of one video need a folder of their own"))
        elif path.is_dir():
            _walk(path, root, split, depth, found, skipped)
        else:
            skipped.append((name(path), f"not a video (suffix {suffix[path] or 'none'})"))


def _label(found, skipped) -> Catalogue:
    by_class = all(folders for *_, folders, _ in found)
    names = sorted({folders[0] for *_, folders, _ in found}) if by_class else []
    videos = tuple(
        Video(str(path), name, split, names.index(folders[0]) if by_class else 0, n)
        for path, name, split, folders, n in found
    )
    return Catalogue(videos, tuple(names), tuple(skipped))
