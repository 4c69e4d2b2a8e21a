"""Lists the videos and frame folders below a source folder, with their classes and splits. Decodes nothing."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from digan_jax.errors import InputError
from digan_jax.host.names import natural_order, printable
from digan_jax.host.still_pictures import IMAGE_SUFFIXES, frame_files, reason_of
from digan_jax.host.video_reading import VIDEO_SUFFIXES

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
NO_VIDEO = "not a video"  # start of the reason for files that are no videos
_BLOCK = 2**20


@dataclasses.dataclass(frozen=True)
class Video:
    """A video file, or a folder whose images are the frames of one video."""

    path: str
    name: str  # path relative to the source, with slashes, printable
    split: str  # "train", "val" or "test"
    label: int  # class index; 0 without classes
    stamp: str  # digest of the size and times of the file, or of each image of a folder


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """The videos below a source folder.

    Attributes:
      class_names: in the order of the labels; empty without classes.
      skipped: (name, reason) of each file that is not used.
      remarks: (name, remark), such as an empty folder.
    """

    videos: tuple[Video, ...]
    class_names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    remarks: tuple[tuple[str, str], ...] = ()

    def split(self, name: str) -> list[Video]:
        """The videos of a split."""
        return [v for v in self.videos if v.split == name]

    @property
    def splits(self) -> list[str]:
        """Names of the splits that have videos, sorted."""
        return sorted({v.split for v in self.videos})

    @property
    def stamp(self) -> str:
        """Digest of names, sizes, times, splits and classes: equal only if no file was touched.

        The times include the inode's change time, which programs cannot set.
        """
        return _digest(sorted((v.name, v.stamp, v.split, v.label) for v in self.videos))

    @functools.cached_property
    def fingerprint(self) -> str:
        """Digest of names, contents, splits and classes. Stays the same when the source is moved or copied.

        Reads every file.
        """
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            found = threads.map(lambda v: contents(v.path), self.videos)
            return _digest(sorted((v.name, c, v.split, v.label) for v, c in zip(self.videos, found)))

    def without_videos(self, skipped: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """(class, remark) for each class whose videos are all among `skipped`."""
        left_out = {name for name, _ in skipped}
        used = {v.label for v in self.videos if v.name not in left_out}
        remark = "a class without a usable video: it keeps its label and has no record"
        return [(name, remark) for label, name in enumerate(self.class_names) if label not in used]


def contents(path: str) -> str:
    """Digest of a file's bytes, or of the images of a folder. An unreadable file contributes its error message."""
    made = hashlib.blake2b(digest_size=16)
    place = epath.Path(path)
    try:
        for file in frame_files(place) if place.is_dir() else [place]:
            made.update(os.fsencode(file.name) + b"\0")
            if not _look(file).is_file:
                continue  # never opens a pipe
            with file.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    made.update(block)
    except OSError as error:
        made.update(reason_of(error).encode())
    return made.hexdigest()


