"""Layers shared by generator and critics, with equalised learning rate (Karras et al. 2018)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from digan_jax.models.digan.constants import EPSILON, LEAKY_SLOPE, MAPPING_LR
from digan_jax.shapes import Array

SQRT2 = float(np.sqrt(2.0))


def leaky_relu(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Leaky ReLU of slope 0.2 and gain sqrt(2), which about preserves the second moment."""
    return jnp.where(x >= 0, SQRT2 * x, LEAKY_SLOPE * SQRT2 * x)


def normalize(x: Float[Array, "*n c"]) -> Float[Array, "*n c"]:
    """x divided by its root mean square over channels."""
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + EPSILON)


def add_bias(x: Float[Array, "*n c"], bias: Float[Array, "c"]) -> Float[Array, "*n c"]:
    """x + bias over the last axis, without implicit rank promotion (an error in tests)."""
    return x + jnp.expand_dims(bias, range(x.ndim - 1))


def scaled_normal(scale: float = 1.0):
    """Initialiser: normal with this standard deviation."""
    return lambda key, shape: scale * jax.random.normal(key, shape, jnp.float32)


class Dense(nn.Module):
    """Dense layer with equalised learning rate: x · (W · m / sqrt(i)) + m · bias. m is `lr_multiplier`. Float32."""

    features: int
    lr_multiplier: float = 1.0
    bias_init: float = 0.0
    weight_init: float = 1.0
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "*n i"]) -> Float[Array, "*n o"]:
        fan_in, m = x.shape[-1], self.lr_multiplier
        weight = self.param("weight", scaled_normal(self.weight_init / m), (self.features, fan_in))
        product = (x * (m / np.sqrt(fan_in))) @ weight.T
        if not self.use_bias:
            return product
        bias = self.param("bias", nn.initializers.constant(self.bias_init), (self.features,))
        return add_bias(product, bias * m)


class Mapping(nn.Module):
    """Noise z, a class label or both to a vector w: normalise, concatenate, dense layers (learning rate times 0.01).

    With `fades`, the class vector is multiplied by the sum of the label's entries: 1 for a one-hot label, less while the
    classes fade in (Shahbazi et al. 2022).
    """

    features: int
    n_layers: int
    fades: bool = False

    @nn.compact
    def __call__(
        self, z: Float[Array, "*b z"] | None, label: Float[Array, "*b classes"] | None
    ) -> Float[Array, "*b w"]:
        parts = [] if z is None else [normalize(z)]
        if label is not None:
            width = self.features if z is None else z.shape[-1]
            weight = label.sum(axis=-1, keepdims=True) if self.fades else None
            whole = label / jnp.maximum(weight, EPSILON) if self.fades else label
            embedded = normalize(Dense(width, name="embed")(whole))
            parts.append(embedded * weight if self.fades else embedded)
        x = jnp.concatenate(parts, axis=-1)
        for i in range(self.n_layers):
            x = leaky_relu(Dense(self.features, lr_multiplier=MAPPING_LR, name=f"fc{i}")(x))
        return x
