import io
import json
import os
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from digan_jax.data import builder
from digan_jax.data.bouncing import BouncingSource
from digan_jax.data.video_folders import FolderSource, quantised
from digan_jax.errors import InputError
from digan_jax.evaluation import sides
from digan_jax.evaluation.protocols import Selection
from digan_jax.host.names import natural_order
from digan_jax.host.video_files import write_video
from digan_jax.jobs import opening_sides
from tests.data.conftest import scene, write


@pytest.fixture
def clips():
    return np.random.default_rng(0).integers(0, 256, (3, 16, 8, 8, 3), np.uint8)


def selection(record, first):
    return Selection(np.array([record]), np.array([first + np.arange(16)]))


# ---- folders ----


def test_every_kind_of_file_gives_its_frames(tmp_path, clips):
    write(tmp_path / "v2.mkv", clips[0])
    write(tmp_path / "v10.mkv", clips[1])
    np.savez(tmp_path / "v3.npz", frames=clips[2], fps=8.0)
    (tmp_path / "v1").mkdir()
    for i, frame in enumerate(clips[2]):
        Image.fromarray(frame).save(tmp_path / "v1" / f"frame{i}.png")
    source = FolderSource(tmp_path)
    assert source.video_names() == ["v1", "v2.mkv", "v3.npz#00000000", "v10.mkv"]  # natural order
    assert source.frame_counts.tolist() == [16] * 4 and (source.height, source.width) == (8, 8)
    for record, clip in enumerate([clips[2], clips[0], clips[2], clips[1]]):
        np.testing.assert_array_equal(source.read_frames(record, [0, 15, 3]), clip[[0, 15, 3]])


def test_files_of_digan_render_are_read(tmp_path, clips):
    for suffix in (".mp4", ".webm", ".gif", ".npz"):
        write_video(tmp_path / f"a{suffix}", np.repeat(np.repeat(clips[0], 4, 1), 4, 2))
    source = FolderSource(tmp_path)
    assert source.frame_counts.tolist() == [16] * 4
    assert [source.read_frames(i, [15]).shape for i in range(4)] == [(1, 32, 32, 3)] * 4


def test_frames_as_they_are_or_square(tmp_path):
    frames = scene(17, 24, 32)
    write(tmp_path / "wide.mkv", frames)
    np.testing.assert_array_equal(FolderSource(tmp_path).read_frames(0, [4]), frames[[4]])
    np.testing.assert_array_equal(FolderSource(tmp_path, size=24).read_frames(0, [4]), frames[[4], :, 4:28])


def test_several_clips_in_one_array(tmp_path, clips):
    np.save(tmp_path / "a.npy", clips)
    np.save(tmp_path / "b.npy", clips.astype(np.float32) / 127.5 - 1)
    source = FolderSource(tmp_path)
    assert len(source) == 6
    np.testing.assert_array_equal(source.read_frames(1, np.arange(16)), clips[1])
    np.testing.assert_array_equal(source.read_frames(4, np.arange(16)), clips[1])  # rounded


def test_quantisation():
    x = np.array([-1.2, -1, 0.999, 0.0, 1.5], np.float32)
    assert quantised(x, "cut", "x").tolist() == [0, 0, 254, 127, 255]
    assert quantised(x, "round", "x").tolist() == [0, 0, 255, 128, 255]
    with pytest.raises(InputError, match="runs/a: frames hold NaN"):
        quantised(np.array([np.nan], np.float32), "cut", "runs/a")


