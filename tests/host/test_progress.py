"""Progress: whoever watches is told of each thing, and may end the work."""

import pytest

from digan_jax.host.progress import Cancelled, Progress, TerminalProgress


@pytest.mark.parametrize("kind", [Progress, TerminalProgress])
def test_each_thing_is_told_until_somebody_cancels(kind, capsys):
    told = []
    with pytest.raises(Cancelled, match="drawing: cancelled after 2 of 5 frames"):
        with kind(lambda *what: told.append(what), lambda: len(told) == 3).of("drawing", 5, "frames") as advance:
            for _ in range(5):
                advance()
    assert told == [("drawing", i, 5, "frames") for i in range(3)]


def test_nobody_is_told_by_default(capsys):
    with Progress().of("drawing", 2) as advance:
        advance()
    assert capsys.readouterr() == ("", "")
