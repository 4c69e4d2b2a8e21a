import builtins
import errno
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from digan_jax.data import builder, decoding, pieces
from digan_jax.data.catalogue import take_stock
from digan_jax.data.records import Records, find_set
from digan_jax.errors import InputError


@pytest.fixture
def prepare(two_classes, tmp_path):
    def run(**changes):
        settings = {"size": 24, "frames": 4, "data_dir": str(tmp_path / "data"), "workers": 1}
        return builder.prepare(str(two_classes), "tiny", **settings | changes)

    return run


def contents(data_dir, split="train"):
    """[(file, start frame, label, frames)] in the order on disk."""
    rows = tfds.builder("tiny", data_dir=str(data_dir)).as_data_source(split)
    return [(r["file"].decode(), r["start_frame"], r["label"], np.stack(r["video"])) for r in rows]


def left_behind(data_dir):
    return sorted(p.name for p in data_dir.iterdir() if p.name != ".tiny.lock")


def test_prepared_sets_hold_the_videos(prepare, tmp_path, scene):
    report = prepare(piece_frames=8)
    assert report.splits == {"train": {"videos": 3, "records": 9, "frames": 63}}
    assert report.class_names == ("a", "b") and not report.skipped and not report.reused
    rows = {(file, start): (label, frames) for file, start, label, frames in contents(tmp_path / "data")}
    assert sorted(rows) == [(f, s) for f in ("a/one.mkv", "a/two.mkv", "b/three.mkv") for s in (0, 8, 16)]
    for number, (file, label) in enumerate([("a/one.mkv", 0), ("a/two.mkv", 0), ("b/three.mkv", 1)]):
        assert rows[file, 0][0] == label
        video = np.concatenate([rows[file, start][1] for start in (0, 8, 16)])
        np.testing.assert_array_equal(video, scene(20 + number, 24, 24, seed=number))
    assert "9 records" in str(report) and "2 classes: a, b" in str(report)


def test_tfds_reads_it_by_name_without_tensorflow(prepare, tmp_path):
    prepare()
    source = tfds.data_source("tiny", split="train", data_dir=str(tmp_path / "data"))
    assert source[0]["video"][0].shape == (24, 24, 3) and source[0]["fps"] == 10
    info = tfds.builder("tiny", data_dir=str(tmp_path / "data")).info
    assert info.splits["train"].num_examples == 3 and info.features["label"].names == ["a", "b"]
    if importlib.util.find_spec("tensorflow") is None:
        assert "tensorflow" not in sys.modules


def test_a_second_prepare_reuses_the_first(prepare, monkeypatch):
    first = prepare()
    monkeypatch.setattr(decoding, "local", None)
    again = prepare()
    assert again.reused and again.splits == first.splits and "was prepared already" in str(again)


def test_another_recipe_or_other_files_are_refused_unless_overwritten(prepare, two_classes, write_clip, scene):
    prepare()
    with pytest.raises(InputError, match=r"size: 24 there, 16 asked for.*`overwrite`"):
        prepare(size=16)
    write_clip(two_classes / "b" / "new.mkv", scene(20, 24, 24))
    with pytest.raises(InputError, match="source_fingerprint"):
        prepare()
    assert prepare(overwrite=True).splits["train"]["videos"] == 4


def test_unusable_files_are_named_and_the_rest_is_kept(prepare, two_classes, write_clip, scene):
    (two_classes / "a" / "empty.mp4").write_bytes(b"")
    (two_classes / "a" / "notes.txt").write_text("no video")
    (two_classes / "b" / "broken.mp4").write_bytes(b"junk" * 100)
    write_clip(two_classes / "b" / "short.mkv", scene(3))
    report = prepare()
    reasons = dict(report.skipped)
    assert reasons["a/empty.mp4"] == "empty file"
    assert reasons["b/short.mkv"] == "too short: 3 frames, a clip needs 4"
    assert "cannot be opened" in reasons["b/broken.mp4"] and "not a video" in reasons["a/notes.txt"]
    assert report.splits["train"]["videos"] == 3
    assert all(f"{file}: {reason}" in str(report) for file, reason in report.skipped)


def test_strict_fails_instead(prepare, two_classes, tmp_path):
    (two_classes / "a" / "empty.mp4").write_bytes(b"")
    with pytest.raises(InputError, match="`strict`: a/empty.mp4: empty file"):
        prepare(strict=True)
    assert left_behind(tmp_path / "data") == []


