"""The iteration: what it changes, that it does not depend on the number of devices, and its moments."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax import devices
from digan_jax.config import files
from digan_jax.errors import InputError
from digan_jax.models import families
from digan_jax.models.digan import state as states
from digan_jax.models.digan import steps, times
from digan_jax.models.digan.state import init_state
from digan_jax.models.interface import Setting
from digan_jax.shapes import Batch, Condition
from digan_jax.training.compile import compile_iteration

QUICK = {"xla_backend_optimization_level": 0}  # compiling is what takes time


def batch_of(size: int, classes: int = 0) -> Batch:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (size, 2, 32, 32, 3), dtype=np.uint8)
    times = np.sort(rng.uniform(size=(size, 2)), axis=1).astype(np.float32)
    labels = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, size)] if classes else None
    return Batch(frames, times, None if labels is None else Condition(labels))


def mesh_of(count: int, model: int = 1):
    grid = np.array(jax.devices()[:count]).reshape(count // model, model)
    axes = (jax.sharding.AxisType.Auto,) * 2
    return jax.sharding.Mesh(grid, ("data", "model"), axis_types=axes)


def run(config, mesh, iterations):
    state = init_state(jax.random.key(0), config)
    state = jax.device_put(state, devices.of_state(mesh, state, config.mesh.fsdp))
    batch = devices.place_batch(batch_of(config.train.batch_size), mesh)
    program = compile_iteration(config, mesh).lower(state, batch)
    iteration = program.compile(compiler_options=QUICK)
    history, given = [], state
    for _ in range(iterations):
        state, metrics = iteration(state, batch)
        history.append(jax.device_get(metrics))
    return jax.device_get(state), history, given


@pytest.fixture(scope="module")
def everything_on(make_config):
    """Every option of the iteration at once, regularisers due at every second step."""
    return make_config({
        "train.augment": ("color", "translation", "cutout"), "train.path_length_weight": 2.0,
        "train.path_length_every": 2, "train.r1_every": 2, "train.style_mixing_probability": 0.5,
    })  # fmt: skip


@pytest.fixture(scope="module")
def one_device(everything_on):
    return run(everything_on, mesh_of(1), 2)


@pytest.mark.slow
@pytest.mark.parametrize("devices, model", [(8, 2)])
def test_the_number_of_devices_changes_nothing(everything_on, one_device, devices, model):
    _, history, _ = run(everything_on, mesh_of(devices, model), 2)
    for ours, theirs in zip(history, one_device[1]):
        for name in ours:
            # first iteration: float32 sums in another order; second: Adam divides by the gradient's size, which
            # turns rounding of near-zero gradients into steps of the learning rate
            np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-2, atol=2e-3, err_msg=name)
    first = history[0]
    for name, value in one_device[1][0].items():
        if "r1" not in name:
            np.testing.assert_allclose(first[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_an_iteration_moves_what_it_should(one_device, everything_on):
    state, history, _ = one_device
    start = init_state(jax.random.key(0), everything_on)
    assert state.step == 2
    for name in ("generator", "critic", "ema", "w_avg", "path_length_mean", "r1"):
        same = jax.tree.map(lambda a, b: np.array_equal(a, b), getattr(state, name), getattr(start, name))
        assert not all(jax.tree.leaves(same)), name
    for metrics in history:
        assert all(np.isfinite(v) for v in metrics.values())


def test_ema_half_life_ramps_up(make_config):
    train = make_config({"train.batch_size": 8, "train.ema_half_life_kimg": 1.0}).train
    assert steps.ema_decay(jnp.int32(0), train) == 0  # the first average is a copy
    np.testing.assert_allclose(steps.ema_decay(jnp.int32(1000), train), 0.5 ** (8 / 400), rtol=1e-6)  # 5 % of 8000
    np.testing.assert_allclose(steps.ema_decay(jnp.int32(10**6), train), 0.5 ** (8 / 1000), rtol=1e-6)


def test_times_follow_their_beta_laws():
    """Means of the sorted pair of Beta(2, 1) and Beta(1, 2): 2/3 + 1/3 = 1 in sum; P(t1 > t2) = 5/6 before sorting,
    so E|t1 - t2| = E max - E min = 2·E max - 1, with E max = ∫ 1 - F1 F2 = 1 - ∫ t²(2t - t²) dt = 7/10."""
    drawn = np.asarray(times.of_fakes(jax.random.key(0), 200_000))
    assert (np.diff(drawn) >= 0).all() and drawn.min() >= 0 and drawn.max() <= 1
    np.testing.assert_allclose(drawn.mean(axis=0), [0.3, 0.7], atol=0.003)  # 5 deviations of the mean


def test_adam_with_and_without_first_moment_agree(make_config):
    """β1 = 0 drops the first moment; the update must be optax.adam's."""
    import optax

    train = make_config().train
    ours = states.optimizer(train, train.learning_rate, 16)
    c = 16 / 17
    theirs = optax.adam(train.learning_rate * c, 0.0, train.adam_beta2**c, train.adam_epsilon)
    params = {"a": jnp.ones((3,))}
    a, b = ours.init(params), theirs.init(params)
    for i in range(3):
        gradient = {"a": jnp.array([1e-3, -2.0, 0.5]) * (i + 1)}
        u, a = ours.update(gradient, a, params)
        v, b = theirs.update(gradient, b, params)
        np.testing.assert_allclose(u["a"], v["a"], rtol=1e-5)  # float32


