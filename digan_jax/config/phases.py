"""Coarse to fine: the phases of a run, in which frames and the part of a clip that a pair spans double.

A phase is a configuration with smaller `model.resolution` and `train.span`. Its networks have the same weights under the
same names as those of the whole run, less the blocks for larger frames.
"""

from __future__ import annotations

import dataclasses

from digan_jax.config.checks import require

SMALLEST = {"pair": 8, "shared": 16}  # frames that critics can be given


def at(config, step: int):
    """The `RunConfig` by which iteration `step` of a run is computed; `config` itself without phases."""
    train = config.train
    left = sum(step < train.steps(kimg) for kimg in train.phases)
    return _doublings_before(config, left) if train.phases else config


def ends(config, step: int, total: int) -> list[int]:
    """The last iterations, each plus one, of the phases of a run of `total` iterations that are not over at `step`."""
    ends = [*(config.train.steps(kimg) for kimg in config.train.phases), total]
    return sorted({min(end, total) for end in ends if end > step})


def _doublings_before(config, left: int):
    """The configuration `left` doublings before that of the whole run."""
    model, train = config.model, config.train
    small = dataclasses.replace(model, resolution=model.resolution >> left, doublings=model.doublings - left)
    short = dataclasses.replace(train, phases=(), span=train.span / 2**left)
    return dataclasses.replace(config, model=small, train=short)


def check(config) -> None:
    """Raises `InputError` where `train.phases` and `model.doublings` of a `RunConfig` do not fit the rest."""
    train, model, phases = config.train, config.model, config.train.phases
    if not phases:
        return
    require(config.family == "digan", f"train.phases={phases}: the family {config.family!r} has none; set it to ().")
    ascending = all(a < b for a, b in zip((0.0, *phases), phases))
    require(ascending, f"train.phases={phases}: must be kimg above 0, in ascending order.")
    require(
        len(phases) == model.doublings,
        f"train.phases={phases}: doubles frames {len(phases)} times, so it needs model.doublings={len(phases)}, "
        f"not {model.doublings}.",
    )
    for left in range(1, len(phases) + 1):
        _doublings_before(config, left)  # raises where the task does not fit smaller frames


def check_model(model) -> None:
    """Raises `InputError` where `model.doublings` leaves no frame that generator and critics can work on."""
    doublings, smallest = model.doublings, max(model.base, SMALLEST[model.critic])
    most = (model.resolution // smallest).bit_length() - 1
    require(
        0 <= doublings <= max(most, 0),
        f"model.doublings={doublings}: frames of {model.resolution} pixels can be {max(most, 0)} doublings of the "
        f"smallest, which are of {smallest} with model.base={model.base} and model.critic={model.critic!r}.",
    )