def _save(name, array):
    return lambda folder, clips: np.savez(folder / name, array(clips))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            _save("b.npz", lambda c: np.where(c == 7, np.nan, c / 255).astype(np.float32)),
            r"b\.npz: \d+ numbers are NaN",
        ),
        (_save("b.npz", lambda c: c.astype(np.float32)), "floats from 0 to 255; give"),
        (_save("b.npz", lambda c: c.astype(np.int32)), "of type int32"),
        (_save("b.npz", lambda c: c[..., :1]), "has shape"),
        (_save("b.npz", lambda c: c[0, 0, 0, 0]), "give one array of clips"),
        (_save("b.npz", lambda c: c[:, :15]), r"b\.npz has 15 frames, a clip needs 16"),
        (_save("b.npz", lambda c: np.concatenate([c, c], 1)), r"a\.npz has 16 frames, b\.npz has 32"),
        (_save("b.npz", lambda c: c[:, :, :6]), r"b\.npz is 8x6, a\.npz is 8x8"),
        (_save("b.npz", lambda c: c / np.float32(255)), "none below 0.*2 x - 1"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, clips, spoil, message):
    np.savez(tmp_path / "a.npz", clips)
    spoil(tmp_path, clips)
    with pytest.raises(InputError, match=message):
        sides.FolderClips(tmp_path)


def test_an_empty_folder_and_none(tmp_path):
    with pytest.raises(InputError, match="no video"):
        FolderSource(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        FolderSource(tmp_path / "none")


# ---- whatever people bring ----


def test_evaluation_skips_what_prepare_skips_and_goes_on(tmp_path, clips, capsys):
    for number, name in enumerate(["a/good.mkv", "b/good.mkv", "c/good.mkv"]):
        write(tmp_path / "videos" / name, scene(20 + number, 24, 24, seed=number))
    root = tmp_path / "videos"
    (root / "a" / "junk.mp4").write_bytes(b"junk" * 100)
    (root / "a" / "empty.gif").write_bytes(b"")
    (root / "a" / "gone.mp4").symlink_to("nowhere")
    os.mkfifo(root / "a" / "pipe.mp4")
    (root / "notes.txt").write_text("no video")
    (root / "frames").mkdir()
    Image.new("RGB", (24, 24)).save(root / "frames" / "1.png")
    (root / "frames" / "2.png").write_bytes(b"no picture")
    prepared = builder.prepare(str(root), "x", 24, 4, data_dir=str(tmp_path / "sets"), workers=1)
    source = FolderSource(root)
    assert [i.name for i in source.items] == ["a/good.mkv", "b/good.mkv", "c/good.mkv"]
    assert source.frame_counts.tolist() == [20, 21, 22]
    assert sorted(source.skipped) == sorted(prepared.skipped) and len(source.skipped) == 6
    real = opening_sides.open_real(str(root), None, "", None, None)
    assert dict(real.describe()["skipped_files"]) == dict(prepared.skipped)
    told = capsys.readouterr().err
    assert "6 skipped" in told and all(f"{file}: {reason}" in told for file, reason in source.skipped)
    with pytest.raises(InputError, match=r"junk\.mp4: cannot be opened.*mend or remove"):
        FolderSource(root, strict=True)
    json.dumps(real.describe())


def test_arrays_that_cannot_be_read_are_skipped(tmp_path, clips):
    np.savez(tmp_path / "good.npz", clips)
    (tmp_path / "zip.npz").write_bytes(b"PK\x03\x04rubbish")
    (tmp_path / "empty.npy").write_bytes(b"")
    np.save(tmp_path / "objects.npy", np.array([1, "a", None], object), allow_pickle=True)
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 999999, 9, 9, 3), }"
    (tmp_path / "lying.npy").write_bytes(header.ljust(127) + b"\n")
    fake = sides.FolderClips(tmp_path)
    assert fake.total == 3
    skipped = dict(fake.describe()["skipped_files"])
    assert skipped.keys() == {"zip.npz", "empty.npy", "objects.npy", "lying.npy"}


