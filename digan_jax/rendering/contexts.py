"""Encodes the condition of a render once, before its pieces are drawn."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.models.condition.encoder import Context, with_visibility
from digan_jax.models.digan.networks import Nets
from digan_jax.shapes import Array, Condition, Params, Styles


def of(nets: Nets, config: ModelConfig, params: Params, condition: Condition | None, clips: int) -> Context | None:
    """The context of so many clips; None for a model that takes none.

    Raises:
      InputError: a condition that is missing, not expected, of another shape or not finite, or times that do not ascend.
    """
    planes, given = config.condition_planes, condition is not None and condition.maps is not None
    if not planes and given:
        raise InputError("condition: this model takes none (model.condition_planes=0); leave it out.")
    if not planes:
        return None
    if not given:
        raise InputError(
            f"condition: this model was trained to follow maps of {planes} planes; from Python give condition=digan.Condition(maps=...)."
        )
    maps, at = _checked(condition, planes, clips)
    context = _encode(params, with_visibility(maps, planes), at, styles_of(condition, config, maps), nets)
    return jax.tree.map(lambda x: np.broadcast_to(np.asarray(x), (clips, *x.shape[1:])), context)


@partial(jax.jit, static_argnames="nets")
def _encode(
    params: Params, maps: Float[Array, "b s H W c"], at: Float[Array, "b s"], styles: Styles | None, nets: Nets
) -> Context:
    return nets.generator.encode(params, maps, at, styles)


def styles_of(condition: Condition, config: ModelConfig, maps: Float[Array, "b s H W c"]) -> Styles | None:
    """The styles of a condition, one row for each of its maps'; None for a model that takes none.

    Raises:
      InputError: styles that are missing, not expected, or of another shape.
    """
    styles = condition.styles
    if (styles is None) == bool(config.condition_style):
        wish = "needs the look of instances" if styles is None else "takes no styles; leave them out"
        raise InputError(f"condition.styles: this model (model.condition_style={config.condition_style}) {wish}.")
    if styles is None:
        return None
    vectors = styles.vectors if styles.frame is None else None
    last = config.condition_style if vectors is None else np.shape(vectors)[-1]
    if np.shape(styles.there) != maps.shape[:4] or last != config.condition_style:
        raise InputError(
            f"condition.styles: instances of shape {np.shape(styles.there)} and vectors of {last}; this condition takes "
            f"{maps.shape[:4]} and {config.condition_style}."
        )
    carried, wanted = styles.carried, (*maps.shape[:4], 4) if config.condition_carried else None
    if carried is None and wanted:
        carried = np.zeros(wanted, np.float32)
    elif carried is not None and np.shape(carried) != wanted:
        raise InputError(
            f"condition.styles: carried colours of shape {np.shape(carried)}; this condition takes "
            f"{wanted or 'none (model.condition_carried=False)'}."
        )
    return jax.tree.map(jnp.asarray, styles._replace(carried=carried))


def _checked(condition: Condition, planes: int, clips: int) -> tuple[Float[Array, "b s H W c"], Float[Array, "b s"]]:
    maps = np.asarray(condition.maps, np.float32)
    wanted = f"[b s H W {planes}] or [b s H W {planes + 1}], b being 1 or {clips}"
    if maps.ndim != 5 or maps.shape[-1] not in (planes, planes + 1) or len(maps) not in (1, clips) or not maps.size:
        raise InputError(f"condition.maps of shape {maps.shape}: this model takes {wanted}.")
    s = maps.shape[1]
    at = np.asarray(np.linspace(0, 1, s) if condition.at is None else condition.at, np.float32)
    if at.shape not in ((s,), (1, s), (len(maps), s)):
        raise InputError(f"condition.at of shape {at.shape}: give the {s} times of the maps, [{s}] or [{len(maps)} {s}].")
    for name, numbers in (("maps", maps), ("at", at)):
        if not np.isfinite(numbers).all():
            raise InputError(f"condition.{name} holds NaN or infinity; look at what made it.")
    at = np.broadcast_to(at, (len(maps), s))
    if (np.diff(at) <= 0).any():
        raise InputError(f"condition.at={at[0].tolist()}: times must ascend; sort the maps, and give each time once.")
    return jnp.asarray(maps), jnp.asarray(at)


def at_frames(context: Context | None, times: Float[Array, "b t"]) -> Context | None:
    """The context of frames drawn as clips, frame by frame: t · b rows of one map each, clip index fastest."""
    if context is None:
        return None
    b, t = times.shape
    by_frame = lambda x: np.swapaxes(np.asarray(x), 0, 1).reshape(t * b, 1, *x.shape[2:])
    then = jax.tree.map(jnp.asarray, context).at_times(jnp.asarray(times))
    maps = tuple(by_frame(x) for x in then.maps)
    return Context(maps, np.tile(context.pooled, (t, 1)), by_frame(times))
