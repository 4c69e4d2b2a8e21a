"""However a clip is cut into pieces and shared among devices, it is the one that the networks draw in one go."""

import dataclasses

import jax
import numpy as np
import pytest

from digan_jax import devices, grids
from digan_jax.config import ModelConfig
from digan_jax.models.digan.networks import build
from digan_jax.rendering import generate, tiles
from digan_jax.rendering.model import Model

# Frames are sums of some ten layers of float32 products; the pieces add in another order.
TOLERANCE = dict(rtol=1e-4, atol=2e-5)


@pytest.fixture(scope="module")
def model():
    """With a level above the first, so that bands must nest."""
    sizes = dict(z_dim=16, w_dim=16, motion_dim=16, rank=2, n_frequencies=8)
    config = ModelConfig(resolution=64, channel_base=512, channel_max=8, **sizes)
    params = build(config).generator.init(jax.random.key(0))
    return Model(config, {**params, "w_avg": np.zeros(16, np.float32)})


def in_one_go(model, lat, times, grid):
    rows = np.broadcast_to(np.float32(times), (len(lat.content), np.shape(times)[-1]))
    return np.asarray(jax.jit(model.nets.generator.synthesis)(model.params, lat, rows, grid))


SCALED, SMOOTH = grids.scaled(64, 2), grids.smooth(64, 50, 37, (-2, -1, 1, 1.5))
CUTS = [  # (grid, bytes, are columns, rows, frames cut?)
    (SCALED, 30_000, True, True, True),
    (SCALED, 3_000_000, False, False, False),
    (SMOOTH, 20_000, True, True, True),
    (SMOOTH, 600_000, False, False, False),
    (SMOOTH, generate.WORKSPACE, False, False, False),
]


@pytest.mark.parametrize(("grid", "workspace", "columns", "rows", "frames"), CUTS)
def test_every_cut_gives_the_same_clip(model, grid, workspace, columns, rows, frames):
    plan = tiles.plan(model.config, grid, clips=3, frames=2, workspace=workspace, one_by_one=True)
    first = grid.levels[0]
    cut = plan.columns < len(first.x), plan.rows < len(first.y), plan.frames < 2
    assert cut == (columns, rows, frames)
    lat = model.latents([3, 1, 2])
    times = np.linspace(-0.5, 1.5, 11, dtype=np.float32)[None].repeat(3, 0) * np.float32([[1], [0.5], [2]])
    pieces = list(generate.stream(model.nets, model.config, model._on_devices, lat, times, grid, workspace))
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), in_one_go(model, lat, times, grid), **TOLERANCE)


@pytest.mark.parametrize("clips", [1, 8, 11])
def test_devices_share_clips_or_frames(model, clips):
    assert len(jax.local_devices()) == 8
    lat, times = model.latents(range(clips)), np.linspace(0, 1, 5)
    drawn = model.generate(lat, times)
    np.testing.assert_allclose(drawn, in_one_go(model, lat, times, grids.native(64)), **TOLERANCE)


def test_a_clip_is_the_same_in_every_batch(model):
    """To the bit on CPU where pieces have as many frames. Eight devices share the frames of up to 7 clips, so that each
    draws one frame at a time, and from 8 on the clips; small pieces of one frame go through another kernel."""
    times = np.linspace(0, 1, 5)
    draw = lambda ids: dict(zip(ids, model.generate(model.latents(ids), times, SMOOTH)))
    one, few, eight, many = draw([8]), draw([0, 8, 3]), draw(list(range(3, 11))), draw(list(range(11)))
    np.testing.assert_array_equal(one[8], few[8])
    np.testing.assert_array_equal(eight[8], many[8])
    np.testing.assert_array_equal(eight[3], many[3])
    np.testing.assert_allclose(one[8], many[8], **TOLERANCE)


