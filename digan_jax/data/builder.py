"""`digan prepare`: makes a TFDS dataset of ArrayRecord files from a folder of videos, locally or on Beam."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from digan_jax.data import catalogue, decoding, records
from digan_jax.data.pieces import Recipe
from digan_jax.errors import InputError
from digan_jax.host import files, locks
from digan_jax.host.progress import Progress

VERSION = "1.0.0"
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
PREPARED_FILE = "digan.json"  # beside the shards: how the dataset was made, and from which files


@dataclasses.dataclass(frozen=True)
class PreparedSet:
    """A prepared dataset and the report of its making.

    Attributes:
      name: of the dataset, for `data.name` and `tfds.data_source`.
      folder: of its files.
      splits: {split: {"videos": …, "records": …, "frames": …}}.
      class_names: of the class folders; empty without classes.
      skipped: (file, reason) of each file that was left out.
      remarks: (file, remark), such as conversions that a video needed.
      reused: the dataset existed and nothing was done.
      seconds: that `prepare` took.
    """

    name: str
    folder: str
    splits: dict[str, dict[str, int]]
    class_names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    reused: bool
    seconds: float
    remarks: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        done = "was prepared already" if self.reused else f"prepared in {self.seconds:.0f} s"
        lines = [f"{self.name}: {done}, in {self.folder}"]
        for split, count in self.splits.items():
            lines.append("  {}: {videos} videos, {records} records, {frames} frames".format(split, **count))
        if self.class_names:
            few = ", ".join(self.class_names[:5]) + (", …" if len(self.class_names) > 5 else "")
            lines.append(f"  {len(self.class_names)} classes: {few}")
        for word, rows in (("skipped", catalogue.worst_first(self.skipped)), ("with a remark", self.remarks)):
            lines += [f"  {len(rows)} {word}:"] if rows else []
            lines += [f"    {file}: {reason}" for file, reason in rows[:20]]
            lines += [f"    … and {len(rows) - 20} more, in {PREPARED_FILE}"] if len(rows) > 20 else []
        return "\n".join(lines)


class _Info(tfds.core.DatasetInfo):
    def initialize_from_bucket(self) -> None:
        """Does nothing. TFDS would search its bucket for a published dataset and leave a temporary folder behind."""


class ClipsBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """TFDS builder of video pieces. Each frame is a separate PNG, so it can be decoded without the others."""

    VERSION = tfds.core.Version(VERSION)

    def __init__(self, *, name: str, size: int, class_names: tuple[str, ...], examples: dict, data_dir: str):
        self.name = name
        self._size, self._class_names, self._examples = size, class_names, examples
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        label = tfds.features.ClassLabel(names=self._class_names) if self._class_names else np.int64
        frame = tfds.features.Image(shape=(self._size, self._size, 3), encoding_format="png")
        return _Info(
            builder=self,
            description="Pieces of video shots, centre-cropped and resized, made by `digan prepare`.",
            features=tfds.features.FeaturesDict(
                {
                    "video": tfds.features.Sequence(frame),  # like features.Video, but without TensorFlow
                    "label": label,
                    "file": tfds.features.Text(),  # path relative to the source
                    "start_frame": np.int64,  # frame number in the file
                    "fps": np.float32,  # 0: unknown
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return self._examples

    def _generate_examples(self):  # not used: each split has its own generator
        raise NotImplementedError


def prepare(
    source: str,
    name: str,
    size: int,
    frames: int = 16,
    stride: int = 1,
    data_dir: str = "",
    val_fraction: float = 0.0,
    cuts: bool = False,
    piece_frames: int = 128,
    workers: int = 0,
    strict: bool = False,
    overwrite: bool = False,
    beam_options: Sequence[str] | None = None,
    progress: Progress = Progress(),
) -> PreparedSet:
    """Makes a prepared dataset from a folder of videos or frame folders, or reuses an existing one.

    Args:
      source: the folder. Subfolders are classes; folders train, val and test are splits (see `catalogue.take_stock`).
      name: of the dataset: lower-case letters, digits and underscores.
      size: pixels a side of the stored frames.
      frames: frames of a training clip; shots too short for a clip are left out.
      stride: source frames between frames of a clip. All frames are stored; it only sets which shots are too short.
      data_dir: folder of datasets; "": $TFDS_DATA_DIR or ~/tensorflow_datasets.
      val_fraction: fraction of the files for the split "val", in [0, 1).
      cuts: split videos at cuts, so that no clip spans two shots.
      piece_frames: approximate frames per record.
      workers: decoding processes; 0: one per core.
      strict: fail on the first file that cannot be used, instead of skipping it.
      overwrite: replace a dataset of this name that was made differently.
      beam_options: pipeline options to prepare on Beam, such as `["--runner=DataflowRunner", …]`; None: locally.
      progress: called for each video done locally; not used on Beam.

    Raises:
      InputError: an invalid value (see `check`); no usable video, or an unusable file when strict; a dataset of this
        name made differently; a full or read-only disk. Also `Cancelled`, by `progress`; nothing is kept.
    """
    started = time.monotonic()
    recipe = Recipe(size, frames, stride, piece_frames, cuts)
    check(name, recipe, val_fraction, workers)
    stock = catalogue.take_stock(source, val_fraction)
    decoding.fail_if_strict(strict, stock.skipped)
    made = dataclasses.asdict(recipe) | {"val_fraction": val_fraction}
    root = records.data_folder(data_dir)
    folder = root / name / VERSION
    records.check_allowed(root / name)
    if _is_there(folder) and not overwrite:  # complete, as it was renamed into place: needs no lock
        return _reuse(name, folder, made, stock)
    files.check_folder(root)
    with _disk_errors(root), _locked(root, name):
        if _is_there(folder) and not overwrite:
            return _reuse(name, folder, made, stock)
        _check_replaceable(folder)
        made |= {"source_stamp": stock.stamp, "source_fingerprint": stock.fingerprint}
        with _staging(root, f".{name}.incomplete", on_disk=beam_options is None) as staging:
            found = _build(name, recipe, stock, staging, workers, strict, beam_options, progress)
            report = _finish(name, folder, stock, found, staging / name / VERSION, made)
    return dataclasses.replace(report, seconds=time.monotonic() - started)


def check(name: str, recipe: Recipe, val_fraction: float = 0.0, workers: int = 0) -> None:
    """Checks the values of a dataset. Raises `InputError`, which names the field, for an invalid one."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise InputError(f"name={name!r}: use small letters, digits and underscores, a letter first.")
    values = dataclasses.asdict(recipe) | {"workers": workers}
    for field, least in {"size": 1, "frames": 2, "stride": 1, "piece_frames": 1, "workers": 0}.items():
        if values[field] < least:
            raise InputError(f"{field}={values[field]}: must be {least} or more.")
    if not 0 <= val_fraction < 1:
        raise InputError(f"val_fraction={val_fraction}: must lie in [0, 1).")