def test_nothing_usable_is_an_error(prepare, tmp_path):
    with pytest.raises(InputError, match="nothing usable, all 3 videos were skipped.*too short: 20 frames"):
        prepare(frames=100)
    assert left_behind(tmp_path / "data") == []


def test_splits_go_by_file(prepare, tmp_path):
    report = prepare(val_fraction=0.34, piece_frames=4)
    assert {split: count["videos"] for split, count in report.splits.items()} == {"train": 2, "val": 1}
    files = [{row[0] for row in contents(tmp_path / "data", split)} for split in ("train", "val")]
    assert len(files[0]) == 2 and len(files[1]) == 1 and not files[0] & files[1]


def test_a_split_without_usable_videos_is_left_out(prepare, two_classes, write_clip, scene, tmp_path):
    for part, length in (("train", 20), ("test", 2)):
        write_clip(tmp_path / "source" / part / "a.mkv", scene(length, 24, 24))
    settings = {"frames": 4, "data_dir": str(tmp_path / "data"), "workers": 1}
    report = builder.prepare(str(tmp_path / "source"), "tiny", 24, **settings)
    assert report.splits["train"]["records"] == 1 and report.splits["test"]["records"] == 0
    assert [file for file, _ in report.skipped] == ["test/a.mkv"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_prepare_leaves_nothing_and_breaks_nothing(prepare, tmp_path, monkeypatch, error):
    prepare()
    before = contents(tmp_path / "data")
    whole = pieces.spool

    def interrupted(video, *rest):
        if "three" in video:
            raise error("a fault")
        return whole(video, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(pieces, "spool", interrupted)
        with pytest.raises(error):
            prepare(piece_frames=4, overwrite=True)
    assert left_behind(tmp_path / "data") == ["tiny"]
    for ours, theirs in zip(contents(tmp_path / "data"), before, strict=True):
        np.testing.assert_array_equal(ours[3], theirs[3])
    assert prepare().reused


def test_a_full_disk_is_told(prepare, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pieces, "spool", full)
    with pytest.raises(InputError, match="no space left on the device"):
        prepare()
    assert left_behind(tmp_path / "data") == []


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"frames": 1}, "^frames=1"),
        ({"size": 0}, "^size=0"),
        ({"stride": 0}, "^stride=0"),
        ({"piece_frames": 0}, "^piece_frames=0"),
        ({"val_fraction": 1.0}, "^val_fraction=1.0"),
    ],
)
def test_bad_numbers(prepare, changes, message):
    with pytest.raises(InputError, match=message):
        prepare(**changes)


@pytest.mark.parametrize("name", ["", "Sky", "sky-128", "1sky", "a/b"])
def test_bad_names(two_classes, name, tmp_path):
    with pytest.raises(InputError, match="^name="):
        builder.prepare(str(two_classes), name, 24, data_dir=str(tmp_path))


def test_processes_make_the_same_records(prepare, tmp_path):
    serial = prepare(piece_frames=8, data_dir=str(tmp_path / "serial"))
    parallel = prepare(piece_frames=8, data_dir=str(tmp_path / "parallel"), workers=2)
    assert parallel.splits == serial.splits
    for ours, theirs in zip(contents(tmp_path / "parallel"), contents(tmp_path / "serial"), strict=True):
        assert ours[:3] == theirs[:3]
        np.testing.assert_array_equal(ours[3], theirs[3])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
