"""Edges of frames, and a source's edges as labels."""

import itertools

import numpy as np

from digan_jax.data import bouncing, edges, loader, sources


def test_edges_run_along_a_square():
    frame = np.full((64, 64, 3), 30, np.uint8)
    frame[20:40, 24:44] = 200
    found = edges.edges(frame)
    inside = np.zeros((64, 64), bool)
    inside[22:38, 26:42] = True
    near = np.zeros((64, 64), bool)
    near[18:42, 22:46] = True
    assert found.dtype == np.uint8 and 60 <= found.sum() <= 100  # the square is 80 pixels round
    assert not found[inside].any() and not found[~near].any()


def test_each_frame_is_looked_at_once(monkeypatch):
    seen, real = [], edges.edges
    monkeypatch.setattr(edges, "edges", lambda frame: seen.append(1) or real(frame))
    source = bouncing.BouncingSource(32, 5)
    found = edges.EdgesOf(source)
    first = found.read_labels(2, [0, 3])
    np.testing.assert_array_equal(found.read_labels(2, [3, 4, 0])[[2, 0]], first)
    assert len(seen) == 3
    np.testing.assert_array_equal(first[1], real(source.read_frames(2, [3])[0]))


def test_the_task_shows_edges_of_the_clip(make_config):
    fields = {"task.name": "edges", "model.condition_planes": 1, "data.frames": 3, "train.batch_size": 4}
    config = make_config(fields)
    source = sources.open_source(config.data, config.model)
    (batch,) = itertools.islice(loader.make_loader(source, config), 1)
    for row in range(4):
        for frame, time in zip(batch.frames[row], batch.times[row]):
            maps = batch.condition.maps[row, int(round(time * 2))]
            # A mirrored clip shows its own edges, mirrored: those of the mirrored frame, but for ties of the gradient.
            assert (maps[..., 0] != edges.edges(frame)).mean() < 0.02