def test_broken_gradients_are_mended(make_config):
    params, optimizer = {"a": jnp.zeros((3,))}, steps.optax.sgd(1.0)
    gradient = {"a": jnp.array([jnp.nan, jnp.inf, -jnp.inf])}
    now = Setting(make_config()), jnp.int32(0)
    moved, _ = steps.apply_gradients(*now, optimizer, gradient, optimizer.init(params), params)
    np.testing.assert_array_equal(moved["a"], [0, -1e5, 1e5])


def test_learning_rates_fall_over_the_last_share_of_a_run(make_config):
    config = make_config({"train.total_kimg": 0.08, "train.batch_size": 4, "train.anneal": 0.5})  # 20 iterations
    params, optimizer = {"a": jnp.zeros(())}, steps.optax.sgd(1.0)
    of = lambda step: steps.apply_gradients(
        Setting(config), jnp.int32(step), optimizer, {"a": 1.0}, optimizer.init(params), params
    )
    moved = [-float(of(step)[0]["a"]) for step in range(22)]
    np.testing.assert_allclose(moved, [1] * 10 + [i / 10 for i in range(10, 0, -1)] + [0, 0], atol=1e-6)  # float32


@pytest.mark.parametrize("family", ["digan", "vidm", "convgru"])
def test_every_family_anneals(family):
    """An iteration after a run's last leaves the weights as they are; the one before it does not."""
    name, fields = {
        "digan": ("quickstart", ("channel_max=4", "z_dim=4", "w_dim=4")),
        "vidm": ("vidm_digits", ("width=32", "multipliers=(1,)", "attention=()", "resolution=8")),
        "convgru": ("convgru", ("resolution=8", "width=4")),
    }[family]
    fields = [f"--config.model.{field}" for field in fields]
    config = files.load(name, [*fields, "--config.train.anneal=0.5", "--config.train.batch_size=4"])
    ours, last = families.of(config), config.train.steps(config.train.total_kimg)
    setting, state = Setting(config), jax.jit(lambda key: ours.init(key, config))(jax.random.key(0))
    r, frames = config.model.resolution, {"digan": 2, "vidm": 3, "convgru": config.data.frames}[family]
    random = np.random.default_rng(0)
    times = np.tile(np.linspace(0.1, 0.9, frames, dtype=np.float32), (4, 1))
    batch = Batch(random.integers(0, 256, (4, frames, r, r, 3), dtype=np.uint8), times)
    step = jax.jit(lambda state: ours.iteration(setting, state, batch)[0]).lower(state).compile(compiler_options=QUICK)
    weights = lambda state: state.weights if family == "vidm" else state.generator
    for number, moves in ((last - 1, True), (last, False)):
        after = step(dataclasses.replace(state, step=jnp.asarray(number, state.step.dtype)))
        same = [bool((a == b).all()) for a, b in zip(*(jax.tree.leaves(weights(x)) for x in (state, after)))]
        assert all(same) != moves


def test_classes_reach_both_networks(make_config):
    config = make_config({"model.n_classes": 3})
    setting, state = Setting(config), init_state(jax.random.key(0), config)
    batch = batch_of(8, classes=3)
    step = jax.jit(lambda state, batch: steps.critic_step(setting, state, batch, jax.random.key(1))[1])
    other = batch._replace(condition=Condition(np.roll(batch.condition.label, 1, axis=1)))
    a, b = step(state, batch), step(state, other)
    assert a["critic/score_motion_real"] != b["critic/score_motion_real"]
    assert a["critic/score_image_fake"] != b["critic/score_image_fake"]


def test_batch_must_split_over_devices():
    with pytest.raises(InputError, match="train.batch_size=12: not divisible by the 8 data-parallel devices; use 8"):
        devices.check_batch(12, mesh_of(8))


def test_mesh_must_divide_devices():
    with pytest.raises(InputError, match="mesh.model=3: does not divide the 8 devices"):
        devices.make_mesh(3)


@pytest.mark.slow
def test_state_is_consumed_and_average_is_no_alias(one_device, everything_on):
    """The compiled iteration donates its state: the old arrays are gone, and an average that were the generator itself
    would have crashed it."""
    state, _, given = one_device
    assert all(x.is_deleted() for x in jax.tree.leaves((given.generator, given.critic, given.ema)))
    fresh = init_state(jax.random.key(0), everything_on)
    for a, b in zip(jax.tree.leaves(fresh.generator), jax.tree.leaves(fresh.ema)):
        assert a is not b and a.unsafe_buffer_pointer() != b.unsafe_buffer_pointer()
