"""The fields of the family "vidm" (VIDM, AAAI 2023): its `model` group, and its training in the group `vidm`.

Defaults are those of the paper's release unless a comment says otherwise. What a field means is said here once;
`configs/vidm_digits.py` and `configs/vidm_sky_128.py` set what differs.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np
from jaxtyping import Float

from digan_jax.config.checks import require
from digan_jax.errors import InputError

MOTION_CHANNELS = {"difference": 3, "flow": 2, "both": 5, "carried": 8}  # motion input -> its channels
SCHEDULES = ("linear", "cosine", "straight", "lognormal")
PREDICTIONS = ("noise", "v")
ENCODER_STEPS = ("current", "fixed")
METHODS = ("ancestral", "ddim", "dpm")
STAGES = ("both", "content", "motion")
PENALTIES = ("square", "charbonnier")
GROUPS = 32  # of the group norms: every width is a multiple of it
WHOLE_FRAME = (-1.0, -1.0, 1.0, 1.0)
_CHOICES = {
    "motion_input": MOTION_CHANNELS, "schedule": SCHEDULES, "predict": PREDICTIONS, "encoder_step": ENCODER_STEPS,
    "sampling_method": METHODS,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class VidmConfig:
    """Architecture, diffusion process and sampling of VIDM: the `model` group."""

    resolution: int  # pixels a side of training frames
    n_classes: int = 0  # both networks are told the class; 0: none
    width: int = 128  # channels of the first stage, M in the paper
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4)  # channels of each level, in units of `width`
    blocks: int = 2  # residual blocks of a level on the way down; one more on the way up
    attention: tuple[int, ...] = (16,)  # levels with attention, as factors by which their maps are smaller
    head_width: int = 64  # channels of an attention head
    frames: int = 128  # of a clip, N: the index embedding spans 0 to N - 1
    last_frame: bool = True  # frame N - 1 is trained too; the release's training stops at N - 2, its clips do not
    motion_input: str = "difference"  # previous frame minus first, "flow" between them (classical), "both", or "carried"
    diffusion_steps: int = 1000  # T
    schedule: str = "linear"  # of the noise: or "cosine", "straight" (flow matching), "lognormal" (EDM)
    predict: str = "noise"  # what the networks predict: "noise" or "v" (Salimans and Ho 2022)
    zero_terminal_snr: bool = False  # no signal at the last step (Lin et al. 2024); needs "v"
    condition_noise: float = 0.0  # most deviation of noise on the previous frame in training (GameNGen: 0.7); 0: none
    encoder_step: str = "current"  # step that the encoder sees; "fixed": one pass a frame instead of one a step
    sampling_method: str = "ancestral"  # or "ddim" (Song et al. 2021), "dpm": DPM-Solver++ 2M (Lu et al. 2022)
    sampling_steps: str = "ddim100"  # steps kept: see `kept_steps`
    sampling_guidance: float = 1.0  # of classes (Ho and Salimans 2022): 1 as trained, more is nearer to the class
    sampling_eta: float = 0.0  # of "ddim": 0 is deterministic, 1 as noisy as "ancestral"

    def __post_init__(self):
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            require(value in choices, f"model.{name}={value!r}: choose one of {list(choices)}.")
        for name in ("resolution", "blocks", "head_width"):
            require(getattr(self, name) >= 1, f"model.{name}={getattr(self, name)}: must be 1 or more.")
        for name in ("frames", "diffusion_steps"):
            require(getattr(self, name) >= 3, f"model.{name}={getattr(self, name)}: must be 3 or more.")
        for name in ("n_classes", "condition_noise", "sampling_eta", "sampling_guidance"):
            require(getattr(self, name) >= 0, f"model.{name}={getattr(self, name)}: must be 0 (off) or more.")
        self._check_widths()
        require(
            not self.zero_terminal_snr or self.predict == "v",
            "model.zero_terminal_snr=True: noise says nothing of a frame without signal; set model.predict to 'v'.",
        )
        require(
            self.schedule != "linear" or self.diffusion_steps > 20,
            f"model.diffusion_steps={self.diffusion_steps}: the linear schedule would add more noise than there is room "
            "for; use more than 20, or another schedule.",
        )
        check_steps(self.sampling_steps, self.diffusion_steps)
        self.check_frame(self.resolution, self.resolution)

    def _check_widths(self) -> None:
        m = self.multipliers
        require(len(m) >= 1 and min(m) >= 1, f"model.multipliers={m}: needs a whole number above 0 for each level.")
        require(
            self.width >= GROUPS and self.width % GROUPS == 0,
            f"model.width={self.width}: must be a multiple of {GROUPS}, the groups of the norms.",
        )
        factors = [2**level for level in range(len(m))]
        unknown = [factor for factor in self.attention if factor not in factors]
        require(
            not unknown, f"model.attention={self.attention}: the levels of this model are {factors} times smaller."
        )
        for factor in {*self.attention, factors[-1]}:  # the middle, at the last level, always has attention
            width = self.width * m[factors.index(factor)]
            require(
                width % self.head_width == 0,
                f"model.head_width={self.head_width}: does not divide the {width} channels of the level {factor}.",
            )

    @property
    def base(self) -> int:
        """The first level of the trained grid: frames are drawn at one level, the model's own."""
        return self.resolution

    @property
    def last_trained(self) -> int:
        """The last index that training shows to the motion model."""
        return self.frames - 1 if self.last_frame else self.frames - 2

    @property
    def motion_channels(self) -> int:
        """Channels of the motion input."""
        return MOTION_CHANNELS[self.motion_input]

    def check_frame(self, width: int, height: int, region: tuple[float, ...] = WHOLE_FRAME) -> None:
        """Raises `InputError` for frames that a U-Net of these levels cannot draw."""
        smallest = 2 ** (len(self.multipliers) - 1)
        fits = lambda side: max(1, round(side / smallest)) * smallest
        require(
            width > 0 and height > 0 and width % smallest == 0 and height % smallest == 0,
            f"size {width}x{height}: this model halves its maps {len(self.multipliers) - 1} times, so both sides must "
            f"be multiples of {smallest}; {fits(width)}x{fits(height)} is.",
        )
        require(
            tuple(region) == WHOLE_FRAME,
            f"region {tuple(region)}: a diffusion model draws whole frames; leave the region out.",
        )

    def check_run(self, run) -> None:
        """Checks that concern several groups of a run's configuration. Raises `InputError`."""
        require(
            run.data.frames == self.frames,
            f"data.frames={run.data.frames}, model.frames={self.frames}: the index embedding spans a clip; set both to "
            "one number.",
        )
        for name, off in (("microbatch", 0), ("remat", False)):
            value = getattr(run.train, name)
            require(value == off, f"train.{name}={value}: is built for the family digan alone; set it to {off}.")


