"""Renders: a `RenderRequest` worked out before any weight is read, described or carried out."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from etils import epath
from jaxtyping import Float

from digan_jax.host import files, video_files
from digan_jax.host.progress import Progress
from digan_jax.interop import opening
from digan_jax.jobs import render_film, render_outputs
from digan_jax.jobs.render_outputs import Output
from digan_jax.jobs.render_request import RenderRequest
from digan_jax.rendering import latents, render_files, tiles
from digan_jax.rendering.contact_sheets import check_room
from digan_jax.rendering.sampler import Sampler
from digan_jax.rendering.walks import check_layers, mix


def run(request: RenderRequest, progress: Progress = Progress()) -> list[epath.Path]:
    """Renders and returns the files of this process, those that were whole already too.

    Raises:
      InputError: a request that this model cannot fulfil; nothing was drawn or written.
      Cancelled: `progress` said so; files that were whole by then stay, of others nothing does.
    """
    return Render.of(request).run(progress)


def describe(request: RenderRequest) -> str:
    """Files, frames, tiles, memory and cost; nothing is drawn. Raises as `run`."""
    return Render.of(request).description()


@dataclasses.dataclass(frozen=True, eq=False)
class Render:
    """A render that can be carried out.

    Attributes:
      request: its step and its labels are numbers.
      clips: {"ids": [...], "motion_ids": [...] or None, "label": [...] or None}, as many each as there are clips.
      times: of the frames. grids: a request for all frames, or one for each.
      sheet: (columns, rows) of clips in one file; None: a file for each.
      files: of all processes. own: those that this one is to make. finished: those of its share that are whole already.
    """

    request: RenderRequest
    model: opening.Glance
    clips: dict
    times: Float[np.ndarray, "t"]
    grids: render_film.Grids
    sheet: tuple[int, int] | None
    files: list[Output]
    own: list[Output]
    finished: list[Output]

    @classmethod
    def of(cls, request: RenderRequest) -> Render:
        """Works out what a request asks for. Raises as `run`."""
        video_files.check_encoder(request.out, request.quality)
        times = render_film.times(request)
        model = opening.look(request.run, request.step)
        request = dataclasses.replace(request, step=model.step, label=render_film.labels(request, model))
        clips, sheet = request.clips(request.label)
        if request.label:
            latents.one_hot(clips["label"], latents.check_ids(clips["ids"]), model.config.n_classes)
        if sheet:
            check_room(len(clips["ids"]), *sheet)
        if request.layers:
            check_layers(request.layers, model.sampler.layers(model.config))
        grids = render_film.grids(request, model.config.resolution, len(times))
        outputs = render_outputs.outputs(request, clips, sheet, times)
        share = outputs[request.process_id :: request.process_count]
        finished = [file for file in share if request.resume and render_outputs.is_whole(file)]
        own = [file for file in share if file not in finished]
        return cls(request, model, clips, times, grids, sheet, outputs, own, finished)

    def run(self, progress: Progress = Progress()) -> list[epath.Path]:
        """As the function `run`."""
        r = self.request
        for file in self.own:
            files.check_file(file.path)
        render_outputs.write_index(r, self.files)
        if self.own:
            model = opening.load(r.run, r.step)
            lat, notes, paths = self._latents(model), [file.note for file in self.own], [file.path for file in self.own]
            drawn = model, lat, self.times, self.grids
            if self.sheet:
                render_files.render_sheet(*drawn, paths[0], r.fps, self.sheet, notes[0], r.quality, progress)
            else:
                render_files.render_each(*drawn, paths, r.fps, notes, r.quality, progress)
        return [epath.Path(file.path) for file in (*self.own, *self.finished)]

    def summary(self) -> str:
        """What to tell a person afterwards."""
        kept = [f"{file.path} (was whole already)" for file in self.finished]
        return "\n  ".join([self._headline() + ":", *(file.path for file in self.own), *kept])

    def description(self) -> str:
        """As the function `describe`."""
        config, fps, devices = self.model.config, self.request.fps, jax.local_device_count()
        one = self.grids if isinstance(self.grids, tiles.GridRequest) else self.grids[0]
        by_frame = one is not self.grids or bool(self.request.walk)
        clips = sum(len(file.rows) for file in self.own)
        size = max(1, clips), len(self.times), devices, by_frame
        cost = self.model.sampler.estimate(config, one.resolve(config.resolution), *size)
        lines = [
            self._headline() + ":",
            *(f"  {file.path}" for file in self.own),
            *(f"  {file.path} (is whole already)" for file in self.finished),
            f"times {self.times[0]:g} to {self.times[-1]:g}; {len(self.times) / fps:.3g} s at {fps:g} frames a second",
            *(cost.lines(devices, drawn=bool(clips)) if cost else ["cost: not known for this family of models"]),
            "nothing was drawn.",
        ]
        return "\n".join(lines)

    def _headline(self) -> str:
        n = sum(len(file.rows) for file in (*self.own, *self.finished))
        width, height = render_files.size_of(self.grids)
        return f"{n} {'clip' if n == 1 else 'clips'} of {len(self.times)} frames, {width}x{height} pixels each"

    def _latents(self, model: Sampler):
        r = self.request
        rows = [row for file in self.own for row in file.rows]
        chosen = {name: values and [values[row] for row in rows] for name, values in self.clips.items()}
        options = {"truncation": r.truncation, "seed": r.seed, "label": chosen["label"]}
        if r.walk:
            content, motion = (row and row * len(r.walk) for row in (chosen["ids"], chosen["motion_ids"]))
            ids = content if r.walk_of == "motion" else r.walk
            motion_ids = r.walk if r.walk_of == "motion" else motion
            return model.walk(ids, r.walk_steps, r.walk_of, r.walk_in, motion_ids, **options)
        lat = model.latents(chosen["ids"], chosen["motion_ids"], **options)
        if r.mix:
            lat = mix(lat, model.latents(r.mix[1:], **options), r.layers)
        return lat
