"""One training iteration as a pure function of (setting, state, batch): a step of each network that is trained.

Content and motion model share no weights, no loss and no optimizer; trained together they see the same clips.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Key

from digan_jax import rng
from digan_jax.models.annealing import annealed
from digan_jax.models.frames import to_unit_range
from digan_jax.models.interface import Metrics, Setting
from digan_jax.models.vidm import diffusion
from digan_jax.models.vidm.networks import networks_of, place_of
from digan_jax.models.vidm.sampling import motion_input
from digan_jax.models.vidm.state import VidmState, clipped, optimizer
from digan_jax.shapes import Array, Batch, Params

Losses = dict[str, Float[Array, ""]]


def content_losses(setting: Setting, params: Params, batch: Batch, key: Key[Array, ""]) -> Losses:
    """{"mse", "vb"} of the content model on the first frames of a batch, means over the batch."""
    x, label = to_unit_range(batch.frames[:, 0]), shown_label(setting, batch, key)
    network = lambda x_t, t: networks_of(setting.config).content.apply(params, x_t, t, label)
    return _losses(setting, network, x, key)


def motion_losses(setting: Setting, params: Params, batch: Batch, key: Key[Array, ""]) -> Losses:
    """{"mse", "vb"} of the motion model on triples (x_0, x_{i−1}, x_i), means over the batch.

    With `model.condition_noise` c, x_{i−1} gets noise of deviation s ~ U(0, c), and the network is told s.
    """
    model = setting.config.model
    first, before, x = jnp.moveaxis(to_unit_range(batch.frames), 1, 0)
    i = jnp.round(batch.times[:, 2] * (model.frames - 1))
    noise = None
    if model.condition_noise:
        noise = setting.split(model.condition_noise * jax.random.uniform(rng.stream(key, "deviation"), (len(x),)))
        normal = setting.split(jax.random.normal(rng.stream(key, "condition"), x.shape))
        before = before + noise[:, None, None, None] * normal
    told, label = motion_input(model, first, before, i), shown_label(setting, batch, key)

    def network(x_t, t):
        return networks_of(setting.config).motion.apply(params, x_t, told, first, place_of(model, t, i, noise, label))

    return _losses(setting, network, x, key)


def shown_label(setting: Setting, batch: Batch, key: Key[Array, ""]) -> Float[Array, "b classes"] | None:
    """The classes of a batch, some dropped (all 0) for guidance (Ho and Salimans 2022); None without classes."""
    if not setting.config.model.n_classes:
        return None
    label = batch.condition.label
    kept = jax.random.uniform(rng.stream(key, "label"), (len(label), 1)) >= setting.config.vidm.label_dropout
    return label * setting.split(kept.astype(label.dtype))


def _losses(setting: Setting, network, x: Float[Array, "b h w c"], key: Key[Array, ""]) -> Losses:
    """The loss of a network at random steps, t uniform in 0 … T − 1."""
    model = setting.config.model
    t = setting.split(jax.random.randint(rng.stream(key, "t"), (len(x),), 0, model.diffusion_steps))
    noise = setting.split(jax.random.normal(rng.stream(key, "noise"), x.shape))
    process = diffusion.process_of(model)
    output = network(diffusion.noised(process, x, noise, t), t)
    found = diffusion.errors(process, output, x, noise, t, setting.config.vidm, model.predict)
    return {name: value.mean() for name, value in found.items()}


LOSSES = {"content": content_losses, "motion": motion_losses}


def step_of(setting: Setting, name: str, state: VidmState, batch: Batch) -> tuple[dict, Metrics]:
    """One AdamW step of the network `name` and of its EMA.

    Returns:
      ({"weights", "optimizers", "ema"} of this network, metrics).
    """
    config = setting.config
    key = rng.stream(jax.random.key(config.train.seed), name, state.step)

    def loss(params):
        found = LOSSES[name](setting, params, batch, key)
        return found["mse"] + found["vb"], found

    (value, parts), gradients = jax.value_and_grad(loss, has_aux=True)(state.weights[name])
    gradients, norm = clipped(setting.whole(gradients), config.vidm.clip_norm)
    updates, optimizer_state = optimizer(config).update(gradients, state.optimizers[name], state.weights[name])
    updates = annealed(updates, state.step, config.train)
    weights = setting.whole(optax.apply_updates(state.weights[name], updates))
    decay = config.vidm.ema_decay
    ema = jax.tree.map(lambda average, new: new + decay * (average - new), state.ema[name], weights)
    metrics = {"loss": value, **parts, "gradient_norm": norm}
    new = {"weights": weights, "optimizers": optimizer_state, "ema": ema}
    return new, {f"{name}/{word}": number for word, number in metrics.items()}


def iteration(setting: Setting, state: VidmState, batch: Batch) -> tuple[VidmState, Metrics]:
    """A step of each trained network. Random keys depend on (train.seed, network, step)."""
    fields = {field: dict(getattr(state, field)) for field in ("weights", "optimizers", "ema")}
    metrics: Metrics = {}
    for name in setting.config.vidm.trained:
        new, measured = step_of(setting, name, state, batch)
        for field, value in new.items():
            fields[field][name] = value
        metrics |= measured
    return VidmState(step=state.step + 1, **fields), metrics
