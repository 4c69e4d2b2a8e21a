"""Reads prepared datasets, TFDS folders of ArrayRecord files, without TensorFlow.

TFDS's own readers decode whole examples and need TensorFlow for video features. This module parses the stored
`tf.train.Example`, so that callers decode only the frames they need.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_data_source import ArrayRecordDataSource
from etils import epath
from google.protobuf import json_format, message
from jaxtyping import Int
from tensorflow_datasets.proto import tf_example_pb2

from digan_jax.errors import InputError
from digan_jax.host import caches
from digan_jax.host.buckets import within_reach
from digan_jax.host.files import moved_in

INDEX_FILE = "digan_index.json"  # beside the shards: frames, label and digest of each record; old files lack digests
NAMES_FILE = "digan_names.json"  # beside the shards: video of each record, for evaluations that count videos


def data_folder(data_dir: str) -> epath.Path:
    """The folder of datasets: `data_dir`, $TFDS_DATA_DIR or ~/tensorflow_datasets.

    Raises:
      InputError: neither is given, and the user has no home folder.
    """
    given = data_dir or os.environ.get("TFDS_DATA_DIR")
    if not given and caches.home() is None:
        raise InputError("there is no home folder to keep prepared sets in; give --data-dir (data.data_dir).")
    return epath.Path(given or "~/tensorflow_datasets").expanduser()


def find_set(name: str, data_dir: str) -> epath.Path:
    """The folder of the newest version of a dataset.

    Args:
      name: `name`, `name/config` or `name/config:version`.
      data_dir: as `data_folder`.

    Raises:
      InputError: there is no such dataset (lists the existing ones), it has several configurations, or it may not be
        read.
    """
    root = data_folder(data_dir)
    base, _, version = name.partition(":")
    check_allowed(root / base)
    versions = [p.parent for depth in ("*", "*/*") for p in (root / base).glob(f"{depth}/dataset_info.json")]
    versions = [p for p in versions if not version or p.name == version]
    if not versions:
        all_sets = (p for depth in ("*/*", "*/*/*") for p in root.glob(f"{depth}/dataset_info.json"))
        there = sorted({p.relative_to(root).parts[0] for p in all_sets}) if root.exists() else []
        cure = f"choose one of {there}" if there else "there are none yet"
        raise InputError(
            f"data.name={name!r}: not prepared in {root}; {cure}, or run `digan prepare SOURCE --name {name}`."
        )
    configs = sorted({p.parent.relative_to(root).as_posix() for p in versions})
    if len(configs) > 1:
        raise InputError(f"data.name={name!r}: has several configurations; choose one of {configs}.")
    return max(versions, key=lambda p: tfds.core.Version(p.name))


def check_allowed(folder: epath.Path) -> None:
    """Raises `InputError` when a dataset, or a parent folder, may not be read; a search would report it as missing."""
    if "://" in os.fspath(folder):
        return
    way = [(place, os.X_OK) for place in reversed(Path(folder).absolute().parents)]
    inside = ((place, os.R_OK | os.X_OK) for depth in ("*", "*/*") for place in Path(folder).glob(depth))
    for place, needed in itertools.chain(way, [(Path(folder), os.R_OK | os.X_OK)], inside):
        if os.path.exists(place) and not os.access(place, needed if os.path.isdir(place) else needed & os.R_OK):
            raise InputError(f"{place}: may not be read by this user; have its owner allow it (chmod a+rX).")


def stored_json(file: epath.Path) -> dict:
    """The JSON object in a file of a dataset. Raises `InputError` when it is damaged."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(file, error) from None
    if not isinstance(found, dict):
        raise damaged(file, "it holds no object")
    return found


def part(file: epath.Path, found: dict, name: str) -> dict:
    """The object `found[name]`, where `found` is `stored_json(file)`. Raises `InputError` when it is no object."""
    if not isinstance(found.get(name), dict):
        raise damaged(file, f"it has no {name!r}")
    return found[name]


def damaged(file: epath.PathLike, reason) -> InputError:
    """The error for a damaged file of a dataset."""
    return InputError(f"{file}: is damaged ({reason}); prepare the set again with --overwrite.")


@dataclasses.dataclass(frozen=True)
class Features:
    """Names of the features in which a dataset stores its frames and labels."""

    video: str = "video"
    label: str = "label"


