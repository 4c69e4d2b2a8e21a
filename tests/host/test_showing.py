import numpy as np
import pytest
from PIL import Image, ImageOps

from digan_jax.host import showing
from digan_jax.host.showing import UnusableVideo, View, on_black, shown

PICTURE = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)


@pytest.mark.parametrize("orientation", range(10))
def test_exif_turns_as_pillow_does(orientation):
    image = Image.fromarray(PICTURE)
    image.getexif()[274] = orientation
    np.testing.assert_array_equal(shown(PICTURE, None, View.of_exif(orientation)), ImageOps.exif_transpose(image))


def at_their_places(picture, matrix):
    """The definition: each pixel goes to x' = ax + cy, y' = bx + dy."""
    a, b, _, c, d = matrix[:5]
    h, w = picture.shape[:2]
    places = {(c * y + a * x, d * y + b * x): picture[y, x] for y in range(h) for x in range(w)}
    columns, rows = (sorted({place[axis] for place in places}) for axis in (0, 1))
    return np.array([[places[x, y] for x in columns] for y in rows])


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_every_display_matrix_puts_pixels_where_it_says(turned, signs):
    p, q = signs
    matrix = [0, p, 0, q, 0, 0, 0, 0, 1] if turned else [p, 0, 0, 0, q, 0, 0, 0, 1]
    view = View.of_matrix([65536 * value for value in matrix])
    np.testing.assert_array_equal(shown(PICTURE, None, view), at_their_places(PICTURE, matrix))
    np.testing.assert_array_equal(shown(PICTURE, 4, view), at_their_places(shown(PICTURE, 4), matrix))  # a square turns


@pytest.mark.parametrize("degrees, as_if", [(10, 0), (80, 90), (100, 90), (171, 180), (-85, 270)])
def test_other_angles_are_taken_for_the_nearest_quarter(degrees, as_if):
    def matrix(angle):
        c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        return [round(65536 * v) for v in (c, s, 0, -s, c, 0, 0, 0, 1)]

    assert View.of_matrix(matrix(degrees)) == View.of_matrix(matrix(as_if))
    assert View.of_matrix([0] * 9) == View()


@pytest.mark.parametrize("aspect, size", [(2.0, (6, 8)), (0.5, (6, 2)), (64 / 45, (6, 6))])
def test_all_of_a_frame_has_square_pixels(aspect, size):
    assert shown(PICTURE, None, View(aspect=aspect)).shape[:2] == size
    assert shown(PICTURE, None, View(transposed=True, aspect=aspect)).shape[:2] == size[::-1]


def test_what_is_transparent_is_black():
    rgba = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 51, 128]]], np.uint8)
    np.testing.assert_array_equal(on_black(rgba), [[[200, 100, 50], [0, 0, 0], [100, 50, 26]]])


def test_pixels_that_are_too_wide_are_refused(monkeypatch):
    monkeypatch.setattr(showing, "MAX_PIXELS", 1000)
    with pytest.raises(UnusableVideo, match="is 400x6"):
        shown(PICTURE, None, View(aspect=100.0))
    assert shown(PICTURE, 8, View(aspect=100.0)).shape == (8, 8, 3)
