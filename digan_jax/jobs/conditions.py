"""`digan condition`: draws maps of own clips as folders of PNG files, and fits the looks of a model that translates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from etils import epath
from PIL import Image

from digan_jax.data import bouncing, edges, loader, poses, sources
from digan_jax.errors import InputError
from digan_jax.host import files
from digan_jax.host.progress import Progress
from digan_jax.host.showing import MAX_PIXELS, UnusableVideo
from digan_jax.host.video_reading import open_footage
from digan_jax.interop import opening
from digan_jax.jobs.requests import Request
from digan_jax.rendering import styles
from digan_jax.rendering.samplers import of_weights
from digan_jax.runs import reading

LOOKED_AT = 256  # clips whose looks are fitted


@dataclasses.dataclass(frozen=True)
class ConditionRequest(Request):
    """What to draw maps of, and the folder to make.

    Raises:
      InputError: an invalid value or combination of values.
    """

    out: str  # a new folder
    edges: str | None = None  # a video, or a folder of images: edges, white on black
    poses: str | None = None  # a folder of OpenPose, or a file of COCO keypoints: limbs as labels
    bouncing: int | None = None  # id of a clip of bouncing shapes: folders frames, labels and instances
    sigma: float | None = None  # of the blur before `edges`, in pixels; None: by the size of the frames
    canvas: tuple[int, int] | None = None  # (width, height) of the frames of `poses`, if the file does not say it
    frames: int = 13  # of `bouncing`
    size: int = 64  # of `bouncing`, in pixels a side

    def check(self) -> None:
        if sum(x is not None for x in (self.edges, self.poses, self.bouncing)) != 1:
            raise InputError("`edges`, `poses` and `bouncing`: give one of them.")
        if self.sigma is not None and not 0 < self.sigma < 100:
            raise InputError(f"sigma={self.sigma}: must lie between 0 and 100 pixels.")
        for name in ("frames", "size"):
            if not 1 <= getattr(self, name) <= 4096:
                raise InputError(f"{name}={getattr(self, name)}: must lie in [1, 4096].")
        if self.bouncing is not None and self.bouncing < 0:
            raise InputError(f"bouncing={self.bouncing}: ids are whole numbers from 0.")
        if self.canvas is not None and self.canvas[0] * self.canvas[1] > MAX_PIXELS:
            raise InputError(f"canvas={self.canvas}: has more than {MAX_PIXELS // 2**20} Mi pixels.")


def make(request: ConditionRequest, progress: Progress = Progress()) -> epath.Path:
    """Makes the folder and returns its path.

    Raises:
      InputError: unusable input, or a folder that is there already; nothing is written.
    """
    files.check_free(request.out)
    with files.folder_moved_in(request.out) as folder, progress.of("drawing maps", 0, "frames") as advance:
        count = 0
        for name, picture in _pictures(request):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / name)
            count += 1
            advance()
        if not count:
            raise InputError(f"{request.edges}: holds no frames.")
    return epath.Path(request.out)


def _pictures(r: ConditionRequest) -> Iterator[tuple[str, np.ndarray]]:
    """(name of the file, uint8 pixels)."""
    if r.edges is not None:
        for i, frame in enumerate(_frames(r.edges)):
            yield f"{i:05d}.png", edges.edges(frame, r.sigma) * np.uint8(255)
    elif r.poses is not None:
        found = poses.read(r.poses)
        size = r.canvas or found.size
        if size is None:
            raise InputError(f"poses={r.poses!r}: does not say how large frames are; give `canvas`, such as 640x480.")
        for i, people in enumerate(found.frames):
            yield f"{i:05d}.png", poses.drawn(people, *size).astype(np.uint8)
    else:
        drawn = r.bouncing, np.linspace(0, 1, r.frames), r.size
        for name in ("frames", "labels", "instances"):
            clip = {"frames": bouncing.render, "labels": bouncing.labels, "instances": bouncing.instances}[name](*drawn)
            yield from ((f"{name}/{i:05d}.png", picture) for i, picture in enumerate(clip))


def _frames(video: str) -> Iterable[np.ndarray]:
    try:
        yield from open_footage(str(epath.Path(video).expanduser()), None).frames
    except (UnusableVideo, FileNotFoundError) as error:
        raise InputError(f"{video}: {error}.") from None


def fit_styles(run: str, step: int | str | None = None, clips: int = LOOKED_AT) -> epath.Path:
    """Fits the looks of a run of the task "translate" to clips of its data; writes styles.npz in its folder.

    Raises:
      InputError: no run; a model without styles; its data are not there.
    """
    config, _ = reading.restore_config(run, step)
    width = getattr(config.model, "condition_style", 0)
    if not width:
        raise InputError(f"{run}: this model has no styles (model.condition_style=0).")
    model = of_weights(opening.read(run, step=step))
    source = sources.open_source(config.data, config.model)
    condition = loader.sample_conditions(source, config, clips)
    shown, of_pixels = condition.styles, condition.maps[..., :-1].argmax(-1)
    vectors = np.asarray(model.nets.generator.pool(model.params, shown.frame, shown.here))
    labels, found = [], []
    for row in range(clips):
        for instance in np.unique(shown.here[row]):
            where = shown.there[row] == instance
            if where.any() and instance < vectors.shape[1]:
                labels.append(int(np.bincount(of_pixels[row][where]).argmax()))
                found.append(vectors[row, instance])
    home = reading.home(run)
    styles.Mixtures.fitted(np.array(labels), np.array(found)).save(home)
    return home / styles.FILE