def worst_first(skipped: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Sorts unusable videos before files that are no videos, for lists that are cut short."""
    return sorted(skipped, key=lambda row: row[1].startswith(NO_VIDEO))


def _digest(rows: list) -> str:
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def take_stock(source: str, val_fraction: float = 0.0, suffixes: tuple[str, ...] = VIDEO_SUFFIXES) -> Catalogue:
    """Lists the videos below a folder, each once. Follows links, except to files and folders that are already listed.

    Top-level folders train, val (valid, validation) and test are splits. Without them all videos are in "train", and
    `val_fraction` moves some files to "val". If every video is in a subfolder, the first subfolder is its class.

    Args:
      source: folder of videos or frame folders, or one video file.
      val_fraction: fraction of the files for the split "val", in [0, 1).
      suffixes: of video files.

    Raises:
      InputError: `source` is missing or unreadable, or holds no video; or `val_fraction` is outside [0, 1), or not 0
        although `source` has folders of splits.
    """
    root = epath.Path(source).expanduser()
    there = _look(root)
    if there.problem:
        raise InputError(f"source {source!r}: {there.problem}; give a folder of videos or of frame folders.")
    if not 0 <= val_fraction < 1:
        raise InputError(f"val_fraction={val_fraction}: must lie in [0, 1).")
    if there.is_file:
        return _label([_Found(root, printable(root.name), "train", (), _digest([there.stamp]))], [], [])
    try:
        folders = [p for p in root.iterdir() if p.name.lower() in SPLIT_FOLDERS and p.is_dir()]
    except OSError as error:
        raise InputError(f"source {source!r}: cannot be listed ({reason_of(error)}).") from None
    if folders and val_fraction:
        names = sorted(p.name for p in folders)
        raise InputError(f"val_fraction={val_fraction}: {source!r} has folders {names} already; leave it out.")
    walk = _Walk(root, suffixes)
    walk.go(folders)
    found = walk.found
    if val_fraction:
        by_chance = sorted(found, key=lambda f: hashlib.sha256(f.name.encode()).digest())
        held_out = {f.name for f in by_chance[: round(val_fraction * len(found))]}
        found = [f._replace(split="val") if f.name in held_out else f for f in found]
    if not found:
        raise InputError(
            f"source {source!r}: no video ({' '.join(suffixes)}) and no folder of frames "
            f"({' '.join(IMAGE_SUFFIXES)}) in it; {len(walk.skipped)} other files."
        )
    return _label(found, walk.skipped, walk.remarks)


# ---- one path ----


@dataclasses.dataclass(frozen=True)
class _Entry:
    path: epath.Path
    is_folder: bool = False
    is_file: bool = False
    is_link: bool = False
    problem: str = ""  # why it is neither a folder nor a file that may be opened
    identity: tuple = ()  # equal for two paths to the same file; empty: unknown
    stamp: tuple = ()

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()


def _look(path: epath.Path) -> _Entry:
    if "://" in os.fspath(path):  # a bucket has no links
        if not path.exists():
            return _Entry(path, problem="no such file or folder")
        folder = path.is_dir()
        return _Entry(path, folder, not folder, stamp=() if folder else (path.stat().length, path.stat().mtime))
    link = os.path.islink(path)
    try:
        info = os.stat(path)
    except FileNotFoundError:
        return _Entry(path, is_link=link, problem="a link to nothing" if link else "no such file or folder")
    except OSError as error:  # circular links, folders without permission
        return _Entry(path, is_link=link, problem=f"cannot be looked at: {reason_of(error)}")
    folder, file = stat.S_ISDIR(info.st_mode), stat.S_ISREG(info.st_mode)
    problem = "" if folder or file else "a pipe, a socket or a device, no file"
    identity = (info.st_dev, info.st_ino) if info.st_ino else ()
    return _Entry(path, folder, file, link, problem, identity, (info.st_size, info.st_mtime_ns, info.st_ctime_ns))


# ---- the walk ----


class _Found(NamedTuple):
    path: epath.Path
    name: str
    split: str
    folders: tuple[str, ...]  # between the split's folder and the video
    stamp: str
    images: int = 0  # number of images of a frame folder


class _Walk:
    """Finds every video below a folder. Links wait until all else is found, so that things go by their own names."""

    def __init__(self, root: epath.Path, suffixes: tuple[str, ...]):
        self._root, self._suffixes = root, suffixes
        self.found: list[_Found] = []
        self.skipped: list[tuple[str, str]] = []
        self.remarks: list[tuple[str, str]] = []
        self._known: dict[tuple, str] = {}  # identity: name
        self._links: collections.deque = collections.deque()

    def go(self, split_folders: list[epath.Path]) -> None:
        tops = {p: SPLIT_FOLDERS[p.name.lower()] for p in split_folders}
        if "://" not in os.fspath(self._root):
            for above in epath.Path(os.path.realpath(self._root)).parents:
                self._known[_look(above).identity] = "a folder around the source"
        if tops:
            self._known[_look(self._root).identity] = "the source"
            for path in self._root.iterdir():
                if path not in tops and not path.name.startswith("."):
                    self.skipped.append((self._name(path), "beside split folders"))
        for top, split in tops.items():
            self._visit(_look(top), split, top)
        if not tops:
            self._take(_look(self._root), "train", self._root)
        while self._links:
            self._take(*self._links.popleft())
        self._leave_out_strays(list(tops) or [self._root])
        order = lambda f: [natural_order(part) for part in f.path.relative_to(self._root).parts]
        self.found.sort(key=order)
        self.skipped.sort(key=lambda row: natural_order(row[0]))

    def _name(self, path: epath.Path) -> str:
        return printable(path.relative_to(self._root).as_posix() if path != self._root else path.name)

    def _visit(self, entry: _Entry, split: str, top: epath.Path) -> None:
        if entry.is_link:
            self._links.append((entry, split, top))
        else:
            self._take(entry, split, top)

    def _take(self, entry: _Entry, split: str, top: epath.Path) -> None:
        name = self._name(entry.path)
        if entry.identity and entry.identity in self._known:
            self.skipped.append((name, f"the same as {self._known[entry.identity]}"))
            return
        self._known[entry.identity] = name
        if entry.is_file:
            self._add(entry.path, split, top, [entry])
        else:
            self._enter(entry.path, split, top)

    def _add(self, path: epath.Path, split: str, top: epath.Path, entries: list[_Entry], images: int = 0) -> None:
        folders = tuple(map(printable, path.relative_to(top).parts[:-1]))
        stamp = _digest([(os.fsencode(e.path.name), e.stamp) for e in entries])
        self.found.append(_Found(path, self._name(path), split, folders, stamp, images))

    def _enter(self, folder: epath.Path, split: str, top: epath.Path) -> None:
        try:
            children = [p for p in folder.iterdir() if not p.name.startswith(".")]
        except OSError as error:
            self.skipped.append((self._name(folder), f"cannot be listed: {reason_of(error)}"))
            return
        entries = [_look(p) for p in sorted(children, key=lambda p: natural_order(p.name))]
        images = [e for e in entries if e.suffix in IMAGE_SUFFIXES and not e.is_folder]
        videos = [e for e in entries if e.suffix in self._suffixes and e.is_file]
        if images and not videos:
            self._add(folder, split, top, images, len(images))
        if not entries:
            self.remarks.append((self._name(folder), "an empty folder"))
        for entry in entries:
            if entry.is_folder or entry in videos:
                self._visit(entry, split, top)
            elif entry.suffix in IMAGE_SUFFIXES:
                if videos:
                    self._skip(entry, "an image beside videos; frames of one video need a folder of their own")
            else:
                self._skip(entry, entry.problem or f"{NO_VIDEO} (suffix {printable(entry.suffix) or 'none'})")

    def _skip(self, entry: _Entry, reason: str) -> None:
        self.skipped.append((self._name(entry.path), reason))

    def _leave_out_strays(self, tops: list[epath.Path]) -> None:
        """Drops images beside folders of videos, and a single image beside class folders.

        They are covers or overviews. Taken as videos without a class, they would remove all classes.
        """
        classed = any(f.folders for f in self.found)
        for one in [f for f in self.found if f.images]:
            around = any(f is not one and f.path.is_relative_to(one.path) for f in self.found)
            lone = one.images == 1 and (around or (classed and not one.folders))
            if lone or (around and one.path in tops):
                self.found.remove(one)
                reason = "an image beside folders of videos; frames of one video need a folder of their own"
                self.skipped += [(self._name(file), reason) for file in frame_files(one.path)]


def _label(found: list[_Found], skipped: list, remarks: list) -> Catalogue:
    by_class = all(f.folders for f in found)
    names = sorted({f.folders[0] for f in found}) if by_class else []
    outside = [f.name for f in found if not f.folders]
    if not by_class and len(outside) < len(found):
        few = f"{outside[0]} lies" if len(outside) == 1 else f"{outside[0]} and {len(outside) - 1} more lie"
        remarks = [*remarks, (outside[0], f"no classes: {few} beside the folders of the others")]
    videos = tuple(
        Video(str(f.path), f.name, f.split, names.index(f.folders[0]) if by_class else 0, f.stamp) for f in found
    )
    return Catalogue(videos, tuple(names), tuple(skipped), tuple(remarks))
