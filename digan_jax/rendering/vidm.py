"""Trained VIDM networks for rendering: ids in, clips out, frame after frame."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float, Int, UInt32

from digan_jax import grids
from digan_jax.config import VidmConfig
from digan_jax.errors import InputError
from digan_jax.host.notes import say_once
from digan_jax.models.vidm.networks import Nets, build
from digan_jax.rendering import latents as latents_lib
from digan_jax.rendering.model import check_finite, check_times
from digan_jax.rendering.sampler import Grid, OneGrid, Sampler, Sampling
from digan_jax.rendering.tiles import GridRequest, even
from digan_jax.rendering.vidm_drawing import Groups, draw_first, draw_next
from digan_jax.shapes import Params

FRAMES = 16  # most frames of a piece


class VidmLatents(NamedTuple):
    """What determines b clips: ids that seed the noise, and first frames if those are given."""

    content: Int[np.ndarray, "b"]  # of the first frame's noise
    motion: Int[np.ndarray, "b"]  # of all later frames' noise
    seed: UInt32[np.ndarray, "b"]
    first: Float[np.ndarray, "b h w 3"] | None = None  # in [−1, 1]; None: drawn by the content model
    label: Float[np.ndarray, "b classes"] | None = None  # one-hot; None in models without classes


class VidmModel(Sampler):
    """Trained VIDM networks. `params` holds "content", "motion" or both.

    Frames are drawn one after the other, each from the first and the one before. Frame i of N has time i / (N − 1); a
    time between two frames gets the nearer one, and frames beyond the last are drawn on (the index is continuous).
    """

    config: VidmConfig

    def latents(
        self, ids, motion_ids=None, truncation: float = 1.0, label=None, seed: int = 0, first=None
    ) -> VidmLatents:
        """What determines the clips of these ids. Clip i depends on its ids alone, not on the batch.

        Args:
          ids: whole numbers in [0, 2**31); the same id gives the same first frame.
          motion_ids: one for all clips or one per clip: the noise of the later frames. None: `ids`.
          truncation: 1; a diffusion model has none.
          label: class index or name, one for all clips or one per clip; None: random by id.
          seed: with another seed the same ids give other clips.
          first: given first frames [b h w 3] in [−1, 1], or one [h w 3] for all; None: the content model draws them.

        Raises:
          InputError: invalid ids, seed, label or first frames, a truncation other than 1.
        """
        ids = latents_lib.check_ids(ids)
        motion_ids = ids if motion_ids is None else latents_lib.check_ids(motion_ids, "motion_ids")
        if len(motion_ids) not in (1, len(ids)):
            raise InputError(f"motion_ids: {len(motion_ids)} for {len(ids)} ids; give one for all or one for each.")
        if truncation != 1:
            raise InputError(f"truncation={truncation:g}: a diffusion model has no average clip; leave it at 1.")
        if not 0 <= seed < 2**32:
            raise InputError(f"seed={seed}: must lie in [0, 2**32).")
        label = latents_lib.label_indices(label, self.class_names)
        label = latents_lib.one_hot(label, ids, self.config.n_classes, seed)
        if first is not None:
            first = self._check_first(first, len(ids))
        motion_ids = np.array(np.broadcast_to(motion_ids, ids.shape))
        return VidmLatents(ids, motion_ids, np.full(len(ids), seed, np.uint32), first, label)

    @staticmethod
    def sampled(config: VidmConfig, given: Sampling) -> VidmConfig:
        """The configuration with another sampler. Raises `InputError` as `sampling`."""
        fields = {f"sampling_{name}": value for name, value in given._asdict().items() if value is not None}
        if (given.guidance or 1) != 1 and not config.n_classes:
            raise InputError(
                f"guidance={given.guidance:g}: this model knows no classes (model.n_classes=0); leave it out."
            )
        return dataclasses.replace(config, **fields)

    def animate(
        self, still: Float[np.ndarray, "h w 3"], ids, times, grid: Grid = None, **options
    ) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
        """As `Sampler.animate`: the motion model goes on from the picture. It is drawn at its own size.

        Raises:
          InputError: sides that are no multiples of 2^(levels − 1); a grid of another size; no motion model.
        """
        if "motion" not in self.params:
            raise InputError("these weights hold a content model alone; give a run with a motion model.")
        yield from self.stream(self.latents(ids, first=still, **options), times, grid)

    def _check_first(self, first, clips: int) -> Float[np.ndarray, "b h w 3"]:
        first = np.asarray(first)
        if first.dtype == np.uint8:
            raise InputError("first: frames are bytes; give floats in [-1, 1], frames / 127.5 - 1.")
        first = first.astype(np.float32)
        first = first[None] if first.ndim == 3 else first
        if first.ndim != 4 or first.shape[-1] != 3 or len(first) not in (1, clips):
            raise InputError(f"first has shape {first.shape}; give [h w 3] for all or [{clips} h w 3], one for each.")
        check_finite("first", first)
        self.config.check_frame(first.shape[2], first.shape[1])
        return np.array(np.broadcast_to(first, (clips, *first.shape[1:])))

    def stream(self, lat: VidmLatents, times, grid: Grid = None) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
        """`generate` in pieces, in order of time. Times out of order, or other ones for each clip, are kept in memory.

        Raises:
          InputError: times that are not finite numbers or before the first frame, a grid or given first frames of a
            size that cannot be drawn, no content model and no first frames.
        """
        times = check_times(times, len(lat.content))
        index = self._indices(times)
        size = self._size(grid, lat)
        if "content" not in self.params and lat.first is None:
            raise InputError(
                "these weights hold a motion model alone; give first frames: model.latents(ids, first=frames)."
            )
        return self._selected(self._pieces(lat, int(index.max()), size), index)

    def _indices(self, times: Float[np.ndarray, "b t"]) -> Int[np.ndarray, "b t"]:
        n = self.config.frames
        exact = times.astype(np.float64) * (n - 1)
        index = np.rint(exact).astype(np.int64)
        if index.min() < 0:
            raise InputError(f"times from {times.min():g}: there is nothing before the first frame, time 0.")
        if np.abs(exact - index).max() > 1e-3 * max(1, index.max() / n):  # float32 times
            say_once(f"times lie between the model's frames, {n - 1} steps a clip; the nearest frames are shown.")
        if index.max() > n - 1:
            say_once(
                f"frames up to {index.max()}: the model was trained on frames 1 to {self.config.last_trained}; its index is continuous, "
                "so it draws on, and may drift."
            )
        return index

    def _size(self, grid: Grid, lat: VidmLatents) -> tuple[int, int]:
        """(height, width) of the frames."""
        given = None if lat.first is None else lat.first.shape[1:3]
        if grid is None:
            return given or (self.config.resolution, self.config.resolution)
        several = [grid] if isinstance(grid, OneGrid) else list(grid)
        sizes = {self._size_of(one) for one in several}
        if len(sizes) > 1:
            raise InputError(f"{len(several)} grids of several sizes: a diffusion model draws all frames at one.")
        (size,) = sizes
        if given and given != size:
            raise InputError(
                f"first frames are {given[1]}x{given[0]}, the frames to draw {size[1]}x{size[0]}; resize them, or "
                "leave the grid out."
            )
        return size

    def _size_of(self, grid: OneGrid) -> tuple[int, int]:
        if isinstance(grid, GridRequest):
            grid = grid.resolve(self.config)  # checks size and region
        width, height = grid.size
        self.config.check_frame(width, height)
        whole = grids.smooth(self.config.resolution, width, height, base=self.config.base).levels[0]
        mine = grid.levels[-1]
        same = lambda a, b: a.shape == b.shape and np.allclose(a, b, atol=1e-5)  # rounding of float32 nodes
        if not (same(mine.x, whole.x) and same(mine.y, whole.y)):
            raise InputError("this grid shows a part of the plane; a diffusion model draws whole frames.")
        return height, width

    def _selected(self, pieces: Iterator, index: Int[np.ndarray, "b t"]) -> Iterator[Float[np.ndarray, "b t h w c"]]:
        """The frames of these indices: as they come if they are in order, otherwise when all are drawn."""
        if (index == index[:1]).all() and (np.diff(index[0]) >= 0).all():
            start = 0
            for piece in pieces:
                wanted = index[0][(index[0] >= start) & (index[0] < start + piece.shape[1])] - start
                start += piece.shape[1]
                if len(wanted):
                    yield piece[:, wanted]
        else:
            whole = np.concatenate(list(pieces), axis=1)
            yield whole[np.arange(len(index))[:, None], index]

    def _pieces(
        self, lat: VidmLatents, last: int, size: tuple[int, int]
    ) -> Iterator[Float[np.ndarray, "b n h w 3"]]:
        """Frames 0 … last in pieces; the first piece is the first frame alone."""
        groups = Groups.of(len(lat.content))
        params, static = self.placed(groups, size)
        ids, motion_ids, seed, label = map(groups.parted, (lat.content, lat.motion, lat.seed, lat.label))
        if lat.first is None:
            first = [draw_first(params["content"], *given, **static) for given in zip(ids, seed, label)]
        else:
            first = [jnp.asarray(given) for given in groups.parted(lat.first)]
        yield groups.joined(first)[:, None]
        if last and "motion" not in self.params:
            say_once("these weights hold a content model alone, stage content; its first frames are shown still.")
            yield np.repeat(groups.joined(first)[:, None], last, axis=1)
            return
        before, step = first, even(last, FRAMES) if last else 1
        for start in range(1, last + 1, step):
            indices = np.arange(start, start + step, dtype=np.int32)  # the last piece may go on: one shape, one program
            given = zip(first, before, motion_ids, seed, label)
            drawn = [draw_next(params["motion"], *one, indices, **static) for one in given]
            before = [x[:, -1] for x in drawn]
            yield groups.joined(drawn)[:, : last + 1 - start]

    def placed(self, groups: Groups, size: tuple[int, int]) -> tuple[Params, dict]:
        """The parameters on every device of the groups, and what `draw_first` and `draw_next` need beside arrays."""
        return self._on_devices(groups.mesh), {
            "nets": self.nets, "model": self.config, "size": size, "mesh": groups.mesh,
        }  # fmt: skip

    @functools.cached_property
    def nets(self) -> Nets:
        """The networks as pure functions, for gradients or custom loops."""
        return build(self.config, self.compute_dtype)

    @functools.cached_property
    def _on_devices(self) -> Callable[[Mesh], Params]:
        """mesh -> the parameters on every device of it, put there once."""
        put = lambda mesh: jax.device_put(self.params, NamedSharding(mesh, PartitionSpec()))
        return functools.lru_cache(maxsize=2)(put)
