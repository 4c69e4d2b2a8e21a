"""One training iteration as pure functions of (setting, state, batch, key).

Order, as in the authors' release: generator step, path length step, critic step, R1 step. The regularisers are lazy:
separate steps that run every few iterations, their losses multiplied by the interval.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from digan_jax import grids, rng
from digan_jax.config import RunConfig, TrainConfig
from digan_jax.models.annealing import annealed
from digan_jax.models.digan import augment, feature_critic, losses, microbatches, paired, sampling
from digan_jax.models.digan.networks import motion_input, networks_of
from digan_jax.models.digan.sampling import draw_fakes, fake_label, generate, label_of, sample_noise
from digan_jax.models.digan.state import GanState, critic_optimizer, generator_optimizer
from digan_jax.models.digan.times import deltas
from digan_jax.models.frames import to_unit_range
from digan_jax.models.interface import Metrics, Setting
from digan_jax.shapes import Array, Batch, Condition, Latents, Pair, Params

GRADIENT_LIMIT = 1e5  # replaces infinite gradients (authors' release)


def apply_gradients(
    setting: Setting, step: Int[Array, ""], optimizer: optax.GradientTransformation, gradients, optimizer_state, params
):
    """One optimizer update. NaN gradients become 0, infinite ones ±1e5 (authors' release)."""
    gradients = setting.whole(gradients)
    finite = lambda g: jnp.nan_to_num(g, nan=0.0, posinf=GRADIENT_LIMIT, neginf=-GRADIENT_LIMIT)
    gradients = jax.tree.map(finite, gradients)
    updates, optimizer_state = optimizer.update(gradients, optimizer_state, params)
    updates = annealed(updates, step, setting.config.train)
    return setting.whole(optax.apply_updates(params, updates)), optimizer_state


def generator_step(setting: Setting, state: GanState, batch: Batch, key) -> tuple[GanState, Metrics]:
    """Updates the generator against fixed critics; also updates `w_avg`."""
    train = setting.config.train
    noise, label = draw_fakes(setting, batch, key)
    others = draw_fakes(setting, batch, rng.stream(key, "others"))[0] if setting.config.task.spread else None
    adversarial_loss = losses.ADVERSARIAL[train.loss]

    def of_rows(rows):
        noise, others, label, batch, draws = rows
        delta_t = deltas(noise.times)
        planes = planes_of(setting, batch, noise.times, *([batch.times] if adversarial_loss.compares else []))

        def loss(params):
            fakes, w_mean = generate(setting, params, noise, label, batch.condition)
            alone = fakes[:, None], delta_t[:, None], stack(label)
            seen = pairs(fakes, delta_t, label, batch) if adversarial_loss.compares else alone
            judged = paired.trains_critics(setting.config)
            found = scores(setting, state.critic, *seen, draws, state.step, planes) if judged else {}
            adversarial = sum(
                weight_of(head, setting.config) * adversarial_loss.generator(*(score[:, i] for i in range(score.shape[1])))
                for head, score in found.items()
            )
            reals, matching = to_unit_range(batch.frames), None
            if setting.config.task.feature_matching:
                critic, first = networks_of(setting.config).critic, None if planes is None else planes[:, :1]
                matching = paired.feature_matching(critic, state.critic, fakes, reals, delta_t, stack(label), first)
            second = others and generate(setting, params, others, label, batch.condition)[0]
            value, metrics = paired.total(setting.config, adversarial, matching, fakes, second, reals)
            return value, (w_mean, metrics)

        return jax.value_and_grad(loss, has_aux=True)(state.generator)

    rows = noise, others, label, batch, draw_scores(setting, key, 1 + adversarial_loss.compares)
    (value, (w_mean, metrics)), gradients = microbatches.mean(setting, of_rows, rows)
    optimizer = generator_optimizer(train)
    update = optimizer, gradients, state.generator_optimizer, state.generator
    generator, optimizer_state = apply_gradients(setting, state.step, *update)
    w_avg = follow(state.w_avg, w_mean, train.w_avg_decay)
    state = dataclasses.replace(state, generator=generator, generator_optimizer=optimizer_state, w_avg=w_avg)
    return state, {"generator/loss": value, **metrics}


def critic_step(setting: Setting, state: GanState, batch: Batch, key) -> tuple[GanState, Metrics]:
    """Updates the critics; fakes and reals are two independent batches of one forward pass. Also updates `w_avg`."""
    train = setting.config.train
    noise, label = draw_fakes(setting, batch, key)
    penalised = train.penalty == "finite_differences" and (train.r1_gamma > 0 or train.r2_gamma > 0)

    def of_rows(rows):
        noise, label, batch, draws = rows
        fakes, w_mean = generate(setting, state.generator, noise, label, batch.condition)
        both = pairs(fakes, deltas(noise.times), label, batch)
        planes = planes_of(setting, batch, noise.times, batch.times)

        def loss(params):
            parts, total = {}, 0.0
            for head, score in scores(setting, params, *both, draws, state.step, planes).items():
                value, of_head = judge(head, score, train, penalised, penalty_easing(state.step, train))
                total += weight_of(head, setting.config) * value
                parts |= of_head
            return total, parts

        return w_mean, jax.value_and_grad(loss, has_aux=True)(state.critic)

    rows = noise, label, batch, draw_scores(setting, key, 2, moved=penalised)
    w_mean, ((value, metrics), gradients) = microbatches.mean(setting, of_rows, rows)
    state = update_critic(setting, state, gradients)
    w_avg = follow(state.w_avg, w_mean, train.w_avg_decay)
    return dataclasses.replace(state, w_avg=w_avg), {"critic/loss": value, **metrics}


def judge(
    head: str, score: Float[Array, "b s *k"], train: TrainConfig, penalised: bool, easing: Float[Array, ""]
) -> tuple[Array, Metrics]:
    """The loss of one critic and its parts for the log, from scores of fakes and reals and, `penalised`, moved ones.

    `easing`: the factor of γ, see `penalty_easing`.
    """
    fake, real = score[:, 0], score[:, 1]
    loss = losses.ADVERSARIAL[train.loss]
    value = loss.critic(fake, real)
    parts = {f"critic/loss_{head}": value}
    parts |= {f"critic/score_{head}_fake": fake.mean(), f"critic/score_{head}_real": real.mean()}
    parts |= {f"critic/sign_{head}_real": jnp.sign(loss.lead(fake, real)).mean()}
    if penalised:
        squares = losses.squared_differences(score[:, :2], score[:, 2:], train.penalty_sigma)
        r2, r1 = squares[:, 0].mean(), squares[:, 1].mean()
        factor = train.motion_gamma if head == "motion" else 1.0
        value += easing * factor * (train.r1_gamma / 2 * r1 + train.r2_gamma / 2 * r2)
        parts |= {f"critic/r1_{head}": r1, f"critic/r2_{head}": r2}
    return value, parts


def weight_of(head: str, config: RunConfig) -> float:
    """The weight of a critic's loss."""
    return {"features": config.train.features_weight, "motion": config.task.motion}.get(head, 1.0)


def r1_step(setting: Setting, state: GanState, batch: Batch, key) -> GanState:
    """R1 on reals: γ/2 · mean |∂(sum of scores)/∂input|², times the interval (Mescheder et al. 2018).

    As in the authors' release, the motion critic's gradient is taken at its seven channels before augmentation, the
    image critic's at the augmented frames. With `train.r2_gamma`, the same on fakes (R2; R3GAN, Huang et al. 2024).
    """
    train = setting.config.train
    gammas, easing = [train.r1_gamma, train.r2_gamma], penalty_easing(state.step, train)
    of_critics = np.float32([train.motion_gamma, 1])
    fakes = draw_fakes(setting, batch, key) if train.r2_gamma else None
    names = ["augment", "augment/fake"] if train.r2_gamma else ["augment"]
    draw = lambda name: augment.draw(rng.stream(key, name), train.batch_size, setting.config.model.resolution)

    def of_rows(rows):
        batch, fakes, draws = rows
        sides = [(to_unit_range(batch.frames), batch.times, label_of(batch), batch.condition)]
        if fakes is not None:
            noise, label = fakes
            frames, _ = generate(setting, state.generator, noise, label, batch.condition)
            sides.append((frames, noise.times, label, batch.condition))

        def loss(params):
            squares = [penalty_squares(setting, params, *side, of_side) for side, of_side in zip(sides, draws)]
            sums = [(of_critics * of_heads).sum() for of_heads in squares]
            weighted = [of_side * (gamma / 2 * train.r1_every) for gamma, of_side in zip(gammas, sums)]
            return easing * sum(weighted[1:], weighted[0]), squares[0]

        return jax.grad(loss, has_aux=True)(state.critic)

    gradients, squares = microbatches.mean(setting, of_rows, (batch, fakes, [draw(name) for name in names]))
    return dataclasses.replace(update_critic(setting, state, gradients), r1=squares)


def penalty_squares(
    setting: Setting, params: Params, frames: Pair, times, label, condition: Condition | None, draws: augment.Draws
) -> Float[Array, "2"]:
    """Mean squared gradient norms of the (motion, image) scores of pairs, see `r1_step`; not by the condition's planes."""
    policy = setting.config.train.augment
    planes = paired.planes(condition, times, setting.config.model.resolution)
    critics = networks_of(setting.config).critic

    def score(motion_inputs, augmented):
        pair = jnp.stack([motion_inputs[..., :3], motion_inputs[..., 3:6]], axis=1)
        pair = paired.beside(*paired.augmented(pair, planes, draws, policy))
        seen = jnp.concatenate([pair[:, 0], pair[:, 1], motion_inputs[..., 6:]], axis=-1)
        augmented = paired.beside(augmented, moved_planes)
        motion, image = critics.apply_batches(params, seen[:, None], augmented[:, None], stack(label))
        return motion.sum() + image.sum()

    augmented, moved_planes = paired.augmented(frames, planes, draws, policy)
    motion, image = losses.squared_gradients(score, motion_input(frames, deltas(times)), augmented)
    return jnp.stack([motion.mean(), image.mean()])


def path_length_step(setting: Setting, state: GanState, batch: Batch, key) -> GanState:
    """Path length regularisation of the generator, times its interval (Karras et al. 2020).

    With `train.microbatch`, the mean length that the penalty compares with is that of each microbatch.
    """
    train, model = setting.config.train, setting.config.model
    net, grid = networks_of(setting.config).generator, grids.native(model.resolution, model.base)
    label, noise = fake_label(batch, rng.stream(key, "label")), sample_noise(setting, key)
    shape = (train.batch_size, 2, model.resolution, model.resolution, 3)
    direction = setting.split(jax.random.normal(rng.stream(key, "path"), shape))

    def of_rows(rows):
        noise, label, direction, condition = rows

        def loss(params):
            content, _ = sampling.content_of(net, params, noise, label)
            context = paired.encoded(net, params, condition)
            frames = lambda v: net.synthesis(params, Latents(v, noise.motion), noise.times, grid, context)
            lengths = losses.path_length(frames, content, direction)
            mean = state.path_length_mean + train.path_length_decay * (lengths.mean() - state.path_length_mean)
            penalty = jnp.square(lengths - mean).mean()
            return penalty * train.path_length_weight * train.path_length_every, jax.lax.stop_gradient(mean)

        return jax.grad(loss, has_aux=True)(state.generator)

    gradients, mean = microbatches.mean(setting, of_rows, (noise, label, direction, batch.condition))
    optimizer = generator_optimizer(train)
    update = optimizer, gradients, state.generator_optimizer, state.generator
    generator, optimizer_state = apply_gradients(setting, state.step, *update)
    return dataclasses.replace(
        state, generator=generator, generator_optimizer=optimizer_state, path_length_mean=mean
    )


def pairs(fakes: Pair, delta_t: Float[Array, "b"], label: Float[Array, "b classes"] | None, batch: Batch):
    """Generated and real pairs as two batches: frames [b 2 2 h w c], Δt [b 2], labels [b 2 classes]."""
    frames = jnp.stack([fakes, to_unit_range(batch.frames)], axis=1)
    delta_t = jnp.stack([delta_t, deltas(batch.times)], axis=1)
    return frames, delta_t, stack(label, label_of(batch))


def planes_of(setting: Setting, batch: Batch, *times: Float[Array, "b 2"]) -> Float[Array, "b s 2 r r p"] | None:
    """The batch's condition at the times of s batches of pairs; None without maps."""
    found = [paired.planes(batch.condition, of_pairs, setting.config.model.resolution) for of_pairs in times]
    return None if found[0] is None else jnp.stack(found, axis=1)


class ScoreDraws(NamedTuple):
    """The random numbers of `scores`, for s batches of pairs."""

    augment: augment.Draws  # arrays [b s ...]
    moves: dict[str, Float[Array, "b s *shape"]]  # noise on frames, and on each scale of features; empty: none


def draw_scores(setting: Setting, key, s: int, moved: bool = False) -> ScoreDraws:
    """Random numbers for `scores` of s batches of train.batch_size pairs; with `moved`, also noise on what is scored."""
    config, b, r = setting.config, setting.config.train.batch_size, setting.config.model.resolution
    draws = augment.draw(rng.stream(key, "augment"), b * s, r)
    draws = jax.tree.map(lambda x: x.reshape(b, s, *x.shape[1:]), draws)
    shapes = {"penalty": (2, r, r, 3)} if moved else {}
    if moved and config.model.critic_features != "none":
        mixed = jax.eval_shape(feature_critic.mixed_features, jax.ShapeDtypeStruct((b * s, r, r, 3), jnp.float32))
        shapes |= {f"penalty/{i}": x.shape[1:] for i, x in enumerate(mixed)}
    sigma = config.train.penalty_sigma
    noise = lambda name, shape: setting.split(sigma * jax.random.normal(rng.stream(key, name), (b, s, *shape)))
    return ScoreDraws(draws, {name: noise(name, shape) for name, shape in shapes.items()})


def scores(
    setting: Setting, params: Params, frames, delta_t, labels, draws: ScoreDraws, step, planes=None
) -> dict[str, Float[Array, "b s *k"]]:
    """Augments pairs and scores them: frames [b s 2 h w c], delta_t [b s] -> motion [b s], image [b s 2].

    With `model.critic_features` also {"features": [b s]}, of one frame of each pair. With `draws.moves`, also scores of
    the augmented pairs (for "features", of their features) plus noise of deviation `train.penalty_sigma`, as s more
    batches. Motion and image critic also see `planes` [b s 2 h w p] of the condition, which move with the frames.
    """
    (b, s), train, moves = delta_t.shape, setting.config.train, draws.moves
    flat = lambda x: None if x is None else x.reshape(b * s, *x.shape[2:])
    pairs_of = flat(frames), flat(planes), jax.tree.map(flat, draws.augment)
    moved, moved_planes = paired.augmented(*pairs_of, train.augment)
    frames, planes = moved.reshape(frames.shape), None if planes is None else moved_planes.reshape(planes.shape)
    critic = networks_of(setting.config).critic
    twice = lambda x, y: jnp.concatenate([x, y], axis=1)
    found = {}
    if setting.config.model.critic_features != "none":
        one = jnp.where((jnp.arange(b) % 2 == 0)[:, None, None, None, None], frames[:, :, 0], frames[:, :, 1])
        one = feature_critic.blurred(one, blur_of(step, setting.config))
        mixed = feature_critic.mixed_features(one.reshape(b * s, *one.shape[2:]))
        mixed = [x.reshape(b, s, *x.shape[1:]) for x in mixed]
        if moves:
            mixed = [twice(x, x + moves[f"penalty/{i}"]) for i, x in enumerate(mixed)]
        judged = critic.judge_features(params, [x.reshape(-1, *x.shape[2:]) for x in mixed])
        found["features"] = judged.reshape(b, -1)
    if moves:
        frames, delta_t = twice(frames, frames + moves["penalty"]), twice(delta_t, delta_t)
        labels, planes = (None if x is None else twice(x, x) for x in (labels, planes))
    frames = paired.beside(frames, planes)
    motion, image = critic.apply_batches(params, motion_input(frames, delta_t), frames, labels)
    return {"motion": motion, "image": image, **found}


def blur_of(step: Int[Array, ""], config: RunConfig) -> Float[Array, ""]:
    """Deviation of the feature critic's blur, in pixels: resolution / 16 at first, 0 from `features_blur_kimg` on."""
    train = config.train
    seen = step.astype(jnp.float32) * (train.batch_size / 1000)
    left = 1 - seen / train.features_blur_kimg if train.features_blur_kimg else jnp.zeros(())
    return config.model.resolution / 16 * jnp.maximum(left, 0)


def stack(*labels: Float[Array, "b classes"] | None) -> Float[Array, "b s classes"] | None:
    """Labels of s batches along axis 1; None for an unconditional model."""
    return None if labels[0] is None else jnp.stack(labels, axis=1)


def follow(average, value, decay):
    """One step of an exponential moving average: decay · average + (1 - decay) · value."""
    return jax.tree.map(lambda a, v: v + decay * (a - v), average, value)


def penalty_easing(step: Int[Array, ""], train: TrainConfig) -> Float[Array, ""]:
    """The factor of γ, geometric from 1 at the start to `train.gamma_end` at `train.gamma_by_kimg` (R3GAN anneals γ)."""
    if train.gamma_end == 1:
        return jnp.ones(())
    seen = step.astype(jnp.float32) * (train.batch_size / 1000)
    return train.gamma_end ** jnp.clip(seen / max(train.gamma_by_kimg, 1e-6), 0, 1)


def update_critic(setting: Setting, state: GanState, gradients) -> GanState:
    optimizer = critic_optimizer(setting.config.train)
    update = optimizer, gradients, state.critic_optimizer, state.critic
    critic, optimizer_state = apply_gradients(setting, state.step, *update)
    return dataclasses.replace(state, critic=critic, critic_optimizer=optimizer_state)


def ema_decay(step: Int[Array, ""], train: TrainConfig) -> Float[Array, ""]:
    """½^(batch / half-life), the half-life limited to `ema_rampup` times the pairs seen so far (Karras et al. 2020)."""
    seen = step.astype(jnp.float32) * train.batch_size
    half_life = jnp.minimum(train.ema_half_life_kimg * 1000, seen * train.ema_rampup)
    return 0.5 ** (train.batch_size / jnp.maximum(half_life, 1e-8))


def fade_classes(setting: Setting, batch: Batch, step: Int[Array, ""]) -> Batch:
    """One-hot labels times a weight that grows from 0 to 1, for `model.class_term` "fading" (Shahbazi et al. 2022)."""
    train = setting.config.train
    if setting.config.model.class_term != "fading" or batch.condition is None:
        return batch
    seen = step.astype(jnp.float32) * (train.batch_size / 1000)
    over = max(train.classes_by_kimg - train.classes_from_kimg, 1e-6)
    weight = jnp.clip((seen - train.classes_from_kimg) / over, 0, 1)
    return batch._replace(condition=batch.condition._replace(label=batch.condition.label * weight))


def iteration(setting: Setting, state: GanState, batch: Batch) -> tuple[GanState, Metrics]:
    """Generator step, critic step, lazy regularisers when due, EMA. Random keys depend on (train.seed, name, step)."""
    train = setting.config.train
    key = lambda name: rng.stream(jax.random.key(train.seed), name, state.step)
    keep = lambda state: state
    step = state.step
    batch = fade_classes(setting, batch, step)

    state, generator_metrics = generator_step(setting, state, batch, key("generator"))
    if penalises_path_length(train):
        regularise = lambda s: path_length_step(setting, s, batch, key("path_length"))
        state = jax.lax.cond(step % train.path_length_every == 0, regularise, keep, state)
    critic_metrics: Metrics = {}
    if paired.trains_critics(setting.config):
        state, critic_metrics = critic_step(setting, state, batch, key("critic"))
        if penalises_lazily(train):
            regularise = lambda s: r1_step(setting, s, batch, key("r1"))
            state = jax.lax.cond(step % train.r1_every == 0, regularise, keep, state)
        if train.penalty == "lazy":
            critic_metrics |= {"critic/r1_motion": state.r1[0], "critic/r1_image": state.r1[1]}
    ema = follow(state.ema, state.generator, ema_decay(step, train))
    return dataclasses.replace(state, step=step + 1, ema=ema), {**generator_metrics, **critic_metrics}


def penalises_path_length(train: TrainConfig) -> bool:
    """Whether some iterations have a `path_length_step`."""
    return train.path_length_weight > 0


def penalises_lazily(train: TrainConfig) -> bool:
    """Whether some iterations have an `r1_step`."""
    return (train.r1_gamma > 0 or train.r2_gamma > 0) and train.penalty == "lazy"


def intervals(config: RunConfig) -> tuple[int, ...]:
    """The intervals of the lazy regularisers of `iteration`, in its order."""
    train = config.train
    path_length = (train.path_length_every,) if penalises_path_length(train) else ()
    lazy = paired.trains_critics(config) and penalises_lazily(train)
    return path_length + ((train.r1_every,) if lazy else ())
