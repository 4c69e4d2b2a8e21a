import hashlib
import io
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from digan_jax.config import ModelConfig
from digan_jax.data import builder, records, sources
from digan_jax.errors import InputError
from digan_jax.host.showing import shown


@pytest.fixture
def prepared(two_classes, tmp_path):
    """Folder of sets with "tiny": 3 videos of 20, 21 and 22 frames, 32 x 32, classes a and b."""
    data_dir = str(tmp_path / "data")
    builder.prepare(str(two_classes), "tiny", 32, 4, data_dir=data_dir, workers=1)
    return data_dir


@pytest.fixture
def open_source(make_config, prepared):
    def run(**changes):
        fields = {"data.source": "tfds", "data.name": "tiny", "data.data_dir": prepared, "data.frames": 4}
        c = make_config(fields | {k.replace("__", "."): v for k, v in changes.items()})
        return sources.open_source(c.data, c.model)

    return run


def test_frames_are_those_of_the_videos(open_source, scene, prepared):
    source = open_source()
    assert source.size == 32 and source.class_names == ("a", "b") and len(source) == 3
    rows = list(tfds.data_source("tiny", split="train", data_dir=prepared))
    for record, row in enumerate(rows):
        assert source.frame_counts[record] == len(row["video"]) and source.labels[record] == row["label"]
        number = source.frame_counts[record] - 20
        video = [shown(f, 32) for f in scene(20 + number, 24, 24, seed=number)]
        np.testing.assert_array_equal(source.read_frames(record, [7, 2, 2]), np.stack(video)[[7, 2, 2]])


def test_only_the_frames_asked_for_are_decoded(open_source, monkeypatch):
    source, decoded = open_source(), []
    whole = sources.pieces.decode
    monkeypatch.setattr(sources.pieces, "decode", lambda png: decoded.append(png) or whole(png))
    source.read_frames(0, [3, 9])
    assert len(decoded) == 2


def test_split_expressions(open_source):
    whole, first, rest = (open_source(data__split=s) for s in ("train", "train[:1]", "train[1:]"))
    np.testing.assert_array_equal(np.concatenate([first.frame_counts, rest.frame_counts]), whole.frame_counts)
    np.testing.assert_array_equal(rest.read_frames(0, [5]), whole.read_frames(1, [5]))
    assert len(open_source(data__split="train[:1]+train[2:]")) == 2
    assert len({s.fingerprint for s in (whole, first, rest)}) == 3 and open_source().fingerprint == whole.fingerprint


def test_a_lost_index_is_built_again(open_source, prepared):
    before = open_source()
    index = records.find_set("tiny", prepared) / records.INDEX_FILE
    index.unlink()
    assert open_source().fingerprint == before.fingerprint and index.exists()


def test_fingerprint_follows_the_pixels(open_source, two_classes, write_clip, scene, tmp_path):
    before = open_source()
    assert before.fingerprint_covers == "pixels and labels"
    copies = []
    for name, seed in (("same", 1), ("other", 7)):  # as many frames and labels
        write_clip(two_classes / "a" / "two.mkv", scene(21, 24, 24, seed=seed))
        builder.prepare(str(two_classes), "tiny", 32, 4, data_dir=str(tmp_path / name), workers=1)
        copies.append(open_source(data__data_dir=str(tmp_path / name)))
    same, other = copies
    assert list(other.frame_counts) == list(before.frame_counts) and list(other.labels) == list(before.labels)
    assert same.fingerprint == before.fingerprint != other.fingerprint
    # A split of untouched records keeps its own.
    kept = [i for i in range(3) if (before.read_frames(i, [0]) == other.read_frames(i, [0])).all()]
    splits = [f"train[{i}:{i + 1}]" for i in kept]
    assert len(splits) == 2
    for split in splits:
        a, b = (open_source(data__split=split, **c) for c in ({}, {"data__data_dir": str(tmp_path / "other")}))
        assert a.fingerprint == b.fingerprint


def test_a_set_of_before_digests_keeps_its_fingerprint_and_says_what_it_covers(open_source, prepared):
    index = records.find_set("tiny", prepared) / records.INDEX_FILE
    rows = {shard: [row[:2] for row in rows] for shard, rows in json.loads(index.read_text()).items()}
    index.write_text(json.dumps(rows))
    old = open_source()
    told = ("tiny", "1.0.0", "train", [row for shard in rows.values() for row in shard])
    assert old.fingerprint == hashlib.sha256(repr(told).encode()).hexdigest()[:16]
    assert old.fingerprint_covers == "frame counts and labels" and len(old) == 3


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"data__name": "sky"}, r"data.name='sky': not prepared in .*choose one of \['tiny'\].*digan prepare"),
        ({"data__data_dir": "/nowhere"}, "not prepared in /nowhere; there are none yet"),
        ({"data__split": "test"}, r"data.split='test'.*\['train'\]"),
        ({"data__split": "train[:0]"}, "no record"),
        ({"model__resolution": 64}, r"model.resolution=64: .*32x32; set it to 32, or .*--size 64"),
        ({"model__n_classes": 3}, "model.n_classes=3: the data have 2 classes; set it to 2, or to 0"),
        ({"data__frames": 23}, "covers 23 source frames, the longest record has 22"),
        ({"data__stride": 8}, "covers 25 source frames"),
        ({"data__source": "bouncing", "data__split": "val"}, r"data.split='val'.*\['test', 'train'\]"),
    ],
)
def test_data_that_do_not_fit_the_configuration(open_source, changes, message):
    with pytest.raises(InputError, match=message):
        open_source(**changes)


