"""What goes beyond the release, each against its definition: predictions, samplers, conditions; and the paper's sizes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.config.vidm import VidmConfig, VidmTrainConfig, kept_steps
from digan_jax.errors import InputError
from digan_jax.interop import vidm_state_dicts
from digan_jax.models.vidm import diffusion, networks, sampling
from tests.models.vidm import golden

FULL = diffusion.Process.of_betas(diffusion.betas("cosine", 1000))


LINEAR = diffusion.Process.of_betas(diffusion.betas("linear", 1000))


def some(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@pytest.fixture
def frames():
    """x in [−1, 1], noise and steps of four samples."""
    return jnp.clip(some(4, 4, 4, 3), -1, 1), some(4, 4, 4, 3, seed=1), jnp.array([0, 10, 500, 999])


def test_the_papers_sizes():
    """Section 3 and 4 of the specification; the released motion input has two channels."""
    nets = networks.build(VidmConfig(resolution=128, motion_input="flow"))
    count = lambda tree: sum(x.size for x in jax.tree.leaves(tree))
    content, motion = (jax.eval_shape(net.init, jax.random.key(0)) for net in (nets.content, nets.motion))
    assert (count(motion["unet"]), count(motion["encoder"]), count(content)) == (148_615_046, 44_122_880, 131_765_894)


# ---- prediction of v


def test_true_v_gives_the_frame_and_no_error(frames):
    x, noise, t = frames
    x_t = diffusion.noised(FULL, x, noise, t)
    v = diffusion.at(np.sqrt(FULL.signal), t) * noise - diffusion.at(np.sqrt(1 - FULL.signal), t) * x
    output = jnp.concatenate([v, jnp.zeros_like(v)], axis=-1)
    found = diffusion.back(FULL, output, x_t, t, clip=False, predict="v")
    np.testing.assert_allclose(found.frame, x, atol=1e-5)  # float32
    assert np.asarray(diffusion.errors(FULL, output, x, noise, t, VidmTrainConfig(), "v")["mse"]).max() < 1e-10


def test_errors_of_v_and_of_noise_differ_by_a_factor(frames):
    """ε − ε̂ = √ᾱ (v − v̂), so ᾱ w times the error of v is P2's error of the noise that v̂ implies."""
    x, noise, t = frames
    predicted, omega = some(4, 4, 4, 3, seed=2), jnp.zeros_like(x)
    implied = diffusion.at(np.sqrt(FULL.signal), t) * predicted
    implied += diffusion.at(np.sqrt(1 - FULL.signal), t) * diffusion.noised(FULL, x, noise, t)
    of = lambda output, predict: diffusion.errors(
        FULL, jnp.concatenate([output, omega], axis=-1), x, noise, t, VidmTrainConfig(), predict
    )["mse"]
    factor = (FULL.signal * FULL.p2_weight())[np.asarray(t)]
    np.testing.assert_allclose(of(implied, "noise"), factor * np.asarray(of(predicted, "v")), rtol=1e-4, atol=1e-9)


def test_straight_schedule_is_flow_matching(frames):
    """Noisy frames lie on straight lines, and a step of DDIM is an Euler step of the flow along ε̂ − x̂."""
    process = diffusion.Process.of_betas(diffusion.betas("straight", 1000)).respaced([100, 400, 900])
    x, noise, j = frames[0], frames[1], jnp.array([1, 1, 2, 2])
    u = (process.timesteps + 0.5) / 1000
    on_line = lambda x, noise, j: diffusion.at(1 - u, j) * x + diffusion.at(u, j) * noise
    scale = lambda j: diffusion.at(np.hypot(1 - u, u), j)
    x_t = diffusion.noised(process, x, noise, j)
    np.testing.assert_allclose(scale(j) * x_t, on_line(x, noise, j), atol=1e-5)  # float32
    output = some(4, 4, 4, 6, seed=3)
    found = diffusion.back(process, output, x_t, j, clip=False, predict="v")
    its_noise = (scale(j) * x_t - diffusion.at(1 - u, j) * found.frame) / diffusion.at(u, j)
    euler = scale(j) * x_t + (diffusion.at(u, j - 1) - diffusion.at(u, j)) * (its_noise - found.frame)
    step = diffusion.ddim_step(process, found, x_t, j, jnp.zeros_like(x))
    np.testing.assert_allclose(scale(j - 1) * step, euler, atol=1e-4)


