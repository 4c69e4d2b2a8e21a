"""`digan translate`: label maps, drawings or poses to a video, by a model of the task "translate" or "edges"."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np
from etils import epath
from jaxtyping import Bool, Float, Int

from digan_jax.data import carrying, label_maps
from digan_jax.errors import InputError
from digan_jax.host import files
from digan_jax.host.bilinear import bilinear
from digan_jax.host.frame_rates import check_rate
from digan_jax.host.progress import Progress
from digan_jax.host.showing import MAX_PIXELS, UnusableVideo
from digan_jax.host.video_files import check_encoder, write_video
from digan_jax.host.video_formats import DEFAULT_FPS, check_quality, check_suffix
from digan_jax.host.video_reading import read_still
from digan_jax.interop import opening
from digan_jax.jobs import map_inputs
from digan_jax.jobs.map_inputs import MapInput
from digan_jax.jobs.render_outputs import Output, is_whole
from digan_jax.jobs.requests import Request
from digan_jax.models.condition.styles import INSTANCES
from digan_jax.rendering import styles
from digan_jax.rendering.samplers import of_weights
from digan_jax.rendering.styles import Look
from digan_jax.rendering.translating import Translator
from digan_jax.runs.weights import Weights

TASKS = {"labels": "translate", "poses": "translate", "edges": "edges"}  # what is given -> task of the model


@dataclasses.dataclass(frozen=True)
class TranslateRequest(Request):
    """Maps, and the video to be made of them.

    Raises:
      InputError: an invalid value or combination of values.
    """

    run: str  # a path for `digan.load`, of a model of the task "translate" or "edges"
    out: str  # .mp4 .webm .gif .png (a strip) .npz
    labels: str | None = None  # a folder of PNG files, one number for each pixel
    edges: str | None = None  # instead: a folder of drawings
    poses: str | None = None  # instead: a folder of OpenPose, or a file of COCO keypoints
    step: int | Literal["best"] | None = None  # checkpoint of a run; None: the newest
    instances: str | None = None  # a folder of PNG files: the object of each pixel; None: one for each label
    remap: tuple[tuple[int, int], ...] | None = None  # (label, label in its place)
    canvas: tuple[int, int] | None = None  # (width, height) of the frames of `poses`, if the file does not say it
    style_from: str | None = None  # a frame, whose instances look as those of the video shall
    style_labels: str | None = None  # its label map; None: the first of `labels`
    style_instances: str | None = None  # its instances; None: the first of `instances`, if `style_labels` is left out
    style_id: int | None = None  # instead: drawn from the mixture that `digan condition styles` fitted; None: 0
    rate: float = DEFAULT_FPS  # maps a second
    fps: float | None = None  # frames a second; None: `rate`
    size: tuple[int, int] | None = None  # (width, height) in pixels; None: of the maps
    id: int = 0  # of the latents
    quality: Literal["standard", "10-bit", "lossless"] = "standard"  # of .mp4 and .webm
    resume: bool = False  # keep a file that is complete

    def check(self) -> None:
        check_quality(self.out, self.quality)
        if sum(x is not None for x in (self.labels, self.edges, self.poses)) != 1:
            raise InputError("`labels`, `edges` and `poses`: give one of them.")
        if self.edges is not None and (self.instances or self.remap):
            raise InputError("`edges`: drawings have no labels; leave `instances` and `remap` out.")
        if self.style_from is not None and self.style_id is not None:
            raise InputError("`style_from` and `style_id` both say how objects look; give one of them.")
        if self.style_from is None and (self.style_labels or self.style_instances):
            raise InputError("`style_labels` and `style_instances` belong to a frame; give `style_from` too.")
        if not 0 < self.rate < float("inf"):
            raise InputError(f"rate={self.rate}: must be a number above 0.")
        check_rate(check_suffix(self.out), self.fps or self.rate)
        if self.size is not None and not 0 < self.size[0] * self.size[1] <= MAX_PIXELS:
            raise InputError(f"size={self.size}: give 1 to {MAX_PIXELS // 2**20} Mi pixels.")
        for name, value in (("id", self.id), ("style_id", self.style_id or 0)):
            if not 0 <= value < 2**31:
                raise InputError(f"{name}={value}: must lie in [0, 2**31).")

    @property
    def given(self) -> str:
        return next(name for name in TASKS if getattr(self, name) is not None)

    def note(self) -> dict:
        """Metadata of the file."""
        left_out = ("out", "resume")
        return {"translate": {name: value for name, value in self.to_record().items() if name not in left_out}}


def run(request: TranslateRequest, progress: Progress = Progress()) -> epath.Path:
    """Makes the video and returns its path. A file that `resume` keeps is not made again.

    Raises:
      InputError: unusable maps; a model of another task; nothing is written.
      Cancelled: through `progress`; no partial file remains.
    """
    return Translation.of(request).run(progress)


def describe(request: TranslateRequest) -> str:
    """Text with size, frames and rate; draws nothing. Raises as `run`."""
    return Translation.of(request).description()


@dataclasses.dataclass(frozen=True, eq=False)
class Translation:
    """A checked translation.

    Attributes:
      places: of the frames, in maps. size: (width, height) of the frames.
    """

    request: TranslateRequest
    weights: Weights
    maps: MapInput
    places: Float[np.ndarray, "t"]
    size: tuple[int, int]

    @classmethod
    def of(cls, r: TranslateRequest) -> Translation:
        files.check_file(r.out)
        check_encoder(r.out, r.quality)
        weights = opening.read(r.run, step=r.step)
        task, wanted = weights.facts.get("task", {}).get("name", "none"), TASKS[r.given]
        if task != wanted:
            trained = f"was trained on the task {task!r}" if task != "none" else "follows no maps"
            raise InputError(f"{r.run}: {trained}; `{r.given}` needs a model of the task {wanted!r}.")
        known = weights.config.condition_planes if wanted == "translate" else 0
        if r.poses is not None:
            maps = map_inputs.of_poses(r.poses, known, r.canvas)
        else:
            maps = map_inputs.of_folder(r.labels or r.edges, known, r.instances, dict(r.remap or ()))
        maps.check()
        count = max(1, round(maps.count * (r.fps or r.rate) / r.rate))
        places = np.minimum(np.arange(count) * (r.rate / (r.fps or r.rate)), maps.count - 1)
        return cls(dataclasses.replace(r, step=weights.step), weights, maps, places, r.size or maps.size[::-1])

    def run(self, progress: Progress) -> epath.Path:
        r, note = self.request, self.request.note()
        if r.resume and is_whole(Output(r.out, [0], note)):
            return epath.Path(r.out)
        translator, originals = self._translator()
        read = self._reader(originals)
        with progress.of("translating", len(self.places), "frames") as advance:
            made = translator.frames(read, self.maps.count, self.places, self.size)
            write_video(r.out, _counted(made, advance), r.fps or r.rate, note, r.quality)
        return epath.Path(r.out)

    def _reader(self, originals: list[int]) -> Callable[[float], tuple[np.ndarray, np.ndarray]]:
        """place -> labels and instances there, in the model's resolution; between stored maps, objects move on."""

        @functools.lru_cache(maxsize=self.weights.facts["data"]["frames"] + 1)  # those of a window
        def stored(place: float):
            maps = self.maps.labels(place), label_maps.numbered(self.maps.instances(place), originals)[0]
            return tuple(label_maps.brought_to(x, self.weights.config.resolution) for x in maps)

        return stored if self.maps.anywhere else functools.partial(carrying.at, stored)

    def description(self) -> str:
        h, w = self.maps.size
        return (
            f"{self.request.out}: {len(self.places)} frames of {self.size[0]}x{self.size[1]} pixels at "
            f"{self.request.fps or self.request.rate:g} a second, from {self.maps.count} maps of {w}x{h}.\n"
            "nothing was drawn."
        )

    def _translator(self) -> tuple[Translator, list[int]]:
        """The model with the styles of all instances of the maps, and the instances' numbers as stored."""
        r, model = self.request, of_weights(self.weights)
        originals, label_of, edited = self._instances()
        look = None
        if model.config.condition_style:
            if len(originals) > INSTANCES:
                raise InputError(f"{self.maps.name}: has {len(originals)} instances; {INSTANCES} are the most.")
            look = self._look(model, originals, label_of, edited)
        elif r.style_from is not None or r.style_id is not None:
            raise InputError(f"{r.run}: this model takes no styles (model.condition_style=0); leave them out.")
        shown = self.weights.facts["data"]["frames"]
        return Translator(model, shown, model.latents([r.id]), look, self.request.given == "edges"), originals

    def _instances(self) -> tuple[list[int], Int[np.ndarray, "i"], Bool[np.ndarray, "i"]]:
        """Numbers of all instances, in order of appearance; the label of each, its first; whether that was replaced."""
        found: dict[int, tuple[int, bool]] = {}
        for number in range(self.maps.count):
            labels, instances, edited = (of(number) for of in (self.maps.labels, self.maps.instances, self.maps.edited))
            values, first = np.unique(instances, return_index=True)
            for value, place in zip(values.tolist(), first):
                found.setdefault(value, (int(labels.flat[place]), bool(edited.flat[place])))
        label_of, changed = zip(*found.values())
        return list(found), np.array(label_of), np.array(changed)

    def _look(
        self, model, originals: list[int], label_of: Int[np.ndarray, "i"], edited: Bool[np.ndarray, "i"]
    ) -> Look:
        r = self.request
        if r.style_from is None:
            mixtures = styles.Mixtures.read(opening.located(r.run), model.config.condition_style)
            if mixtures is None:
                raise InputError(
                    f"{r.run}: no styles are fitted yet; run `digan condition styles --run {r.run}`, or give "
                    "`style_from` a frame."
                )
            return Look(mixtures.drawn(r.style_id or 0, label_of))
        frame = _picture(r.style_from)
        here, age = self.maps.instances(0), 0.0
        if r.style_labels is not None:
            labels = label_maps.read(r.style_labels)
            label_maps.check_size(labels.shape, frame.shape, r.style_labels, r.style_from)
            here, age = labels if r.style_instances is None else label_maps.read(r.style_instances), None
        name = r.style_instances or r.style_labels or self.maps.name
        label_maps.check_size(here.shape, frame.shape, name, r.style_from)
        here, _ = label_maps.numbered(here, originals)
        here = label_maps.brought_to(here, model.config.resolution)
        return styles.of_frame(model, bilinear(frame, *here.shape), here, label_of, edited, age)


def _picture(path: str) -> np.ndarray:
    """The first frame of a picture or a video, uint8. Raises `InputError`."""
    try:
        return read_still(path)
    except UnusableVideo as error:
        raise InputError(f"{path}: {error}.") from None


def _counted(frames: Iterable, advance) -> Iterator:
    for frame in frames:
        yield frame
        advance()
