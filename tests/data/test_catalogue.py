import errno
import os
import socket

import pytest
from PIL import Image

from digan_jax.data.catalogue import take_stock
from digan_jax.errors import InputError


@pytest.fixture
def tree(tmp_path):
    """tree("a/b.mp4", ...) makes files of one byte; images are real."""

    def make(*names):
        for name in names:
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(file) if file.suffix in (".png", ".jpg") else file.write_bytes(b"x")
        return str(tmp_path)

    return make


def rows(stock):
    return [(v.name, v.split, stock.class_names[v.label] if stock.class_names else None) for v in stock.videos]


def test_flat_folder_has_no_classes(tree):
    stock = take_stock(tree("b.mp4", "a.AVI", "c10.gif", "c9.webm"))
    assert rows(stock) == [(name, "train", None) for name in ("a.AVI", "b.mp4", "c9.webm", "c10.gif")]
    assert stock.class_names == () and stock.skipped == ()


def test_subfolders_are_classes(tree):
    stock = take_stock(tree("run/1.mp4", "run/deep/2.mp4", "jump/3.mkv"))
    assert rows(stock) == [
        ("jump/3.mkv", "train", "jump"),
        ("run/1.mp4", "train", "run"),
        ("run/deep/2.mp4", "train", "run"),
    ]
    assert stock.class_names == ("jump", "run")


def test_a_video_beside_class_folders_means_no_classes(tree):
    assert take_stock(tree("run/1.mp4", "jump/3.mkv", "4.mov")).class_names == ()


def test_split_folders_with_classes(tree):
    stock = take_stock(tree("train/run/1.mp4", "train/jump/2.mp4", "test/run/3.mp4", "Valid/run/4.mp4"))
    assert sorted(rows(stock)) == [
        ("Valid/run/4.mp4", "val", "run"),
        ("test/run/3.mp4", "test", "run"),
        ("train/jump/2.mp4", "train", "jump"),
        ("train/run/1.mp4", "train", "run"),
    ]


def test_folders_of_images_are_videos(tree):
    stock = take_stock(tree("run/clip1/1.png", "run/clip1/2.png", "jump/clip2/1.jpg"))
    assert rows(stock) == [("jump/clip2", "train", "jump"), ("run/clip1", "train", "run")]


def test_folders_of_images_without_classes(tree):
    assert rows(take_stock(tree("clip1/1.png", "clip2/1.png"))) == [("clip1", "train", None), ("clip2", "train", None)]


def test_one_file_is_a_source_too(tree):
    assert rows(take_stock(tree("a.mp4") + "/a.mp4")) == [("a.mp4", "train", None)]


def test_what_is_no_video_is_named(tree):
    stock = take_stock(tree("a.mp4", "notes.txt", "thumbnail.png", ".hidden.mp4", "LICENSE"))
    assert rows(stock) == [("a.mp4", "train", None)]
    reasons = dict(stock.skipped)
    assert reasons.keys() == {"notes.txt", "thumbnail.png", "LICENSE"}
    assert "suffix .txt" in reasons["notes.txt"] and "beside videos" in reasons["thumbnail.png"]


def test_val_fraction_goes_by_file_and_stays_the_same(tree):
    source = tree(*[f"{i}.mp4" for i in range(20)])
    stock = take_stock(source, 0.25)
    assert [len(stock.split(s)) for s in ("train", "val")] == [15, 5]
    assert take_stock(source, 0.25) == stock
    assert {v.name for v in take_stock(source, 0.1).split("val")} < {v.name for v in stock.split("val")}


def test_fingerprint_follows_the_files_not_the_folder(tree, tmp_path):
    source = tree("v/a.mp4", "v/b.mp4")
    before = take_stock(source + "/v").fingerprint
    (tmp_path / "v").rename(tmp_path / "w")
    assert take_stock(source + "/w").fingerprint == before
    (tmp_path / "w" / "a.mp4").write_bytes(b"xy")
    assert take_stock(source + "/w").fingerprint != before
    assert take_stock(source + "/w", 0.5).fingerprint != take_stock(source + "/w").fingerprint


