import dataclasses
import inspect

import pytest

from digan_jax.data import builder
from digan_jax.host.progress import Cancelled, Progress
from digan_jax.jobs import prepare
from digan_jax.jobs.prepare import PrepareRequest
from tests.data.conftest import two_classes  # noqa: F401  a fixture


@pytest.fixture
def request_(two_classes, tmp_path):  # noqa: F811
    return PrepareRequest(str(two_classes), "tiny", 24, frames=4, data_dir=str(tmp_path / "data"), workers=1)


def test_it_tells_how_far_it_is(request_):
    told = []
    made = prepare.run(request_, Progress(lambda *now: told.append(now)))
    assert made.splits["train"]["videos"] == 3 and not made.reused
    assert told == [("prepare tiny", done, 3, "videos") for done in range(4)]
    assert prepare.run(request_).reused


def test_it_ends_when_asked_and_leaves_nothing(request_, tmp_path):
    with pytest.raises(Cancelled, match="after 1 of 3"):
        prepare.run(request_, Progress(cancelled=lambda: True))
    assert not prepare.run(request_).reused
    assert [p.name for p in (tmp_path / "data").iterdir() if p.name != ".tiny.lock"] == ["tiny"]


def test_defaults_are_the_builders():
    theirs = {name: p.default for name, p in inspect.signature(builder.prepare).parameters.items()}
    for field in dataclasses.fields(PrepareRequest):
        default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
        assert field.name == "size" or theirs[field.name] == default, field.name