def test_lognormal_schedule_has_the_noises_of_edm():
    process = diffusion.Process.of_betas(diffusion.betas("lognormal", 1000))
    logarithm = np.log(np.sqrt(1 / process.signal - 1))
    np.testing.assert_allclose([logarithm.mean(), logarithm.std()], [-1.2, 1.2], atol=0.005)  # of 1000 quantiles
    assert (np.diff(logarithm) > 0).all() and 0 < process.betas.min() and process.betas.max() < 1


def test_without_signal_at_the_end():
    model = VidmConfig(resolution=32, multipliers=(1,), attention=(), predict="v", zero_terminal_snr=True)
    process, plain = diffusion.process_of(model), diffusion.process_of(dataclasses.replace(model, zero_terminal_snr=False))
    assert process.signal[-1] < 1e-12 and plain.signal[-1] > 1e-6
    np.testing.assert_allclose(process.signal[0], plain.signal[0], rtol=1e-9)
    kept = diffusion.sampling_process(model)
    assert kept.timesteps[-1] == 999 and len(kept) == 100
    for kind in ("ancestral", "ddim", "dpm"):
        method = sampling.Method(kept, kind, 0.0, "v")
        network = lambda x, t: jnp.concatenate([-x, jnp.zeros_like(x)], axis=-1)
        assert np.isfinite(sampling.reverse(method, network, some(2, 4, 4, 3), lambda j: some(2, 4, 4, 3))).all(), kind


# ---- samplers


def test_ddim_of_eta_1_is_ancestral(frames):
    """With variance β̃ (ω = −1), by the identity of their means (Song et al. 2021, section 4.1)."""
    x, noise, t = frames
    output = jnp.concatenate([some(4, 4, 4, 3, seed=3), -jnp.ones_like(x)], axis=-1)
    x_t, z = diffusion.noised(FULL, x, noise, t), some(4, 4, 4, 3, seed=4)
    found = diffusion.back(FULL, output, x_t, t, clip=True)
    both = diffusion.ancestral_step(FULL, found, x_t, t, z), diffusion.ddim_step(FULL, found, x_t, t, z, eta=1.0)
    np.testing.assert_allclose(*both, rtol=1e-3, atol=1e-3)  # float32, near ᾱ = 1 a difference of near numbers


DEVIATION = 0.2  # of normal data in [-1, 1], whose x̂ and whose probability flow are known


def drawn(kind: str, steps: int) -> np.ndarray:
    """Samples of normal data, with the exact denoiser E[x | x_t] = √ᾱ s² x_t / (ᾱ s² + 1 − ᾱ), by v."""
    process = LINEAR.respaced(kept_steps(str(steps), 1000))
    signal = jnp.asarray(LINEAR.signal, jnp.float32)

    def network(x, t):
        a = signal[t][:, None, None, None]
        frame = jnp.sqrt(a) * DEVIATION**2 / (a * DEVIATION**2 + 1 - a) * x
        v = (jnp.sqrt(a) * x - frame) / jnp.sqrt(1 - a)
        return jnp.concatenate([v, jnp.zeros_like(v)], axis=-1)

    method = sampling.Method(process, kind, 0.0, "v")
    return np.asarray(jax.jit(lambda x: sampling.reverse(method, network, x, jnp.zeros_like))(some(8, 4, 4, 3)))


