"""Windows and tiles of maps, with a stand-in for the model that draws the maps that it is shown."""

import types
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.data.carrying import at
from digan_jax.kernels import reference
from digan_jax.models.condition.times import at_times
from digan_jax.rendering.translating import Translator

SIDE, SHOWN = 8, 5


@jax.jit
def interpolated(maps, times, level):
    at = np.linspace(0, 1, SHOWN, dtype=np.float32)[None]
    return reference.sample(at_times(maps, at, times[None]), level, 1 / 8)


class Drawing:
    """Linear in x, y and t between the maps' pixels."""

    def __init__(self, planes=3):
        self.config = types.SimpleNamespace(resolution=SIDE, base=8, condition_planes=planes)

    def generate(self, lat, times, grid, condition):
        assert condition.maps.shape == (1, SHOWN, SIDE, SIDE, self.config.condition_planes)
        return np.asarray(interpolated(jnp.asarray(condition.maps), times, grid.levels[-1]))


@pytest.mark.parametrize("count, height, width", [(13, 8, 8), (13, 8, 20), (3, 24, 8)])
def test_windows_and_tiles_draw_one_picture(count, height, width):
    """Planes that are 1 on halves of the picture, moving one pixel each frame: away from their edge all is exact."""
    edge = lambda n: (max(height, width) // 4 + n % 4) if width >= height else height // 3
    y, x = np.mgrid[:height, :width]
    labels = [np.where(x < edge(n), 0, np.where(y < height // 2, 1, 2)) for n in range(count)]
    reads = []

    def read(n):
        reads.append(n)
        return labels[int(n)], labels[int(n)]

    places = np.arange(count, dtype=float)
    made = np.stack(list(Translator(Drawing(), SHOWN, None).frames(read, count, places, (width, height))))
    assert made.shape == (count, height, width, 3)
    np.testing.assert_allclose(made, np.eye(3)[np.stack(labels)], atol=1e-5)  # drawn at the maps' own size: float32
    lines = Translator(Drawing(planes=1), SHOWN, None, edges=True)
    drawn = lambda places: np.stack(list(lines.frames(read, count, places, (width, height))))
    whole, half = drawn(places), drawn(places[:-1] + 0.5)
    np.testing.assert_allclose(half, (whole[:-1] + whole[1:]) / 2, atol=1e-5)


@pytest.mark.parametrize("rate", [2, 3, 2.5])
def test_between_label_maps_objects_move_on(rate):
    """A square that moves two pixels a map is a square, not two, at every rate, in one window or several."""
    count = 13

    def stored(n):
        labels = np.zeros((8, 34), np.int32)
        labels[3:7, 2 * n + 3 : 2 * n + 7] = 1
        return labels, labels

    places = np.arange(0, count - 1 + 1e-9, 1 / rate)
    made = np.stack(list(Translator(Drawing(), SHOWN, None).frames(partial(at, stored), count, places, (34, 8))))[..., 1]
    centre = (made * np.arange(34)).sum((1, 2)) / made.sum((1, 2))
    np.testing.assert_allclose(centre, 4.5 + 2 * places, atol=0.51)  # to a pixel
    np.testing.assert_allclose(made.sum((1, 2)), 16, atol=1e-3)  # pixels of the square, of a float32 picture


def test_long_inputs_are_read_as_they_are_drawn():
    """300 maps: a frame is out before the window after the next is read."""
    labels, last = np.zeros((8, 8), int), [0]

    def read(n):
        last[0] = max(last[0], n)
        return labels, labels

    for place, _ in enumerate(Translator(Drawing(), SHOWN, None).frames(read, 300, np.arange(300.0), (8, 8))):
        assert last[0] <= place + 2 * SHOWN


def test_drawings_are_one_plane():
    translator = Translator(types.SimpleNamespace(config=types.SimpleNamespace(condition_planes=1)), SHOWN, None, edges=True)
    lines = np.eye(8, dtype=int)[None]
    np.testing.assert_array_equal(translator._condition(lines, lines).maps[0, ..., 0], lines)
