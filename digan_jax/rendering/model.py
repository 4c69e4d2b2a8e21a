"""A trained DIGAN generator for rendering: ids in, clips out."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from digan_jax import devices, grids
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.models.digan import networks
from digan_jax.models.digan.architecture import n_layers
from digan_jax.rendering import contexts, directions, estimate, generate, latents, tiles, walks
from digan_jax.rendering.directions import Directions
from digan_jax.rendering.sampler import Grid, OneGrid, Sampler
from digan_jax.rendering.walks import Walk
from digan_jax.shapes import Condition, Latents, Params


class Model(Sampler):
    """A trained DIGAN generator: latents of ids, walks between ids, clips of latents."""

    @staticmethod
    def layers(config: ModelConfig) -> int:
        return n_layers(config)

    @staticmethod
    def estimate(config: ModelConfig, grid: grids.Grid, clips: int, frames: int, devices: int, by_frame: bool):
        return estimate.estimate(config, grid, clips, frames, devices, by_frame)

    @staticmethod
    def check_bands(config: ModelConfig, grid: grids.Grid, bands: int) -> None:
        generate.devices_by(bands, jax.local_device_count())
        tiles.in_bands(config, grid, tiles.plan(config, grid, 1, 1, generate.WORKSPACE), bands)

    @functools.cached_property
    def nets(self) -> networks.Nets:
        """The networks as pure functions, for gradients or custom loops."""
        return networks.build(self.config, self.compute_dtype)

    @functools.cached_property
    def _on_devices(self) -> Params:
        return devices.replicate(self.params)

    def latents(self, ids, motion_ids=None, truncation: float = 1.0, label=None, seed: int = 0) -> Latents:
        """Latents of clips by id: content [b layers w] and motion [b m]. Row i depends on id i alone, not on the batch.

        Args:
          ids: whole numbers in [0, 2**31); the same id gives the same content.
          motion_ids: one for all clips or one per clip; the same motion id gives the same motion. None: `ids`.
          truncation: psi in w_avg + psi (w - w_avg): 1 full variety, 0 the average clip, above 1 exaggerates.
          label: class index or name, one for all clips or one per clip. None: random by id; required for unconditional
            models.
          seed: root of the noise; with another seed the same ids give other clips.

        Raises:
          InputError: invalid ids, motion ids, truncation, label or seed.
        """
        z, motion, classes = self._noise(ids, motion_ids, truncation, label, seed)
        return latents.from_noise(self.params, z, motion, classes, float(truncation), self.nets)

    def walk(
        self, ids, steps: int, of: str = "both", space: str = "w",
        motion_ids=None, truncation: float = 1.0, label=None, seed: int = 0,
    ) -> Walk:  # fmt: skip
        """A latent walk: one clip of (len(ids) - 1) * steps + 1 frames whose latents interpolate between ids.

        Pass it to `stream` or `generate`. Steps are equal; frame i * steps has exactly the latents of ids[i].

        Args:
          ids: two or more.
          steps: frames from one id to the next.
          of: what is interpolated, "both", "content" or "motion"; the other keeps the first id's value.
          space: where content is interpolated, linearly in "w" or spherically in "z"; motion noise is always spherical.
          motion_ids, truncation, label, seed: as in `latents`.

        Raises:
          InputError: as `latents`; fewer than two ids, steps below 1, an unknown `of` or `space`.
        """
        z, motion, classes = self._noise(ids, motion_ids, truncation, label, seed)
        return walks.plan_walk(self.params, self.nets, z, motion, classes, truncation, steps, of, space)

    def directions(self, count: int = 8, samples: int = directions.SAMPLES, label=None, seed: int = 0) -> Directions:
        """The directions of w and of the motion vector in which clips differ most; a few seconds for a small model.

        Args:
          count: of directions of each kind; the first ones do not depend on it.
          samples: ids whose w are looked at; a quarter of them are drawn.
          label: class of all of them; None: random by id.
          seed: root of the noise.

        Raises:
          InputError: an impossible count or too few samples; a model that follows a condition; as `latents`.
        """
        c, most = self.config, min(self.config.w_dim, self.config.motion_dim)
        if not 1 <= count <= most:
            raise InputError(f"count={count}: this model has 1 to {most} directions of each kind.")
        least = 4 * directions.TOGETHER
        if samples < least:
            raise InputError(f"samples={samples}: directions are statistics; give {least} or more.")
        if c.condition_planes:
            raise InputError("directions: of models that follow a condition there are none yet.")
        lat = self.latents(np.arange(samples), label=label, seed=seed)
        clips = samples // 4 // directions.TOGETHER * directions.TOGETHER
        drawn, grid = Latents(*(x[:clips] for x in lat)), tiles.grid(directions.SIDE, directions.SIDE).resolve(c)
        moments = directions.measure(self.nets, self.params, drawn, grid, seed)
        return directions.strongest(moments, lat.content[:, 0], count)

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

    def animate(
        self, still: Float[np.ndarray, "h w 3"], ids, times, grid: Grid = None, **options
    ) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
        """As `Sampler.animate`, for models of the task "animate", whose condition is the first frame."""
        if self.config.condition_planes != 3:
            raise InputError("this model was shown no pictures; give one of the task 'animate' (--config animate).")
        condition = Condition(maps=np.asarray(still, np.float32)[None, None], at=np.zeros(1, np.float32))
        yield from self.stream(self.latents(ids, **options), times, grid, condition)

    def generate(
        self, lat: Latents | Walk, times, grid: Grid = None, condition: Condition | None = None
    ) -> Float[np.ndarray, "b t h w c"]:
        """Clips: float32, about in [-1, 1], not clamped.

        Args:
          lat: from `latents`, `digan.mix`, or `walk` (one clip of len(lat) frames).
          times: [t] for all clips or [b t], in clips: 0 is the first frame, 1 the last. Any finite numbers in any
            order; values in between interpolate, values beyond extrapolate.
          grid: None for the trained grid, `digan.grid(...)`, or a list of equally large ones, one per frame.
          condition: of models that were trained on a task: `maps` [b s H W planes], in [-1, 1], of any size and number,
            that span the trained frame; with one more plane for what is visible (1) and what hidden (0; values 0). `at`
            [s] or [b s]: their times, ascending; None: evenly spaced in [0, 1]. One row for all clips or one for each.

        Raises:
          InputError: latents of another model, times that are not finite numbers, an impossible grid; a condition that is
            missing, not expected or of another shape.
        """
        return np.concatenate(list(self.stream(lat, times, grid, condition)), axis=1)

    def stream(
        self, lat: Latents | Walk, times, grid: Grid = None, condition: Condition | None = None
    ) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
        """`generate` in pieces of a few frames of all clips, in order of time, for clips that do not fit in memory."""
        clips = 1 if isinstance(lat, Walk) else self._check(lat)
        times = check_times(times, clips)
        context = contexts.of(self.nets, self.config, self._on_devices, condition, clips)
        if isinstance(lat, Walk) and times.shape[1] != len(lat):
            raise InputError(f"{times.shape[1]} times for a walk of {len(lat)} frames; give one for each.")
        one_grid = grid is None or isinstance(grid, OneGrid)
        resolved = self._resolve([grid] if one_grid else grid, times.shape[1])
        draw = self.nets, self.config, self._on_devices
        if one_grid and not isinstance(lat, Walk):
            return generate.stream(*draw, lat, times, resolved[0], context=context, bands=self.bands)
        if isinstance(lat, Walk):
            rows = lat.latents
        else:
            rows = lambda frames: Latents(*(np.tile(x, (len(frames), *[1] * (x.ndim - 1))) for x in lat))
        found = resolved[0] if one_grid else resolved
        return generate.stream_by_frame(*draw, rows, times, found, context, bands=self.bands)

    def _resolve(self, requests, frames: int) -> list[grids.Grid]:
        c = self.config
        requests = [grids.native(c.resolution, c.base) if grid is None else grid for grid in requests]
        resolved = [grid.resolve(c) if isinstance(grid, tiles.GridRequest) else grid for grid in requests]
        if len(resolved) not in (1, frames) or len({(g.size, len(g.levels), g.enlarge) for g in resolved}) > 1:
            raise InputError(f"{len(resolved)} grids for {frames} frames; give one for each, all of one size and mode.")
        return resolved

    def generate_from_noise(self, z, z_motion, times, label=None, grid: Grid = None) -> Float[np.ndarray, "b t h w c"]:
        """Clips from given noise instead of ids, without truncation; for comparison with other implementations.

        Args:
          z: content noise [b z]. z_motion: motion noise [b m].
          label: one-hot [b classes]; conditional models only.
          times, grid: as in `generate`.

        Raises:
          InputError: wrong shapes or numbers that are not finite; as `generate`.
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
    """Raises `InputError` if a number is NaN or infinite. Such rows would render black or as another row's clip."""
    if bad := int(np.sum(~np.isfinite(np.asarray(numbers, np.float32)))):
        raise InputError(f"{name}: {bad} numbers are NaN or infinite; look at what made them.")


def check_times(times, clips: int) -> Float[np.ndarray, "b t"]:
    """Times [t] or [clips t] as float32 [clips t].

    Raises:
      InputError: another shape, no times, or values that are not finite numbers.
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