def _finish(name, folder, stock, found, built, made) -> PreparedSet:
    """Writes PREPARED_FILE beside the shards, and moves the dataset to `folder`."""
    splits = _count(stock, found.skipped, built, records.build_index(built))
    skipped = (*stock.skipped, *found.skipped)
    remarks = (*stock.remarks, *stock.without_videos(found.skipped), *found.remarks)
    report = PreparedSet(name, str(folder), splits, stock.class_names, skipped, False, 0.0, remarks)
    (built / PREPARED_FILE).write_text(json.dumps({"made": made, "report": dataclasses.asdict(report)}, indent=1))
    if files.in_bucket(folder) and not files.in_bucket(built):
        _remove(folder)
        files.upload(built, folder, last=PREPARED_FILE)
        return report
    folder.parent.mkdir(exist_ok=True)
    old = folder.parent / f".{folder.name}.old"
    if folder.exists():
        _remove(old)
        folder.rename(old)
    built.rename(folder)
    _remove(old)
    return report


def _build(name, recipe, stock, staging, workers, strict, beam_options, progress) -> decoding.Findings:
    """Writes the dataset below `staging`; returns the skipped videos and the remarks."""
    tfds.disable_progress_bar()  # ours shows more
    common = {"name": name, "size": recipe.size, "class_names": stock.class_names, "data_dir": str(staging)}
    if beam_options is not None:
        return _build_on_beam(common, recipe, stock, staging / "notes", strict, beam_options)
    found = decoding.Findings()
    with (
        progress.of(f"prepare {name}", len(stock.videos), "videos") as advance,
        contextlib.redirect_stdout(None),  # TFDS reports downloads although there are none
        decoding.local(stock, recipe, workers, strict, advance, found) as examples,
    ):
        if not examples:
            raise InputError(_nothing_usable(found.skipped))
        ClipsBuilder(examples=examples, **common).download_and_prepare()
    return found


def _build_on_beam(common, recipe, stock, notes_folder, strict, beam_options) -> decoding.Findings:
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise InputError("`beam_options`: Apache Beam is not installed; pip install 'digan-jax[beam]'.") from error
    notes_folder.mkdir()
    builder = ClipsBuilder(examples=decoding.on_beam(stock, recipe, strict, notes_folder), **common)
    config = tfds.download.DownloadConfig(beam_options=PipelineOptions(list(beam_options)))
    try:
        builder.download_and_prepare(download_config=config)
    except Exception as error:
        skipped = decoding.findings_from_beam(notes_folder).skipped
        decoding.fail_if_strict(strict, skipped)
        for split in stock.splits:  # Beam cannot write an empty split
            if {v.name for v in stock.split(split)} <= {file for file, _ in skipped}:
                raise InputError(f"split {split!r}: {_nothing_usable(skipped)}") from error
        raise
    return decoding.findings_from_beam(notes_folder)