def test_bad_sources(tree):
    source = tree("train/a.mp4", "notes/b.txt")
    with pytest.raises(InputError, match="no such file or folder"):
        take_stock(source + "/nowhere")
    with pytest.raises(InputError, match=r"no video .* 1 other files"):
        take_stock(source + "/notes")
    with pytest.raises(InputError, match=r"has folders \['train'\] already"):
        take_stock(source, 0.5)
    with pytest.raises(InputError, match=r"must lie in \[0, 1\)"):
        take_stock(source, 1.0)


# ---- classes ----


@pytest.mark.parametrize(
    ("names", "stray"),
    [
        (("cat/1.mp4", "dog/2.mp4", "cover.png"), ["cover.png"]),
        (("cat/1.mp4", "dog/2.mp4", "b.jpg", "a.png"), ["a.png", "b.jpg"]),
        (("cat/1.mp4", "dog/2.mp4", "extras/cover.png"), ["extras/cover.png"]),
        (("cat/clip/1.png", "cat/clip/2.png", "dog/clip/1.png", "dog/clip/2.png", "cat/cover.png"), ["cat/cover.png"]),
        (("train/cat/1.mp4", "train/dog/2.mp4", "train/cover.png"), ["train/cover.png"]),
    ],
)
def test_a_stray_image_does_not_take_the_classes_away(tree, names, stray):
    stock = take_stock(tree(*names))
    assert stock.class_names == ("cat", "dog")
    assert [name for name, _ in stock.skipped] == stray and "an image beside" in stock.skipped[0][1]


@pytest.mark.parametrize(
    "names", [("cat/1.mp4", "dog/2.mp4", "3.mp4"), ("cat/1.mp4", "c/1.png", "c/2.png"), ("a/b/1.gif", "2.gif")]
)
def test_classes_are_not_lost_without_a_word(tree, names):
    stock = take_stock(tree(*names))
    assert stock.class_names == () and len(stock.videos) >= 2
    ((file, remark),) = stock.remarks
    assert "no classes" in remark and "beside the folders" in remark and file in [v.name for v in stock.videos]


def test_classes_without_a_usable_video_are_named(tree, tmp_path):
    (tmp_path / "empty").mkdir()
    stock = take_stock(tree("a/1.mp4", "b/1.mp4", "b/2.mp4", "c/1.mp4", "notes/c.txt"))
    assert stock.class_names == ("a", "b", "c") and stock.remarks == (("empty", "an empty folder"),)
    assert stock.without_videos([("b/1.mp4", "short")]) == []
    told = stock.without_videos([("b/1.mp4", "short"), ("b/2.mp4", "short"), ("c/1.mp4", "broken")])
    assert [name for name, _ in told] == ["b", "c"] and "without a usable video" in told[0][1]


# ---- links ----


def test_links_in_a_circle_end(tree, tmp_path):
    source = tree("v/a/1.mp4", "v/b/2.mp4")
    (tmp_path / "v" / "a" / "up").symlink_to("..")
    (tmp_path / "v" / "b" / "far_up").symlink_to("../..")
    (tmp_path / "v" / "b" / "self").symlink_to("self")
    (tmp_path / "v" / "b" / "other").symlink_to("../a")
    (tmp_path / "v" / "a" / "other").symlink_to("../b")
    stock = take_stock(source + "/v")
    assert [v.name for v in stock.videos] == ["a/1.mp4", "b/2.mp4"] and stock.class_names == ("a", "b")
    reasons = dict(stock.skipped)
    assert reasons["a/up"] == "the same as v" and reasons["b/far_up"] == "the same as a folder around the source"
    assert reasons["b/other"] == "the same as a" and "Too many levels" in reasons["b/self"]


def test_each_file_is_taken_once_by_its_own_name(tree, tmp_path):
    source = tree("v/z.mp4", "v/deep/y.mp4", "elsewhere/x.mp4", "elsewhere/w.mp4")
    (tmp_path / "v" / "a.mp4").symlink_to("z.mp4")
    (tmp_path / "v" / "b.mp4").hardlink_to(tmp_path / "v" / "z.mp4")
    (tmp_path / "v" / "c").symlink_to("deep")
    (tmp_path / "v" / "d").symlink_to("../elsewhere")
    (tmp_path / "v" / "e.mp4").symlink_to("../elsewhere/x.mp4")
    stock = take_stock(source + "/v")
    assert [v.name for v in stock.videos] == ["b.mp4", "d/w.mp4", "d/x.mp4", "deep/y.mp4"]
    assert dict(stock.skipped) == {
        "a.mp4": "the same as b.mp4",
        "c": "the same as deep",
        "e.mp4": "the same as d/x.mp4",
        "z.mp4": "the same as b.mp4",
    }


