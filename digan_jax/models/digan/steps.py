"""One iteration of training as pure functions of (state, batch, key), and the one place where they are compiled.

Order (paper's release): generator step, critic step, and the lazy regularisers as steps of their own: path length
after the generator step, R1 after the critic step.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int, Key

from digan_jax import devices, grids, rng
from digan_jax.config import RunConfig, TrainConfig
from digan_jax.devices import compiler_options
from digan_jax.models.digan import augment, losses
from digan_jax.models.digan.networks import Nets, build, motion_input, repeat_content
from digan_jax.models.digan.state import GanState, critic_optimizer, generator_optimizer, init_state
from digan_jax.shapes import Array, Batch, Latents, Pair, Params

__all__ = ["GanState", "compile_iteration", "init_state", "iteration", "networks_of"]

Metrics = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Setting:
    """What every step needs and never changes."""

    nets: Nets
    config: RunConfig
    split: Callable = lambda x: x  # keeps an array sharded by batch, so that no device draws the whole batch

    @property
    def train(self) -> TrainConfig:
        return self.config.train


def networks_of(config: RunConfig) -> Nets:
    return build(config.model, config.compute_dtype, config.train.mbstd_group_size)


def sample_times(key: Key[Array, ""], clips: int) -> Float[Array, "b 2"]:
    """t1 ~ Beta(2, 1) and t2 ~ Beta(1, 2), sorted (paper, appendix): a square root of a uniform and its mirror."""
    u = jax.random.uniform(key, (clips, 2))
    return jnp.sort(jnp.stack([jnp.sqrt(u[:, 0]), 1 - jnp.sqrt(u[:, 1])], axis=1), axis=1)


def one_hot(label: Int[Array, "b"], classes: int) -> Float[Array, "b classes"] | None:
    return jax.nn.one_hot(label, classes) if classes else None


def to_unit_range(frames: Array) -> Pair:
    """uint8 to float32 in [-1, 1]."""
    return frames.astype(jnp.float32) / 127.5 - 1


def draw_content(setting: Setting, params: Params, key, label) -> tuple[Float[Array, "b layers w"], Float[Array, "w"]]:
    """Content of each layer, with style mixing if configured, and the batch's mean content vector."""
    net, model, probability = setting.nets.generator, setting.config.model, setting.train.style_mixing_probability
    b = setting.train.batch_size
    noise = lambda name: setting.split(jax.random.normal(rng.stream(key, name), (b, model.z_dim)))
    w = net.mapping(params, noise("z"), label)
    content = repeat_content(w, net.n_layers)
    if probability > 0:
        other = net.mapping(params, noise("z/mix"), label)
        start = jax.random.randint(rng.stream(key, "mix/start"), (b, 1, 1), 1, net.n_layers)
        mixed = jax.random.bernoulli(rng.stream(key, "mix"), probability, (b, 1, 1))
        later = jnp.arange(net.n_layers)[None, :, None] >= start
        content = jnp.where(mixed & later, other[:, None], content)
    return content, w.mean(axis=0)


def generate(setting: Setting, params: Params, key, label):
    """Fake pairs with fresh noise: frames [b 2 h w c], times [b 2], and the mean content vector [w]."""
    model, b = setting.config.model, setting.train.batch_size
    content, w_mean = draw_content(setting, params, rng.stream(key, "content"), label)
    motion = setting.split(jax.random.normal(rng.stream(key, "motion"), (b, model.motion_dim)))
    times = setting.split(sample_times(rng.stream(key, "times"), b))
    frames = setting.nets.generator.synthesis(params, Latents(content, motion), times, grids.native(model.resolution))
    return frames, times, w_mean


def fake_label(setting: Setting, batch: Batch, key) -> Float[Array, "b classes"] | None:
    """Classes of fakes follow the data's: the batch's own, shuffled."""
    if not setting.config.model.n_classes:
        return None
    return one_hot(jax.random.permutation(key, batch.label), setting.config.model.n_classes)


def apply_gradients(optimizer: optax.GradientTransformation, gradients, optimizer_state, params):
    """One Adam update; NaN gradients count as 0 and infinite ones as ±1e5 (paper's release)."""
    gradients = jax.tree.map(lambda g: jnp.nan_to_num(g, nan=0.0, posinf=1e5, neginf=-1e5), gradients)
    updates, optimizer_state = optimizer.update(gradients, optimizer_state, params)
    return optax.apply_updates(params, updates), optimizer_state