def test_tiles_meet(model):
    """Tiles that overlap agree to rounding, a hundredth or two of a grey level (8e-3) at most, so nothing shows where they
    meet; each is computed about a centre of its own."""
    lat, times = model.latents([0]), np.zeros((1, 1), np.float32)
    plan = tiles.Plan(clips=1, frames=1, rows=16, columns=12)
    places = [(0, 0), (3, 5), (20, 30), (21, 38)]
    drawn = np.full((len(places), 37, 50, 3), np.nan, np.float32)
    for i, corner in enumerate(places):
        tile, (rows, columns), _ = tiles.tile(SMOOTH, *corner, plan)
        piece = generate.draw(model.params, lat, times.repeat(8, 1), tile, model.nets, by_clip=False)
        drawn[i, rows, columns] = np.asarray(piece)[0, 0]
    for i, j in ((0, 1), (2, 3)):
        both = ~np.isnan(drawn[i] + drawn[j])
        assert both.any()
        np.testing.assert_allclose(drawn[i][both], drawn[j][both], **TOLERANCE)


@pytest.mark.parametrize("clips", [1, 8])
def test_devices_do_not_talk(model, clips):
    """Each device draws its own part: no collective in the program."""
    mesh = devices.local_mesh()
    spec = jax.sharding.PartitionSpec("data") if clips == 8 else jax.sharding.PartitionSpec(None, "data")
    content = jax.sharding.PartitionSpec("data") if clips == 8 else jax.sharding.PartitionSpec()
    put = lambda x, s: jax.device_put(x, jax.sharding.NamedSharding(mesh, s))
    lat = jax.tree.map(lambda x: put(x, content), model.latents(range(clips)))
    times = put(np.zeros((clips, 8), np.float32), spec)
    lowered = generate.draw.lower(model._on_devices, lat, times, SMOOTH, model.nets, by_clip=clips == 8)
    program = lowered.compile()
    assert not any(
        name in program.as_text() for name in ["all-gather", "all-reduce", "all-to-all", "collective-permute"]
    )


def test_times_and_regions_need_no_new_program(model):
    before = generate.draw._cache_size()
    for i, region in enumerate([(-1, -1, 1, 1), (0, 0, 1, 1), (-3, -3, 3, 3)]):
        model.generate(model.latents([i]), [0.1 * i, 0.7], tiles.grid(24, 18, region=region))
    assert generate.draw._cache_size() == before + 1


def test_a_long_clip_is_handed_out_in_parts(model):
    times = np.linspace(0, 4, 300, dtype=np.float32)
    pieces = list(model.stream(model.latents([0]), times))
    assert [p.shape[1] for p in pieces] == [104, 104, 92]  # 38 frames for each of eight devices: thirteen at a time
    assert all(p.shape[2:] == (64, 64, 3) for p in pieces)


@pytest.mark.parametrize(
    "bands, clips, grid, workspace",
    [(8, 1, SMOOTH, generate.WORKSPACE), (4, 3, SCALED, generate.WORKSPACE), (2, 5, SMOOTH, 600_000),
     (8, 1, SCALED, 30_000)],
)
def test_devices_share_the_rows_of_a_picture(model, bands, clips, grid, workspace):
    lat, times = model.latents(range(clips)), np.linspace(0, 1, 3, dtype=np.float32)[None].repeat(clips, 0)
    draw = model.nets, model.config, model._on_devices, lat, times, grid, workspace
    drawn = np.concatenate(list(generate.stream(*draw, bands=bands)), axis=1)
    np.testing.assert_allclose(drawn, in_one_go(model, lat, times, grid), **TOLERANCE)


def test_devices_share_the_pictures_of_a_moving_camera(model):
    """Each frame has a grid of its own, and each device a band of it."""
    views = [grids.smooth(64, 50, 37, (-1 - i / 4, -1, 1, 1)) for i in range(3)]
    shared = dataclasses.replace(model, bands=4)
    drawn, alone = (m.generate(m.latents([2]), np.linspace(0, 1, 3), views) for m in (shared, model))
    np.testing.assert_allclose(drawn, alone, **TOLERANCE)
