"""The request of a render: one typed value, from the shell, from Python or from the metadata of a file."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Literal

from digan_jax.errors import InputError
from digan_jax.host.frame_rates import check_rate
from digan_jax.host.video_formats import DEFAULT_FPS, check_quality, check_suffix
from digan_jax.jobs.requests import Request

Region = tuple[float, float, float, float]  # (x0, y0, x1, y1); the trained frame is (-1, -1, 1, 1), x right, y up
MADE_ANEW = ("out", "resume", "mesh", "process_id", "process_count")  # fields that do not affect a file's content


@dataclasses.dataclass(frozen=True)
class RenderRequest(Request):
    """A model's clips to render to files. Lists, ranges and arrays become tuples; None selects the model's default.

    Raises:
      InputError: an invalid value or combination of values, such as "ids=(): needs one or more."
    """

    run: str  # a path for `digan.load`
    out: str  # the file, or the common stem of several clips' files: .mp4 .webm .gif .png (a strip) .npz
    step: int | Literal["best"] | None = None  # checkpoint of a run; None: the newest

    latents: str | None = None  # a file of `digan invert`; `ids` are then its clips, from 0

    # clips; a single id, motion id or label applies to all clips
    ids: tuple[int, ...] = (0,)  # of contents
    motion_ids: tuple[int, ...] | None = None  # None: same as `ids`; of a walk of both: one for each of its ids
    label: Literal["all"] | tuple[int | str, ...] | None = None  # class indices or names; None: random by id
    truncation: float = 1.0  # 1: full variety; 0: the average clip
    seed: int = 0  # with another seed, ids give other clips
    walk: tuple[int, ...] | None = None  # ids of a latent walk, rendered as one clip
    walk_of: Literal["both", "content", "motion"] = "both"
    walk_in: Literal["w", "z"] = "w"  # content linearly in w or spherically in z
    seconds: float = 2.0  # of the walk, from one id to the next
    mix: tuple[int, ...] | None = None  # style mixing of two ids: the first with some layers of the second
    layers: tuple[int, ...] | None = None  # layers that `mix` takes from the second id, from 0
    edit: tuple[tuple[str, float], ...] | None = None  # (direction, standard deviations): "3" of content, "m1" of motion
    directions: str | None = None  # file of `digan directions`; None: those of the model, found anew
    cross: bool = False  # every id with every motion id or label in one file, a row per id
    sheet: tuple[int, int] | None = None  # (columns, rows) of clips in one file; None: a file per clip

    # times
    frames: int = 16  # per clip
    fps: float = DEFAULT_FPS  # frame rate of the file
    duration: float | None = None  # seconds of the clip, instead of `frames`
    slow: int = 1  # slow motion: this many frames for each
    span: tuple[float, float] = (0.0, 1.0)  # first and last time, in clips; frames are evenly spaced
    times: tuple[float, ...] | None = None  # a list of times, instead of `span`

    # frames
    scale: float | None = None  # pixels per trained pixel
    size: tuple[int, int] | None = None  # (width, height) in pixels, instead of `scale`
    region: Region | None = None  # None: the trained frame
    path: tuple[tuple[float, Region], ...] | None = None  # camera path: (second, region), instead of `region`
    mode: Literal["native", "scaled", "smooth"] | None = None  # None: smooth if a size or region is given, else native
    levels: int | None = None  # resolution of the last pyramid level to draw; None: all
    quality: Literal["standard", "10-bit", "lossless"] = "standard"  # of .mp4 and .webm

    # diffusion models; None: as trained
    sampler: Literal["ancestral", "ddim", "dpm"] | None = None
    sampling_steps: str | None = None  # of the reverse process: "20", "10,15,20" by section, "ddim100" or "lambda20"
    eta: float | None = None  # of "ddim": 0 is deterministic, 1 as noisy as "ancestral"
    guidance: float | None = None  # of classes: 1 as trained, more is nearer to the class
    refine: str | None = None  # a path for `digan.load`: this vidm model draws the clips of `run` anew
    refine_noise: float = 0.5  # how noisy they become before, a share of the diffusion steps

    # devices and processes
    resume: bool = False  # keep files that are complete
    mesh: int = 1  # devices of a process that share a picture, each with a band of its rows
    process_id: int = 0  # of this process, which renders its share of the files
    process_count: int = 1

    def check(self) -> None:
        self._check_numbers()
        check_quality(self.out, self.quality)
        check_rate(check_suffix(self.out), self.fps)
        self._check_film()
        self._check_edit()
        self._check_times()
        self._check_picture()
        if self.label != "all":
            self.clips(self.label)

    def of_content(self) -> dict:
        """The record without fields that do not affect a file's content."""
        return {name: value for name, value in self.to_record().items() if name not in MADE_ANEW}

    def clips(self, label: tuple[int | str, ...] | None) -> tuple[dict, tuple[int, int] | None]:
        """({"ids", "motion_ids", "label"}: a list with one entry per clip, or None), and the sheet's (columns, rows).

        Args:
          label: replaces the request's label, which may be "all".
        """
        ids = self.ids
        if self.mix:
            ids = self.mix[:1]
        elif self.walk and self.walk_of != "motion":
            ids = self.walk[:1]
        motion_ids = self.walk[:1] if self.walks_own_motions else self.motion_ids
        clips, sheet = broadcast(ids, motion_ids, label, self.cross)
        return clips, self.sheet or sheet

    @property
    def sampling(self) -> tuple[str | None, str | None, float | None, float | None]:
        """(method, steps, eta, guidance), as `Sampler.sampling` takes them."""
        return self.sampler, self.sampling_steps, self.eta, self.guidance

    @property
    def walks_own_motions(self) -> bool:
        """Whether `motion_ids` has the motion of each station of a walk of both."""
        return bool(self.walk and self.motion_ids) and self.walk_of == "both"

    @property
    def walk_steps(self) -> int:
        """Frames from one id of the walk to the next."""
        return max(1, round(self.seconds * self.fps)) * self.slow

    @property
    def walk_frames(self) -> int:
        return (len(self.walk) - 1) * self.walk_steps + 1

    def _check_numbers(self) -> None:
        for name in ("ids", "motion_ids", "label", "walk", "mix", "layers", "times", "path", "edit"):
            if getattr(self, name) == ():
                raise InputError(f"{name}=(): needs one or more.")
        for name in ("ids", "motion_ids", "walk", "mix"):
            if any(not 0 <= one < 2**31 for one in getattr(self, name) or ()):
                raise InputError(f"{name}={getattr(self, name)}: ids are whole numbers from 0 to 2**31 - 1.")
        for name in ("fps", "seconds", "duration", "scale"):
            if (value := getattr(self, name)) is not None and not 0 < value < math.inf:
                raise InputError(f"{name}={value:g}: must be a number above 0.")
        if self.guidance is not None and not 0 <= self.guidance < math.inf:
            raise InputError(f"guidance={self.guidance:g}: must be a number of 0 or more; 1 is as trained.")
        if self.eta is not None and not 0 <= self.eta <= 1:
            raise InputError(f"eta={self.eta:g}: must lie in [0, 1].")
        if not 0 < self.refine_noise <= 1:
            raise InputError(f"refine_noise={self.refine_noise:g}: must lie in (0, 1], a share of the diffusion steps.")
        if not math.isfinite(self.truncation):
            raise InputError(f"truncation={self.truncation}: must be a number; 1 leaves the model as it is.")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed={self.seed}: must lie in [0, 2**32).")
        if self.frames < 1:
            raise InputError(f"frames={self.frames}: a clip has one frame or more.")
        if self.slow < 1:
            raise InputError(f"slow={self.slow}: a whole number of 1 or more; 8 draws eight frames for each.")
        for name in ("sheet", "size"):
            if min(getattr(self, name) or (1,)) < 1:
                raise InputError(f"{name}={getattr(self, name)}: must be two whole numbers above 0.")
        if self.mesh < 1:
            raise InputError(f"mesh={self.mesh}: must be 1 or more devices.")
        if self.process_count < 1 or not 0 <= self.process_id < self.process_count:
            raise InputError(f"process_id={self.process_id}: must lie in [0, {self.process_count}), `process_count`.")

    def _check_film(self) -> None:
        """`walk` and `mix` have their own ids and make one clip."""
        if self.latents and (self.walk or self.mix or self.label is not None):
            raise InputError("`latents`: are of one clip each; leave `walk`, `mix` and `label` out.")
        if bool(self.layers) != bool(self.mix):
            example = "`mix` 3,9 `layers` 0-4 is id 3 with layers 0 to 4 of id 9"
            raise InputError(f"`mix` and `layers` go together: {example}.")
        if self.mix and len(self.mix) != 2:
            raise InputError(f"`mix`: {len(self.mix)} ids given; it mixes two, such as 3,9.")
        if self.walk and self.mix:
            raise InputError("`walk` and `mix` both name the ids; give one of them.")
        if not self.walk and not self.mix:
            return
        if self.refine:
            raise InputError("`refine`: draws clips of ids anew; leave `walk` and `mix` out.")
        motions = None if self.walks_own_motions else self.motion_ids
        several = any(len(row or ()) > 1 for row in (self.ids, motions, self.label))
        if self.cross or self.sheet or self.label == "all" or several:
            what = "`walk`" if self.walk else "`mix`"
            raise InputError(
                f"{what} makes one film: leave out `sheet` and `cross`; one id, motion id and label at most."
            )
        if self.walk and len(self.walk) < 2:
            raise InputError(f"`walk`: {len(self.walk)} id given; a walk needs two or more, such as 3,9,4.")
        if self.walks_own_motions and len(self.motion_ids) != len(self.walk):
            raise InputError(
                "`motion_ids`: the motion walks too; give one for each id of the walk, or `walk_of` content to keep one."
            )

    def _check_edit(self) -> None:
        if self.directions is not None and not self.edit:
            raise InputError("`directions`: is for `edit`, such as 3:+2; give both, or leave it out.")
        names = [name for name, _ in self.edit or ()]
        for name, amount in self.edit or ():
            if not re.fullmatch(r"m?\d+", name) or not math.isfinite(amount):
                raise InputError(f"edit={name}:{amount}: write content direction 3 by 2 as 3:+2, motion direction 1 as m1:-1.")
        if len(set(names)) < len(names):
            raise InputError(f"edit={names}: names a direction twice; add up the amounts.")
        if self.walk and self.walk_in == "z" and any(not name.startswith("m") for name in names):
            raise InputError("`edit`: content of a walk in z cannot be edited; leave `walk_in` out.")

    def _check_times(self) -> None:
        if not all(map(math.isfinite, (*self.span, *(self.times or ())))):
            raise InputError("times hold NaN or infinity; 0 is the first frame of a clip and 1 its last.")
        if self.times and self.duration is not None:
            raise InputError("`duration`: the times are listed one by one; give `span` or leave it out.")
        if self.walk and self.duration is not None:
            raise InputError("`duration`: a walk lasts `seconds` from one id to the next; leave it out.")
        if self.walk and self.times:
            listed = (len(self.times) - 1) * self.slow + 1
            if listed != self.walk_frames:
                raise InputError(f"`times`: {listed} times for a walk of {self.walk_frames} frames.")

    def _check_picture(self) -> None:
        if self.scale is not None and self.size is not None:
            raise InputError("`scale` and `size` both say how large the picture is; give one of them.")
        if self.path and self.region:
            raise InputError("`path` and `region` both say what to show; give one of them.")
        for region in (self.region or (-1, -1, 1, 1), *(region for _, region in self.path or ())):
            x0, y0, x1, y1 = region
            if not (all(map(math.isfinite, region)) and x0 < x1 and y0 < y1):
                raise InputError(f"region {x0:g},{y0:g},{x1:g},{y1:g}: needs x0 < x1 and y0 < y1.")
        seconds = [second for second, _ in self.path or ()]
        if not all(map(math.isfinite, seconds)) or any(a >= b for a, b in zip(seconds, seconds[1:])):
            raise InputError(f"path with keys at {seconds} seconds: each must be later than the one before.")


