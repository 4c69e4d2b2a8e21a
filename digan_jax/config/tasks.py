"""The task of a conditional model: what is shown of a clip, and losses against that clip."""

from __future__ import annotations

import dataclasses

from digan_jax.config.checks import require

TASKS = ("none", "upscale", "interpolate", "complete", "denoise", "predict", "translate", "edges", "animate", "stylize")
STYLES = ("poster", "ink", "duotone")  # see `data.stylizing`
PICTURES = (".png", ".jpg", ".jpeg")


def check_style(style: str) -> None:
    """Raises `InputError` unless this is the name of a style or a picture's."""
    known = style in STYLES or style.lower().endswith(PICTURES)
    require(known, f"style={style!r}: choose one of {list(STYLES)}, or a picture ({' '.join(PICTURES)}).")


@dataclasses.dataclass(frozen=True)
class TaskConfig:
    """What a conditional generator is given, and paired losses; see `configs/base.py`."""

    name: str
    factor: int
    factors: tuple[int, ...]
    every: int
    shown: int
    hole: float
    missing: float
    fill: bool
    noise: float
    adversarial: float
    l1: float
    spread: float
    feature_matching: float
    warp: float
    motion: float
    steps: tuple[int, ...]
    style: str

    def __post_init__(self):
        require(self.name in TASKS, f"unknown task.name {self.name!r}; choose one of {list(TASKS)}.")
        for name in ("factor", "every", "shown"):
            require(getattr(self, name) >= 1, f"task.{name}={getattr(self, name)}: must be 1 or more.")
        require(min(self.factors, default=1) >= 1, f"task.factors={self.factors}: each must be 1 or more.")
        check_style(self.style)
        require(min(self.steps, default=1) >= 1, f"task.steps={self.steps}: each must be 1 or more.")
        require(self.noise > 0, f"task.noise={self.noise}: must be more than 0.")
        for name in ("adversarial", "l1", "feature_matching", "warp", "motion"):
            require(getattr(self, name) >= 0, f"task.{name}={getattr(self, name)}: must be 0 (off) or more.")
        require(0 <= self.spread <= 1, f"task.spread={self.spread}: must lie in [0, 1].")
        require(
            self.spread == 0 or (self.name != "none" and self.l1 > 0),
            f"task.spread={self.spread}: is a share of the L1 part of a task's loss; set task.name and task.l1 too.",
        )
        for name in ("hole", "missing"):
            require(0 <= getattr(self, name) < 1, f"task.{name}={getattr(self, name)}: must lie in [0, 1).")
        require(
            self.name == "none" or self.adversarial > 0 or self.l1 > 0,
            "task.adversarial=0 and task.l1=0: nothing would be learnt; set one of them.",
        )
        require(
            self.feature_matching == 0 or self.adversarial > 0,
            f"task.feature_matching={self.feature_matching}: compares features of critics, which "
            "task.adversarial=0 does not train; set that above 0.",
        )


def check_task(config) -> None:
    """Raises `InputError` where the task of a `RunConfig` does not fit its model or data."""
    task, data, planes = config.task, config.data, getattr(config.model, "condition_planes", 0)
    if task.name == "none":
        require(
            planes == 0 or config.family == "convgru",
            f"model.condition_planes={planes}: nothing is shown without a task; set task.name.",
        )
        return
    if config.family == "convgru" and task.name == "predict":
        require(
            task.shown < data.frames, f"task.shown={task.shown}: leaves none of data.frames={data.frames} to predict."
        )
        return
    require(config.family == "digan", f"task.name={task.name!r}: the family {config.family!r} takes no condition.")
    styles = getattr(config.model, "condition_style", 0)
    require(
        styles == 0 or task.name == "translate",
        f"model.condition_style={styles}: a style belongs to an instance of label maps; set task.name='translate'.",
    )
    require(
        task.spread == 0 or not config.model.condition_alone,
        f"task.spread={task.spread}: sets clips of other noise apart, which model.condition_alone=True leaves out; set "
        "one of the two to 0 or False.",
    )
    if task.name == "translate":
        require(planes >= 2, f"model.condition_planes={planes}: task 'translate' has one plane for each label.")
    elif task.name == "edges":
        require(planes == 1, f"model.condition_planes={planes}: task 'edges' shows one plane, so set it to 1.")
    else:
        require(planes == 3, f"model.condition_planes={planes}: task {task.name!r} shows frames, so set it to 3.")
    far = max(task.steps, default=1)
    require(far < data.frames, f"task.steps={task.steps}: no two frames of data.frames={data.frames} are {far} apart.")
    require(config.eval.every_kimg == 0, "eval.every_kimg: FVD in training is not measured with a task; set it to 0.")
    require(config.train.horizon == 0, "train.horizon: a task compares frames at the clip's own times; set it to 0.")
    side, last = config.model.resolution, data.frames - 1
    if task.name == "upscale":
        wrong = [factor for factor in task.factors or (task.factor,) if side % factor]
        name = f"task.factors={task.factors}" if task.factors else f"task.factor={task.factor}"
        require(not wrong, f"{name}: must divide model.resolution={side}.")
    if task.name in ("upscale", "interpolate"):
        require(last % task.every == 0, f"task.every={task.every}: must divide data.frames - 1 = {last}.")
    if task.name == "interpolate":
        require(task.every > 1, "task.every=1: leaves no frame to interpolate; set it to 2 or more.")
    if task.name == "predict":
        require(task.shown <= last, f"task.shown={task.shown}: leaves none of data.frames={data.frames} to predict.")
