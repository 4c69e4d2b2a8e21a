"""Styles that are known functions of a frame, and what the task "stylize" shows and asks for."""

import numpy as np
import pytest
from PIL import Image

from digan_jax.data import bouncing, conditions, loader, sources, stylizing
from digan_jax.errors import InputError


@pytest.fixture(scope="module")
def frames():
    return bouncing.render(5, np.linspace(0, 1, 4), 32)


@pytest.mark.parametrize("style", stylizing.STYLES)
def test_degrees_mix_the_frame_and_its_style(frames, style):
    whole = stylizing.styled(frames, style, np.ones(4)).astype(float)
    assert np.abs(whole - frames).mean() > 10
    some = stylizing.styled(frames, style, np.array([0, 0.25, 0.5, 1]))
    np.testing.assert_array_equal(some[0], frames[0])
    np.testing.assert_array_equal(some[3], whole[3])
    np.testing.assert_allclose(some[1], 0.75 * frames[1] + 0.25 * whole[1], atol=0.75)  # rounded once and twice


def test_each_style_is_what_it_says():
    frame = np.zeros((16, 16, 3), np.uint8)
    frame[:, 8:] = [255, 160, 90]
    of = lambda style: stylizing.styled(frame[None], style, np.ones(1))[0]
    assert set(np.unique(of("poster"))) == {0, 85, 170, 255}
    ink = of("ink")
    assert (ink[:, :3] == 255).all() and (ink[:, 12:] == 255).all() and ink[:, 7:9].max() < 60  # a line at the edge
    duotone = of("duotone")
    assert (duotone[0, 0] == stylizing.DARK).all() and (duotone[0, 9] < stylizing.LIGHT).all()


def test_the_colours_of_a_picture_are_taken(frames, tmp_path):
    picture = np.random.default_rng(0).normal([60, 120, 200], [10, 20, 5], (40, 40, 3)).clip(0, 255).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "art.png")
    found = stylizing.styled(frames, str(tmp_path / "art.png"), np.ones(4))
    np.testing.assert_allclose(found.mean((1, 2)), picture.mean((0, 1))[None].repeat(4, 0), atol=1)  # rounding, clipping
    np.testing.assert_allclose(found.std((1, 2)), picture.std((0, 1))[None].repeat(4, 0), atol=1)
    for wrong, message in (("oil", "style='oil': choose one of"), (str(tmp_path / "no.png"), "cannot be read")):
        with pytest.raises(InputError, match=message):
            stylizing.styled(frames, wrong, np.ones(4))


def test_the_loader_asks_for_the_style_at_the_degrees_that_it_shows(make_config):
    """The pair to be drawn is the shown clip at its times, in the style, to 1 - visibility."""
    fields = {"task.name": "stylize", "task.style": "duotone", "data.frames": 5, "model.condition_planes": 3}
    config = make_config(fields | {"train.batch_size": 4})
    iterator = loader.make_loader(sources.open_source(config.data, config.model), config)
    batch = next(iterator)
    iterator.close()
    maps, times = np.asarray(batch.condition.maps), np.asarray(batch.times)
    number = np.rint(times * 4).astype(int)
    for row in range(4):
        shown = np.rint((maps[row, number[row], ..., :3] + 1) * 127.5).astype(np.uint8)
        degrees = 1 - maps[row, number[row], 0, 0, 3]
        np.testing.assert_array_equal(batch.frames[row], stylizing.styled(shown, "duotone", degrees))
    assert len(np.unique(1 - maps[:, :, 0, 0, 3])) == 20  # of each clip and frame its own


def test_pixels_and_frames_may_have_degrees_of_their_own(frames):
    whole = conditions.to_degree(frames, np.array([0, 0.5, 1, 1]))
    assert whole.visible.shape == (4, 32, 32) and (whole.visible[:, 3, 4] == [1, 0.5, 0, 0]).all()
    each = conditions.to_degree(frames, np.full((4, 32, 32), 0.25))
    assert (each.visible == 0.75).all()
