"""Windows of space and time, with a stand-in for the model that interpolates what it is shown."""

import itertools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.config import ModelConfig
from digan_jax.data.conditions import unit_range
from digan_jax.kernels import reference
from digan_jax.models.condition.times import at_times
from digan_jax.models.digan import networks
from digan_jax.rendering import windows
from digan_jax.rendering.model import Model
from digan_jax.rendering.restoring import Restorer, Shape

SIDE, SHOWN = 8, 5


@jax.jit
def interpolated(maps, times, level):
    b, at = len(maps), np.linspace(0, 1, SHOWN, dtype=np.float32)
    return reference.sample(at_times(maps, np.tile(at, (b, 1)), jnp.tile(times[None], (b, 1))), level, 1 / 32)


class Interpolating:
    """Linear in x, y and t between the centres of shown pixels; counts the largest picture that it was asked for."""

    config = types.SimpleNamespace(resolution=32, base=32)

    def latents(self, ids):
        return list(ids)

    def generate(self, lat, times, grid, condition):
        assert condition.maps.shape == (len(lat), SHOWN, SIDE, SIDE, 3)
        return np.asarray(interpolated(condition.maps, times, grid.levels[-1]))


def video(frames, height, width):
    """uint8, linear in x, y and t within each channel, so that linear interpolation between its pixels is exact."""
    t, y, x = np.ogrid[:frames, :height, :width]
    zero = 0 * (t + y + x)
    return np.stack([zero + 10 * x, zero + 8 * y, zero + 3 * t % 256], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("frames, height, width", [(14, 8, 8), (14, 19, 21), (3, 6, 20)])
def test_pictures_of_windows_meet_in_the_picture_of_one(frames, height, width):
    given = video(frames, height, width)
    size, places = (3 * width + 1, 2 * height), np.arange(2 * frames - 1) / 2
    shape = Shape(width, height, frames, size, places)
    made = np.stack(list(Restorer(Interpolating(), SIDE, SHOWN).frames(given, shape)))
    assert made.shape == (len(places), *size[::-1], 3)
    y, x = (np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1) for m, n in zip(size[::-1], (height, width)))
    twin = np.stack(np.broadcast_arrays(10 * x, 8 * y[:, None], 3 * places[:, None, None, None][..., 0]), axis=-1)
    # Nothing is known beyond the centre of a tile's outer pixels, so its picture is flat there: at d <= 1/2 of a pixel from
    # its border it errs by 10 (1/2 - d), with a share of d / 2 over the overlap of 2. The most is 0.31, at d = 1/4.
    np.testing.assert_allclose((made + 1) * 127.5, twin, atol=0.32)


def test_windows_of_300_frames_meet_without_a_seam():
    """An untrained model draws a window by the time since it began, so windows do not agree; cross-faded they meet.

    At a seam a window begins or ends. A fade moves the picture by at most the difference of two windows over the length
    of the overlap, between seams and beside them alike, so no step at a seam may be larger than all others. If windows
    were cut there, steps would be as large as the difference itself.
    """
    fields = {"condition_planes": 3, "condition_width": 4, "basis": "shared", "channel_base": 128, "channel_max": 4}
    config = ModelConfig(resolution=32, z_dim=8, w_dim=8, motion_dim=8, n_frequencies=8, **fields)
    params = networks.build(config).generator.init(jax.random.key(0))
    model = Model(config, {**params, "w_avg": jnp.zeros(8)})
    frames, each = 300, 4  # new frames for each given one
    still = itertools.repeat(video(1, 8, 8)[0], frames)  # what moves is the model's alone
    places = np.arange(each * (frames - 1) + 1) / each
    seen = lambda frames: np.concatenate([unit_range(frames), np.ones((*frames.shape[:3], 1), np.float32)], -1)
    restorer = Restorer(model, SIDE, SHOWN, seen=seen)
    made = np.stack(list(restorer.frames(still, Shape(8, 8, frames, (8, 8), places))))
    assert made.shape == (len(places), 8, 8, 3)
    steps = np.abs(np.diff(made, axis=0)).mean((1, 2, 3))
    begins = windows.starts(frames - 1, SHOWN - 1, (SHOWN - 1) // 2)
    seams = np.unique([each * int(place) for start in begins for place in (start, start + SHOWN - 1)])
    at_seams = np.isin(np.arange(len(steps)), np.concatenate([seams - 1, seams]))
    assert 200 < at_seams.sum() < len(steps) / 2 + 100 and steps[at_seams].max() <= steps[~at_seams].max()
    one = restorer.window(video(1, 8, 8).repeat(SHOWN, 0), np.float32([0.0, 0.5, 1.0]), Shape(8, 8, 5, (8, 8), places))
    assert np.abs(one[0] - one[1]).mean() > 3 * steps.max()  # what a cut would show


def test_long_videos_are_read_as_they_are_drawn():
    """300 frames: no more than one window is held before the first of its frames is out."""
    frames, lead = 300, []
    shape = Shape(8, 8, frames, (16, 16), np.arange(2 * frames - 1) / 2)
    read = [0]

    def given():
        for frame in video(100, 8, 8):
            for _ in range(3):
                read[0] += 1
                yield frame

    made = Restorer(Interpolating(), SIDE, SHOWN).frames(given(), shape)
    for place, _ in zip(shape.places, made, strict=True):
        lead.append(read[0] - place)
    assert max(lead) <= SHOWN + 1
