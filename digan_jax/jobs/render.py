"""`digan render`: checks a `RenderRequest` against its model, then describes or runs it."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from etils import epath
from jaxtyping import Float

from digan_jax.errors import InputError
from digan_jax.host import files, video_files
from digan_jax.host.progress import Progress
from digan_jax.interop import opening
from digan_jax.jobs import edits, render_film, render_outputs
from digan_jax.jobs.render_outputs import Output
from digan_jax.jobs.render_request import RenderRequest
from digan_jax.rendering import latent_files, latents, refining, render_files, tiles
from digan_jax.rendering.contact_sheets import check_room
from digan_jax.rendering.directions import Directions
from digan_jax.rendering.sampler import Sampler, Sampling
from digan_jax.rendering.walks import check_layers, mix
from digan_jax.shapes import Latents


def run(request: RenderRequest, progress: Progress = Progress()) -> list[epath.Path]:
    """Renders and returns the files of this process, including those that `resume` kept.

    Raises:
      InputError: a request that this model cannot fulfil; nothing is written.
      Cancelled: through `progress`; finished files remain, partial ones do not.
    """
    return Render.of(request).run(progress)


def describe(request: RenderRequest) -> str:
    """Text with files, frames, tiles, memory and cost; draws nothing. Raises as `run`."""
    return Render.of(request).description()


@dataclasses.dataclass(frozen=True, eq=False)
class Render:
    """A checked render.

    Attributes:
      request: with step and labels resolved to numbers.
      clips: {"ids": [...], "motion_ids": [...] or None, "label": [...] or None}, one entry per clip.
      times: of the frames, in clips.
      grids: one grid for all frames, or one per frame.
      sheet: (columns, rows) of a single file with all clips; None: a file per clip.
      directions: of the file that the request names; None: none is named.
      files: of all processes.
      own: files that this process has to make.
      finished: files of this process that already exist and are complete.
    """

    request: RenderRequest
    model: opening.Glance
    clips: dict
    times: Float[np.ndarray, "t"]
    grids: render_film.Grids
    sheet: tuple[int, int] | None
    directions: Directions | None
    files: list[Output]
    own: list[Output]
    finished: list[Output]

    @classmethod
    def of(cls, request: RenderRequest) -> Render:
        """Checks and resolves a request. Raises as `run`."""
        video_files.check_encoder(request.out, request.quality)
        times = render_film.times(request)
        model = opening.look(request.run, request.step)
        request = dataclasses.replace(request, step=model.step, label=render_film.labels(request, model))
        refiner = cls._refiner(request)
        drawing = model if refiner is None else refiner
        config = drawing.sampler.sampled(drawing.config, Sampling(*request.sampling))
        clips, sheet = request.clips(request.label)
        if request.latents:
            latent_files.read(request.latents, clips["ids"])  # raises before the work
        if request.label:
            latents.one_hot(clips["label"], latents.check_ids(clips["ids"]), model.config.n_classes)
        if sheet:
            check_room(len(clips["ids"]), *sheet)
        if request.layers:
            check_layers(request.layers, model.sampler.layers(model.config))
        directions = edits.opened(request.directions, request.edit, model)
        grids = render_film.grids(request, model.config, len(times))
        if refiner is not None:
            config.check_frame(*render_files.size_of(grids))
        if request.mesh > 1:
            one = grids if isinstance(grids, tiles.GridRequest) else grids[0]
            model.sampler.check_bands(model.config, one.resolve(model.config), request.mesh)
        outputs = render_outputs.outputs(request, clips, sheet, times)
        share = outputs[request.process_id :: request.process_count]
        finished = [file for file in share if request.resume and render_outputs.is_whole(file)]
        own = [file for file in share if file not in finished]
        return cls(request, model, clips, times, grids, sheet, directions, outputs, own, finished)

    @staticmethod
    def _refiner(request: RenderRequest) -> opening.Glance | None:
        """The model that draws the clips anew; None: nobody. Raises `InputError` for one that cannot."""
        if request.refine is None:
            return None
        refiner = opening.look(request.refine)
        refining.check_refiner(refiner.sampler)
        return refiner

    def _opened(self) -> Sampler:
        """The model that draws the frames, with its weights."""
        r = self.request
        model = opening.load(r.run, r.step)
        model = model if r.mesh == 1 else dataclasses.replace(model, bands=r.mesh)
        if r.refine is None:
            return model.sampling(*r.sampling)
        return refining.Refined.of(model, opening.load(r.refine).sampling(*r.sampling), r.refine_noise)

    def run(self, progress: Progress = Progress()) -> list[epath.Path]:
        """See the function `run`."""
        r = self.request
        for file in self.own:
            files.check_file(file.path)
        render_outputs.write_index(r, self.files)
        if self.own:
            model = self._opened()
            lat, notes, paths = self._latents(model), [file.note for file in self.own], [file.path for file in self.own]
            drawn = model, lat, self.times, self.grids
            if self.sheet:
                render_files.render_sheet(*drawn, paths[0], r.fps, self.sheet, notes[0], r.quality, progress)
            else:
                render_files.render_each(*drawn, paths, r.fps, notes, r.quality, progress)
        return [epath.Path(file.path) for file in (*self.own, *self.finished)]

    def summary(self) -> str:
        """Text to print after the render: clips and files."""
        kept = [f"{file.path} (was whole already)" for file in self.finished]
        return "\n  ".join([self._headline() + ":", *(file.path for file in self.own), *kept])

    def description(self) -> str:
        """See the function `describe`."""
        config, fps, devices = self.model.config, self.request.fps, jax.local_device_count()
        one = self.grids if isinstance(self.grids, tiles.GridRequest) else self.grids[0]
        by_frame = one is not self.grids or bool(self.request.walk)
        clips = sum(len(file.rows) for file in self.own)
        size = max(1, clips), len(self.times), devices, by_frame
        cost = self.model.sampler.estimate(config, one.resolve(config), *size)
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
        lat, edit = self._unedited(model), self.request.edit
        return edits.edited(model, self.directions, lat, edit) if edit else lat

    def _unedited(self, model: Sampler):
        r = self.request
        rows = [row for file in self.own for row in file.rows]
        chosen = {name: values and [values[row] for row in rows] for name, values in self.clips.items()}
        options = {"truncation": r.truncation, "seed": r.seed, "label": chosen["label"]}
        if r.latents:
            return self._stored(model, chosen["ids"], chosen["motion_ids"])
        if r.walk:
            content, motion = (row and row * len(r.walk) for row in (chosen["ids"], chosen["motion_ids"]))
            ids = content if r.walk_of == "motion" else r.walk
            motion_ids = r.walk if r.walk_of == "motion" else r.motion_ids if r.walks_own_motions else motion
            return model.walk(ids, r.walk_steps, r.walk_of, r.walk_in, motion_ids, **options)
        lat = model.latents(chosen["ids"], chosen["motion_ids"], **options)
        if r.mix:
            lat = mix(lat, model.latents(r.mix[1:], **options), r.layers)
        return lat

    def _stored(self, model: Sampler, ids: list[int], motion_ids: list[int] | None):
        """Latents of the request's file, truncated as asked for; with `motion_ids`, in other motions."""
        r = self.request
        content, motion = latent_files.read(r.latents, ids)
        if not hasattr(model, "nets"):
            raise InputError(f"latents={r.latents!r}: this family of models has no latents in files.")
        w_avg = np.asarray(model.params["w_avg"])
        if content.shape[-1] != len(w_avg):
            told = f"are of another model, with content of {content.shape[-1]} numbers"
            raise InputError(f"latents={r.latents!r}: {told}.")
        content = w_avg + np.float32(r.truncation) * (content - w_avg)
        if motion_ids is not None:
            any_class = {"label": 0} if model.config.n_classes else {}
            motion = model.latents([0] * len(ids), motion_ids, seed=r.seed, **any_class).motion
        return Latents(content, motion)
