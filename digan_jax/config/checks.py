"""The check of a value, for all groups of fields."""

from __future__ import annotations

from digan_jax.errors import InputError


def require(ok: bool, message: str) -> None:
    """Raises `InputError` with this message unless `ok`."""
    if not ok:
        raise InputError(message)
