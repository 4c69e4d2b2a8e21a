"""A source of clips with label maps in folders."""

import numpy as np
import pytest
from PIL import Image

from digan_jax.data import bouncing, loader, sources
from digan_jax.data.paired_folders import PairedSource
from digan_jax.errors import InputError

TIMES = np.linspace(0, 1, 5)


def save(folder, pictures):
    folder.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i}.png")


@pytest.fixture
def folder(tmp_path):
    """Two clips of bouncing shapes, 48 x 32."""
    for clip in (4, 7):
        for name in ("render", "labels", "instances"):
            kind = "frames" if name == "render" else name
            save(tmp_path / kind / f"c{clip}", getattr(bouncing, name)(clip, TIMES, (32, 48)))
    return tmp_path


def test_frames_and_maps_are_cut_and_read_alike(folder):
    source = PairedSource(folder, 32)
    assert isinstance(source, sources.Source) and source.frame_counts.tolist() == [5, 5]
    assert source.label_names == ("0", "1", "2")  # disc and square
    for record, clip in enumerate((4, 7)):
        middle = slice(8, 40)
        np.testing.assert_array_equal(source.read_frames(record, [3])[0], bouncing.render(clip, TIMES, (32, 48))[3][:, middle])
        np.testing.assert_array_equal(source.read_labels(record, [3, 1]), bouncing.labels(clip, TIMES, (32, 48))[[3, 1]][..., middle])
        shown = source.read_instances(record, np.arange(5))
        assert sorted(np.unique(shown)) == list(range(len(np.unique(shown))))


def test_a_batch_of_a_paired_folder(folder, make_config):
    fields = {"task.name": "translate", "model.condition_planes": 3, "model.condition_style": 2, "data.frames": 5}
    config = make_config(fields | {"data.source": "pairs", "data.path": str(folder), "data.flip": False})
    source = sources.open_source(config.data, config.model)
    sources.check_labels(source, config)
    batch = next(loader.make_loader(source, config))
    maps, styles = batch.condition.maps, batch.condition.styles
    assert maps.shape == (8, 5, 32, 32, 4) and styles.frame.shape == (8, 32, 32, 3)
    for row in range(8):  # the frame with the looks is one of the clip, and so are its instances
        assert any(np.array_equal(styles.here[row], there) for there in styles.there[row])
        number = np.rint(batch.times[row] * 4).astype(int)
        clip = next(c for c in (4, 7) if np.array_equal(bouncing.render(c, TIMES, (32, 48))[number][:, :, 8:40], batch.frames[row]))
        np.testing.assert_array_equal(maps[row, ..., :3].argmax(-1), bouncing.labels(clip, TIMES, (32, 48))[..., 8:40])


def test_folders_that_do_not_fit(folder):
    (folder / "labels" / "c7" / "4.png").unlink()
    with pytest.raises(InputError, match="c7: 4 maps for the 5 frames of c7; give one for each"):
        PairedSource(folder, 32)
    Image.fromarray(np.zeros((32, 40), np.uint8)).save(folder / "labels" / "c7" / "4.png")
    with pytest.raises(InputError, match="4.png: is 40x32, c7 is 48x32; they must be of one size"):
        PairedSource(folder, 32)
    Image.fromarray(np.full((32, 48), 2, np.uint8)).save(folder / "labels" / "c7" / "4.png")
    (folder / "labels.txt").write_text("ground\ndisc\n")
    with pytest.raises(InputError, match="names 2 labels, and the maps have 3"):
        PairedSource(folder, 32)
    with pytest.raises(InputError, match="data.split='val': .* has no folder of this name"):
        PairedSource(folder, 32, "val")
