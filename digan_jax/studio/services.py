"""What the tabs share: the models, the files, the work and the limits of one studio."""

from __future__ import annotations

from typing import NamedTuple

from digan_jax.studio.limits import Limits
from digan_jax.studio.shelf import Shelf
from digan_jax.studio.store import Store
from digan_jax.studio.work import Desk


class Services(NamedTuple):
    """Of one studio, shared by all clients."""

    shelf: Shelf
    store: Store
    desk: Desk
    limits: Limits
