"""Training on pairs of a condition and the clip that it was taken from (`config.task`).

Row i of the generated batch has condition, class and times of real row i, so that frames can be compared one by one.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float

from digan_jax.config import RunConfig
from digan_jax.models.condition.encoder import Context
from digan_jax.models.condition.times import at_times
from digan_jax.models.digan import augment as augmenting
from digan_jax.models.digan.critics import motion_input
from digan_jax.models.digan.networks import CriticNet, GeneratorNet
from digan_jax.models.flow import flow, warped
from digan_jax.shapes import Array, Condition, Pair, Params

Planes = Float[Array, "b *s 2 h w p"]  # a condition at the pixels and times of pairs of frames


def is_paired(config: RunConfig) -> bool:
    """Whether the run trains a task."""
    return config.task.name != "none"


def trains_critics(config: RunConfig) -> bool:
    """Whether the critics' losses count."""
    return not is_paired(config) or config.task.adversarial > 0


def encoded(net: GeneratorNet, params: Params, condition: Condition | None) -> Context | None:
    """The context of a batch's condition; None without maps."""
    return None if condition is None or condition.maps is None else net.encode(params, *condition[1:])


def planes(condition: Condition | None, times: Float[Array, "b k"], resolution: int) -> Float[Array, "b k r r p"] | None:
    """A condition at the times of frames and the pixels of a square frame, bilinear; None without maps."""
    if condition is None or condition.maps is None:
        return None
    then = at_times(condition.maps, condition.at, times)
    return jax.image.resize(then, (*then.shape[:2], resolution, resolution, then.shape[-1]), "linear")


def beside(frames: Float[Array, "*n h w c"], planes: Float[Array, "*n h w p"] | None) -> Float[Array, "*n h w _"]:
    """Frames and their planes along channels, as the critics of conditional models see them."""
    return frames if planes is None else jnp.concatenate([frames, planes], axis=-1)


def augmented(
    frames: Pair, planes: Planes | None, draws: augmenting.Draws, policy: tuple[str, ...]
) -> tuple[Pair, Planes | None]:
    """Frames augmented by `policy`; planes move with them and keep their values."""
    if planes is None:
        return augmenting.augment(frames, draws, policy), None
    frames = augmenting.augment(frames, draws, tuple(name for name in policy if name == "color"))
    moved = tuple(name for name in policy if name != "color")
    both = augmenting.augment(beside(frames, planes), draws, moved)
    return both[..., : frames.shape[-1]], both[..., frames.shape[-1] :]


def total(
    config: RunConfig,
    adversarial: Float[Array, ""] | int,
    matching: Float[Array, ""] | None,
    fakes: Pair,
    reals: Pair,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """The generator's loss with the weights of the task, and metrics. `adversarial` is 0 where critics do not count.

    Args:
      matching: from `feature_matching`; None: it does not count.
    """
    if not is_paired(config):
        return adversarial, {}
    task, parts = config.task, {"l1": jnp.abs(fakes - reals).mean()}
    if matching is not None:
        parts["feature_matching"] = matching
    if task.warp:
        parts["warp"] = warping(fakes, reals)
    loss = task.adversarial * adversarial
    for name, value in parts.items():
        loss += getattr(task, name) * value
    return loss, {f"generator/{name}": value for name, value in parts.items()}


def warping(fakes: Pair, reals: Pair) -> Float[Array, ""]:
    """Mean absolute difference of generated frame 1 from frame 2, moved back along the flow of the real pair.

    Pixels count by exp(-12.5 |difference of the real frames|²) along the same flow, so that what is hidden in one of
    them does not (Lai et al. 2018; frames in [-1, 1]).
    """
    m = flow(reals[:, 0], reals[:, 1])
    apart = lambda pair: pair[:, 0] - warped(pair[:, 1], m)
    seen = jnp.exp(-12.5 * jnp.square(apart(reals)).sum(-1, keepdims=True))
    return (seen * jnp.abs(apart(fakes))).mean()


def feature_matching(
    critic: CriticNet,
    params: Params,
    fakes: Pair,
    reals: Pair,
    delta_t: Float[Array, "b"],
    label: Float[Array, "b 1 classes"] | None,
    planes: Planes | None,
) -> Float[Array, ""]:
    """Mean absolute difference of both critics' features of generated and real pairs, over blocks (Wang et al. 2018).

    Args:
      planes: of the condition, [b 1 2 h w p]; the same for both. label: [b 1 classes], or None.
    """

    def features(frames):
        seen = beside(frames[:, None], planes)
        return critic.features(params, motion_input(seen, delta_t[:, None]), seen, label)

    pairs = zip(features(fakes), jax.lax.stop_gradient(features(reals)), strict=True)
    differences = [jnp.abs(fake - real).mean() for fake, real in pairs]
    return sum(differences[1:], differences[0]) / len(differences)
