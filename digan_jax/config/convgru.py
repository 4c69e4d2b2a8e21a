"""The `model` group of the family "convgru": a recurrent predictor, to measure predictions against."""

from __future__ import annotations

import dataclasses

from digan_jax.config.checks import require


@dataclasses.dataclass(frozen=True)
class ConvGruConfig:
    """Architecture of a ConvGRU predictor; see `configs/convgru.py`."""

    resolution: int  # pixels a side of training frames; even
    width: int  # channels of each layer's state
    layers: int
    n_classes: int = 0

    def __post_init__(self):
        for name in ("resolution", "width", "layers"):
            require(getattr(self, name) >= 1, f"model.{name}={getattr(self, name)}: must be 1 or more.")
        require(
            self.resolution % 2 == 0, f"model.resolution={self.resolution}: must be even; the state has half of it."
        )
        require(
            self.n_classes == 0, f"model.n_classes={self.n_classes}: the family convgru knows no classes; set it to 0."
        )

    @property
    def base(self) -> int:
        """The first level of the trained grid: frames are drawn at one level, the model's own."""
        return self.resolution

    @property
    def condition_planes(self) -> int:
        """Planes of what it is shown: frames."""
        return 3

    def check_run(self, run) -> None:
        """Checks that concern several groups of a run's configuration. Raises `InputError`."""
        require(
            run.task.name == "predict",
            f"task.name={run.task.name!r}: the family convgru predicts; set it to 'predict'.",
        )
        for name, off in (("microbatch", 0), ("remat", False)):
            value = getattr(run.train, name)
            require(value == off, f"train.{name}={value}: is built for the family digan alone; set it to {off}.")