def generator_step(setting: Setting, state: GanState, batch: Batch, key) -> tuple[GanState, Metrics]:
    """G against the critics as they are."""
    label = fake_label(setting, batch, rng.stream(key, "label"))

    def loss(params):
        frames, times, w_mean = generate(setting, params, key, label)
        motion, image = scores(setting, state.critic, frames[:, None], deltas(times)[:, None], stack(label), key)
        return losses.generator_loss(motion, image), w_mean

    (value, w_mean), gradients = jax.value_and_grad(loss, has_aux=True)(state.generator)
    optimizer = generator_optimizer(setting.train)
    generator, optimizer_state = apply_gradients(optimizer, gradients, state.generator_optimizer, state.generator)
    w_avg = follow(state.w_avg, w_mean, setting.train.w_avg_decay)
    state = dataclasses.replace(state, generator=generator, generator_optimizer=optimizer_state, w_avg=w_avg)
    return state, {"generator/loss": value}


def critic_step(setting: Setting, state: GanState, batch: Batch, key) -> tuple[GanState, Metrics]:
    """Both critics on fakes and reals, scored in one pass as two independent batches."""
    label = fake_label(setting, batch, rng.stream(key, "label"))
    fakes, times, w_mean = generate(setting, state.generator, key, label)
    frames = jnp.stack([fakes, to_unit_range(batch.frames)], axis=1)
    delta_t = jnp.stack([deltas(times), deltas(batch.times)], axis=1)
    labels = stack(label, one_hot(batch.label, setting.config.model.n_classes))

    def loss(params):
        motion, image = scores(setting, params, frames, delta_t, labels, key)
        parts = {
            "critic/loss_motion": losses.critic_loss(motion[:, 0], motion[:, 1]),
            "critic/loss_image": losses.critic_loss(image[:, 0], image[:, 1]),
        }
        for head, score in (("motion", motion), ("image", image)):
            parts |= {f"critic/score_{head}_fake": score[:, 0].mean(), f"critic/score_{head}_real": score[:, 1].mean()}
            parts |= {f"critic/sign_{head}_real": jnp.sign(score[:, 1]).mean()}
        return parts["critic/loss_motion"] + parts["critic/loss_image"], parts

    (value, metrics), gradients = jax.value_and_grad(loss, has_aux=True)(state.critic)
    state = update_critic(setting, state, gradients)
    w_avg = follow(state.w_avg, w_mean, setting.train.w_avg_decay)
    return dataclasses.replace(state, w_avg=w_avg), {"critic/loss": value, **metrics}


def r1_step(setting: Setting, state: GanState, batch: Batch, key) -> GanState:
    """γ/2 · mean |∂(sum of scores)/∂input|² on reals, times the interval, as a step of its own.

    The motion head's input is its seven channels before augmentation, the image head's the augmented frames.
    """
    train = setting.train
    reals = to_unit_range(batch.frames)
    labels = stack(one_hot(batch.label, setting.config.model.n_classes))
    draws = augment.draw(rng.stream(key, "augment"), train.batch_size, setting.config.model.resolution)
    augmented = augment.augment(reals, draws, train.augment)

    def loss(params):
        def score(motion_inputs, frames):
            pair = jnp.stack([motion_inputs[..., :3], motion_inputs[..., 3:6]], axis=1)
            pair = augment.augment(pair, draws, train.augment)
            seen = jnp.concatenate([pair[:, 0], pair[:, 1], motion_inputs[..., 6:]], axis=-1)
            motion, image = setting.nets.critic.apply_batches(params, seen[:, None], frames[:, None], labels)
            return motion.sum() + image.sum()

        motion, image = losses.squared_gradients(score, motion_input(reals, deltas(batch.times)), augmented)
        squares = jnp.stack([motion.mean(), image.mean()])
        return squares.sum() * (train.r1_gamma / 2 * train.r1_every), squares

    gradients, squares = jax.grad(loss, has_aux=True)(state.critic)
    return dataclasses.replace(update_critic(setting, state, gradients), r1=squares)


def path_length_step(setting: Setting, state: GanState, batch: Batch, key) -> GanState:
    """Path-length regularisation of the generator's content (Karras et al. 2020), times its interval."""
    train, model = setting.train, setting.config.model
    label = fake_label(setting, batch, rng.stream(key, "label"))
    motion = setting.split(jax.random.normal(rng.stream(key, "motion"), (train.batch_size, model.motion_dim)))
    times = setting.split(sample_times(rng.stream(key, "times"), train.batch_size))
    shape = (train.batch_size, 2, model.resolution, model.resolution, 3)
    noise = setting.split(jax.random.normal(rng.stream(key, "path"), shape))
    grid = grids.native(model.resolution)

    def loss(params):
        content, _ = draw_content(setting, params, rng.stream(key, "content"), label)
        frames = lambda v: setting.nets.generator.synthesis(params, Latents(v, motion), times, grid)
        lengths = losses.path_length(frames, content, noise)
        mean = state.path_length_mean + train.path_length_decay * (lengths.mean() - state.path_length_mean)
        penalty = jnp.square(lengths - mean).mean()
        return penalty * train.path_length_weight * train.path_length_every, jax.lax.stop_gradient(mean)

    gradients, mean = jax.grad(loss, has_aux=True)(state.generator)
    optimizer = generator_optimizer(train)
    generator, optimizer_state = apply_gradients(optimizer, gradients, state.generator_optimizer, state.generator)
    return dataclasses.replace(
        state, generator=generator, generator_optimizer=optimizer_state, path_length_mean=mean
    )


