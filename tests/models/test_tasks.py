"""A training step on pairs of a condition and its clip."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.models.digan import augment, networks, paired, sampling, steps
from digan_jax.models.digan.state import init_state
from digan_jax.models.frames import to_unit_range
from digan_jax.models.interface import Setting
from digan_jax.shapes import Batch, Condition

FIELDS = {
    "task.name": "predict", "task.shown": 2, "model.condition_planes": 3, "model.condition_width": 4, "data.frames": 5,
    "train.batch_size": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def batch():
    draw = np.random.default_rng(0)
    maps = draw.uniform(-1, 1, (4, 2, 32, 32, 4)).astype(np.float32)
    at = np.tile(np.float32([0, 0.25]), (4, 1))
    frames = draw.integers(0, 256, (4, 2, 32, 32, 3), dtype=np.uint8)
    return Batch(frames, np.sort(draw.random((4, 2), np.float32), axis=1), Condition(maps=maps, at=at))


def test_planes_are_the_condition_at_the_times_and_pixels_of_frames(batch):
    condition = batch.condition
    planes = paired.planes(condition, jnp.tile(jnp.array([[0.125, 1.0]]), (4, 1)), 64)
    assert planes.shape == (4, 2, 64, 64, 4)
    twin = jax.image.resize(condition.maps.mean(1), (4, 64, 64, 4), "linear")
    np.testing.assert_allclose(planes[:, 0], twin, atol=1e-6)  # rounding
    assert paired.planes(Condition(label=np.ones((4, 2))), jnp.zeros((4, 2)), 64) is None


def test_planes_move_with_the_frames_and_keep_their_values():
    frames = jax.random.normal(jax.random.key(0), (3, 2, 32, 32, 3))
    planes = jnp.ones((3, 2, 32, 32, 2)) * 0.5
    draws = augment.draw(jax.random.key(1), 3, 32)
    seen, moved = paired.augmented(frames, planes, draws, ("color", "translation"))
    np.testing.assert_array_equal(seen, augment.augment(frames, draws, ("color", "translation")))
    np.testing.assert_array_equal(moved, augment.translate(planes, draws.shift))


def test_generated_frames_have_times_and_classes_of_their_condition(make_config, batch):
    setting = Setting(make_config(FIELDS))
    noise, label = sampling.draw_fakes(setting, batch, jax.random.key(0))
    np.testing.assert_array_equal(noise.times, batch.times)
    assert label is None


def test_r1_is_the_gradient_by_the_frames_alone(make_config, batch):
    """Against the squared gradient of a critic written out, whose score also depends on the planes."""
    setting = Setting(make_config(FIELDS | {"train.augment": ()}))
    critic = networks.networks_of(setting.config).critic
    params, times = critic.init(jax.random.key(0)), jnp.asarray(batch.times)
    frames = to_unit_range(jnp.asarray(batch.frames))
    planes = paired.planes(batch.condition, times, 32)

    @jax.jit
    def ours(params):
        draws = augment.draw(jax.random.key(1), len(frames), 32)
        return steps.penalty_squares(setting, params, frames, times, None, batch.condition, draws)

    @jax.jit
    def twin(params):
        score = lambda frames, delta_t: critic.apply(params, paired.beside(frames, planes), delta_t)
        motion = jax.grad(lambda f, d: score(f, d)[0].sum(), (0, 1))
        image = jax.grad(lambda f, d: score(f, d)[1].sum())(frames, times[:, 1] - times[:, 0])
        by_frames, _ = motion(frames, times[:, 1] - times[:, 0])
        return jnp.square(by_frames).sum((1, 2, 3, 4)).mean(), jnp.square(image).sum((2, 3, 4)).mean()

    (motion, image), (of_frames, of_image) = ours(params), twin(params)
    np.testing.assert_allclose(image, of_image, rtol=1e-4)  # float32: sums over 3072 numbers
    assert of_frames <= motion * 1.0001  # as in the release, also by the plane of Δt


@pytest.mark.parametrize("adversarial", [0.0, pytest.param(0.5, marks=pytest.mark.slow)])
def test_a_step_with_the_weights_of_its_task(make_config, batch, adversarial):
    config = make_config(FIELDS | {"task.adversarial": adversarial, "task.l1": 3.0, "train.r1_every": 1})
    before = init_state(jax.random.key(0), config)
    after, metrics = jax.jit(lambda state: steps.iteration(Setting(config), state, batch))(before)
    moved = lambda name: not jax.tree.all(jax.tree.map(np.array_equal, getattr(before, name), getattr(after, name)))
    assert moved("generator") and moved("ema") and int(after.step) == 1
    encoder = before.generator["condition"], after.generator["condition"]
    assert not any(jax.tree.leaves(jax.tree.map(np.array_equal, *encoder)))  # all of it learns
    if adversarial:
        assert moved("critic") and metrics["critic/r1_motion"] > 0
    else:
        assert not moved("critic") and set(metrics) == {"generator/loss", "generator/l1"}
        np.testing.assert_allclose(metrics["generator/loss"], 3 * metrics["generator/l1"], rtol=1e-6)


def test_the_state_of_an_unconditional_run_is_what_it_was(make_config):
    """No array is added; the golden trajectory holds their values."""
    names = lambda config: jax.tree.structure(jax.eval_shape(lambda key: init_state(key, config), jax.random.key(0)))
    config = make_config()
    assert names(config) == names(dataclasses.replace(config, task=dataclasses.replace(config.task, l1=1.0)))
    assert "condition" not in jax.eval_shape(lambda key: init_state(key, config), jax.random.key(0)).generator


def test_features_of_critics_are_matched(make_config, batch):
    """0 for equal pairs; between different ones the mean over blocks of the mean absolute difference."""
    config = make_config(FIELDS)
    critic = networks.networks_of(config).critic
    params, times = critic.init(jax.random.key(0)), jnp.asarray(batch.times)
    reals = to_unit_range(jnp.asarray(batch.frames))
    fakes = jax.random.normal(jax.random.key(1), reals.shape) * 0.3
    planes = paired.planes(batch.condition, times, 32)[:, None]
    delta_t = times[:, 1] - times[:, 0]
    matched = jax.jit(lambda a, b: paired.feature_matching(critic, params, a, b, delta_t, None, planes))
    assert matched(reals, reals) == 0 and matched(fakes, reals) > 0

    @jax.jit
    def features(frames):
        seen = paired.beside(frames[:, None], planes)
        return critic.features(params, networks.motion_input(seen, delta_t[:, None]), seen, None)

    pairs = list(zip(features(fakes), features(reals), strict=True))
    assert sorted(x.shape[1] for x, _ in pairs) == [4, 4, 8, 8, 16, 16]  # three blocks of each of two critics
    twin = np.mean([np.abs(np.asarray(a) - np.asarray(b)).mean() for a, b in pairs])
    np.testing.assert_allclose(matched(fakes, reals), twin, rtol=1e-5)  # float32


def moving_pairs(shift: int):
    """A pair of frames in [-1, 1] of a bump on a dark wall that moves by whole pixels. [1 2 32 32 3]"""
    y, x = np.mgrid[:32, :32].astype(np.float32)
    bump = lambda cx: 2 * np.exp(-0.5 * (((x - cx) / 3) ** 2 + ((y - 15) / 3) ** 2)) - 1
    return jnp.asarray(np.stack([bump(13), bump(13 + shift)])[None, ..., None].repeat(3, -1))


def test_warping_follows_the_real_pair():
    """A generated pair that moves as the real one has next to no loss, one that stands still has; still reals: the reverse."""
    warping = jax.jit(paired.warping)
    moving, still = moving_pairs(3), moving_pairs(0)
    assert warping(moving, moving) < 0.2 * warping(still, moving)  # the flow is right to a third of a pixel of three
    assert warping(still, still) < 1e-6 < 0.1 * warping(moving, still)
    cut = jnp.stack([-jnp.ones((1, 32, 32, 3)), jnp.ones((1, 32, 32, 3))], axis=1)  # nothing is found again
    assert warping(moving, cut) < 1e-6


@pytest.mark.parametrize("task", [{"task.warp": 2.0}, {"task.motion": 0.0}])
def test_losses_count_by_their_weights(make_config, batch, task):
    setting = Setting(make_config(FIELDS | task))
    reals = to_unit_range(jnp.asarray(batch.frames))
    loss, parts = paired.total(setting.config, jnp.float32(3), None, 0.5 * reals, None, reals)
    warp = float(paired.warping(0.5 * reals, reals)) if "task.warp" in task else 0.0
    np.testing.assert_allclose(loss, 3 + 10 * float(parts["generator/l1"]) + 2 * warp, rtol=1e-5)  # float32
    assert ("generator/warp" in parts) == (warp > 0)
    assert steps.weight_of("motion", setting.config) == setting.config.task.motion
    assert steps.weight_of("image", setting.config) == 1


@pytest.mark.parametrize(("spread", "best"), [(0.0, 0.0), (1.0, 1.0)])
def test_spread_is_least_where_noise_differs_as_clips_do(make_config, spread, best):
    """Clips are normal with deviation 1. Of generated ones with deviations 0, 0.1, ..., the loss is least at `best`."""
    config = make_config(FIELDS | {"task.spread": spread, "task.adversarial": 0.0})
    real, one, other = np.random.default_rng(0).normal(size=(3, 100, 2, 32, 32, 1)).astype(np.float32)
    deviations = (np.arange(15) / 10).tolist()
    losses = [float(paired.total(config, 0, None, s * one, s * other, real)[0]) for s in deviations]
    found = deviations[int(np.argmin(losses))]
    assert abs(found - best) <= 0.1 + 1e-6  # of 200,000 samples; the score is flat at its least value


def test_a_step_draws_a_second_clip_for_the_spread(make_config, batch):
    """The same step without the spread differs by the part that it adds."""
    found = {}
    for spread in (0.0, 1.0):
        config = make_config(FIELDS | {"task.spread": spread, "task.adversarial": 0.0, "train.augment": ()})
        setting = Setting(config)
        state = init_state(jax.random.key(0), config)
        step = jax.jit(lambda state, setting=setting: steps.generator_step(setting, state, batch, jax.random.key(1))[1])
        found[spread] = step(state)
    assert "generator/apart" not in found[0.0] and found[1.0]["generator/apart"] > 0
    # E|x̂ − x| is about the same for both clips; a new network's clips hardly differ
    score = found[1.0]["generator/l1"] + found[1.0]["generator/apart"] / 2
    np.testing.assert_allclose(score, found[0.0]["generator/l1"], rtol=0.1)
