"""The diffusion process: its tables, its losses, and one step back (Ho et al. 2020; Nichol and Dhariwal 2021).

Tables are computed in float64 and applied in float32. Steps t = 0 … T − 1; 0 has least noise. Frames are in [−1, 1].
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri

from digan_jax.config.vidm import VidmConfig, VidmTrainConfig, kept_steps
from digan_jax.shapes import Array

Images = Float[Array, "b h w c"]
Outputs = Float[Array, "b h w c2"]  # of a network: what it predicts, then ω, the interpolation of the variance
Steps = Int[Array, "b"]
LOG2 = float(np.log(2))
TINY = 1e-12  # ᾱ of a last step without signal, so that its logarithm and its quotients are finite
BYTE = 1 / 255  # half the distance of two levels of a byte, in [−1, 1]


@dataclasses.dataclass(frozen=True, eq=False)
class Process:
    """The tables of a process of S kept steps; S = T unless respaced. All float64 [S].

    Attributes:
      timesteps: step of the full process that the networks see at each kept step.
      betas: variance that a step adds.
      signal: ᾱ, the share of the frame's variance that is left.
    """

    timesteps: Int[np.ndarray, "S"]
    betas: Float[np.ndarray, "S"]
    signal: Float[np.ndarray, "S"]

    @classmethod
    def of_betas(cls, betas: Float[np.ndarray, "T"]) -> Process:
        return cls(np.arange(len(betas)), betas, np.cumprod(1 - betas))

    def respaced(self, kept: list[int]) -> Process:
        """The process of these steps alone: β′_j = 1 − ᾱ_{s_j} / ᾱ_{s_{j−1}}; all tables follow from β′."""
        signal = self.signal[kept]
        betas = betas_of(signal)
        return Process(self.timesteps[kept], betas, np.cumprod(1 - betas))

    def begun_at(self, share: float) -> Process:
        """The part of the process up to a share of T, one step or more: where a given picture gets its noise."""
        last = share * (self.timesteps[-1] + 1)
        count = max(1, int(np.searchsorted(self.timesteps, last)))
        return Process(self.timesteps[:count], self.betas[:count], self.signal[:count])

    def __len__(self) -> int:
        return len(self.betas)

    @property
    def signal_before(self) -> Float[np.ndarray, "S"]:
        """ᾱ one kept step earlier; 1 before the first."""
        return np.append(1.0, self.signal[:-1])

    @property
    def snr(self) -> Float[np.ndarray, "S"]:
        return self.signal / (1 - self.signal)

    @property
    def rate(self) -> Float[np.ndarray, "S"]:
        """λ = ln √SNR, half the logarithm of the signal-to-noise ratio; descending."""
        return rate_of(self.signal)

    @property
    def posterior_variance(self) -> Float[np.ndarray, "S"]:
        """β̃, of q(x_{t−1} | x_t, x)."""
        return self.betas * (1 - self.signal_before) / (1 - self.signal)

    @property
    def posterior_log_variance(self) -> Float[np.ndarray, "S"]:
        """ln β̃, the first entry (whose variance is 0) being the second. A process of one step has ln β there."""
        if len(self) == 1:
            return np.log(self.betas)
        return np.log(np.append(self.posterior_variance[1], self.posterior_variance[1:]))

    @property
    def of_frame(self) -> Float[np.ndarray, "S"]:
        """Coefficient of x in the mean of q(x_{t−1} | x_t, x)."""
        return self.betas * np.sqrt(self.signal_before) / (1 - self.signal)

    @property
    def of_noisy(self) -> Float[np.ndarray, "S"]:
        """Coefficient of x_t in the mean of q(x_{t−1} | x_t, x)."""
        return (1 - self.signal_before) * np.sqrt(1 - self.betas) / (1 - self.signal)

    def p2_weight(self, gamma: float = 1.0, k: float = 1.0) -> Float[np.ndarray, "S"]:
        """1 / (k + SNR)^γ (Choi et al. 2022)."""
        return 1 / (k + self.snr) ** gamma


def rate_of(signal: Float[np.ndarray, "S"]) -> Float[np.ndarray, "S"]:
    """λ = ln √SNR of ᾱ, infinite without noise."""
    with np.errstate(divide="ignore"):
        return 0.5 * (np.log(np.maximum(signal, TINY)) - np.log1p(-signal))


def betas(schedule: str, steps: int) -> Float[np.ndarray, "T"]:
    """β of a schedule.

    Args:
      schedule: "linear" (Ho et al. 2020, for 1000 steps); "cosine" (Nichol and Dhariwal 2021); "straight": noise and
        frame are mixed as (1 − u) x + u ε, scaled to variance 1, with u uniform in (0, 1), as in flow matching (Lipman
        et al. 2023); "lognormal": σ = √(1/ᾱ − 1) has ln σ ~ N(−1.2, 1.2²), as in EDM (Karras et al. 2022).
    """
    if schedule == "linear":
        return np.linspace(1e-4, 0.02, steps) * (1000 / steps)
    t = np.arange(steps)
    if schedule == "cosine":
        left = lambda u: np.cos((u + 0.008) / 1.008 * np.pi / 2) ** 2
        return np.minimum(1 - left((t + 1) / steps) / left(t / steps), 0.999)
    u = (t + 0.5) / steps
    sigma = u / (1 - u) if schedule == "straight" else np.exp(1.2 * ndtri(u) - 1.2)
    return betas_of(1 / (1 + sigma**2))


def betas_of(signal: Float[np.ndarray, "S"]) -> Float[np.ndarray, "S"]:
    """β of ᾱ."""
    return 1 - signal / np.append(1.0, signal[:-1])


def without_last_signal(betas: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    """β for which √ᾱ is shifted and scaled: the last is 0, the first stays (Lin et al. 2024, algorithm 1)."""
    root = np.sqrt(np.cumprod(1 - betas))
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return betas_of(root**2)


def process_of(model: VidmConfig) -> Process:
    """The full process of a model, of T steps."""
    table = betas(model.schedule, model.diffusion_steps)
    return Process.of_betas(without_last_signal(table) if model.zero_terminal_snr else table)


def sampling_process(model: VidmConfig) -> Process:
    """The respaced process by which a model samples. Without signal in the last step, that step is kept."""
    process = process_of(model)
    rates = process.rate
    if model.zero_terminal_snr:  # the last step's is infinitely far
        rates[-1] = 2 * rates[-2] - rates[-3]
    kept = kept_steps(model.sampling_steps, model.diffusion_steps, rates)
    if model.zero_terminal_snr:
        kept[-1] = model.diffusion_steps - 1
    return process.respaced(kept)


def at(table: Float[np.ndarray, "S"], t: Steps) -> Float[Array, "b 1 1 1"]:
    """Entries of a table for each sample, in float32, for products with images."""
    return jnp.asarray(table, jnp.float32)[t][:, None, None, None]


def noised(process: Process, x: Images, noise: Images, t: Steps) -> Images:
    """x_t = √ᾱ x + √(1−ᾱ) ε."""
    return at(np.sqrt(process.signal), t) * x + at(np.sqrt(1 - process.signal), t) * noise


def posterior_mean(process: Process, x: Images, x_t: Images, t: Steps) -> Images:
    """The mean of q(x_{t−1} | x_t, x)."""
    return at(process.of_frame, t) * x + at(process.of_noisy, t) * x_t


class Back(NamedTuple):
    """What a network says of x_{t−1} given x_t: a normal distribution, and the frame x̂ it stands for."""

    mean: Images
    log_variance: Images
    frame: Images


def frame_of(process: Process, predicted: Images, x_t: Images, t: Steps, predict: str = "noise") -> Images:
    """x̂ of a network's prediction: of the noise, x_t/√ᾱ − √(1/ᾱ − 1) ε̂; of v, √ᾱ x_t − √(1−ᾱ) v."""
    if predict == "v":
        return at(np.sqrt(process.signal), t) * x_t - at(np.sqrt(1 - process.signal), t) * predicted
    return at(np.sqrt(1 / process.signal), t) * x_t - at(np.sqrt(1 / process.signal - 1), t) * predicted


