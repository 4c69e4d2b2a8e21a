"""Walks from id to id, and clips whose layers come from two ids."""

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
    """A film that goes from station to station in equal steps, each frame with latents of its own; the frames at the
    stations have those of the station, bit for bit. Latents are made when they are asked for.

    Attributes:
      stations: what is walked through, [k ...] each: content vectors "w" or noise "z" with one-hot "label", and noise
        "motion".
      steps: frames from one station to the next.
    """

    stations: dict[str, Float[np.ndarray, "k _"]]
    steps: int
    truncation: float
    params: Params
    nets: Nets

    def __len__(self) -> int:
        """Frames."""
        return (len(self.stations["motion"]) - 1) * self.steps + 1

    def latents(self, frames: Int[np.ndarray, "n"] | Sequence[int]) -> Latents:
        """Of frames by number, a row each."""
        at = {name: self._at(name, np.asarray(frames)) for name in self.stations}
        if "w" in at:
            return Latents(latents.repeat_content(jnp.asarray(at["w"]), self.nets.generator.n_layers), at["motion"])
        z, label = at["z"], at.get("label")
        return latents.from_noise(self.params, z, at["motion"], label, self.truncation, self.nets)

    def _at(self, name: str, frames: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n _"]:
        points = self.stations[name]
        leg = np.minimum(frames // self.steps, len(points) - 2)
        share = ((frames - leg * self.steps) / self.steps)[:, None]
        along = linear if name in ("w", "label") else spherical
        return along(points[leg], points[leg + 1], share).astype(np.float32)


def linear(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "n d"], share: Float[np.ndarray, "n 1"]):
    """On the straight line from a (share 0) to b (share 1); exact at both."""
    return (1 - share) * a + share * b


def spherical(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "n d"], share: Float[np.ndarray, "n 1"]):
    """On the arc from a (share 0) to b (share 1), exact at both (Shoemake 1985): equal shares are equal angles, and the
    length goes evenly from one to the other. Noise in many dimensions lies near a sphere; a chord would leave it."""
    length_a, length_b = (np.linalg.norm(x.astype(np.float64), axis=-1, keepdims=True) for x in (a, b))
    unit_a, unit_b = a / length_a, b / length_b
    angle = np.arccos(np.clip(np.sum(unit_a * unit_b, axis=-1, keepdims=True), -1, 1))
    near = np.sin(angle) < 1e-6  # no angle to speak of, or opposite: no arc is the shortest
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
    """A walk through k stations; what `of` leaves out stays at the first of them.

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
    still = lambda rows: np.broadcast_to(rows[:1], rows.shape)
    z, motion, label = (None if x is None else np.asarray(x) for x in (z, motion, label))
    if of == "motion":
        z, label = still(z), None if label is None else still(label)
    if of == "content":
        motion = still(motion)
    if space == "w":
        made = latents.from_noise(params, z, motion, label, float(truncation), nets)
        content = {"w": np.asarray(made.content)[:, 0]}
    else:
        content = {"z": z} if label is None else {"z": z, "label": label}
    return Walk(content | {"motion": motion}, steps, float(truncation), params, nets)


def mix(coarse: Latents, fine: Latents, layers: Sequence[int]) -> Latents:
    """`coarse` with the content of `fine` in some layers (style mixing, Karras et al. 2019, section 3.1).

    Args:
      layers: numbers from 0, the layer nearest to the coordinates; see `Model.nets.generator.n_layers`.

    Raises:
      InputError: other shapes, a layer that is not there, or none.
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
