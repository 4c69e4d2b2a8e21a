"""A trained generator as people use it: ids in, clips out."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from digan_jax import devices, grids
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.models.digan import networks
from digan_jax.models.digan.architecture import n_layers
from digan_jax.rendering import estimate, generate, latents, tiles, walks
from digan_jax.rendering.sampler import Grid, OneGrid, Sampler
from digan_jax.rendering.walks import Walk
from digan_jax.shapes import Latents, Params


class Model(Sampler):
    """A DIGAN generator as people use it."""

    @staticmethod
    def layers(config: ModelConfig) -> int:
        return n_layers(config)

    @staticmethod
    def estimate(config: ModelConfig, grid: grids.Grid, clips: int, frames: int, devices: int, by_frame: bool):
        return estimate.estimate(config, grid, clips, frames, devices, by_frame)

    @functools.cached_property
    def nets(self) -> networks.Nets:
        """The networks as pure functions, for whoever wants gradients or another loop."""
        return networks.build(self.config, self.compute_dtype)

    @functools.cached_property
    def _on_devices(self) -> Params:
        return devices.replicate(self.params)

    def latents(self, ids, motion_ids=None, truncation: float = 1.0, label=None, seed: int = 0) -> Latents:
        """Content [b layers w] and motion [b m] of clips by id; row i depends on id i alone, whatever the batch.

        Args:
          ids: whole numbers, each the name of one content; same id, same picture.
          motion_ids: one for all clips or one for each; None: the ids. Same motion id, same motion.
          truncation: psi of w_avg + psi (w - w_avg): 1 all variety, towards 0 the average clip, above 1 exaggerates.
          label: class index or name, one for all or one for each; None: drawn by id (unconditional models take none).
          seed: of another world: the same ids name other clips.

        Raises:
          InputError: ids, motion ids, truncation or labels that cannot be used; says which and why.
        """
        z, motion, classes = self._noise(ids, motion_ids, truncation, label, seed)
        return latents.from_noise(self.params, z, motion, classes, float(truncation), self.nets)

    def walk(
        self, ids, steps: int, of: str = "both", space: str = "w",
        motion_ids=None, truncation: float = 1.0, label=None, seed: int = 0,
    ) -> Walk:  # fmt: skip
        """A walk through ids in (len(ids) - 1) * steps + 1 frames, for `stream` and `generate`: one clip whose latents
        change from frame to frame. Steps are equal, and the frames at the ids are those of the ids.

        Args:
          ids: two or more stations. steps: frames from one to the next.
          of: what walks, "both", "content" or "motion"; the other stays at the first station.
          space: of the content, "w" (straight lines) or "z" (arcs); motion noise goes along arcs.
          motion_ids, truncation, label, seed: as in `latents`; ids of motion, if others than `ids`.

        Raises:
          InputError: as `latents`; fewer than two ids, steps below 1, an unknown `of` or `space`.
        """
        z, motion, classes = self._noise(ids, motion_ids, truncation, label, seed)
        return walks.plan_walk(self.params, self.nets, z, motion, classes, truncation, steps, of, space)

    def _noise(self, ids, motion_ids, truncation, label, seed):
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
        label = latents.label_indices(label, self.class_names)
        return z, motion, latents.one_hot(label, ids, self.config.n_classes, seed)

    def generate(self, lat: Latents | Walk, times, grid: Grid = None) -> Float[np.ndarray, "b t h w c"]:
        """Clips, float32, about in [-1, 1], not clamped.

        Args:
          lat: from `latents`, any mixture of such (`digan.mix`), or a `walk`, which is one clip of len(lat) frames.
          times: [t] for all clips or [b t], any finite numbers: 0 is the first frame of a clip, 1 its last, between
            and beyond are legal; each frame is drawn by itself, so order and repeats are free.
          grid: None as trained, `digan.grid(...)`, or a list of such of one size, one for each frame.

        Raises:
          InputError: latents of another model, times that are no numbers, a grid that cannot be drawn.
        """
        return np.concatenate(list(self.stream(lat, times, grid)), axis=1)

    def stream(self, lat: Latents | Walk, times, grid: Grid = None) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
        """`generate` in pieces of some frames of all clips, in order of time, for clips that do not fit in memory."""
        clips = 1 if isinstance(lat, Walk) else self._check(lat)
        times = check_times(times, clips)
        if isinstance(lat, Walk) and times.shape[1] != len(lat):
            raise InputError(f"{times.shape[1]} times for a walk of {len(lat)} frames; give one for each.")
        one_grid = grid is None or isinstance(grid, OneGrid)
        resolved = self._resolve([grid] if one_grid else grid, times.shape[1])
        draw = self.nets, self.config, self._on_devices
        if one_grid and not isinstance(lat, Walk):
            return generate.stream(*draw, lat, times, resolved[0])
        if isinstance(lat, Walk):
            rows = lat.latents
        else:
            rows = lambda frames: Latents(*(np.tile(x, (len(frames), *[1] * (x.ndim - 1))) for x in lat))
        return generate.stream_by_frame(*draw, rows, times, resolved[0] if one_grid else resolved)

    def _resolve(self, wanted, frames: int) -> list[grids.Grid]:
        r = self.config.resolution
        asked = [grids.native(r) if grid is None else grid for grid in wanted]
        found = [grid.resolve(r) if isinstance(grid, tiles.GridRequest) else grid for grid in asked]
        if len(found) not in (1, frames) or len({(g.size, len(g.levels), g.enlarge) for g in found}) > 1:
            raise InputError(f"{len(found)} grids for {frames} frames; give one for each, all of one size and mode.")
        return found

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
            check_finite(name, value)
        z, z_motion, label = (None if x is None else jnp.asarray(x, jnp.float32) for x in (z, z_motion, label))
        return self.generate(latents.from_noise(self.params, z, z_motion, label, 1.0, self.nets), times, grid)

    def _check(self, lat: Latents) -> int:
        c, b = self.config, len(lat.content)
        expected = {"content": (b, self.nets.generator.n_layers, c.w_dim), "motion": (b, c.motion_dim)}
        for name, shape in expected.items():
            if getattr(lat, name).shape != shape:
                raise InputError(f"latents.{name} has shape {getattr(lat, name).shape}; this model takes {shape}.")
            check_finite(f"latents.{name}", getattr(lat, name))
        return b


def check_finite(name: str, numbers) -> None:
    """Raises `InputError` when one of them is NaN or infinite: its clip would be black, or another's."""
    if bad := int(np.sum(~np.isfinite(np.asarray(numbers, np.float32)))):
        raise InputError(f"{name}: {bad} numbers are NaN or infinite; look at what made them.")


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