def back(
    process: Process, output: Outputs, x_t: Images, t: Steps, clip: bool, predict: str = "noise"
) -> Back:
    """p(x_{t−1} | x_t). The variance lies between β̃ (ω = −1) and β (ω = 1), in logarithms, unclamped.

    Args:
      clip: x̂ to [−1, 1], as in sampling; in training it is not clipped.
      predict: what the first channels of `output` are, "noise" or "v".
    """
    predicted, omega = jnp.split(output, 2, axis=-1)
    frame = frame_of(process, predicted, x_t, t, predict)
    if clip:
        frame = jnp.clip(frame, -1, 1)
    share = (omega + 1) / 2
    log_variance = share * at(np.log(process.betas), t) + (1 - share) * at(process.posterior_log_variance, t)
    return Back(posterior_mean(process, frame, x_t, t), log_variance, frame)


# ---- losses


def normal_cdf(u: Array) -> Array:
    """The approximation ½(1 + tanh(√(2/π)(u + 0.044715u³))) of the standard normal distribution function."""
    return 0.5 * (1 + jnp.tanh(np.float32(np.sqrt(2 / np.pi)) * (u + 0.044715 * u**3)))


def bits_of_bytes(x: Images, mean: Images, log_variance: Images) -> Images:
    """−log₂ P of x, rounded to bytes, under a normal distribution whose tails belong to the bytes 0 and 255."""
    inverse = jnp.exp(-0.5 * log_variance)
    above, below = normal_cdf((x - mean + BYTE) * inverse), normal_cdf((x - mean - BYTE) * inverse)
    p = jnp.where(x < -0.999, above, jnp.where(x > 0.999, 1 - below, above - below))
    return -jnp.log(jnp.maximum(p, 1e-12)) / LOG2


