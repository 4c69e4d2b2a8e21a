import pytest

from digan_jax.errors import InputError
from digan_jax.interop.restricted_pickle import read_pickle, read_torch
from tests.interop import pickle_corpus


@pytest.fixture(scope="session", autouse=True)
def readers_called_once(tmp_path_factory):
    """Type checkers and codecs compile or import on first use; that is not what `nothing_runs` looks for."""
    path = tmp_path_factory.mktemp("first_use") / "file"
    for data in [*pickle_corpus.hostile(str(path) + "_canary").values(), *pickle_corpus.sound()]:
        path.write_bytes(data)
        for reader in (read_pickle, read_torch):
            try:
                reader(path)
            except InputError:
                pass
