"""Latent walks between ids, and style mixing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from digan_jax.errors import InputError
from digan_jax.models.digan.networks import Nets
from digan_jax.rendering import latents
from digan_jax.shapes import Array, Latents, Params

OF = ("both", "content", "motion")
SPACES = ("w", "z")


@dataclasses.dataclass(frozen=True, eq=False)
class Walk:
    """A clip whose latents interpolate between k stations in equal steps. At a station they are exactly the station's.

    Attributes:
      stations: {name: [k ...]}: content vectors "w", or noise "z" and one-hot "label"; and motion noise "motion".
      steps: frames from one station to the next.
      truncation: psi, for stations in "z".
    """

    stations: dict[str, Float[np.ndarray, "k _"]]
    steps: int
    truncation: float
    params: Params
    nets: Nets

    def __len__(self) -> int:
        """Number of frames."""
        return (len(self.stations["motion"]) - 1) * self.steps + 1

    def latents(self, frames: Int[np.ndarray, "n"] | Sequence[int]) -> Latents:
        """Latents of frames by index, one row per frame."""
        points = {name: self._at(name, np.asarray(frames)) for name in self.stations}
        if "w" in points:
            content = latents.repeat_content(jnp.asarray(points["w"]), self.nets.generator.n_layers)
            return Latents(content, points["motion"])
        z, label = points["z"], points.get("label")
        return latents.from_noise(self.params, z, points["motion"], label, self.truncation, self.nets)

    def moved(self, content: Float[np.ndarray, "w"], motion: Float[np.ndarray, "m"]) -> Walk:
        """The walk with all its vectors moved by the same.

        Raises:
          InputError: content of a walk in z.
        """
        if "w" not in self.stations and np.any(content):
            raise InputError("a walk in z cannot be edited; walk in w.")
        by = {"w": content, "motion": motion}
        stations = {name: points + by[name] if name in by else points for name, points in self.stations.items()}
        return dataclasses.replace(self, stations=stations)

    def _at(self, name: str, frames: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n _"]:
        points = self.stations[name]
        leg = np.minimum(frames // self.steps, len(points) - 2)
        share = ((frames - leg * self.steps) / self.steps)[:, None]
        interpolate = linear if name in ("w", "label") else spherical
        return interpolate(points[leg], points[leg + 1], share).astype(np.float32)


def linear(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "n d"], share: Float[np.ndarray, "n 1"]):
    """Linear interpolation from a (share 0) to b (share 1), exact at both ends."""
    return (1 - share) * a + share * b


def spherical(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "n d"], share: Float[np.ndarray, "n 1"]):
    """Spherical interpolation from a (share 0) to b (share 1), exact at both ends (Shoemake 1985).

    The direction moves at constant angular speed, the length linearly. High-dimensional noise lies near a sphere, which
    linear interpolation would leave.
    """
    length_a, length_b = (np.linalg.norm(x.astype(np.float64), axis=-1, keepdims=True) for x in (a, b))
    unit_a, unit_b = a / length_a, b / length_b
    angle = np.arccos(np.clip(np.sum(unit_a * unit_b, axis=-1, keepdims=True), -1, 1))
    near = np.sin(angle) < 1e-6  # parallel or opposite: interpolate linearly
    sine = np.where(near, 1, np.sin(angle))
    of_a = np.where(near, 1 - share, np.sin((1 - share) * angle) / sine)
    of_b = np.where(near, share, np.sin(share * angle) / sine)
    point = (of_a * unit_a + of_b * unit_b) * linear(length_a, length_b, share)
    return np.where(share == 0, a, np.where(share == 1, b, point))


def plan_walk(
    params: Params,
    nets: Nets,
    z: Float[Array, "k _"],
    motion: Float[Array, "k _"],
    label: Float[Array, "k _"] | None,
    truncation: float,
    steps: int,
    of: str = "both",
    space: str = "w",
) -> Walk:
    """A walk through the k stations with noise z, motion and label; see `Model.walk`.

    Raises:
      InputError: an unknown `of` or `space`, fewer than two stations, steps below 1.
    """
    for name, value, choices in (("of", of, OF), ("space", space, SPACES)):
        if value not in choices:
            raise InputError(f"walk {name}={value!r}: choose one of {list(choices)}.")
    if len(z) < 2:
        raise InputError("a walk needs two ids or more, such as 3,9,4.")
    if steps < 1:
        raise InputError(f"walk steps={steps}: from one id to the next it is one frame or more.")
    repeat_first = lambda rows: np.broadcast_to(rows[:1], rows.shape)
    z, motion, label = (None if x is None else np.asarray(x) for x in (z, motion, label))
    if of == "motion":
        z, label = repeat_first(z), None if label is None else repeat_first(label)
    if of == "content":
        motion = repeat_first(motion)
    if space == "w":
        stations = latents.from_noise(params, z, motion, label, float(truncation), nets)
        content = {"w": np.asarray(stations.content)[:, 0]}
    else:
        content = {"z": z} if label is None else {"z": z, "label": label}
    return Walk(content | {"motion": motion}, steps, float(truncation), params, nets)


def mix(coarse: Latents, fine: Latents, layers: Sequence[int]) -> Latents:
    """Style mixing: `coarse` with the content of `fine` in the given layers (Karras et al. 2019, section 3.1).

    Args:
      layers: indices from 0 (the coarsest) to `Model.nets.generator.n_layers` - 1.

    Raises:
      InputError: latents of different shapes, no layer, or a layer out of range.
    """
    count = coarse.content.shape[1]
    if coarse.content.shape != fine.content.shape:
        raise InputError(f"mix: contents of shapes {coarse.content.shape} and {fine.content.shape}; they must agree.")
    check_layers(layers, count)
    taken = np.isin(np.arange(count), np.asarray(layers))[None, :, None]
    return Latents(np.where(taken, np.asarray(fine.content), np.asarray(coarse.content)), coarse.motion)


def check_layers(layers: Sequence[int], count: int) -> None:
    """Raises `InputError` unless `layers` names one or more of `count` layers, from 0."""
    if len(layers) == 0 or min(layers) < 0 or max(layers) >= count:
        raise InputError(f"layers={list(layers)}: this model has layers 0 to {count - 1}; name one or more.")