def test_dpm_solver_is_of_second_order():
    """Of the exact flow, x_0 = x_T s / √(ᾱ_T s² + 1 − ᾱ_T): twice the steps, about a quarter of the error; DDIM's halves."""
    last = LINEAR.signal[999]
    exact = np.asarray(some(8, 4, 4, 3)) * DEVIATION / np.sqrt(last * DEVIATION**2 + 1 - last)
    error = lambda kind, steps: np.abs(drawn(kind, steps) - exact).max()
    assert error("dpm", 250) < 0.32 * error("dpm", 125)
    assert 0.4 * error("ddim", 125) < error("ddim", 250) < 0.6 * error("ddim", 125)
    assert error("dpm", 250) < 0.5 * error("ddim", 250)


def test_dpm_step_by_step():
    """Against the formula, written out with numbers for each step."""
    process = FULL.respaced([0, 300, 700, 999])
    x, previous = np.float64(0.3), 0.1
    root = lambda j: np.sqrt(process.signal[j]) if j >= 0 else 1.0
    sigma = lambda j: np.sqrt(1 - process.signal[j]) if j >= 0 else 0.0
    rate = lambda j: np.log(root(j) / sigma(j))
    frame = 0.4
    for j in (3, 2, 1, 0):
        d = frame
        if j in (2, 1):
            h, before = rate(j - 1) - rate(j), rate(j) - rate(j + 1)
            r = before / h
            d = (1 + 1 / (2 * r)) * frame - previous / (2 * r)
        decay = np.exp(-(rate(j - 1) - rate(j))) if j else 0.0
        expected = sigma(j - 1) / sigma(j) * x - root(j - 1) * (decay - 1) * d
        whole = lambda value: jnp.full((1, 1, 1, 1), value, jnp.float32)
        found = diffusion.Back(whole(0.0), whole(0.0), whole(frame))
        ours = diffusion.dpm_step(process, found, whole(x), jnp.array([j]), whole(previous))
        np.testing.assert_allclose(float(ours.ravel()[0]), expected, rtol=1e-5)


# ---- conditions


@pytest.fixture(scope="module")
def motion():
    _, state, fields = golden.load("vidm_unet")
    model = golden.model_of(fields)
    return model, vidm_state_dicts.motion_params(state, model)


def test_noise_on_the_condition_is_a_fifth_coordinate(motion):
    """Its column starts at 0: the network is then the one without it, whatever it is told; afterwards it listens."""
    model, params = motion
    noisy = dataclasses.replace(model, condition_noise=0.7)
    fresh = networks.build(noisy).motion.init(jax.random.key(0))
    wave = fresh["unet"]["input_blocks_1"]["0"]["emb_layers"]["linear_0"]["weight"]
    assert wave.shape == (32, 5) and not np.asarray(wave[:, 4]).any() and np.asarray(wave[:, :4]).all()

    def widened(path, x):
        name = jax.tree_util.keystr(path)
        return np.pad(x, [(0, 0), (0, 1)]) if name.endswith("['linear_0']['weight']") else x

    wide = jax.tree_util.tree_map_with_path(widened, params)
    inputs = some(1, 8, 8, 3), some(1, 8, 8, 2, seed=1), some(1, 8, 8, 3, seed=2)
    t, i = jnp.array([500]), jnp.array([3])
    place = lambda m, s: networks.place_of(m, t, i, None if s is None else jnp.array([s]))
    before = networks.build(model).motion.apply(params, *inputs, place(model, None))
    apply = jax.jit(networks.build(noisy).motion.apply)
    for s in (None, 0.0, 0.5):
        np.testing.assert_allclose(apply(wide, *inputs, place(noisy, s)), before, atol=1e-4)  # float32
    listening = jax.tree.map(lambda x: x + 0.5 if x.ndim == 2 and x.shape[1] == 5 else x, wide)
    a, b = (np.asarray(apply(listening, *inputs, place(noisy, s))) for s in (0.0, 0.5))
    assert np.abs(a - b).max() > 1e-3


