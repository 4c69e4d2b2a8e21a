"""Rows depend on their id alone; truncation and labels do what the paper's formula says."""

import jax
import numpy as np
import pytest

from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.models.digan import networks
from digan_jax.rendering import latents
from digan_jax.rendering.model import Model


@pytest.fixture(scope="module")
def conditional_model(tiny_config):
    config = ModelConfig(**{**tiny_config.__dict__, "n_classes": 5})
    params = networks.build(config).generator.init(jax.random.key(2))
    return Model(config, {**params, "w_avg": jax.random.normal(jax.random.key(3), (16,))})


def test_a_row_depends_on_its_id_alone(tiny_model):
    many = tiny_model.latents(range(40))
    few = tiny_model.latents([37, 3])
    np.testing.assert_array_equal(few.content, many.content[np.array([37, 3])])
    np.testing.assert_array_equal(few.motion, many.motion[np.array([37, 3])])
    assert not np.allclose(many.content[3], many.content[37], atol=0.1)


def test_shapes(tiny_model):
    lat = tiny_model.latents([5, 6, 7])
    assert lat.content.shape == (3, tiny_model.nets.generator.n_layers, 16)
    assert lat.motion.shape == (3, 16)


def test_one_id_is_a_batch_of_one(tiny_model):
    np.testing.assert_array_equal(tiny_model.latents(4).content, tiny_model.latents([4]).content)


def test_motion_has_ids_of_its_own(tiny_model):
    lat = tiny_model.latents([0, 1], motion_ids=[7, 7])
    own = tiny_model.latents([0, 1])
    np.testing.assert_array_equal(lat.content, own.content)
    np.testing.assert_array_equal(lat.motion[0], lat.motion[1])
    np.testing.assert_array_equal(lat.motion[:1], tiny_model.latents([7]).motion)
    np.testing.assert_array_equal(tiny_model.latents([0, 1], motion_ids=7).motion, lat.motion)


def test_content_and_motion_noise_of_one_id_differ():
    ids = np.arange(4, dtype=np.int32)
    assert not np.allclose(latents.content_noise(0, ids, 16), latents.motion_noise(0, ids, 16), atol=0.1)


def test_noise_is_standard_normal():
    z = np.asarray(latents.content_noise(0, np.arange(2000, dtype=np.int32), 16))
    # Standard errors: 1/sqrt(32000) = 0.006 of the mean, 0.004 of the deviation, 1/sqrt(2000) = 0.022 of correlations.
    assert abs(z.mean()) < 0.03 and abs(z.std() - 1) < 0.02
    assert np.abs(np.corrcoef(z.T) - np.eye(16)).max() < 0.11


def test_seeds_are_different_worlds(tiny_model):
    ours, theirs = tiny_model.latents([1], seed=0), tiny_model.latents([1], seed=1)
    assert not np.allclose(ours.content, theirs.content, atol=0.05)
    assert not np.allclose(ours.motion, theirs.motion, atol=0.05)


def test_truncation_moves_towards_the_average(tiny_model):
    w_avg = np.asarray(tiny_model.params["w_avg"])
    w = np.asarray(tiny_model.latents([1, 2]).content)
    for psi in (0.0, 0.7, 1.3):
        truncated = tiny_model.latents([1, 2], truncation=psi).content
        np.testing.assert_allclose(truncated, w_avg + psi * (w - w_avg), atol=1e-6)  # float32, values about 1
    np.testing.assert_array_equal(tiny_model.latents([1], truncation=0).motion, tiny_model.latents([1]).motion)


def test_labels_are_shared_or_one_for_each(conditional_model):
    shared = conditional_model.latents([0, 1], label=3).content
    np.testing.assert_array_equal(conditional_model.latents([0, 1], label=[3, 3]).content, shared)
    mixed = conditional_model.latents([0, 1], label=[3, 4]).content
    np.testing.assert_array_equal(mixed[0], shared[0])
    assert not np.allclose(mixed[1], shared[1], atol=1e-3)


def test_labels_left_out_are_drawn_by_id():
    ids = np.arange(500, dtype=np.int32)
    rows = latents.one_hot(None, ids, 5)
    np.testing.assert_array_equal(rows[[400, 2]], latents.one_hot(None, ids[[400, 2]], 5))
    assert rows.sum(0).min() > 60  # 100 expected of each class, deviation 9
    np.testing.assert_array_equal(rows.sum(1), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ids": []}, "ids=.*needs one id"),
        ({"ids": [-1]}, "ids=.*whole numbers"),
        ({"ids": [0.5]}, "ids=.*whole numbers"),
        ({"ids": [0], "motion_ids": [2**32]}, "motion_ids=.*whole numbers"),
        ({"ids": [0, 1], "motion_ids": [1, 2, 3]}, "3 for 2 ids"),
        ({"ids": [0], "truncation": float("nan")}, "truncation=nan"),
        ({"ids": [0], "label": 1}, "label=1.*no classes"),
        ({"ids": [0], "seed": -1}, "seed=-1"),
    ],
)
def test_what_cannot_be_used_is_named(tiny_model, options, message):
    with pytest.raises(InputError, match=message):
        tiny_model.latents(**options)


@pytest.mark.parametrize(("label", "message"), [(5, "from 0 to 4"), ([0, 1, 2], "one for each"), (0.5, "whole")])
def test_labels_that_cannot_be_used_are_named(conditional_model, label, message):
    with pytest.raises(InputError, match=message):
        conditional_model.latents([0, 1], label=label)
