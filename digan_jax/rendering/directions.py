"""Directions in which the clips of a model change most, found without labels, and edits along them.

The principal components of w alone (GANSpace, Härkönen et al. 2020) say little here: after two mapping layers w
spreads almost evenly over its dimensions, and so does the motion noise. So the directions are those whose change
moves the frames most, for one standard deviation: the active subspace of the generator (Constantine et al. 2014), the
eigenvectors of E[JᵀJ], J being the derivative of the frames of a clip by its vectors.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import Float

from digan_jax import grids, rng
from digan_jax.errors import InputError
from digan_jax.host.arrays import read_arrays
from digan_jax.host.files import moved_in
from digan_jax.models.digan.networks import Nets
from digan_jax.rendering.walks import Walk
from digan_jax.shapes import Array, Latents, Params

SAMPLES = 4096  # ids whose w are looked at; a quarter of them are drawn
SIDE = 16  # pixels a side of frames that are drawn: a clip has any size
TOGETHER = 32  # clips of one gradient
_NAME = re.compile(r"(m?)(\d+)")


@dataclasses.dataclass(frozen=True, eq=False)
class Directions:
    """Directions of a model, strongest first. Each is a unit vector whose largest entry is positive.

    `save` writes these arrays to a .npz under these names, float32.

    Attributes:
      content: of w. motion: of the motion vector.
      mean: of w.
      deviation: length of one standard deviation of w along each content direction; of the motion vector it is 1.
      content_share, motion_share: of the mean squared change of frames by all small changes of either vector.
    """

    content: Float[np.ndarray, "n w"]
    motion: Float[np.ndarray, "n m"]
    mean: Float[np.ndarray, "w"]
    deviation: Float[np.ndarray, "n"]
    content_share: Float[np.ndarray, "n"]
    motion_share: Float[np.ndarray, "n"]

    def edited(self, lat: Latents | Walk, edits: Iterable[tuple[str, float]]) -> Latents | Walk:
        """Latents, or a walk in w, moved along directions; those of other clips and `lat` itself stay as they are.

        Args:
          edits: (name, amount): "3" is content direction 3, "m1" motion direction 1, counted from 0; amounts are in
            standard deviations, in all layers and frames.

        Raises:
          InputError: an unknown name, a direction that is not there, an amount that is no number; a walk in z.
        """
        content, motion = np.zeros_like(self.mean), np.zeros_like(self.motion[0])
        for name, amount in edits:
            of_motion, i = parsed(name, amount, len(self.content))
            if of_motion:
                motion += np.float32(amount) * self.motion[i]
            else:
                content += np.float32(amount) * self.deviation[i] * self.content[i]
        if isinstance(lat, Walk):
            return lat.moved(content, motion)
        return Latents(np.asarray(lat.content) + content, np.asarray(lat.motion) + motion)

    def check_fits(self, w_dim: int, motion_dim: int) -> None:
        """Raises `InputError` for directions of a model with other widths."""
        widths = self.content.shape[1], self.motion.shape[1]
        if widths != (w_dim, motion_dim):
            raise InputError(f"these are directions of vectors of {widths}; this model's have {(w_dim, motion_dim)}.")

    def save(self, path: epath.PathLike) -> None:
        with moved_in(path) as unfinished:
            np.savez(unfinished, **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    @classmethod
    def load(cls, path: epath.PathLike) -> Directions:
        """The inverse of `save`.

        Raises:
          InputError: the file is missing or damaged, or holds no directions.
        """
        if not epath.Path(path).exists():
            raise InputError(f"{path}: is not there; `digan directions --run RUN --out {path}` writes it.")
        found = read_arrays(path)
        lacking = [field.name for field in dataclasses.fields(cls) if field.name not in found]
        if lacking:
            raise InputError(f"{path}: lacks {lacking[0]}; it was not written by `digan directions`.")
        given = {field.name: found[field.name] for field in dataclasses.fields(cls)}
        if any(value.dtype != np.float32 or not np.isfinite(value).all() for value in given.values()):
            raise InputError(f"{path}: holds other numbers than finite float32; write it again by `digan directions`.")
        n = len(given["content"]) if given["content"].ndim == 2 else 0
        shapes = {"content": (n, *given["mean"].shape), "motion": (n, *given["motion"].shape[1:])}
        for name in ("deviation", "content_share", "motion_share"):
            shapes[name] = (n,)
        wrong = [name for name, shape in shapes.items() if given[name].shape != shape]
        if n == 0 or given["motion"].ndim != 2 or wrong:
            raise InputError(f"{path}: its arrays do not fit each other; write it again by `digan directions`.")
        return cls(**given)


def parsed(name: str, amount: float, count: int) -> tuple[bool, int]:
    """(whether it is one of motion, its index) of a direction's name.

    Raises:
      InputError: as `Directions.edited`.
    """
    found = _NAME.fullmatch(name)
    if not found:
        raise InputError(f"edit={name}: name a direction of content, such as 3, or of motion, such as m1.")
    if not np.isfinite(amount):
        raise InputError(f"edit={name}:{amount}: the amount must be a number of standard deviations, such as 2.")
    if int(found[2]) >= count:
        raise InputError(f"edit={name}: there are directions 0 to {count - 1} of each kind.")
    return bool(found[1]), int(found[2])


class Moments(NamedTuple):
    """What directions are made of."""

    content: Float[np.ndarray, "w w"]  # mean of JᵀJ, J being the derivative of two frames of a clip by w
    motion: Float[np.ndarray, "m m"]  # the same by the motion vector


def measure(nets: Nets, params: Params, lat: Latents, grid: grids.Grid, seed: int = 0) -> Moments:
    """Moments over clips. A random weighting u of a clip's values has the gradient Jᵀu, and E[JᵀuuᵀJ] = E[JᵀJ].

    The frames are the clip's first and one at a random time.

    Args:
      lat: of a whole number of batches of TOGETHER clips.
    """
    key, params, moments = jax.random.key(seed), jax.device_put(params), Moments(0.0, 0.0)
    for start in range(0, len(lat.motion), TOGETHER):
        rows = Latents(*(jnp.asarray(x[start : start + TOGETHER]) for x in lat))
        of_times, of_values = (rng.stream(key, f"directions/{name}", start) for name in ("times", "values"))
        times = jax.random.uniform(of_times, (TOGETHER, 2)) * np.float32([[0, 1]])
        found = (np.asarray(x, np.float64) for x in _gradients(params, rows, times, grid, of_values, nets))
        moments = Moments(*(total + x.T @ x / len(lat.motion) for total, x in zip(moments, found)))
    return moments


@partial(jax.jit, static_argnames="nets")
def _gradients(params: Params, lat: Latents, times: Float[Array, "b t"], grid: grids.Grid, key, nets: Nets):
    """Gradients by w [b w] and by the motion vector [b m] of randomly weighted sums of frames."""

    def weighted(lat):
        frames = nets.generator.synthesis(params, lat, times, grid)
        return jnp.sum(frames * jax.random.normal(key, frames.shape))

    gradient = jax.grad(weighted)(lat)
    return gradient.content.sum(1), gradient.motion


def strongest(moments: Moments, w: Float[Array, "s w"], count: int) -> Directions:
    """The directions of largest mean squared change of frames, for one standard deviation of w or of the motion vector.

    With the covariance C of w and the moment M, a change C^½ v of w, of one standard deviation for a unit vector v,
    changes frames by vᵀ C^½ M C^½ v.
    """
    w = np.asarray(w, np.float64)
    root = _root(np.cov(w, rowvar=False).reshape(w.shape[1], -1))
    vectors, content_share = _principal(root @ moments.content @ root, count)
    steps = vectors @ root
    deviation = np.linalg.norm(steps, axis=1)
    content = steps / np.maximum(deviation, np.finfo(np.float32).tiny)[:, None]
    motion, motion_share = _principal(moments.motion, count)
    found = _signed(content), _signed(motion), w.mean(0), deviation, content_share, motion_share
    return Directions(*(x.astype(np.float32) for x in found))


def _principal(moment: Float[np.ndarray, "d d"], count: int):
    """Unit eigenvectors [n d] of the largest eigenvalues, and these as shares of their sum [n]."""
    values, vectors = np.linalg.eigh(moment)
    return vectors[:, ::-1][:, :count].T, np.maximum(values[::-1][:count], 0) / max(np.trace(moment), 1e-30)


def _root(covariance: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T


def _signed(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(1)[:, None], axis=1)
    return vectors * np.where(largest < 0, -1, 1)