class Records:
    """One split of a dataset, with random access to the encoded frames of its records.

    Args:
      folder: of the dataset, from `find_set`.
      split: a TFDS split expression, such as "train", "train+test" or "train[:10%]".
      features: names of the stored frames and labels.

    Attributes:
      frame_counts: [records] frames of each record.
      labels: [records] class indices; 0 without classes.
      class_names: in the order of the labels; empty without classes.
      fingerprint: changes when the dataset, its version, the split or one of its records changes.
      fingerprint_covers: the part of the records that the fingerprint covers; less with an old index without digests.

    Raises:
      InputError: no ArrayRecord dataset, no such split or feature, or unreadable or damaged files.
    """

    def __init__(self, folder: epath.Path, split: str, features: Features = Features()):
        folder = within_reach(folder)
        self.folder, self.features = folder, features
        info, splits = _splits(folder)
        try:
            instructions = splits[split].file_instructions
        except (KeyError, ValueError) as error:
            raise InputError(f"data.split={split!r}: {folder} has {sorted(splits)}; {error}") from error
        if not instructions:
            raise InputError(f"data.split={split!r}: no record of {folder} is in it; choose from {sorted(splits)}.")
        with _read_errors(folder):
            self._source = ArrayRecordDataSource(instructions)
        self._instructions = instructions
        index = read_index(folder) or build_index(folder, features)
        with _index_errors(folder / INDEX_FILE):
            rows = [row for i in instructions for row in index[os.path.basename(i.filename)][i.skip : i.skip + i.take]]
            self.frame_counts: Int[np.ndarray, "records"] = np.array([row[0] for row in rows], np.int64)
            self.labels: Int[np.ndarray, "records"] = np.array([row[1] for row in rows], np.int64)
        if len(rows) != len(self._source):
            raise damaged(folder / INDEX_FILE, f"it knows {len(rows)} of {len(self._source)} records")
        self.class_names = _class_names(folder, features.label)
        with_digests = all(len(row) > 2 for row in rows)
        self.fingerprint_covers = "pixels and labels" if with_digests else "frame counts and labels"
        self.fingerprint = hashlib.sha256(repr((info.name, info.version, split, rows)).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.frame_counts)

    def video_names(self) -> list[str]:
        """The video of each record. In datasets that do not store it, each record counts as one video."""
        index = read_index(self.folder, NAMES_FILE) or _build_names(self.folder)
        with _index_errors(self.folder / NAMES_FILE):
            return [
                n for i in self._instructions for n in index[os.path.basename(i.filename)][i.skip : i.skip + i.take]
            ]

    def encoded_frames(self, record: int):
        """The frames of one record as encoded images: a sequence of bytes, each copied only when it is accessed."""
        with _read_errors(self.folder):
            return _frames(self._source[record], self.features.video)


@contextlib.contextmanager
def _index_errors(file: epath.Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise damaged(file, f"not as it was written: {error!r}") from None


@contextlib.contextmanager
def _read_errors(folder: epath.Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(
            f"{error.filename or folder}: may not be read by this user; have its owner allow it."
        ) from None
    except (OSError, RuntimeError, ValueError, message.DecodeError) as error:  # raised by ArrayRecord for bad files
        raise InputError(f"{folder}: cannot be read ({error}); prepare it again with --overwrite.") from error


def _splits(folder: epath.Path):
    if (file := folder / "dataset_info.json").exists():
        stored_json(file)
    try:
        with _read_errors(folder):
            info = tfds.core.dataset_info.read_proto_from_builder_dir(folder)
    except json_format.ParseError as error:
        raise damaged(file, error) from None
    if info.file_format != "array_record":
        raise InputError(
            f"{folder}: stored as {info.file_format or 'tfrecord'}, which has no random access; "
            "prepare it again with file_format='array_record'."
        )
    template = tfds.core.ShardedFileTemplate(dataset_name=info.name, data_dir=folder, filetype_suffix="array_record")
    return info, tfds.core.SplitDict.from_proto(info.splits, filename_template=template)


def _frames(record: bytes, feature: str):
    stored = tf_example_pb2.Example.FromString(record).features.feature
    if feature not in stored:
        raise InputError(f"data.video_feature={feature!r}: not in this set; it has {sorted(stored)}.")
    return stored[feature].bytes_list.value


def read_index(folder: epath.Path, name: str = INDEX_FILE) -> dict[str, list] | None:
    """{shard: [row of each record]} from an index file; None without one. Raises `InputError` when it is damaged."""
    file = folder / name
    return stored_json(file) if file.exists() else None


def build_index(folder: epath.Path, features: Features = Features()) -> dict[str, list[list]]:
    """Reads every record once, and returns {shard: [[frames, label, digest], …]}.

    Also writes it to INDEX_FILE if the folder is writable.
    """

    def row(shard, number, record):
        stored = tf_example_pb2.Example.FromString(record).features.feature
        label = stored[features.label].int64_list.value if features.label in stored else ()
        digest = hashlib.blake2b(digest_size=8)
        for name in sorted(stored):  # protobuf does not fix the order
            digest.update(name.encode() + b"\0" + stored[name].SerializeToString())
        return [len(_frames(record, features.video)), label[0] if label else 0, digest.hexdigest()]

    return _scan(folder, row, INDEX_FILE)


def _build_names(folder: epath.Path) -> dict[str, list[str]]:
    def name(shard, number, record):
        stored = tf_example_pb2.Example.FromString(record).features.feature
        file = stored["file"].bytes_list.value if "file" in stored else ()
        return file[0].decode() if file else f"{shard}#{number:08d}"

    return _scan(folder, name, NAMES_FILE)


def _scan(folder: epath.Path, row: Callable, name: str) -> dict[str, list]:
    """{shard: [row(shard, number, record) of each record]}; also written beside the shards if they are writable."""

    def scan(instruction):
        shard = os.path.basename(instruction.filename)
        return shard, [row(shard, i, record) for i, record in enumerate(ArrayRecordDataSource([instruction]))]

    splits = _splits(folder)[1]
    shards = [i for split in splits.values() for i in split.file_instructions]
    with _read_errors(folder), concurrent.futures.ThreadPoolExecutor(8) as threads:
        index = dict(threads.map(scan, shards))
    try:
        with moved_in(folder / name) as unfinished:
            epath.Path(unfinished).write_text(json.dumps(index))
    except OSError:
        pass  # a shared, read-only dataset: the next reader scans it again
    return index


def _class_names(folder: epath.Path, label: str) -> tuple[str, ...]:
    """Names of the classes; numbers if the dataset stores only their count; empty if its labels are no classes."""
    names = folder / f"{label}.labels.txt"
    if names.exists():
        return tuple(names.read_text().splitlines())
    if not (file := folder / "features.json").exists():
        return ()
    tree = stored_json(file)
    with _index_errors(file):
        feature = tree.get("featuresDict", {}).get("features", {}).get(label, {})
        return tuple(map(str, range(int(feature.get("classLabel", {}).get("numClasses", 0)))))
