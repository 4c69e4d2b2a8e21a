"""Arrays out of .npz files that anybody may have written."""

from __future__ import annotations

import zipfile

import numpy as np
from etils import epath

from digan_jax.errors import InputError


def read_arrays(path: epath.PathLike) -> dict[str, np.ndarray]:
    """All arrays of a .npz; nothing in it is unpickled. Raises `InputError` when it is missing or damaged."""
    try:
        with epath.Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(f"{path}: is damaged, or no .npz of numbers ({error}).") from None
