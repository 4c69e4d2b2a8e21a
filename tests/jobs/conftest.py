import fsspec
import pytest
from etils import epath
from etils.epath import gpath
from fsspec.implementations.memory import MemoryFileSystem

from tests.evaluation.conftest import quick_networks  # noqa: F401  a fixture of both rooms


@pytest.fixture
def bucket(monkeypatch):
    """A path on gs://, whose objects lie in the memory of this process."""

    class Objects(MemoryFileSystem):
        protocol, cachable = ("gs", "gcs"), False
        store, pseudo_dirs = {}, [""]

        @classmethod
        def _strip_protocol(cls, path):
            return MemoryFileSystem._strip_protocol(path.removeprefix("gs://"))

    objects = Objects()
    of_name = lambda self, name: objects if name == "gcs" else fsspec.filesystem(name)
    monkeypatch.setattr(type(gpath.backend_lib.fsspec_backend), "_get_filesystem", of_name)
    return epath.Path("gs://somewhere")
