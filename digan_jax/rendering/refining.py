"""Clips of one model drawn anew by a VIDM model: another model's motion, a diffusion model's detail."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from digan_jax.errors import InputError
from digan_jax.rendering.model import check_times
from digan_jax.rendering.sampler import Grid, Sampler
from digan_jax.rendering.vidm import VidmLatents, VidmModel
from digan_jax.rendering.vidm_drawing import Groups, draw_first, draw_next


class RefinedLatents(NamedTuple):
    """What determines refined clips."""

    proposal: Any  # latents of the proposing model
    own: VidmLatents


@dataclasses.dataclass(frozen=True, eq=False)
class Refined(VidmModel):
    """A VIDM model whose reverse processes begin in the frames of another model, with noise (SDEdit, Meng et al. 2022).

    The frame at time 0 is drawn anew by the content model, and kept as it is if there is none. Each frame of the clip
    then begins in the proposal's frame of its time, and sees the one before it. Proposals are known at all times, so
    unlike VIDM's own clips these may be of any times in any order.

    Attributes:
      proposer: draws the proposals, for instance a `Model` of DIGAN.
      share: of the T diffusion steps, from 0 to 1: how noisy a proposal becomes. 1 leaves next to nothing of it.
    """

    proposer: Sampler = None  # has no default; dataclasses want one after those of the base class
    share: float = 0.5

    @classmethod
    def of(cls, proposer: Sampler, refiner: Sampler, share: float = 0.5) -> Refined:
        """`refiner` on clips of `proposer`. Raises `InputError` for a refiner of another family, or a share of 0."""
        check_refiner(type(refiner))
        if not 0 < share <= 1:
            raise InputError(f"refine_noise={share:g}: must lie above 0 and not above 1, the share of diffusion steps.")
        if "motion" not in refiner.params:
            raise InputError("`refine`: these weights hold a content model alone; give a run with a motion model.")
        given = {field.name: getattr(refiner, field.name) for field in dataclasses.fields(refiner)}
        return cls(**given, proposer=proposer, share=share)

    def latents(self, ids, motion_ids=None, truncation: float = 1.0, label=None, seed: int = 0) -> RefinedLatents:
        """Latents of the proposing model and, by the same ids, the noise of this one. Each is told a class it knows."""
        proposal = self.proposer.latents(ids, motion_ids, truncation=truncation, label=label, seed=seed)
        mine = label if self.config.n_classes else None
        return RefinedLatents(proposal, super().latents(ids, motion_ids, label=mine, seed=seed))

    def stream(self, lat: RefinedLatents, times, grid: Grid = None) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
        """`generate` in pieces, as the proposals come.

        Raises:
          InputError: as the proposing model; a frame whose sides this model cannot draw.
        """
        own, clips = lat.own, len(lat.own.content)
        times = np.broadcast_to(check_times(times, clips), (clips, np.shape(times)[-1]))
        if (times != times[:1]).any():
            raise InputError("times differ from clip to clip; clips that are drawn anew share theirs.")
        first = self.proposer.generate(lat.proposal, [0.0], grid)[:, 0]
        self.config.check_frame(*first.shape[2:0:-1])
        groups = Groups.of(clips)
        params, static = self.placed(groups, first.shape[1:3])
        static["share"] = self.share
        ids, motion_ids, seed, label = map(groups.parted, (own.content, own.motion, own.seed, own.label))
        x_0 = [jnp.asarray(x) for x in groups.parted(np.clip(first, -1, 1))]
        if "content" in params:
            x_0 = [draw_first(params["content"], *one, **static) for one in zip(ids, seed, label, x_0)]
        before, number = x_0, 0
        for piece in self.proposer.stream(lat.proposal, times[0], grid):
            if number == 0 and times[0, 0] == 0:
                yield groups.joined(x_0)[:, None]
                piece, number = piece[:, 1:], 1
            count = piece.shape[1]
            if not count:
                continue
            numbers = np.arange(number, number + count, dtype=np.int32)
            places = np.float32(times[0, numbers] * (self.config.frames - 1))
            given = zip(x_0, before, motion_ids, seed, label, groups.parted(np.clip(piece, -1, 1)))
            drawn = [draw_next(params["motion"], *one[:5], numbers, one[5], places, **static) for one in given]
            before, number = [x[:, -1] for x in drawn], number + count
            yield groups.joined(drawn)


def check_refiner(kind: type[Sampler]) -> None:
    """Raises `InputError` if samplers of this kind cannot refine."""
    if not issubclass(kind, VidmModel):
        raise InputError("`refine`: is no model of the family vidm; only a diffusion model can draw a clip anew.")
