"""Folders of buckets that Orbax and ArrayRecord do not know (s3://), as copies on this machine's disk."""

from __future__ import annotations

import os

from etils import epath

from digan_jax.errors import InputError
from digan_jax.host import caches
from digan_jax.host.files import in_bucket, moved_in, read_json, write_json
from digan_jax.host.notes import say_once

_LISTING = ".bucket.json"  # in a copy: {file: its entity tag in the bucket}


def by_copies(path: epath.PathLike) -> bool:
    """Whether `path` is in a bucket whose files those libraries reach as copies alone: in any but Google's."""
    return in_bucket(path) and not os.fspath(path).startswith("gs://")


def within_reach(folder: epath.Path) -> epath.Path:
    """The folder for those libraries: itself, or a copy in the cache, up to date; new and changed files are fetched.

    Raises:
      InputError: the bucket cannot be reached, or there is no cache or no space in it.
    """
    if not by_copies(folder):
        return folder
    root = caches.usable(caches.folder("buckets"))
    if root is None:
        raise InputError(f"{folder}: needs a cache on this machine; set XDG_CACHE_HOME to a folder that may be written.")
    copy = epath.Path(root / os.fspath(folder).replace("://", "/"))
    try:
        _bring_up_to_date(folder, copy)
    except OSError as error:
        raise InputError(f"{folder}: cannot be fetched to {copy} ({error}); mend that and repeat the command.") from None
    return copy


def _bring_up_to_date(folder: epath.Path, copy: epath.Path) -> None:
    there = _listed(folder)
    listing = copy / _LISTING
    here = read_json(listing) if listing.exists() else {}
    changed = [name for name, tag in there.items() if here.get(name) != tag or not (copy / name).exists()]
    if changed:
        say_once(f"{folder}: fetches {len(changed)} files to {copy}.")
    for name in changed:
        with moved_in(copy / name) as unfinished:
            (folder / name).copy(unfinished, overwrite=True)
    for name in here.keys() - there.keys():
        (copy / name).unlink(missing_ok=True)
    if here != there:
        write_json(listing, there)


def _listed(folder: epath.Path) -> dict[str, str]:
    """{file, below `folder`: what changes when it does}."""
    import fsspec

    system, path = fsspec.core.url_to_fs(os.fspath(folder))
    system.invalidate_cache(path)
    found = system.find(path, detail=True)
    tag = lambda info: f"{info.get('ETag')} {info['size']}"
    return {os.path.relpath(name, path): tag(info) for name, info in found.items()}
