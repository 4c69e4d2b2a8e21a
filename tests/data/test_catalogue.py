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