def test_a_split_that_is_a_link_to_another_is_no_second_one(tree, tmp_path):
    source = tree("train/a.mp4", "train/b.mp4")
    (tmp_path / "val").symlink_to("train")
    stock = take_stock(source)
    assert stock.splits == ["train"] and stock.skipped == (("val", "the same as train"),)


def test_frames_that_are_links_count_each(tree, tmp_path):
    tree("clip/1.png", "clip/2.png")
    (tmp_path / "clip" / "3.png").symlink_to("1.png")
    (tmp_path / "linked").mkdir()
    for number in (1, 2):
        (tmp_path / "linked" / f"{number}.png").symlink_to(f"../clip/{number}.png")
    assert [v.name for v in take_stock(str(tmp_path)).videos] == ["clip", "linked"]


# ---- whatever lies there ----


def test_what_is_no_file_is_named_and_not_opened(tree, tmp_path):
    source = tree("a.mp4", "folder.mp4/1.png", "folder.mp4/2.png")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "dangling.mp4").symlink_to("nowhere")
    (tmp_path / "device.mp4").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket.mp4"))
        stock = take_stock(source)
    assert [v.name for v in stock.videos] == ["a.mp4", "folder.mp4"]
    reasons = dict(stock.skipped)
    assert reasons.pop("dangling.mp4") == "a link to nothing"
    assert reasons.keys() == {"pipe.mp4", "device.mp4", "socket.mp4"}
    assert set(reasons.values()) == {"a pipe, a socket or a device, no file"}
    assert len(stock.fingerprint) == len(stock.stamp) == 16  # a pipe among images is not read for it either


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9/\xff.mp4",
        b"a/new\nline\t\x1b[31m.mp4",
        "①/②.mp4".encode(),
        b"a/back\\slash.mp4",
        "a/\u2028.mp4".encode(),
    ],
)
def test_any_name_is_written_down_so_that_it_can_be_printed(tmp_path, name):
    for place in (name, b"other/b.mp4"):
        file = tmp_path / os.fsdecode(place)
        file.parent.mkdir()
        file.write_bytes(b"x")
    stock = take_stock(str(tmp_path))
    assert len(stock.videos) == len(stock.class_names) == 2
    for text in (*(v.name for v in stock.videos), *stock.class_names):
        assert text.encode() and len(text.splitlines()) == 1 and "\x1b" not in text
    assert all(os.path.exists(v.path) for v in stock.videos)


def test_folders_that_cannot_be_listed_are_named(tree, tmp_path, monkeypatch):
    from etils import epath

    source = tree("a/1.mp4", "closed/2.mp4", "b/deep/3.mp4")
    listed = type(epath.Path(source)).iterdir

    def iterdir(self):
        if self.name in ("closed", "deep"):
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return listed(self)

    monkeypatch.setattr(type(epath.Path(source)), "iterdir", iterdir)
    stock = take_stock(source)
    assert [v.name for v in stock.videos] == ["a/1.mp4"]
    assert dict(stock.skipped) == dict.fromkeys(("b/deep", "closed"), "cannot be listed: Permission denied")
    with pytest.raises(InputError, match="cannot be listed"):
        take_stock(source + "/closed")


# ---- the same files? ----


@pytest.mark.parametrize("file", ["v/a.mp4", "v/clip/1.png", "v/clip/2.png"])
def test_fingerprints_follow_the_contents(tree, tmp_path, file):
    source, changed = tree("v/a.mp4", "v/clip/1.png", "v/clip/2.png") + "/v", tmp_path / file
    before, info = take_stock(source), changed.stat()
    assert len(before.fingerprint) == 16  # computed now
    data = changed.read_bytes()
    changed.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(changed, ns=(info.st_atime_ns, info.st_mtime_ns))
    other = take_stock(source)  # of the same name, length and time
    assert other.fingerprint != before.fingerprint and other.stamp != before.stamp
    changed.write_bytes(data)
    os.utime(changed, ns=(1, 1))
    after = take_stock(source)
    assert after.fingerprint == before.fingerprint and after.stamp != before.stamp