def scores(setting: Setting, params: Params, frames, delta_t, labels, key):
    """Scores of augmented pairs: frames [b s 2 h w c], delta_t [b s] -> motion [b s], image [b s 2]."""
    b, s = delta_t.shape
    draws = augment.draw(rng.stream(key, "augment"), b * s, frames.shape[3])
    flat = augment.augment(frames.reshape(b * s, *frames.shape[2:]), draws, setting.train.augment)
    frames = flat.reshape(frames.shape)
    return setting.nets.critic.apply_batches(params, motion_input(frames, delta_t), frames, labels)


def stack(*labels: Float[Array, "b classes"] | None) -> Float[Array, "b s classes"] | None:
    return None if labels[0] is None else jnp.stack(labels, axis=1)


def deltas(times: Float[Array, "b 2"]) -> Float[Array, "b"]:
    return times[:, 1] - times[:, 0]


def follow(average, value, decay):
    """Exponential moving average."""
    return jax.tree.map(lambda a, v: v + decay * (a - v), average, value)


def update_critic(setting: Setting, state: GanState, gradients) -> GanState:
    optimizer = critic_optimizer(setting.train)
    critic, optimizer_state = apply_gradients(optimizer, gradients, state.critic_optimizer, state.critic)
    return dataclasses.replace(state, critic=critic, critic_optimizer=optimizer_state)


def ema_decay(step: Int[Array, ""], train: TrainConfig) -> Float[Array, ""]:
    """½^(batch / half-life), the half-life ramping up with the pairs seen (Karras et al. 2020)."""
    seen = step.astype(jnp.float32) * train.batch_size
    half_life = jnp.minimum(train.ema_half_life_kimg * 1000, seen * train.ema_rampup)
    return 0.5 ** (train.batch_size / jnp.maximum(half_life, 1e-8))


def iteration(setting: Setting, state: GanState, batch: Batch) -> tuple[GanState, Metrics]:
    """Generator step, critic step, regularisers when due, moving average. Randomness: (root seed, name, step)."""
    train = setting.train
    key = lambda name: rng.stream(jax.random.key(train.seed), name, state.step)
    keep = lambda state: state
    step = state.step

    state, generator_metrics = generator_step(setting, state, batch, key("generator"))
    if train.path_length_weight > 0:
        regularise = lambda s: path_length_step(setting, s, batch, key("path_length"))
        state = jax.lax.cond(step % train.path_length_every == 0, regularise, keep, state)
    state, critic_metrics = critic_step(setting, state, batch, key("critic"))
    if train.r1_gamma > 0:
        regularise = lambda s: r1_step(setting, s, batch, key("r1"))
        state = jax.lax.cond(step % train.r1_every == 0, regularise, keep, state)
    ema = follow(state.ema, state.generator, ema_decay(step, train))
    state = dataclasses.replace(state, step=step + 1, ema=ema)
    penalties = {"critic/r1_motion": state.r1[0], "critic/r1_image": state.r1[1]}
    return state, {**generator_metrics, **critic_metrics, **penalties}


def compile_iteration(config: RunConfig, nets: Nets, mesh) -> Callable[[GanState, Batch], tuple[GanState, Metrics]]:
    """`iteration` as one compiled program over the mesh; the state it is given is consumed."""
    split = partial(jax.lax.with_sharding_constraint, shardings=devices.by_batch(mesh))
    setting = Setting(nets, config, split)
    shapes = jax.eval_shape(lambda key: init_state(key, nets, config.train), jax.random.key(0))
    state = devices.of_state(mesh, shapes)
    shardings = dict(in_shardings=(state, devices.by_batch(mesh)), out_shardings=(state, devices.replicated(mesh)))
    options = compiler_options(mesh.devices.flat[0].platform)
    return jax.jit(partial(iteration, setting), donate_argnums=0, compiler_options=options, **shardings)
