"""Gradient accumulation and rematerialisation: the same gradients as the whole batch with all activations stored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.config import files
from digan_jax.errors import InputError
from digan_jax.models.digan import microbatches, steps
from digan_jax.models.digan.state import init_state
from digan_jax.models.interface import Setting
from tests.models.test_steps import batch_of

QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}  # compiling is what takes time
# Sums of float32 in another order: a gradient is what is left of larger terms of both signs. A microbatch left out,
# counted twice or with other noise changes every gradient by its own size.
RTOL, OF_LARGEST = 1e-3, 1e-4

RELEASE = {
    "model.n_classes": 3, "train.augment": ("color", "translation", "cutout"), "train.style_mixing_probability": 0.5,
    "train.path_length_weight": 2.0, "train.r2_gamma": 1.0,
}  # fmt: skip
BEYOND = {
    "train.loss": "relativistic", "train.penalty": "finite_differences", "train.r2_gamma": 0.5, "train.horizon": 1.0,
    "model.critic": "shared", "model.upsample": "bilinear", "model.resolution": 64, "train.penalty_sigma": 0.5,
}  # fmt: skip


@pytest.fixture
def gradients(make_config, monkeypatch):
    """gradients(step, fields) -> gradients, means and metrics of a step. In place of an update, weights become their
    gradients: a difference of weights would have the rounding of the weights."""
    monkeypatch.setattr(steps, "apply_gradients", lambda setting, step, adam, gradients, state, *_: (gradients, state))

    def of(step, fields):
        config = make_config(fields)
        state = init_state(jax.random.key(0), config)
        batch = batch_of(8, config.model.n_classes)
        if config.model.resolution > 32:
            batch = batch._replace(frames=batch.frames.repeat(2, axis=2).repeat(2, axis=3))
        setting, key = Setting(config), jax.random.key(1)
        program = jax.jit(lambda state, batch: step(setting, state, batch, key)).lower(state, batch)
        after = program.compile(compiler_options=QUICK)(state, batch)
        after, metrics = after if isinstance(after, tuple) else (after, {})
        changed = "critic" if step in (steps.critic_step, steps.r1_step) else "generator"
        numbers = {name: getattr(after, name) for name in (changed, "w_avg", "path_length_mean", "r1")}
        return jax.device_get((numbers, metrics))

    return of


def assert_equal(found, expected):
    changed = 0
    for (path, a), b in zip(jax.tree.leaves_with_path(found), jax.tree.leaves(expected), strict=True):
        largest = np.abs(b).max()
        changed += int(largest > 0)
        name = jax.tree_util.keystr(path)
        np.testing.assert_allclose(a, b, rtol=RTOL, atol=OF_LARGEST * largest + 1e-7, err_msg=name)
    assert changed > 5


@pytest.mark.parametrize(
    "step, fields",
    [
        (steps.critic_step, RELEASE),
        pytest.param(steps.generator_step, RELEASE, marks=pytest.mark.slow),
        pytest.param(steps.r1_step, RELEASE, marks=pytest.mark.slow),
        # With decay 0 the penalty has no statistic of the batch.
        pytest.param(steps.path_length_step, RELEASE | {"train.path_length_decay": 0.0}, marks=pytest.mark.slow),
        pytest.param(steps.generator_step, BEYOND, marks=pytest.mark.slow),
        pytest.param(steps.critic_step, BEYOND, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_microbatches_add_up_to_the_batch(gradients, step, fields):
    assert_equal(gradients(step, fields | {"train.microbatch": 4}), gradients(step, fields))


@pytest.mark.slow
@pytest.mark.parametrize("step, fields", [(steps.generator_step, {}), (steps.r1_step, {}), (steps.critic_step, BEYOND)])
def test_rematerialisation_changes_nothing(gradients, step, fields):
    assert_equal(gradients(step, fields | {"train.remat": True}), gradients(step, fields))


def test_a_microbatch_keeps_the_groups_of_the_minibatch_deviation(make_config):
    """Of 16 clips, in parts of 8: the deviation of each sample is that of its group in the whole batch."""
    from digan_jax.models.digan.critics import minibatch_deviation

    config = make_config({"train.batch_size": 16, "train.microbatch": 8})
    x = jax.random.normal(jax.random.key(0), (16, 2, 2, 4, 4, 3))
    seen = []
    microbatches.mean(Setting(config, split=lambda x: x), lambda x: (seen.append(x.shape), x.mean())[1], x)
    assert set(seen) == {(8, 2, 2, 4, 4, 3)}
    distance = lambda x: jnp.square(minibatch_deviation(x, 4) - x[..., :1]).mean()
    by_part = lambda x: microbatches.mean(Setting(config), distance, x)
    np.testing.assert_allclose(by_part(x), distance(x), rtol=1e-6)  # float32 sums
    mixed = x.reshape(2, 8, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)  # other neighbours give another number
    assert abs(by_part(mixed) - by_part(x)) > 1e-4


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"train.microbatch": 3}, "train.microbatch=3: does not divide train.batch_size=8; use 4, or 0 for none"),
        ({"train.microbatch": 2}, "train.microbatch=2: not divisible by the minibatch-statistics group of 4; use 4 or"),
        ({"train.microbatch": 16}, "train.microbatch=16: does not divide train.batch_size=8; use 8"),
        ({"train.microbatch": -1}, "train.microbatch=-1: must be 0"),
    ],
)
def test_microbatches_that_do_not_fit_are_refused(make_config, fields, message):
    with pytest.raises(InputError, match=message):
        make_config(fields)


@pytest.mark.parametrize("field", ["microbatch=8", "remat=true"])
def test_a_family_without_them_says_so(field):
    with pytest.raises(InputError, match=f"train.{field[:5]}.*: is built for the family digan alone; set it to"):
        files.load("vidm_sky_128", [f"--config.train.{field}"])


def test_less_is_in_memory(make_config):
    """Scratch memory of a critic step at 64 pixels, from the compiled program."""

    def scratch(fields):
        config = make_config({"model.resolution": 64, "train.batch_size": 32, "train.augment": ()} | fields)
        state = jax.eval_shape(lambda key: init_state(key, config), jax.random.key(0))
        batch = jax.eval_shape(lambda: batch_of(32)._replace(frames=jnp.zeros((32, 2, 64, 64, 3), jnp.uint8)))
        step = jax.jit(lambda state, batch, key: steps.critic_step(Setting(config), state, batch, key))
        compiled = step.lower(state, batch, jax.random.key(0)).compile(compiler_options=QUICK)
        return compiled.memory_analysis().temp_size_in_bytes

    whole = scratch({})
    assert scratch({"train.microbatch": 8}) < 0.5 * whole  # a quarter of the activations, and the gradients' sums