def _nothing_usable(skipped: decoding.Skipped) -> str:
    reasons = "; ".join(f"{file}: {reason}" for file, reason in skipped[:5])
    return f"nothing usable, all {len(skipped)} videos were skipped ({reasons}); give other videos or fewer `frames`."


def _reuse(name: str, folder: epath.Path, made: dict, stock: catalogue.Catalogue) -> PreparedSet:
    file = folder / PREPARED_FILE
    if not file.exists():
        raise InputError(f"name={name}: {folder} holds a set that `digan prepare` did not make; choose another name.")
    there = records.stored_json(file)
    before, stored = records.part(file, there, "made"), records.part(file, there, "report")
    if "source_stamp" not in before:
        raise InputError(
            f"name={name}: {folder} was made by an earlier version, which knew the files by name and length alone; "
            "`overwrite` makes it again; or choose another name."
        )
    if before["source_stamp"] != stock.stamp:  # touched or copied files may have the same contents
        made = made | {"source_fingerprint": stock.fingerprint}
    differences = [f"{k}: {before.get(k)!r} there, {v!r} asked for" for k, v in made.items() if before.get(k) != v]
    if differences:
        raise InputError(
            f"name={name}: {folder} was made otherwise ({'; '.join(differences)}); "
            "choose another name, or `overwrite` to replace it."
        )
    try:
        stored |= {key: tuple(map(tuple, stored[key])) for key in ("skipped", "remarks")}
        stored |= {"class_names": tuple(stored["class_names"])}
        return PreparedSet(**stored | {"folder": str(folder), "reused": True})
    except (KeyError, TypeError) as error:
        raise records.damaged(file, f"not as it was written: {error!r}") from None


def prepared_size(folder: epath.Path) -> int | None:
    """Pixels a side of a dataset that `prepare` made; None for others. Raises `InputError` if it is damaged."""
    file = folder / PREPARED_FILE
    if not file.exists():
        return None
    size = records.part(file, records.stored_json(file), "made").get("size")
    if type(size) is not int:
        raise records.damaged(file, "it does not say the size")
    return size


def _is_there(folder: epath.Path) -> bool:
    """Whether there is a whole dataset; in a bucket, where folders cannot be renamed, PREPARED_FILE comes last."""
    return (folder / PREPARED_FILE if files.in_bucket(folder) else folder).exists()


def _check_replaceable(folder: epath.Path) -> None:
    """Raises `InputError`, before the work, when the dataset in `folder` may not be replaced."""
    for place in (folder, folder.parent):
        if place.exists() and "://" not in str(place) and not os.access(place, os.W_OK):
            raise InputError(f"`overwrite`: {place} may not be written; choose another name or place (`data_dir`).")


@contextlib.contextmanager
def _staging(root: epath.Path, name: str, on_disk: bool) -> Iterator[epath.Path]:
    """Gives an empty folder, removed after the block. First removes what a killed `prepare` left in it.

    Args:
      on_disk: give a folder of this machine where `root` is in a bucket: ArrayRecord writes to disks alone.
    """
    if on_disk and files.in_bucket(root):
        with files.scratch_folder() as folder:
            yield epath.Path(folder)
        return
    folder = root / name
    _remove(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: epath.Path) -> None:
    if folder.exists():
        folder.rmtree()


def _count(stock, skipped, built, index) -> dict[str, dict[str, int]]:
    left_out = {file for file, _ in skipped}
    counts = {}
    for split in stock.splits:
        rows = [row for shard, rows in index.items() if re.search(rf"-{split}\.", shard) for row in rows]
        videos = sum(v.name not in left_out for v in stock.split(split))
        counts[split] = {"videos": videos, "records": len(rows), "frames": sum(row[0] for row in rows)}
    return counts


@contextlib.contextmanager
def _locked(root: epath.Path, name: str) -> Iterator[None]:
    """Locks a name, so that one process at a time prepares it on this machine. Others wait, then reuse the result.

    The system releases the lock when the process ends.
    """
    fcntl = locks.file_locks(root)
    if fcntl is None:
        yield
        return
    root.mkdir(parents=True, exist_ok=True)
    file = root / f".{name}.lock"
    try:
        lock = open(file, "w")
    except PermissionError:
        if not file.exists():
            raise
        lock = open(file)  # another user's file; read access is enough for a lock
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _disk_errors(root: epath.Path) -> Iterator[None]:
    cure = "choose another place (`data_dir`)"
    try:
        with files.on_full_disk(lambda _: _full(root)):
            yield
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        raise InputError(f"{error.filename or root}: may not be written ({error.strerror}); {cure}.") from error


def _full(root: epath.Path) -> InputError:
    """The error for a full disk. The partial output is already removed; the disk with less free space was full."""
    place, cure, scratch = root, "choose another place (`data_dir`)", tempfile.gettempdir()
    if "://" in str(root) or shutil.disk_usage(scratch).free < shutil.disk_usage(root).free:
        place, cure = scratch, "set TMPDIR to another folder"
    return InputError(f"{place}: no space left on the device; free some, or {cure}.")
