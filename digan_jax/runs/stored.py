"""Reads one checkpoint and verifies each item against the digest saved with it.

Reads items as NumPy arrays, or as JAX arrays with given shardings. An item that fails the check raises `Damaged`.
"""

from __future__ import annotations

import errno
import functools
import logging
import sys
from collections.abc import Callable, Sequence

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from digan_jax import config as config_lib
from digan_jax.config import RunConfig
from digan_jax.errors import InputError
from digan_jax.host.buckets import within_reach
from digan_jax.host.files import is_plain
from digan_jax.host.notes import say_once
from digan_jax.runs import digests

ARRAYS, RECORDS = ("state", "ema"), ("config", "data")
DIGEST = "digest"  # {"state", "ema": digests of arrays; "config", "data": of JSON; "digest": of the other four}


# Orbax and asyncio log each error with tracebacks from several threads, although they also raise it.
logging.getLogger("absl").addFilter(lambda record: "orbax" not in record.pathname)
logging.getLogger("asyncio").addFilter(lambda record: "exception was never retrieved" not in record.getMessage())


class Damaged(InputError):
    """A checkpoint that is incomplete or differs from what was saved."""


def digest_of(state, ema, config: dict, data: dict) -> dict:
    """Computes the item `DIGEST` of a checkpoint. Every process of a job must call it."""
    found = {"state": digests.of_arrays(state), "ema": digests.of_arrays(ema)}
    found |= {"config": digests.of_json(config), "data": digests.of_json(data)}
    return found | {"digest": digests.of_json(found)}


def handlers() -> dict:
    """Orbax handlers by item. Replicas share the writing of arrays above 1 MiB; splitting smaller ones costs more."""
    arrays = ocp.type_handlers.ArrayHandler(min_slice_bytes_for_replica_parallel=2**20)
    registry = ocp.type_handlers.create_type_handler_registry(
        (jax.Array, arrays), (np.ndarray, ocp.type_handlers.NumpyHandler())
    )
    trees = {item: ocp.PyTreeCheckpointHandler(type_handler_registry=registry) for item in ARRAYS}
    return trees | {item: ocp.JsonCheckpointHandler() for item in (*RECORDS, DIGEST)}


def folder_of(checkpoints: epath.Path, step: int) -> epath.Path:
    """The folder of one checkpoint."""
    return checkpoints / str(step)


