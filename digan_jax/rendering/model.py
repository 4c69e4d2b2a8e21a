"""A trained generator as people use it: ids in, clips out."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import Float

from digan_jax import coords, networks
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.rendering import generate, latents, tiles
from digan_jax.shapes import Latents, Params

Grid = tiles.GridRequest | coords.Grid | None


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """A generator and its weights.

    Attributes:
      config: the architecture.
      params: nested dict of arrays {"mapping", "synthesis", "w_avg"}, named as in the authors' release.
      compute_dtype: of activations, "float32" or "bfloat16"; frames are float32 whatever it is.
    """

    config: ModelConfig
    params: Params
    compute_dtype: str = "float32"

    @functools.cached_property
    def nets(self) -> networks.Nets:
        """The networks as pure functions, for whoever wants gradients or another loop."""
        return networks.build(self.config, self.compute_dtype)

    @functools.cached_property
    def _on_devices(self) -> Params:
        return generate.replicate(self.params)

    def latents(self, ids, motion_ids=None, truncation: float = 1.0, label=None, seed: int = 0) -> Latents:
        """Content [b layers w] and motion [b m] of clips by id; row i depends on id i alone, whatever the batch.

        Args:
          ids: whole numbers, each the name of one content; same id, same picture.
          motion_ids: one for all clips or one for each; None: the ids. Same motion id, same motion.
          truncation: psi of w_avg + psi (w - w_avg): 1 all variety, towards 0 the average clip, above 1 exaggerates.
          label: class index, one for all or one for each; None: drawn by id (unconditional models take none).
          seed: of another world: the same ids name other clips.

        Raises:
          InputError: ids, motion ids, truncation or labels that cannot be used; says which and why.
        """
        ids = latents.check_ids(ids)
        motion_ids = ids if motion_ids is None else latents.check_ids(motion_ids, "motion_ids")
        if len(motion_ids) not in (1, len(ids)):
            raise InputError(f"motion_ids: {len(motion_ids)} for {len(ids)} ids; give one for all or one for each.")
        if not np.isfinite(truncation):
            raise InputError(f"truncation={truncation}: must be a number; 1 leaves the model as it is.")
        if not 0 <= seed < 2**32:
            raise InputError(f"seed={seed}: must lie in [0, 2**32).")
        z = latents.content_noise(seed, ids, self.config.z_dim)
        motion = latents.motion_noise(seed, np.broadcast_to(motion_ids, ids.shape), self.config.motion_dim)
        classes = latents.one_hot(label, ids, self.config.n_classes, seed)
        return latents.from_noise(self.params, z, motion, classes, float(truncation), self.nets)

    def generate(self, lat: Latents, times, grid: Grid = None) -> Float[np.ndarray, "b t h w c"]:
        """Clips, float32, about in [-1, 1], not clamped.

        Args:
          lat: from `latents`, or any mixture of such.
          times: [t] for all clips or [b t], any finite numbers: 0 is the first frame of a clip, 1 its last, between
            and beyond are legal; each frame is drawn by itself, so order and repeats are free.
          grid: None as trained, or `digan.grid(...)`.

        Raises:
          InputError: latents of another model, times that are no numbers, a grid that cannot be drawn.
        """
        return np.concatenate(list(self.stream(lat, times, grid)), axis=1)

    def stream(self, lat: Latents, times, grid: Grid = None) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
        """`generate` in pieces of some frames of all clips, in order of time, for clips that do not fit in memory."""
        self._check(lat)
        times = check_times(times, len(lat.content))
        if grid is None:
            grid = coords.native(self.config.resolution)
        elif isinstance(grid, tiles.GridRequest):
            grid = grid.resolve(self.config.resolution)
        return generate.stream(self.nets, self.config, self._on_devices, lat, times, grid)

    def sample(self, ids, times, grid: Grid = None, **options) -> Float[np.ndarray, "b t h w c"]:
        """`generate` of `latents(ids, **options)`."""
        return self.generate(self.latents(ids, **options), times, grid)

    def generate_from_noise(self, z, z_motion, times, label=None, grid: Grid = None) -> Float[np.ndarray, "b t h w c"]:
        """Clips from exact noise instead of ids, without truncation; for parity with other implementations.

        Args:
          z: [b z]. z_motion: [b m]. label: one-hot [b classes], for conditional models alone.
          times, grid: as in `generate`.
        """
        c, b = self.config, len(z)
        shapes = {"z": (z, (b, c.z_dim)), "z_motion": (z_motion, (b, c.motion_dim))}
        if c.n_classes or label is not None:
            shapes["label"] = (label, (b, c.n_classes))
        for name, (value, shape) in shapes.items():
            if np.shape(value) != shape:
                raise InputError(f"{name} has shape {np.shape(value)}; this model takes {shape}.")
        z, z_motion, label = (None if x is None else jnp.asarray(x, jnp.float32) for x in (z, z_motion, label))
        return self.generate(latents.from_noise(self.params, z, z_motion, label, 1.0, self.nets), times, grid)

    def _check(self, lat: Latents) -> None:
        c, b = self.config, len(lat.content)
        expected = {"content": (b, self.nets.generator.n_layers, c.w_dim), "motion": (b, c.motion_dim)}
        for name, shape in expected.items():
            if getattr(lat, name).shape != shape:
                raise InputError(f"latents.{name} has shape {getattr(lat, name).shape}; this model takes {shape}.")


def check_times(times, clips: int) -> Float[np.ndarray, "b t"]:
    """Times of each clip, float32.

    Raises:
      InputError: not numbers, not finite, none, or not [t] or [clips t].
    """
    try:
        rows = np.asarray(times, np.float32)
    except (TypeError, ValueError):
        raise InputError(f"times={times!r}: must be numbers; 0 is the first frame of a clip and 1 its last.") from None
    if rows.ndim not in (1, 2) or rows.size == 0 or (rows.ndim == 2 and len(rows) not in (1, clips)):
        raise InputError(f"times of shape {rows.shape}: give [t] for all clips or [{clips} t], one row for each.")
    if not np.isfinite(rows).all():
        raise InputError("times hold NaN or infinity; 0 is the first frame of a clip and 1 its last.")
    return np.broadcast_to(rows, (clips, rows.shape[-1]))


def load(path: epath.PathLike, step: int | None = None) -> Model:
    """A model from the folder of a run or of `digan export`, from a .npz of `digan export`, from the hub
    ("hf://user/name"), or from the authors' network-snapshot.pkl, which is read without running it.

    Args:
      step: which checkpoint of a run; None: the newest.

    Raises:
      InputError: nothing there, no such checkpoint in it, damaged, or a file of another kind.
    """
    from digan_jax.interop import weights

    found = weights.read(path, step=step)
    return Model(found.config, found.params, found.compute_dtype)