def bound(
    process: Process, output: Outputs, x: Images, x_t: Images, t: Steps, clip: bool = False, predict: str = "noise"
) -> Float[Array, "b"]:
    """A term of the variational bound in bits, mean over elements: KL(q ‖ p), at t = 0 −log₂ p(x | x_0)."""
    mean, log_variance, _ = back(process, output, x_t, t, clip, predict)
    true_mean, true_log = posterior_mean(process, x, x_t, t), at(process.posterior_log_variance, t)
    gap = log_variance - true_log
    kl = 0.5 * (-1 + gap + jnp.exp(-gap) + jnp.square(true_mean - mean) * jnp.exp(-log_variance)) / LOG2
    first = (t == 0)[:, None, None, None]
    return jnp.where(first, bits_of_bytes(x, mean, log_variance), kl).mean((1, 2, 3))


def errors(
    process: Process,
    output: Outputs,
    x: Images,
    noise: Images,
    t: Steps,
    train: VidmTrainConfig,
    predict: str = "noise",
) -> dict[str, Float[Array, "b"]]:
    """{"mse": weighted error of the prediction, "vb": the bound}, a number for each sample; the loss is their sum.

    The bound trains only the variance. P2's weights are those of noise; v's error has weight 1 (Salimans and Ho 2022).
    """
    x_t = noised(process, x, noise, t)
    predicted, omega = jnp.split(output, 2, axis=-1)
    if predict == "v":
        target, weight = at(np.sqrt(process.signal), t) * noise - at(np.sqrt(1 - process.signal), t) * x, 1.0
    else:
        target = noise
        weight = jnp.asarray(process.p2_weight(train.p2_gamma, train.p2_k), jnp.float32)[t]
    square = jnp.square(target - predicted)
    if train.penalty == "charbonnier":
        eta = np.float32(train.charbonnier)
        square = jnp.sqrt(square + eta**2) - eta
    still = jnp.concatenate([jax.lax.stop_gradient(predicted), omega], axis=-1)
    vb = bound(process, still, x, x_t, t, predict=predict)
    return {"mse": weight * square.mean((1, 2, 3)), "vb": vb * (len(process) / 1000 if train.rescale else 1.0)}


# ---- one step back


def ancestral_step(process: Process, found: Back, x_t: Images, j: Steps, noise: Images) -> Images:
    """mean + [j > 0] e^(l/2) z."""
    return found.mean + (j > 0)[:, None, None, None] * jnp.exp(0.5 * found.log_variance) * noise


def ddim_step(process: Process, found: Back, x_t: Images, j: Steps, noise: Images, eta: float = 0.0) -> Images:
    """A step of DDIM (Song et al. 2021, eq. 12 and 16), by the clipped x̂."""
    now, before = process.signal, process.signal_before
    sigma = eta * np.sqrt((1 - before) / (1 - now)) * np.sqrt(1 - now / before)
    inverse = 1 / np.maximum(now, TINY)
    rest = (at(np.sqrt(inverse), j) * x_t - found.frame) / at(np.sqrt(inverse - 1), j)
    x = at(np.sqrt(before), j) * found.frame + at(np.sqrt(1 - before - sigma**2), j) * rest
    return x + (j > 0)[:, None, None, None] * at(sigma, j) * noise


def dpm_step(process: Process, found: Back, x_t: Images, j: Steps, previous: Images) -> Images:
    """A step of DPM-Solver++ 2M (Lu et al. 2022, algorithm 2) from kept step j to the one before.

    With λ = ln √SNR, H = λ_target − λ_j and r = H_last / H, D = (1 + 1/(2r)) x̂ − x̂_previous / (2r); D = x̂ in the
    first and in the last step. x ← (σ_target/σ_j) x − √ᾱ_target (e^(−H) − 1) D, σ² = 1 − ᾱ.

    Args:
      previous: x̂ of the step before this one, at kept step j + 1; anything in the first.
    """
    now, target = np.maximum(process.signal, TINY), process.signal_before
    h = rate_of(target) - rate_of(now)  # infinite for j = 0, whose target has no noise
    last = np.append(h[1:], np.inf)  # H of the step before; there is none before the first
    blend = np.where(np.isfinite(h) & np.isfinite(last), h / (2 * np.where(np.isfinite(last), last, 1)), 0.0)
    blend = np.nan_to_num(blend)
    d = found.frame + at(blend, j) * (found.frame - previous)
    kept = np.sqrt((1 - target) / (1 - now))
    return at(kept, j) * x_t - at(np.sqrt(target) * np.expm1(-h), j) * d
