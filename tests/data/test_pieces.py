import numpy as np
import pytest

from digan_jax.data import clips, pieces
from digan_jax.data.pieces import Recipe

SIZE = 8


def recipe(**changes):
    return Recipe(**{"size": SIZE, "frames": 4, "stride": 1, "piece_frames": 8, "cuts": False} | changes)


def numbered(n, first=0):
    """Frames that tell their number."""
    return [np.full((SIZE, SIZE, 3), first + i, np.uint8) for i in range(n)]


def numbers(encoded):
    return [int(pieces.decode(png)[0, 0, 0]) for png in encoded]


def test_png_loses_nothing():
    frame = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pieces.decode(pieces.encode(frame)), frame)


@pytest.mark.parametrize("n", [0, 3, 4, 7, 8, 11, 12, 15, 16, 19, 20, 50])
@pytest.mark.parametrize("frames, stride, piece_frames", [(4, 1, 8), (4, 1, 9), (4, 1, 2), (3, 2, 12)])
def test_pieces_hold_every_frame_once(n, frames, stride, piece_frames):
    rule = recipe(frames=frames, stride=stride, piece_frames=piece_frames)
    found = list(pieces.split(numbered(n), rule))
    if n < rule.shortest:
        assert not found
        return
    assert sum((numbers(piece) for _, piece in found), []) == list(range(n))
    for start, piece in found:
        assert numbers(piece)[0] == start and start % (frames * stride) == 0
        assert rule.shortest <= len(piece) < rule.piece_length + rule.shortest


def test_disjoint_windows_do_not_depend_on_pieces():
    def starts(piece_frames):
        parts = list(pieces.split(numbered(75), recipe(frames=3, stride=2, piece_frames=piece_frames)))
        windows = clips.windows(np.array([len(p) for _, p in parts]), 3, 2, "disjoint")
        record, start = windows.locate(np.arange(windows.total))
        return (np.array([s for s, _ in parts])[record] + start).tolist()

    assert starts(6) == starts(20) == starts(1000) == list(range(0, 71, 6))


def two_scenes():
    draw = np.random.default_rng(0)
    dark, light = (draw.integers(low, low + 60, (6, SIZE, SIZE, 3), dtype=np.uint8) for low in (0, 190))
    return [*dark, *light]


def test_no_piece_spans_a_cut():
    assert [(s, len(p)) for s, p in pieces.split(two_scenes(), recipe(cuts=True))] == [(0, 6), (6, 6)]
    assert [(s, len(p)) for s, p in pieces.split(two_scenes(), recipe())] == [(0, 8), (8, 4)]


def test_shots_too_short_are_left_out_and_starts_still_count_them():
    scenes = two_scenes()
    assert [(s, len(p)) for s, p in pieces.split(scenes[4:], recipe(cuts=True))] == [(2, 6)]


def test_motion_is_no_cut(scene):
    frames = scene(30, 24, 24)
    assert not any(pieces.is_cut(a, b) for a, b in zip(frames, frames[1:]))
    assert pieces.is_cut(frames[0], 255 - frames[0])


def test_spool_and_back(tmp_path, scene, write_clip):
    frames = scene(11, SIZE + 8, SIZE + 8)
    video, scratch = write_clip(tmp_path / "a.mkv", frames), tmp_path / "scratch"
    assert pieces.spool(str(video), recipe(size=SIZE + 8), str(scratch)) == ("", ())
    found = list(pieces.unspool(str(scratch)))
    assert [p.start for p in found] == [0] and found[0].fps == 10
    np.testing.assert_array_equal([pieces.decode(png) for p in found for png in p.frames], frames)
    assert not scratch.exists()


def test_spool_leaves_nothing_of_a_video_it_cannot_use(tmp_path, scene, write_clip):
    scratch = tmp_path / "scratch"
    short = write_clip(tmp_path / "a.mkv", scene(3))
    assert pieces.spool(str(short), recipe(), str(scratch)).reason == "too short: 3 frames, a clip needs 4"
    assert not scratch.exists()
    broken = write_clip(tmp_path / "b.mkv", scene(40, 64, 64))
    data = bytearray(broken.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    broken.write_bytes(data)
    assert "breaks at frame" in pieces.spool(str(broken), recipe(), str(scratch)).reason
    assert not scratch.exists()
