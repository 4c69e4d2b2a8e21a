"""Files of clients: found by their token alone, bounded in number of bytes, gone when they are old."""

import time

import numpy as np
import pytest
from PIL import Image

from digan_jax.errors import InputError
from digan_jax.host.progress import Cancelled
from digan_jax.host.video_files import write_video
from digan_jax.studio import given, store, work
from digan_jax.studio.limits import Limits


@pytest.fixture
def kept(tmp_path):
    return store.Store(tmp_path, 250)


def added(kept, size, name="a.mp4"):
    path = kept.place(".mp4")
    path.write_bytes(b"x" * size)
    return kept.keep(path, name), path


def test_a_file_is_found_by_its_token_alone(kept, tmp_path):
    token, path = added(kept, 10)
    assert kept.find(token).path == path and len(token) >= 24
    for other in (str(path), path.name, "../a", "", None, 3, {"path": str(path)}, token[:-1]):
        assert kept.find(other) is None


def test_the_oldest_files_make_room(kept):
    tokens = [added(kept, 100) for _ in range(4)]
    assert [kept.find(token) is not None for token, _ in tokens] == [False, False, True, True]
    assert [path.exists() for _, path in tokens] == [False, False, True, True]


def test_old_files_are_removed(kept, monkeypatch):
    token, path = added(kept, 1)
    now = time.monotonic()
    monkeypatch.setattr(store.time, "monotonic", lambda: now + 60 * store.MINUTES + 1)
    kept.tidy()
    assert kept.find(token) is None and not path.exists()


def test_a_run_keeps_its_own_files(kept, tmp_path):
    sample = tmp_path / "sample.png"
    sample.write_bytes(b"x" * 1000)
    token = kept.show(sample)
    added(kept, 300)
    assert kept.show(sample) == token and kept.find(token).path == sample and sample.exists()
    with pytest.raises(InputError, match="not here any more"):  # a client may read it, and not give it to a job
        given.file_of(kept, {"token": token}, "Video")


def test_failed_work_leaves_no_file(kept, tmp_path):
    def fail(path):
        path.write_bytes(b"half")
        raise error

    for error, told in ((InputError("no"), InputError), (Cancelled("x"), Cancelled), (MemoryError(), InputError)):
        with pytest.raises(told):
            work.made(kept, ".mp4", "a.mp4", fail, "a film")
    assert list(tmp_path.iterdir()) == []
    made = work.made(kept, ".npz", "a.npz", lambda path: path.write_bytes(b"all"), "a film")
    assert made["kind"] == "numbers" and made["url"].endswith("/a.npz")


def test_work_is_cancelled_by_its_client_and_ends_in_time():
    desk, told = work.Desk(seconds=60), []
    with pytest.raises(Cancelled):
        with desk.progress("me", told.append) as steps, steps.of("drawing", 3, "frames") as advance:
            assert not desk.cancel("somebody else") and not desk.cancel(None)
            advance()
            assert desk.cancel("me")
            advance()
    assert told[0] == "drawing: 0 of 3 frames" and not desk.cancel("me")
    with pytest.raises(InputError, match="longer than 0 s; ask for less"):
        with work.Desk(seconds=0).progress("me", lambda *_: None) as steps, steps.of("drawing", 3) as advance:
            advance()


def test_videos_are_taken_within_limits(tmp_path):
    limits = Limits(side=32, frames=3)
    for name, shape in (("long", (4, 16, 16, 3)), ("large", (1, 40, 16, 3))):
        write_video(tmp_path / f"{name}.mp4", np.zeros(shape, np.uint8))
        with pytest.raises(InputError, match=f"{name}.mp4: this studio takes at most 3 frames of 32 pixels a side"):
            given.check_video(tmp_path / f"{name}.mp4", f"{name}.mp4", limits)
    (tmp_path / "no.mp4").write_bytes(b"#EXTM3U\n/etc/passwd\n")
    with pytest.raises(InputError, match="no.mp4: "):
        given.check_video(tmp_path / "no.mp4", "no.mp4", limits)


def test_drawings_are_label_maps(kept):
    import base64

    drawn = lambda labels, **size: {"labels": base64.b64encode(bytes(labels)).decode(), "width": 3, "height": 2} | size
    folder = given.drawn(kept, drawn([0, 1, 2, 2, 1, 0]), "Labels", 3)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "0.png")), [[0, 1, 2], [2, 1, 0]])
    for value, message in (
        (None, "draw something first"),
        (drawn([0, 1]), "does not parse"),
        ({"labels": "!", "width": 1, "height": 1}, "does not parse"),
        (drawn([]), "does not parse"),
        (drawn([0, 1, 2, 3, 1, 0]), "other labels than 0 to 2"),
    ):
        with pytest.raises(InputError, match=message):
            given.drawn(kept, value, "Labels", 3)


def test_work_is_watched_and_stops_when_nobody_waits():
    stopped = []
    assert list(work.watched(lambda tell: tell("one") or 2, lambda: stopped.append(1))) == [(False, "one"), (True, 2)]
    with pytest.raises(InputError, match="no"):
        list(work.watched(lambda tell: (_ for _ in ()).throw(InputError("no")), lambda: stopped.append(2)))
    left = work.watched(lambda tell: tell("one") or time.sleep(0.1), lambda: stopped.append(3))
    assert next(left) == (False, "one")
    left.close()
    assert stopped == [1, 2, 3]
