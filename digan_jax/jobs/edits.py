"""Edits of a render's latents along directions: of a file, or found for the render."""

from __future__ import annotations

from digan_jax.errors import InputError
from digan_jax.interop.opening import Glance
from digan_jax.rendering.directions import Directions, parsed
from digan_jax.rendering.model import Model
from digan_jax.rendering.sampler import Sampler

Edit = tuple[tuple[str, float], ...]


def opened(file: str | None, edit: Edit | None, model: Glance) -> Directions | None:
    """The directions in `file`, which must be of this model and have those of `edit`.

    Raises:
      InputError: a model without directions, a file of another model, or a direction that is not there.
    """
    if not edit:
        return None
    if not issubclass(model.sampler, Model) or model.config.condition_planes:
        raise InputError("`edit`: this model has no directions; leave it out.")
    c, found = model.config, None if file is None else Directions.load(file)
    if found is not None:
        try:
            found.check_fits(c.w_dim, c.motion_dim)
        except InputError as error:
            raise InputError(f"directions={file}: {error}") from None
    for name, amount in edit:
        parsed(name, amount, len(found.content) if found else min(c.w_dim, c.motion_dim))
    return found


def edited(model: Sampler, known: Directions | None, lat, edit: Edit):
    """Latents or a walk moved along directions. Those that are not known are found first."""
    last = max(parsed(name, amount, 2**31)[1] for name, amount in edit)
    return (known or model.directions(last + 1)).edited(lat, edit)