def test_a_fixed_encoder_does_not_see_the_step(motion):
    model, params = motion
    i, first = jnp.array([3]), some(1, 8, 8, 3)
    of = lambda m, t: jax.tree.leaves(networks.build(m).motion.encode(params, first, networks.place_of(m, jnp.array([t]), i)))
    fixed = dataclasses.replace(model, encoder_step="fixed")
    assert all((a == b).all() for a, b in zip(of(fixed, 10), of(fixed, 900)))
    assert any((a != b).any() for a, b in zip(of(model, 10), of(model, 900)))
    middle = of(model, 499.5)  # t̂ = 0
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(middle, of(fixed, 10)))


def test_frames_with_a_fixed_encoder_are_those_of_the_whole_network(motion):
    """One pass of the encoder a frame, outside of the loop over steps, changes nothing."""
    model, params = motion
    model = dataclasses.replace(model, encoder_step="fixed", sampling_steps="ddim4")
    nets, method, first = networks.build(model), sampling.method_of(model), some(1, 8, 8, 3)
    noises = sampling.Noises(lambda i: some(1, 8, 8, 3, seed=7), lambda i, j: some(1, 8, 8, 3, seed=8))
    told = lambda first, before, i: jnp.zeros((1, 8, 8, 2))
    draw = jax.jit(lambda p: sampling.draw_next(nets, model, method, p, first, first, jnp.array([2]), noises, told)[0])
    network = lambda p, x, t: nets.motion.apply(
        p, x, told(0, 0, 2), first, networks.place_of(model, t, jnp.array([2.0]))
    )
    twin = jax.jit(lambda p: sampling.reverse(method, lambda x, t: network(p, x, t), noises.start(2), lambda j: noises.step(2, j)))
    np.testing.assert_allclose(draw(params), twin(params), atol=1e-4)


def test_bfloat16_stays_near_float32(motion):
    model, params = motion
    place = networks.place_of(model, jnp.array([500]), jnp.array([3]))
    inputs = some(1, 8, 8, 3), some(1, 8, 8, 2, seed=1), some(1, 8, 8, 3, seed=2)
    a, b = (jax.jit(networks.build(model, t).motion.apply)(params, *inputs, place) for t in ("float32", "bfloat16"))
    assert b.dtype == jnp.float32
    error = float(jnp.sqrt(jnp.mean(jnp.square(a - b)) / jnp.var(a)))
    assert 0 < error < 0.05  # bfloat16 keeps 8 bits (0.4 %), and errors of twenty layers add up


# ---- what is refused

BASE = {"resolution": 32, "multipliers": (1, 2), "attention": (2,)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 48}, "model.width=48: must be a multiple of 32"),
        ({"resolution": 33}, "size 33x33: this model halves its maps 1 times, .* multiples of 2; 32x32 is"),
        ({"attention": (4,)}, r"model.attention=\(4,\): the levels of this model are \[1, 2\] times smaller"),
        ({"head_width": 48}, "model.head_width=48: does not divide the 256 channels"),
        ({"n_classes": -3}, "model.n_classes=-3: must be 0"),
        ({"zero_terminal_snr": True}, "set model.predict to 'v'"),
        ({"predict": "x"}, r"model.predict='x': choose one of \['noise', 'v'\]"),
        ({"sampling_steps": "ddim999"}, "no whole stride leaves 999 of 1000 steps"),
        ({"sampling_steps": "600,600"}, "section 1 has 500 steps; keep 1 to 500"),
        ({"sampling_steps": "many"}, "sampling_steps='many': give a number of steps"),
        ({"diffusion_steps": 20, "sampling_steps": "5"}, "use more than 20, or another schedule"),
    ],
)
def test_refused(changes, message):
    with pytest.raises(InputError, match=message):
        VidmConfig(**BASE | changes)