def test_unreadable_sets_say_so(open_source, prepared):
    shard = next(records.find_set("tiny", prepared).glob("*.array_record*"))
    shard.write_bytes(b"no record")
    with pytest.raises(InputError, match="cannot be read.*prepare it again"):
        open_source().read_frames(0, [0])


def test_n_classes_0_ignores_labels(open_source):
    assert open_source(model__n_classes=0).class_names == ("a", "b")
    assert open_source(model__n_classes=2).class_names == ("a", "b")


def test_folder_is_prepared_on_first_use(open_source, two_classes, tmp_path, capsys):
    changes = {
        "data__source": "folder",
        "data__path": str(two_classes),
        "data__name": "",
        "data__data_dir": str(tmp_path / "new"),
    }
    first = open_source(**changes)
    assert "videos_32_4x1: prepared in" in capsys.readouterr().out
    again = open_source(**changes)
    assert capsys.readouterr().out == ""
    assert again.fingerprint == first.fingerprint and len(first) == 3


def test_bouncing_needs_no_files(open_source):
    source = open_source(data__source="bouncing", model__n_classes=3)
    assert source.class_names == ("disc", "square", "ring") and source.read_frames(0, [0, 3]).shape == (2, 32, 32, 3)


class Films(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A set of somebody else: other feature names, frames that are not square, JPEG."""

    VERSION = tfds.core.Version("2.1.0")
    name = "films"

    def _info(self):
        films = tfds.features.Sequence(tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"))
        action = tfds.features.ClassLabel(names=["walk", "run"])
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"film": films, "action": action})
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i in range(3):
            yield i, {"film": [jpeg(40 * i + t) for t in range(5 + i)], "action": i % 2}


def jpeg(level):
    file = io.BytesIO()
    Image.new("RGB", (48, 40), (level, level, level)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def films(tmp_path):
    """As TFDS leaves a set with a `features.Video`: that class cannot be made, nor read by TFDS, without TensorFlow,
    but on disk it is a sequence of images and a line of features.json."""
    set_folder = tmp_path / "data"
    made = Films(data_dir=str(set_folder), file_format="array_record")
    made.download_and_prepare()
    features = made.data_path / "features.json"
    tree = json.loads(features.read_text())
    tree["featuresDict"]["features"]["film"] = {
        "pythonClassName": "tensorflow_datasets.core.features.video_feature.Video",
        "video": {"shape": {"dimensions": ["-1", "-1", "-1", "3"]}, "dtype": "uint8", "encodingFormat": "jpeg"},
    }
    features.write_text(json.dumps(tree))
    return set_folder


@pytest.mark.parametrize("name", ["films", "films:2.1.0"])
def test_video_sets_of_tfds(films, make_config, name):
    c = make_config(
        {
            "data.source": "tfds",
            "data.name": name,
            "data.data_dir": str(films),
            "data.frames": 4,
            "data.video_feature": "film",
            "data.label_feature": "action",
            "model.n_classes": 2,
        }
    )
    source = sources.open_source(c.data, c.model)
    assert source.class_names == ("walk", "run") and sorted(source.frame_counts) == [5, 6, 7]
    for record, count in enumerate(source.frame_counts):
        i = count - 5
        assert source.labels[record] == i % 2
        frames = source.read_frames(record, [1, 3])
        assert frames.shape == (2, 32, 32, 3)
        np.testing.assert_allclose(frames.mean((1, 2, 3)), [40 * i + 1, 40 * i + 3], atol=1)  # JPEG


def test_wrong_feature_names_list_those_there_are(films):
    folder = records.find_set("films", str(films))
    with pytest.raises(InputError, match=r"data.video_feature='video': not in this set; it has \['action', 'film'\]"):
        sources.PreparedSource(folder, "train", 32)


def test_the_newest_version_is_taken_and_configurations_must_be_named(tmp_path):
    for place in ("a/1.9.0", "a/1.10.0", "b/x/1.0.0", "b/y/1.0.0"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "dataset_info.json").write_text("{}")
    assert records.find_set("a", str(tmp_path)).name == "1.10.0"
    assert records.find_set("a:1.9.0", str(tmp_path)).name == "1.9.0"
    assert records.find_set("b/x", str(tmp_path)).parent.name == "x"
    with pytest.raises(InputError, match=r"choose one of \['b/x', 'b/y'\]"):
        records.find_set("b", str(tmp_path))


def test_tfrecord_sets_are_refused_with_the_cure(tmp_path):
    folder = tmp_path / "a" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text(json.dumps({"name": "a", "version": "1.0.0", "fileFormat": "tfrecord"}))
    with pytest.raises(InputError, match="stored as tfrecord.*file_format='array_record'"):
        sources.PreparedSource(records.find_set("a", str(tmp_path)), "train", 32)


def test_model_config_alone_is_enough(prepared, make_config):
    c = make_config({"data.source": "tfds", "data.name": "tiny", "data.data_dir": prepared, "data.frames": 4})
    model = ModelConfig(resolution=32, channel_base=64, channel_max=2)
    assert len(sources.open_source(c.data, model)) == 3