def broadcast(ids, motion_ids, label, cross: bool) -> tuple[dict, tuple[int, int] | None]:
    """Lists of ids, motion ids and labels with one entry per clip, and with `cross` the sheet's (columns, rows).

    Lists of length 1 are repeated. With `cross` every id is combined with every motion id or label.

    Raises:
      InputError: lists of different lengths, or `cross` without exactly one other list of several entries.
    """
    rows = {name: row and list(row) for name, row in (("ids", ids), ("motion_ids", motion_ids), ("label", label))}
    n, sheet = max(len(row) for row in rows.values() if row), None
    if cross:
        others = [name for name in ("motion_ids", "label") if rows[name] and len(rows[name]) > 1]
        if len(others) != 1:
            raise InputError("`cross`: crosses `ids` with several `motion_ids` or `label`; give one of the two.")
        columns = len(rows[others[0]])
        sheet, n = (columns, len(ids)), columns * len(ids)
        rows |= {"ids": [i for i in ids for _ in range(columns)], others[0]: rows[others[0]] * len(ids)}
    for name, row in rows.items():
        if row and len(row) not in (1, n):
            raise InputError(f"`{name}`: {len(row)} given for {n} clips; give one for all or one for each.")
    return {name: row and (row * n if len(row) == 1 else row) for name, row in rows.items()}, sheet