def test_a_killed_prepare_leaves_nothing_that_is_trusted(prepare, two_classes, tmp_path):
    """A real process, killed while it writes: the set is not there, and the next prepare clears up and makes it."""
    data = tmp_path / "data"
    program = f"""
import os, time
from digan_jax.data import builder, pieces
whole = pieces.spool
def slow(video, *rest):
    if "three" in video:
        os.write(1, b"writing\\n")
        time.sleep(600)
    return whole(video, *rest)
pieces.spool = slow
builder.prepare({str(two_classes)!r}, "tiny", 24, 4, data_dir={str(data)!r}, workers=1)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    assert left_behind(data) == [".tiny.incomplete"]
    with pytest.raises(InputError, match="not prepared"):
        find_set("tiny", str(data))
    started = time.monotonic()
    assert prepare().splits["train"]["videos"] == 3
    assert time.monotonic() - started < 60  # the lock of the dead process does not hold the next one up
    assert left_behind(data) == ["tiny"]
    assert len(Records(find_set("tiny", str(data)), "train")) == 3


def test_beam_makes_the_same_records(prepare, two_classes, tmp_path):
    pytest.importorskip("apache_beam")
    (two_classes / "a" / "empty.mp4").write_bytes(b"")
    serial = prepare(piece_frames=8, data_dir=str(tmp_path / "serial"))
    workers = ["--runner=DirectRunner", "--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    beam = prepare(piece_frames=8, data_dir=str(tmp_path / "beam"), beam_options=workers)
    assert beam.splits == serial.splits and beam.skipped == serial.skipped == (("a/empty.mp4", "empty file"),)
    for ours, theirs in zip(contents(tmp_path / "beam"), contents(tmp_path / "serial"), strict=True):
        assert ours[:3] == theirs[:3]
        np.testing.assert_array_equal(ours[3], theirs[3])


def test_beam_tells_of_bad_files_as_the_serial_path_does(prepare, two_classes, tmp_path):
    pytest.importorskip("apache_beam")
    with pytest.raises(InputError, match="nothing usable, all 3 videos were skipped"):
        prepare(frames=100, beam_options=["--runner=DirectRunner"])
    (two_classes / "a" / "empty.mp4").write_bytes(b"")
    with pytest.raises(InputError, match="`strict`: a/empty.mp4: empty file"):
        prepare(strict=True, beam_options=["--runner=DirectRunner"])
    assert left_behind(tmp_path / "data") == []


def test_without_beam_the_cure_is_named(prepare, monkeypatch):
    for module in ("apache_beam", "apache_beam.options", "apache_beam.options.pipeline_options"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"pip install 'digan-jax\[beam\]'"):
        prepare(beam_options=[])


def test_examples_are_read_while_they_are_decoded(two_classes, tmp_path):
    """No video is decoded before those ahead of it are taken, so scratch files stay few."""
    stock, found, done = take_stock(str(two_classes)), decoding.Findings(), []
    recipe = pieces.Recipe(24, 4, 1, 8, cuts=False)
    with decoding.local(stock, recipe, 1, False, lambda: done.append(1), found) as splits:
        examples = splits["train"]
        next(examples)
        assert len(done) == 1
        assert len(list(examples)) == 8 and len(done) == 3


# ---- whatever people bring ----


def test_no_file_ends_a_prepare(prepare, two_classes, write_clip, scene, monkeypatch):
    """Whatever is raised while a file is looked at is a line of the report; --strict fails with the same words."""
    errors = [
        UnicodeDecodeError("utf8", b"x", 0, 1, "bad"),
        AttributeError("no context"),
        MemoryError(),
        ValueError("odd"),
    ]
    for number in range(len(errors)):
        write_clip(two_classes / "a" / f"bad{number}.mkv", scene(20, 24, 24))
    opened = av.open

    def open_some(file, *rest, **options):
        name = os.path.basename(file)
        if name.startswith("bad"):
            raise errors[int(name[3])]
        return opened(file, *rest, **options)

    monkeypatch.setattr(av, "open", open_some)
    report = prepare()
    assert report.splits["train"]["videos"] == 3
    reasons = dict(report.skipped)
    assert reasons.keys() == {f"a/bad{number}.mkv" for number in range(4)}
    assert all(reason.startswith("cannot be opened: ") for reason in reasons.values())
    assert "AttributeError: no context" in reasons["a/bad1.mkv"] and "MemoryError" in reasons["a/bad2.mkv"]
    with pytest.raises(InputError) as told:
        prepare(strict=True, overwrite=True)
    assert f"a/bad0.mkv: {reasons['a/bad0.mkv']}" in str(told.value)


def test_names_that_are_no_text_are_stored(prepare, two_classes, tmp_path, write_clip, scene, capsys):
    for name in (b"a/\xff\xfe.mkv", b"caf\xe9/1.mkv", b"a/new\nline.mkv", "a/①².mkv".encode()):
        write_clip(tmp_path / "clip.mkv", scene(20, 24, 24))
        target = two_classes / os.fsdecode(name)
        target.parent.mkdir(exist_ok=True)
        (tmp_path / "clip.mkv").rename(target)
    report = prepare()
    print(report)
    assert report.splits["train"]["videos"] == 7 and report.class_names == ("a", "b", "caf\\udce9")
    files = {row[0] for row in contents(tmp_path / "data")}
    assert {"a/\\udcff\\udcfe.mkv", "caf\\udce9/1.mkv", "a/new\\nline.mkv", "a/①².mkv"} < files


def test_remarks_are_told_and_kept(prepare, two_classes, scene, write_clip):
    (two_classes / "a" / "half").mkdir()
    for number in range(5):
        Image.new("RGBA", (24, 24), (200, 0, 0, 128)).save(two_classes / "a" / "half" / f"{number}.png")
    write_clip(two_classes / "c" / "short.mkv", scene(2, 24, 24))
    report = prepare()
    assert dict(report.remarks).keys() == {"a/half", "c"} and "black" in dict(report.remarks)["a/half"]
    assert all(f"    {file}: {remark}" in str(report) for file, remark in report.remarks)
    again = prepare()
    assert again.reused and again.remarks == report.remarks and str(again).count("a/half") == 1


def test_other_pictures_of_the_same_names_are_another_source(tmp_path):
    """Of the same length and time, too; a touched or copied folder is the same."""
    settings = {"frames": 4, "data_dir": str(tmp_path / "data"), "workers": 1}
    clip = tmp_path / "source" / "clip"
    clip.mkdir(parents=True)
    for number in range(6):
        Image.new("RGB", (24, 24), (40 * number, 9, 9)).save(clip / f"{number}.png", compress_level=0)
    prepare = lambda: builder.prepare(str(clip.parent), "tiny", 24, **settings)
    prepare()
    shutil.copytree(clip.parent, tmp_path / "copy")
    assert builder.prepare(str(tmp_path / "copy"), "tiny", 24, **settings).reused
    times = (clip / "3.png").stat()
    Image.new("RGB", (24, 24), (7, 7, 7)).save(clip / "3.png", compress_level=0)
    os.utime(clip / "3.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (clip / "3.png").stat().st_size == times.st_size
    with pytest.raises(InputError, match="made otherwise.*source_fingerprint"):
        prepare()


def test_a_set_of_an_earlier_version_says_so(prepare, tmp_path):
    prepare()
    file = tmp_path / "data" / "tiny" / builder.VERSION / builder.PREPARED_FILE
    made = json.loads(file.read_text())
    del made["made"]["source_stamp"]
    file.write_text(json.dumps(made))
    with pytest.raises(InputError, match="earlier version.*`overwrite`"):
        prepare()
    assert not prepare(overwrite=True).reused


# ---- where one may not write ----


def _refused(monkeypatch, places):
    """Nothing may be written below these; root may always, so it is said by the calls themselves."""
    opened, made = builtins.open, os.mkdir
    below = lambda path: any(str(path).startswith(str(place)) for place in places)

    def checked_open(file, mode="r", *rest, **options):
        if set(mode) & set("wax+") and below(file):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return opened(file, mode, *rest, **options)

    def checked_mkdir(path, *rest, **options):
        if below(path) and not os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return made(path, *rest, **options)

    monkeypatch.setattr(builtins, "open", checked_open)
    monkeypatch.setattr(os, "mkdir", checked_mkdir)
    monkeypatch.setattr(os, "access", lambda path, mode, **_: not (mode & os.W_OK and below(path)))


def test_a_finished_set_is_used_where_one_may_not_write(prepare, tmp_path, monkeypatch):
    prepare()
    (tmp_path / "data" / ".tiny.lock").unlink()
    _refused(monkeypatch, [tmp_path / "data"])
    assert prepare().reused


def test_a_lock_of_somebody_else_is_no_obstacle(prepare, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".tiny.lock").touch()
    _refused(monkeypatch, [tmp_path / "data" / ".tiny.lock"])
    assert not prepare().reused


@pytest.mark.parametrize("overwrite", [False, True])
def test_where_one_may_not_write_is_told_before_the_work(prepare, tmp_path, monkeypatch, overwrite):
    if overwrite:
        prepare()
    monkeypatch.setattr(decoding, "local", None)
    _refused(monkeypatch, [tmp_path / "data" / "tiny"] if overwrite else [tmp_path / "data"])
    with pytest.raises(InputError, match="may not be written.*choose another"):
        prepare(overwrite=overwrite)


def test_a_file_where_a_folder_should_be_is_told(prepare, tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(InputError, match="data is no folder; choose another place"):
        prepare()