class Stored:
    """The checkpoint of `step` in the folder `checkpoints`.

    Args:
      run: name of the run in messages.

    Each method raises:
      Damaged: the item is missing, truncated, or differs from what was saved; names run, step, item and array.
      InputError: permission is denied, or another version wrote the item.
    """

    def __init__(self, run: epath.PathLike, checkpoints: epath.Path, step: int):
        self._run, self.step, self._place = run, step, folder_of(checkpoints, step)
        self._digest: dict | None = None
        quieten_tensorstore()

    @functools.cached_property
    def _folder(self) -> epath.Path:
        return within_reach(self._place)

    def config(self) -> RunConfig:
        """The configuration of the run."""
        record = self._record("config")
        if self.digest():
            return config_lib.parse(config_lib.upgraded(record))  # intact: errors are those of the configuration
        return self._checked("config", lambda: config_lib.parse(config_lib.upgraded(record)))

    def data(self) -> dict:
        """The position in the data."""
        return self._record("data")

    def arrays(self, item: str, keys: Sequence[str] | None = None) -> dict:
        """Reads an item, or only its top-level fields `keys`, as a dictionary of NumPy arrays.

        Requests the type of each array, because Orbax otherwise needs the devices from which they were saved.
        """

        def read():
            with ocp.Checkpointer(handlers()[item]) as reader:
                metadata = reader.metadata(self._folder / item).item_metadata
                if metadata is None:
                    raise ValueError("the list of its arrays is missing or damaged")
                tree = metadata.tree
                if missing := [key for key in keys or () if key not in tree]:
                    raise ValueError(f"{missing[0]} is missing")
                tree = {key: tree[key] for key in keys or tree}
                as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
                args = ocp.args.PyTreeRestore(item=tree, restore_args=as_numpy, partial_restore=True)
                return reader.restore(self._folder / item, args=args)

        found = self._checked(item, read)
        self._verify(item, found, keys)
        return found

    def state(self, like):
        """Reads the item `state` with the shapes, dtypes and shardings of `like`, arrays or `jax.ShapeDtypeStruct`s."""
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        self._require_same_shapes(abstract)
        shardings = ocp.checkpoint_utils.construct_restore_args(abstract)

        def read():
            with ocp.Checkpointer(handlers()["state"]) as reader:
                args = ocp.args.PyTreeRestore(item=abstract, restore_args=shardings)
                return reader.restore(self._folder / "state", args=args)

        found = self._checked("state", read)
        self._verify("state", found)
        return found

    def digest(self) -> dict:
        """Reads the item `DIGEST`; empty for checkpoints of versions without digests, which are not verified."""
        if self._digest is None:
            listing = self._folder / "_CHECKPOINT_METADATA"
            listed = is_plain(listing) and f'"{DIGEST}"'.encode() in listing.read_bytes()
            if not listed and not (self._folder / DIGEST).exists():
                self._checked("config", (self._folder / "config").stat)
                say_once(f"{self._run}: its checkpoints are from before there were digests; they are not verified.")
                self._digest = {}
            else:
                self._digest = dict(self._read_json(DIGEST))
                rest = {item: self._digest.get(item) for item in (*ARRAYS, *RECORDS)}
                if self._digest != rest | {"digest": digests.of_json(rest)}:
                    self._digest = None
                    raise self._damaged(DIGEST, "is not what was saved")
        return self._digest

    def _record(self, item: str) -> dict:
        found = self._read_json(item)
        if self.digest() and self.digest()[item] != digests.of_json(found):
            raise self._damaged(item, "is not what was saved")
        return found

    def _read_json(self, item: str):
        def read():
            with ocp.Checkpointer(handlers()[item]) as reader:
                return reader.restore(self._folder / item, args=ocp.args.JsonRestore())

        return self._checked(item, read)

    def _verify(self, item: str, found, keys: Sequence[str] | None = None) -> None:
        if not self.digest():
            return
        saved = {name: of for name, of in self.digest()[item].items() if keys is None or name.split(".")[0] in keys}
        if wrong := digests.difference(saved, digests.of_arrays(found)):
            raise self._damaged(item, wrong)

    def _require_same_shapes(self, abstract) -> None:
        """Raises `InputError` when the saved arrays differ in names, shapes or dtypes: another version wrote them."""
        if not self.digest():
            return
        ours = {
            jax.tree_util.keystr(p, simple=True, separator="."): [str(x.dtype), list(x.shape)]
            for p, x in jax.tree.leaves_with_path(abstract)
        }
        theirs = {name: of[:2] for name, of in self.digest()["state"].items()}
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                raise InputError(
                    f"{self._run}: the checkpoint of step {self.step} holds other arrays than this version trains, "
                    f"such as {name}; continue with the version that made it, or start a new --workdir with "
                    "--init-from this one."
                )

    def _checked(self, item: str, read: Callable):
        try:
            return read()
        except (InputError, MemoryError, PermissionError):
            raise
        except Exception as error:
            if not self._folder.exists():
                raise self._damaged(item, "is gone") from None
            if self._folder.is_dir() and not any(self._folder.iterdir()):
                raise self._damaged(item, "the folder is empty") from None
            if not (self._folder / item).exists():
                raise self._damaged(item, "is missing") from None
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if "PERMISSION_DENIED" in str(error) or "Permission denied" in str(error):
                raise InputError(f"{self._folder / item}: may not be read ({reason[:200]}).") from None
            if _passes(error):
                raise InputError(f"{self._folder / item}: cannot be reached ({reason[:200]}); try again.") from None
            raise self._damaged(item, f"cannot be read ({reason[:200]})") from None

    def _damaged(self, item: str, what: str) -> Damaged:
        return Damaged(f"{self._run}: the checkpoint of step {self.step} is damaged: {self._folder / item}: {what}")


def quieten_tensorstore() -> None:
    """Hides "Event loop is closed" errors that cannot be raised.

    After one array fails, TensorStore reports the others to an event loop that Orbax has already closed, which prints
    a traceback for each.
    """
    before = sys.unraisablehook
    if getattr(before, "__module__", "") == __name__:
        return

    def hook(unraisable):
        if str(unraisable.exc_value) != "Event loop is closed":
            before(unraisable)

    sys.unraisablehook = hook


def _passes(error: Exception) -> bool:
    """Whether the storage, rather than the checkpoint, failed: the next attempt may succeed."""
    busy = any(word in str(error) for word in ("UNAVAILABLE", "DEADLINE_EXCEEDED"))
    return busy or getattr(error, "errno", None) in (errno.ESTALE, errno.ETIMEDOUT)
