"""The parts of a training step, each against a slow twin: the optimizer, the frames, what the losses see."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from configs import vidm as shipped

from digan_jax.config import schema
from digan_jax.models.families import FAMILIES
from digan_jax.models.frames import to_unit_range
from digan_jax.models.interface import Setting
from digan_jax.models.vidm import networks, state, steps
from digan_jax.models.flow import carried, flow
from digan_jax.shapes import Batch, Condition


def config_of(**changes):
    c = shipped.get_config()
    c.model.update(
        {"resolution": 8, "width": 32, "multipliers": (1,), "blocks": 1, "attention": (), "head_width": 32, "frames": 5}
    )
    c.data.source, c.data.frames, c.train.batch_size = "bouncing", 5, 2
    c.update_from_flattened_dict(changes)
    return schema.parse(c)


def test_adamw_and_clipping_by_hand():
    """Two steps on two arrays, in float64 numbers: clip the global norm, decay, Adam with bias correction."""
    config = config_of(**{"train.learning_rate": 0.1, "vidm.clip_norm": 0.5})
    rng = np.random.default_rng(0)
    p = {name: rng.normal(size=3) for name in "ab"}
    ours, optimizer = jax.tree.map(jnp.float32, p), state.optimizer(config)
    found, m, v = optimizer.init(ours), dict.fromkeys(p, 0.0), dict.fromkeys(p, 0.0)
    for number in (1, 2):
        g = {name: rng.normal(size=3) for name in p}
        gradients, norm = state.clipped(jax.tree.map(jnp.float32, g), config.vidm.clip_norm)
        updates, found = optimizer.update(gradients, found, ours)
        ours = optax.apply_updates(ours, updates)
        whole = np.sqrt(sum((x**2).sum() for x in g.values()))
        np.testing.assert_allclose(norm, whole, rtol=1e-6)
        for name in p:
            clipped = g[name] * min(1, 0.5 / (whole + 1e-6))
            m[name], v[name] = 0.9 * m[name] + 0.1 * clipped, 0.999 * v[name] + 0.001 * clipped**2
            adam = (m[name] / (1 - 0.9**number)) / (np.sqrt(v[name] / (1 - 0.999**number)) + 1e-8)
            p[name] = p[name] * (1 - 0.1 * 0.01) - 0.1 * adam
            np.testing.assert_allclose(ours[name], p[name], atol=5e-6)  # bias corrections in float32, rate 0.1


@pytest.mark.parametrize(("last_frame", "trained"), [(True, 4), (False, 3)])
def test_frames_are_triples_or_first_frames(last_frame, trained):
    family, random = FAMILIES["vidm"], np.random.default_rng(0)
    number, times = family.frames(config_of(**{"model.last_frame": last_frame}), random, 5, 3000)
    assert (number[:, 0] == 0).all() and (number[:, 2] == number[:, 1] + 1).all()
    counts = np.bincount(number[:, 2], minlength=5)
    assert set(np.flatnonzero(counts)) == set(range(1, trained + 1))
    assert np.abs(counts[1 : trained + 1] - 3000 / trained).max() < 110  # four deviations
    np.testing.assert_allclose(times, number / 4)
    number, _ = family.frames(config_of(**{"vidm.stage": "content"}), random, 5, 7)
    assert number.shape == (7, 1) and not number.any()


@pytest.fixture
def seen(monkeypatch):
    """What the motion model is given in a step, instead of running it: filled by `motion_losses`."""
    found = {}

    def apply(params, x_t, told, first, place):
        found.update(told=told, first=first, place=place)
        return jnp.concatenate([x_t, jnp.zeros_like(x_t)], axis=-1)

    nets = networks.Nets(None, networks.MotionNet(None, apply, None, None))
    monkeypatch.setattr(steps, "networks_of", lambda config: nets)
    return found


def triples(index):
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8, 3), np.uint8)
    frames[:, 1] = np.where((np.asarray(index) == 1)[:, None, None, None], frames[:, 0], frames[:, 1])
    number = np.stack([np.zeros(2), np.asarray(index) - 1.0, index], axis=1)
    return Batch(frames, (number / 4).astype(np.float32))


def test_the_motion_model_is_told_the_difference_and_the_index(seen):
    batch = triples([1, 3])
    steps.motion_losses(Setting(config_of()), {}, batch, jax.random.key(0))
    x = batch.frames / np.float32(127.5) - 1
    np.testing.assert_allclose(seen["told"], x[:, 1] - x[:, 0], atol=1e-6)
    assert not np.asarray(seen["told"][0]).any()  # at i = 1
    np.testing.assert_allclose(seen["place"].index, [2 * 1 / 4 - 1, 2 * 3 / 4 - 1], atol=1e-6)
    assert seen["place"].noise is None


@pytest.mark.parametrize(("motion_input", "channels"), [("flow", 2), ("both", 5)])
def test_the_motion_model_is_told_the_flow(seen, motion_input, channels):
    """From the first frame to the one before, as at sampling: (dx, dy) in pixels, after the difference if both are told."""
    batch = triples([1, 3])
    steps.motion_losses(Setting(config_of(**{"model.motion_input": motion_input})), {}, batch, jax.random.key(0))
    x = to_unit_range(jnp.asarray(batch.frames))
    assert seen["told"].shape == (2, 8, 8, channels)
    np.testing.assert_allclose(seen["told"][..., -2:], flow(x[:, 0], x[:, 1]), atol=0.01)  # of noise: rounding grows
    assert not np.asarray(seen["told"][0]).any() and np.asarray(seen["told"][1]).any()


def test_the_motion_model_is_told_where_the_first_frame_is_carried(seen):
    """After difference and flow: the first frame moved by i / (i − 1) times the flow; at i = 1 as it is."""
    batch = triples([1, 3])
    steps.motion_losses(Setting(config_of(**{"model.motion_input": "carried"})), {}, batch, jax.random.key(0))
    first = to_unit_range(jnp.asarray(batch.frames))[:, 0]
    told = seen["told"]
    assert told.shape == (2, 8, 8, 8)
    np.testing.assert_allclose(told[0, ..., 5:], first[0], atol=1e-6)
    # flow of noise differs by rounding, as above, and moves each pixel's share by as much
    np.testing.assert_allclose(told[1, ..., 5:], carried(first, told[..., 3:5] * 1.5)[1], atol=0.05)
    assert np.abs(told[1, ..., 5:] - first[1]).max() > 0.1


def test_classes_are_shown_and_sometimes_hidden(seen):
    batch = triples([1, 3])._replace(condition=Condition(jnp.eye(3)[np.array([2, 0])]))
    config = config_of(**{"model.n_classes": 3, "vidm.label_dropout": 0.5})
    found = []
    for seed in range(12):
        steps.motion_losses(Setting(config), {}, batch, jax.random.key(seed))
        found.append(np.asarray(seen["place"].label))
    kept = np.stack(found).sum(-1)
    assert set(np.unique(kept)) == {0, 1} and 4 < kept.sum() < 20  # of 24, half: three deviations
    assert (np.stack(found).max(0) == np.asarray(batch.condition.label)).all()
    steps.motion_losses(Setting(config_of()), {}, batch, jax.random.key(0))
    assert seen["place"].label is None


def test_noise_on_the_previous_frame_is_as_strong_as_told(seen):
    batch = triples([1, 3])
    config = config_of(**{"model.condition_noise": 0.7})
    steps.motion_losses(Setting(config), {}, batch, jax.random.key(0))
    x = batch.frames / np.float32(127.5) - 1
    added, told = np.asarray(seen["told"]) - (x[:, 1] - x[:, 0]), np.asarray(seen["place"].noise)
    assert ((0 < told) & (told < 0.7)).all()
    np.testing.assert_allclose(added.std((1, 2, 3)), told, rtol=0.25)  # of 192 numbers: 5 % is one deviation


def test_gradients_reach_the_networks_that_the_stage_trains():
    """One iteration of stage motion: the motion model moves, its average half as far, the content model not at all."""
    config = config_of(**{"vidm.stage": "motion", "vidm.ema_decay": 0.5})
    before = state.init_state(jax.random.key(0), config)
    step = jax.jit(lambda s, b: steps.iteration(Setting(config), s, b))
    after, metrics = step(before, triples([1, 3]))
    assert set(after.weights) == {"motion"} and set(after.ema) == {"content", "motion"} and int(after.step) == 1
    jax.tree.map(np.testing.assert_array_equal, before.ema["content"], after.ema["content"])
    moved = lambda tree, old: jax.tree.map(lambda a, b: np.asarray(a, np.float64) - np.asarray(b, np.float64), tree, old)
    whole, half = moved(after.weights["motion"], before.weights["motion"]), moved(after.ema["motion"], before.ema["motion"])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a / 2, b, atol=1e-7), whole, half)
    assert max(np.abs(x).max() for x in jax.tree.leaves(whole)) > 1e-6
    assert set(metrics) == {"motion/loss", "motion/mse", "motion/vb", "motion/gradient_norm"}
    np.testing.assert_allclose(metrics["motion/loss"], metrics["motion/mse"] + metrics["motion/vb"], rtol=1e-5)


def test_fields_of_several_groups_fit(make_config):
    from digan_jax.errors import InputError

    with pytest.raises(InputError, match="data.frames=16, model.frames=5: the index embedding spans a clip"):
        config_of(**{"data.frames": 16})
    with pytest.raises(InputError, match=r"vidm.label_dropout=2.0: must lie in \[0, 1\]"):
        config_of(**{"vidm.label_dropout": 2.0})
    assert dataclasses.asdict(make_config().vidm) == dataclasses.asdict(config_of().vidm)