def test_what_is_told_is_told_of_the_right_file(tmp_path):
    """Whatever the order in which folders and names come."""
    for name in ("a/x.mkv", "a b/x.mkv", "a.mkv", "a-1/x.mkv", "a10.mkv", "a2.mkv"):
        write(tmp_path / name, scene(4, 24, 24))
    for name in ("a b/bad.mkv", "a/bad.mkv", "a3.mkv"):
        (tmp_path / name).write_bytes(b"rubbish")
    source = FolderSource(tmp_path)
    assert [name for name, _ in source.skipped] == sorted(("a b/bad.mkv", "a/bad.mkv", "a3.mkv"), key=natural_order)
    assert len(source.items) == 6 and not {i.name for i in source.items} & dict(source.skipped).keys()


def test_nothing_usable_is_an_error(tmp_path):
    for name in ("a.mp4", "b.npz", "c.gif"):
        (tmp_path / name).write_bytes(b"rubbish")
        with pytest.raises(InputError, match=r"a\.mp4: cannot be opened"):
            FolderSource(tmp_path)


@pytest.mark.parametrize(
    "rotation, aspect, size",
    [(90, None, (32, 24)), (-90, None, (32, 24)), (180, None, (24, 32)), (0, 2, (24, 64)), (90, 2, (64, 24))],
)
def test_sizes_are_those_of_the_frames_as_seen(tmp_path, rotation, aspect, size):
    frames = scene(4, 24, 32)
    write(
        tmp_path / "a.mp4",
        frames,
        "libx264rgb",
        "rgb24",
        rotation=rotation,
        aspect=Fraction(aspect) if aspect else None,
    )
    source = FolderSource(tmp_path)
    assert (source.height, source.width) == size == source.read_frames(0, [0, 3]).shape[1:3]


def test_a_picture_lying_on_its_side_is_upright_in_evaluation_too(tmp_path):
    frame, exif = scene(1, 24, 32)[0], Image.Exif()
    exif[274] = 6
    for number in range(3):
        Image.fromarray(np.rot90(frame).copy()).save(tmp_path / f"{number}.png", exif=exif)
    np.testing.assert_array_equal(FolderSource(tmp_path).read_frames(0, [2])[0], frame)


