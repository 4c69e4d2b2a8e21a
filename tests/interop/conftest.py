import pytest

from tests.interop import pickle_corpus


@pytest.fixture(scope="session", autouse=True)
def readers_called_once(tmp_path_factory):
    pickle_corpus.first_use(tmp_path_factory.mktemp("first_use") / "file")