@dataclasses.dataclass(frozen=True)
class VidmTrainConfig:
    """The training of VIDM beside the fields of `train`: the group `vidm`. Other families ignore it."""

    stage: str = "both"  # networks that are trained: "both", "content" (first frames) or "motion" (the next frames)
    penalty: str = "square"  # of the error: "square" (the released scripts) or "charbonnier" (the paper's robust one)
    charbonnier: float = 1e-3  # its constant; the paper's was not readable, this is ours
    p2_gamma: float = 1.0  # weight 1 / (k + SNR)^gamma of the error (Choi et al. 2022); 0: every step alike
    p2_k: float = 1.0
    rescale: bool = False  # multiplies the variational bound by T / 1000
    label_dropout: float = 0.1  # probability that a clip's class is hidden, of models with classes
    weight_decay: float = 0.01  # AdamW's, on every array
    clip_norm: float = 1.0  # of all gradients of a network together
    ema_decay: float = 0.999  # per step

    def __post_init__(self):
        for name, choices in (("stage", STAGES), ("penalty", PENALTIES)):
            value = getattr(self, name)
            require(value in choices, f"vidm.{name}={value!r}: choose one of {list(choices)}.")
        for name in ("charbonnier", "p2_k", "clip_norm"):
            require(getattr(self, name) > 0, f"vidm.{name}={getattr(self, name)}: must be more than 0.")
        for name in ("p2_gamma", "weight_decay"):
            require(getattr(self, name) >= 0, f"vidm.{name}={getattr(self, name)}: must be 0 or more.")
        require(0 <= self.label_dropout <= 1, f"vidm.label_dropout={self.label_dropout}: must lie in [0, 1].")
        require(0 <= self.ema_decay < 1, f"vidm.ema_decay={self.ema_decay}: must lie in [0, 1).")

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the networks that a step trains."""
        return ("content", "motion") if self.stage == "both" else (self.stage,)


def check_steps(respacing: str, total: int) -> None:
    """Raises `InputError` for a text that `kept_steps` does not take, or more steps than there are."""
    kept_steps(respacing, total, np.linspace(1, 0, total))


def kept_steps(respacing: str, total: int, rates: Float[np.ndarray, "T"] | None = None) -> list[int]:
    """The steps that a respaced process keeps, ascending (Nichol and Dhariwal 2021; Lu et al. 2022).

    Args:
      respacing: "n1,n2,...": the process is cut into as many sections, sizes differing by at most 1, larger first, and
        n1, n2, ... steps of each are kept, evenly spaced with both ends. "ddimn": every qth step from 0, for the
        smallest q that leaves n. "lambdan": n steps with both ends, as evenly spaced in λ = ln √SNR as there are steps.
      total: T.
      rates: λ of each step, descending; for "lambdan".

    Raises:
      InputError: another text, or more steps than there are.
    """
    if match := re.fullmatch(r"lambda(\d+)", respacing):
        count = int(match[1])
        require(2 <= count <= total, f"sampling_steps={respacing!r}: keeps 2 to {total} of {total} steps.")
        return evenly_spaced(rates, count)
    if match := re.fullmatch(r"ddim(\d+)", respacing):
        wished = int(match[1])
        for stride in range(1, total + 1):
            if len(kept := range(0, total, stride)) == wished:
                return list(kept)
        raise InputError(
            f"sampling_steps={respacing!r}: no whole stride leaves {wished} of {total} steps; try '{wished}'."
        )
    require(
        re.fullmatch(r"\d+(,\d+)*", respacing) is not None,
        f"sampling_steps={respacing!r}: give a number of steps ('100'), one for each section ('10,15,20'), 'ddim100' "
        "or 'lambda20'.",
    )
    counts = [int(count) for count in respacing.split(",")]
    kept, start = [], 0
    for number, count in enumerate(counts):
        size = total // len(counts) + (number < total % len(counts))
        require(
            1 <= count <= size,
            f"sampling_steps={respacing!r}: section {number + 1} has {size} steps; keep 1 to {size} of them.",
        )
        stride = (size - 1) / (count - 1) if count > 1 else 1.0
        kept += [start + round(k * stride) for k in range(count)]
        start += size
    return kept


def evenly_spaced(rates: Float[np.ndarray, "T"], count: int) -> list[int]:
    """Steps from 0 to T − 1, nearest to evenly spaced rates, each later than the one before."""
    wished = np.linspace(rates[0], rates[-1], count)
    nearest = np.abs(rates[None] - wished[:, None]).argmin(1)
    total = len(rates)
    kept, last = [], -1
    for number, step in enumerate(nearest.tolist()):
        last = min(max(step, last + 1), total - count + number)  # leaves room for those that follow
        kept.append(last)
    return kept
