"""Styles of instances: from a frame, or drawn from mixtures of normal distributions, one mixture for each label.

The mixtures are fitted to the styles of real frames after training (Wang et al. 2018) and kept beside the weights.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Bool, Float, Int
from scipy.cluster.vq import kmeans2

from digan_jax.data import carrying
from digan_jax.data.conditions import unit_range
from digan_jax.errors import InputError
from digan_jax.host.arrays import read_arrays
from digan_jax.host.files import moved_in
from digan_jax.models.condition.styles import INSTANCES
from digan_jax.rendering.model import Model

FILE = "styles.npz"  # in the folder of a run or an export
COMPONENTS = 8  # of a mixture, at most


class Look(NamedTuple):
    """How instances look: their style vectors and, where a frame shows them, its pixels.

    Attributes:
      here: the instance of each pixel of the frame, from 0; -1: none.
      age: time from the frame to the first map, in clips; None: it is of another video, and counts as a clip away.
    """

    vectors: Float[np.ndarray, "1 instances styles"]
    frame: Float[np.ndarray, "h w 3"] | None = None
    here: Int[np.ndarray, "h w"] | None = None
    age: float | None = None

    def carried(
        self, there: Int[np.ndarray, "s H W"], times: Float[np.ndarray, "s"]
    ) -> Float[np.ndarray, "s H W 4"] | None:
        """The frame's pixels at those of maps, as `data.carrying.carried`; None without a frame.

        Args:
          times: of the maps, in clips after the first.
        """
        if self.frame is None:
            return None
        ages = np.ones(len(times)) if self.age is None else self.age + times
        return carrying.carried(self.frame, self.here, there, ages)


def of_frame(
    model: Model,
    frame: np.ndarray,
    here: Int[np.ndarray, "h w"],
    label_of: Int[np.ndarray, "i"],
    edited: Bool[np.ndarray, "i"],
    age: float | None = None,
) -> Look:
    """The look of a frame's instances. One that the frame does not show has the mean of its label's, or of all.

    Args:
      frame: uint8 [h w 3]. here: the instance of each pixel, from 0.
      label_of: the label of each instance, shown or not.
      edited: the instance had another label in the frame, so it looks as others of its new one.
      age: as that of `Look`.
    """
    vectors = np.array(model.nets.generator.pool(model.params, unit_range(frame)[None], here[None].astype(np.int32)))[0]
    shown = np.isin(np.arange(INSTANCES), here)
    shown[: len(label_of)] &= ~edited[:INSTANCES]
    shown = shown if shown.any() else np.isin(np.arange(INSTANCES), here)
    for i in range(min(len(label_of), INSTANCES)):
        alike = shown[: len(label_of)] & (label_of[:INSTANCES] == label_of[i])
        if not shown[i]:
            vectors[i] = vectors[np.flatnonzero(alike if alike.any() else shown)].mean(0)
    if not model.config.condition_carried:
        return Look(vectors[None])
    return Look(vectors[None], unit_range(frame), np.where(np.isin(here, np.flatnonzero(edited)), -1, here), age)


@dataclasses.dataclass(frozen=True, eq=False)
class Mixtures:
    """For each label, components of a mixture: weights, means and the lower triangles of covariances' factors."""

    label: Int[np.ndarray, "c"]
    weight: Float[np.ndarray, "c"]
    mean: Float[np.ndarray, "c s"]
    factor: Float[np.ndarray, "c s s"]

    @classmethod
    def fitted(cls, labels: Int[np.ndarray, "n"], vectors: Float[np.ndarray, "n s"]) -> Mixtures:
        """One component for every 30 vectors of a label, COMPONENTS at most, around the centres of k-means."""
        rows = []
        for label in np.unique(labels):
            own = vectors[labels == label].astype(np.float64)
            k = int(np.clip(len(own) // 30, 1, COMPONENTS))
            _, member = kmeans2(own, k, minit="++", seed=0)
            for part in (own[member == j] for j in range(k) if (member == j).any()):
                covariance = np.cov(part.T, ddof=0).reshape(own.shape[1], -1) + 1e-6 * np.eye(own.shape[1])
                rows.append((label, len(part) / len(own), part.mean(0), np.linalg.cholesky(covariance)))
        return cls(*(np.array(column) for column in zip(*rows)))

    def drawn(self, style_id: int, label_of: Int[np.ndarray, "i"]) -> Float[np.ndarray, "1 instances styles"]:
        """Styles of instances with these labels: of each by (style_id, instance) alone.

        Raises:
          InputError: a label that no style is known for.
        """
        vectors = np.zeros((INSTANCES, self.mean.shape[1]), np.float32)
        for i, label in enumerate(label_of[:INSTANCES]):
            own = np.flatnonzero(self.label == label)
            if not len(own):
                raise InputError(f"style_id={style_id}: no style is known for the label {label}; give `style_from`.")
            random = np.random.default_rng((style_id, i))
            chosen = random.choice(own, p=self.weight[own] / self.weight[own].sum())
            vectors[i] = self.mean[chosen] + self.factor[chosen] @ random.standard_normal(self.mean.shape[1])
        return vectors[None]

    def save(self, folder: epath.PathLike) -> None:
        """Writes FILE in a folder."""
        with moved_in(epath.Path(folder) / FILE) as unfinished, open(unfinished, "wb") as file:
            np.savez(file, **dataclasses.asdict(self))

    @classmethod
    def read(cls, folder: epath.PathLike, width: int) -> Mixtures | None:
        """What `save` wrote; None if it did not. Raises `InputError` for a damaged file or another `width`."""
        path = epath.Path(folder).expanduser() / FILE
        if not path.exists():
            return None
        try:
            arrays = read_arrays(path)
            found = cls(*(arrays[field.name] for field in dataclasses.fields(cls)))
            fits = found.mean.shape == (len(found.label), width) and found.factor.shape == (*found.mean.shape, width)
        except (KeyError, ValueError, OSError) as error:
            raise InputError(f"{path}: is damaged ({error}); fit it again (digan condition styles).") from None
        if not fits or not all(np.isfinite(x).all() for x in dataclasses.asdict(found).values()):
            raise InputError(f"{path}: does not fit this model; fit it again (digan condition styles).")
        return found
