"""What `digan render` was asked for, worked out before any weight is read: clips, times, grids and files."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import NamedTuple

import numpy as np
from etils import epath

from digan_jax import grids as coords
from digan_jax.errors import InputError
from digan_jax.host import video_files
from digan_jax.interop import opening
from digan_jax.models.digan.architecture import n_layers
from digan_jax.rendering import latents, render_files, tiles, timeline
from digan_jax.rendering import model as model_lib
from digan_jax.rendering.contact_sheets import check_room
from digan_jax.rendering.walks import check_layers, mix

LISTED_TIMES = 1000  # a note lists so many times; of more it says the ends


class File(NamedTuple):
    path: str
    rows: list[int]  # which of the clips are in it
    note: dict  # its metadata


@dataclasses.dataclass(frozen=True)
class Order:
    """A render that can be carried out.

    Attributes:
      options: of the command line, by their long names.
      clips: {"ids": [...], "motion_ids": [...] or None, "label": [...] or None}, as many each as there are clips.
      times: of the frames. grids: a request for all frames, or one for each.
      sheet: (columns, rows) of clips in one file; None: a file for each.
      files: those of this process that are still to be made. finished: those that are whole already.
    """

    options: object
    source: opening.Source
    clips: dict
    times: np.ndarray
    grids: tiles.GridRequest | list[tiles.GridRequest]
    sheet: tuple[int, int] | None
    files: list[File]
    finished: list[File]

    def carry_out(self) -> str:
        """Renders the files and returns what to tell the person."""
        a = self.options
        if self.files:
            model = opening.load(a.run, self.source.step)
            lat, notes = self._latents(model), [file.note for file in self.files]
            paths = [file.path for file in self.files]
            if self.sheet:
                what = paths[0], a.fps, self.sheet, notes[0], a.quality
                render_files.render_sheet(model, lat, self.times, self.grids, *what)
            else:
                render_files.render_each(model, lat, self.times, self.grids, paths, a.fps, notes, a.quality)
        kept = [f"{file.path} (was whole already)" for file in self.finished]
        return "\n  ".join([self._headline() + ":", *(file.path for file in self.files), *kept])

    def describe(self) -> str:
        """The plan of a dry run."""
        import jax

        from digan_jax.rendering.estimate import UNIT, estimate

        a, config, devices = self.options, self.source.config, jax.local_device_count()
        one = self.grids if isinstance(self.grids, tiles.GridRequest) else self.grids[0]
        by_frame = one is not self.grids or bool(a.walk)
        clips = sum(len(file.rows) for file in self.files)
        cost = estimate(config, one.resolve(config.resolution), max(1, clips), len(self.times), devices, by_frame)
        shape, work = cost.plan, cost.operations * bool(clips)
        lines = [
            self._headline() + ":",
            *(f"  {file.path}" for file in self.files),
            *(f"  {file.path} (is whole already)" for file in self.finished),
            f"times {self.times[0]:g} to {self.times[-1]:g}; "
            f"{len(self.times) / a.fps:.3g} s at {a.fps:g} frames a second",
            f"pieces: {shape.clips} clips x {shape.frames} frames on each of {devices} devices, "
            f"{cost.tiles} {'tile' if cost.tiles == 1 else 'tiles'} a frame",
            f"memory: about {cost.bytes / 1e9:.1f} GB at the peak",
            f"work: {work / 1e9:,.0f} GFLOP, {work / UNIT:,.1f} products of 2048x2048 matrices",
            "nothing was drawn.",
        ]
        return "\n".join(lines)

    def _headline(self) -> str:
        n = sum(len(file.rows) for file in (*self.files, *self.finished))
        width, height = render_files.size_of(self.grids)
        return f"{n} {'clip' if n == 1 else 'clips'} of {len(self.times)} frames, {width}x{height} pixels each"

    def _latents(self, model: model_lib.Model):
        a = self.options
        rows = [row for file in self.files for row in file.rows]
        chosen = {name: values and [values[row] for row in rows] for name, values in self.clips.items()}
        options = {"truncation": a.truncation, "seed": a.seed, "label": chosen["label"]}
        if a.walk:
            k = len(a.walk)
            content, motion = (row and row * k for row in (chosen["ids"], chosen["motion_ids"]))
            ids = content if a.walk_of == "motion" else a.walk
            motion_ids = a.walk if a.walk_of == "motion" else motion
            steps = walk_steps(a)
            return model.walk(ids, steps, a.walk_of, a.walk_in, motion_ids, **options)
        lat = model.latents(chosen["ids"], chosen["motion_ids"], **options)
        if a.mix:
            lat = mix(lat, model.latents(a.mix[1:], **options), a.layers)
        return lat


def plan(a) -> Order:
    """Works out what the options of `digan render` ask for.

    Raises:
      InputError: an option that cannot be used, alone or with the others; nothing was drawn or written.
    """
    video_files.check_encoder(a.out, a.quality)
    if not 0 < a.process_count or not 0 <= a.process_id < a.process_count:
        raise InputError(f"--process-id {a.process_id} of --process-count {a.process_count}: must lie in [0, count).")
    _check_single_film(a)
    times = film_times(a)
    model_lib.check_times(times, 1)
    if a.label != "all":
        broadcast(a.ids, a.motion_ids, a.label, a.cross)
    source = opening.look(a.run, a.step)
    label = labels_of(a.label, source)
    clips, sheet = broadcast(a.ids, a.motion_ids, label, a.cross)
    sheet = a.grid or sheet
    n = len(clips["ids"])
    if label:
        latents.one_hot(clips["label"], latents.check_ids(clips["ids"]), source.config.n_classes)
    if sheet:
        check_room(n, *sheet)
    check_layers(a.layers or [0], n_layers(source.config))
    grids = picture(a, source.config.resolution, times)
    files = _files(a, clips, sheet, times, source.step)
    _write_index(a, files)
    files = files[a.process_id :: a.process_count]
    finished = [file for file in files if a.resume and _is_whole(file)]
    return Order(a, source, clips, times, grids, sheet, [f for f in files if f not in finished], finished)


def _check_single_film(a) -> None:
    """--walk and --mix name ids of their own, and make one film."""
    if not 0 < a.fps < float("inf"):
        raise InputError(f"fps={a.fps}: must be a number above 0.")
    if a.layers and not a.mix or a.mix and not a.layers:
        raise InputError("--mix and --layers go together: --mix 3,9 --layers 0-4 is id 3 with layers 0 to 4 of id 9.")
    if a.mix and len(a.mix) != 2:
        raise InputError(f"--mix: {len(a.mix)} ids given; it mixes two, such as 3,9.")
    if not a.walk and not a.mix:
        return
    what = "--walk" if a.walk else "--mix"
    if a.walk and a.mix:
        raise InputError("--walk and --mix both name the ids; give one of them.")
    if a.cross or a.grid or a.label == "all" or any(len(row or [0]) > 1 for row in (a.ids, a.motion_ids, a.label)):
        raise InputError(f"{what} makes one film: leave out --grid and --cross; one id, motion id and label at most.")
    if a.mix:
        a.ids = a.mix[:1]
    if a.walk and len(a.walk) < 2:
        raise InputError(f"--walk: {len(a.walk)} id given; a walk needs two or more, such as 3,9,4.")
    if a.walk and a.walk_of != "motion":
        a.ids = a.walk[:1]
    if a.walk and a.walk_of == "both" and a.motion_ids:
        raise InputError("--motion-ids: the motion walks too; give --walk-of content to keep one motion.")
    if a.walk and a.duration is not None:
        raise InputError("--duration: a walk lasts --seconds from one id to the next; leave it out.")


def walk_steps(a) -> int:
    """Frames from one id to the next."""
    if not 0 < a.seconds < float("inf"):
        raise InputError(f"--seconds {a.seconds}: must be a number above 0.")
    return max(1, round(a.seconds * a.fps)) * a.slow


def film_times(a) -> np.ndarray:
    """Times that --times, --frames, --fps, --duration, --slow and --walk ask for."""
    if a.frames < 1:
        raise InputError(f"--frames {a.frames}: a clip has one frame or more.")
    if isinstance(a.times, list):
        if a.duration is not None:
            raise InputError("--duration: the times are listed one by one; give --times FROM:TO or leave it out.")
        times = timeline.between(a.times, a.slow)
    elif a.walk:
        times = timeline.spread(*a.times, (len(a.walk) - 1) * walk_steps(a) + 1)
    elif a.duration is not None:
        times = timeline.at_rate(*a.times, a.fps, a.duration, a.slow)
    else:
        times = timeline.spread(*a.times, a.frames, a.slow)
    if a.walk and len(times) != (len(a.walk) - 1) * walk_steps(a) + 1:
        raise InputError(f"--times: {len(times)} times for a walk of {(len(a.walk) - 1) * walk_steps(a) + 1} frames.")
    return times


def labels_of(label, source: opening.Source):
    """--label as class indices; "all": every class of the model."""
    if label != "all" or "all" in source.class_names:
        return latents.label_indices(["all"] if label == "all" else label, source.class_names)
    if not source.config.n_classes:
        raise InputError("label=all: this model knows no classes (model.n_classes=0); leave the label out.")
    return list(range(source.config.n_classes))


def broadcast(ids, motion_ids, label, cross: bool) -> tuple[dict, tuple[int, int] | None]:
    """As many ids, motion ids and labels as there are clips, and with `cross` the (columns, rows) of their sheet.

    One of a kind stands for as many as the longest list has; with `cross` each id meets each motion id or label.
    """
    rows = {"ids": ids, "motion_ids": motion_ids, "label": label}
    n, sheet = max(len(row) for row in rows.values() if row), None
    if cross:
        others = [name for name in ("motion_ids", "label") if rows[name] and len(rows[name]) > 1]
        if len(others) != 1:
            raise InputError("--cross: crosses --ids with several --motion-ids or --label; give one of the two.")
        columns = len(rows[others[0]])
        sheet, n = (columns, len(ids)), columns * len(ids)
        rows |= {"ids": [i for i in ids for _ in range(columns)], others[0]: rows[others[0]] * len(ids)}
    for name, row in rows.items():
        if row and len(row) not in (1, n):
            raise InputError(
                f"--{name.replace('_', '-')}: {len(row)} given for {n} clips; give one for all or one for each."
            )
    return {name: row and (row * n if len(row) == 1 else row) for name, row in rows.items()}, sheet


def picture(a, resolution: int, times: np.ndarray) -> tiles.GridRequest | list[tiles.GridRequest]:
    """What --mode, --scale, --size, --region, --path and --levels ask for."""
    if a.scale is not None and a.size is not None:
        raise InputError("--scale and --size both say how large the picture is; give one of them.")
    if a.scale is not None and not 0 < a.scale < float("inf"):
        raise InputError(f"--scale {a.scale}: must be a number above 0.")
    if a.path and a.region:
        raise InputError("--path and --region both say what to show; give one of them.")
    asked = any(option is not None for option in (a.scale, a.size, a.region, a.path))
    mode = a.mode or ("smooth" if asked else "native")
    regions = [a.region or coords.FULL]
    if a.path:
        regions = timeline.camera(a.path, np.arange(len(times)) / a.fps)
    x0, y0, x1, y1 = regions[0]
    pixels = (a.scale or 1) * resolution / 2  # for a unit of the plane, which is two units wide
    size = a.size or tuple(max(1, round(pixels * side)) for side in (x1 - x0, y1 - y0))
    grids = [tiles.grid(*size, region, mode, a.levels) for region in regions]
    for grid in grids:
        grid.resolve(resolution)  # so that a grid that cannot be drawn is refused here
    return grids if a.path else grids[0]


def _files(a, clips: dict, sheet, times: np.ndarray, step: int | None) -> list[File]:
    note = {"run": str(a.run), "step": step, "command": a.command, "seed": a.seed, "truncation": a.truncation}
    listed = [float(t) for t in times]
    ends = {"first": listed[0], "last": listed[-1], "count": len(listed)}
    note["times"] = listed if len(listed) <= LISTED_TIMES else ends
    for name in ("walk", "mix"):
        if getattr(a, name):
            return [File(a.out, [0], note | {name: getattr(a, name)})]
    n = len(clips["ids"])
    if sheet:
        return [File(a.out, list(range(n)), note | {name: row for name, row in clips.items() if row})]
    stem, suffix = os.path.splitext(a.out)
    files = []
    for i in range(n):
        own = {name: int(row[i]) for name, row in clips.items() if row}
        path = stem + _name(clips, i) + suffix if n > 1 else a.out
        files.append(File(path, [i], note | own | {"alone": True}))
    return files


def _name(clips: dict, i: int) -> str:
    marks = {"ids": "_{:04}", "motion_ids": "_m{:04}", "label": "_c{}"}
    return "".join(mark.format(clips[name][i]) for name, mark in marks.items() if clips[name])


def _write_index(a, files: list[File]) -> None:
    """Of several processes the first says which files there will be and which process makes each: what is not there
    in the end was not finished."""
    if a.process_count == 1 or a.process_id or a.dry_run:
        return
    rows = [{"file": os.path.basename(f.path), "process": i % a.process_count} | f.note for i, f in enumerate(files)]
    with files.moved_in(os.path.splitext(a.out)[0] + "_index.json") as unfinished:
        epath.Path(unfinished).write_text(json.dumps(rows, indent=1))


def _is_whole(file: File) -> bool:
    """Whether the file is there and was made of the same; the command may have been worded otherwise."""
    try:
        found = video_files.read_metadata(file.path)
    except InputError:
        return False
    return found | {"command": ""} == json.loads(json.dumps(file.note)) | {"command": ""}