def test_counts_are_of_frames_that_come_out(tmp_path):
    """Half of a file lies before its edit list begins: packets are not frames."""
    write(tmp_path / "whole.mp4", scene(20, 24, 32), "libx264", "yuv420p")
    with av.open(str(tmp_path / "whole.mp4")) as whole, av.open(str(tmp_path / "cut.mp4"), "w") as cut:
        stream = cut.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                shift = int(1 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                cut.mux(packet)
    source = FolderSource(tmp_path)
    assert source.frame_counts.tolist() == [10, 20] and source.read_frames(0, np.arange(10)).shape == (10, 24, 32, 3)


@pytest.mark.parametrize("low, high", [(0, 1), (0.2, 0.9), (0, 3.5)])
def test_floats_of_another_range_are_refused(tmp_path, clips, low, high):
    np.savez(tmp_path / "a.npz", (clips / 255 * (high - low) + low).astype(np.float32))
    with pytest.raises(InputError, match="none below 0.*2 x - 1"):
        sides.FolderClips(tmp_path)


def test_the_range_of_arrays_is_told(tmp_path, clips):
    np.savez(tmp_path / "a.npz", clips.astype(np.float32) / 127.5 - 1)
    np.savez(tmp_path / "b.npz", clips)
    assert sides.FolderClips(tmp_path).describe()["array_range"] == "float32 from -1 to 1, uint8 from 0 to 255"


def test_other_contents_have_another_fingerprint(tmp_path, clips):
    np.savez(tmp_path / "a.npz", clips)
    before = FolderSource(tmp_path).fingerprint
    np.savez(tmp_path / "a.npz", 255 - clips)
    assert FolderSource(tmp_path).fingerprint != before


# ---- real ----


def test_real_clips_of_a_selection_and_through_jpeg():
    real = sides.RealClips(BouncingSource(32, 20), "bouncing", "train")
    (clip,) = real.read(selection(3, 2))
    np.testing.assert_array_equal(clip, real.source.read_frames(3, np.arange(2, 18)))
    (lossy,) = real.read(selection(3, 2), jpeg=75)
    file = io.BytesIO()
    Image.fromarray(clip[5]).save(file, "JPEG", quality=75)
    np.testing.assert_array_equal(lossy[5], np.asarray(Image.open(file)))
    assert 0 < np.abs(lossy.astype(int) - clip).mean() < 10


def test_too_few_clips_name_the_data():
    from digan_jax.evaluation.protocols import PROTOCOLS

    source = BouncingSource(32, 16)
    source.frame_counts = source.frame_counts[:5]
    with pytest.raises(InputError, match="few: too few real clips: the protocol takes 256, the data hold 5"):
        sides.RealClips(source, "few", "").select(PROTOCOLS["quick"], 0)


def test_a_prepared_set_knows_its_videos(tmp_path):
    for number, name in enumerate(["a/one.mkv", "a/two.mkv", "b/three.mkv"]):
        write(tmp_path / "videos" / name, scene(20 + number, 24, 24, seed=number))
    builder.prepare(
        str(tmp_path / "videos"), "two", 24, piece_frames=16, frames=4, data_dir=str(tmp_path / "sets"), workers=1
    )
    real = opening_sides.open_real("two", None, str(tmp_path / "sets"), None, None)
    assert real.split == "train" and sorted(set(real.source.video_names())) == ["a/one.mkv", "a/two.mkv", "b/three.mkv"]
    assert len(real.source.video_names()) == len(real.source) > 3
    again = opening_sides.open_real("two", None, str(tmp_path / "sets"), None, 24)  # from the file beside the shards
    assert again.source.video_names() == real.source.video_names()


def test_real_clips_without_a_name(tmp_path):
    with pytest.raises(InputError, match="`real` is missing: name a prepared set"):
        opening_sides.open_real(None, None, "", None, None)
    with pytest.raises(InputError, match="not prepared"):
        opening_sides.open_real("nothing_here", None, str(tmp_path), None, None)


# ---- generated ----


def test_clips_of_a_model_do_not_depend_on_how_they_are_asked_for(tiny_model):
    fake = sides.GeneratedClips(tiny_model, "tiny", frames=4)
    some = list(fake.read(np.array([3, 20]), "cut"))
    many = list(fake.read(np.arange(21), "cut"))
    np.testing.assert_array_equal(some, [many[3], many[20]])
    drawn = tiny_model.sample([20], np.arange(4) / 15)[0]
    np.testing.assert_array_equal(
        some[1], np.clip(drawn * np.float32(127.5) + np.float32(127.5), 0, 255).astype(np.uint8)
    )


def test_what_a_path_is(tiny_run, tmp_path, clips):
    model = opening_sides.open_fake(str(tiny_run))
    assert isinstance(model, sides.GeneratedClips) and model.describe()["step"] == 0
    assert opening_sides.open_fake(str(tiny_run), step=0).size == (32, 32)
    np.savez(tmp_path / "a.npz", clips)
    assert opening_sides.open_fake(str(tmp_path)).total == 3
    with pytest.raises(InputError, match="no checkpoint of step 7"):
        opening_sides.open_fake(str(tiny_run), step=7)
    with pytest.raises(InputError, match="no checkpoint of it was measured"):
        opening_sides.open_fake(str(tiny_run), step="best")
    with pytest.raises(InputError, match="no such"):
        opening_sides.open_fake(str(tmp_path / "none"))


def test_an_exported_model_is_a_model_and_no_folder_of_its_samples(tiny_run, tmp_path):
    from digan_jax.interop import model_folder, opening

    model_folder.write(tmp_path / "model", opening.read(tiny_run), samples=1)
    clips = opening_sides.open_fake(str(tmp_path / "model"))
    assert isinstance(clips, sides.GeneratedClips) and clips.size == (32, 32)
    with pytest.raises(InputError, match="only runs have a choice of steps"):
        opening_sides.open_fake(str(tmp_path / "model"), step=1)
