"""Converts weights between the release's state dicts and our nested dicts, losslessly in both directions.

The release uses PyTorch's flat names ("synthesis.b64.conv0.affine.weight"); ours are nested dicts with the same names.
Differences: the generator's 1x1 weights are [o i] here and [o i 1 1] there; the critics' convolutions are [k k i o]
here and [o i k k] there; the Fourier layers are renamed; `w_avg` is outside of the mapping network.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from digan_jax.config import RESOLUTIONS, ModelConfig
from digan_jax.errors import InputError
from digan_jax.models.digan import networks
from digan_jax.shapes import Params, leaves, nested

_OURS = (  # the release's names -> ours
    (r"\.input\.input\.coord_fuser\.", ".coord_fuser."),
    (r"\.coord_fuser\.xyaffine\.", ".fourier.frequency."),
    (r"\.coord_fuser\.affine\.", ".fourier.motion."),
    (r"\.coord_fuser\.motion_mlp\.(\d)\.", r".fourier.motion_mlp\1."),
    (r"\.extra_convs\.(\d+)\.", r".extra_convs_\1."),
    (r"^videoD\.", "motion."),
    (r"^imageD\.", "image."),
)
_RELEASED = (  # our names -> the release's
    (r"\.fourier\.frequency\.", ".coord_fuser.xyaffine."),
    (r"\.fourier\.motion\.", ".coord_fuser.affine."),
    (r"\.fourier\.motion_mlp(\d)\.", r".coord_fuser.motion_mlp.\1."),
    (r"\.b4\.coord_fuser\.", ".b4.input.input.coord_fuser."),
    (r"\.extra_convs_(\d+)\.", r".extra_convs.\1."),
    (r"^motion\.", "videoD."),
    (r"^image\.", "imageD."),
)
_FMM_WEIGHT = re.compile(r"synthesis\.b\d+\.(conv\d|extra_convs\.\d+|torgb)\.weight")
_CONSTANT = "resample_filter"  # a buffer of each convolution: the outer product of [1, 3, 3, 1] / 8 with itself
_MAX_WIDTH = 2**20
_OTHERS = {  # pattern in a generator's names -> the method that it belongs to
    r"motion_encoder|time_encoder": "it encodes motion over time, as StyleGAN-V does",
    r"^synthesis\.b4\.const$": "it has a constant input, as StyleGAN2 does",
    r"^synthesis\.(input\.freqs|L\d+_)": "it has layers named by size, as StyleGAN3 does",
}
_LOW_PASS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64


def renamed(name: str, rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


# ---- the release -> ours ----


def generator_params(state: Mapping[str, np.ndarray], config: ModelConfig) -> Params:
    """A generator's parameters {"mapping", "synthesis", "w_avg"} from the release's state dict, float32.

    Raises:
      InputError: a weight that is missing, unknown, of another shape or not finite; names it.
    """
    state = dict(state)
    w_avg = state.pop("mapping.w_avg", None)
    tree = _tree(state, networks.build(config).generator.init, lambda weight: weight[:, :, 0, 0])
    w_avg = np.zeros(config.w_dim) if w_avg is None else w_avg
    return {**tree, "w_avg": _array("mapping.w_avg", w_avg, (config.w_dim,))}


def critic_params(state: Mapping[str, np.ndarray], config: ModelConfig) -> Params:
    """The critics' parameters {"motion", "image"}, float32, from a state dict. Raises as `generator_params`."""
    return _tree(state, networks.build(config).critic.init, lambda weight: weight.transpose(2, 3, 1, 0))


def _tree(state: Mapping[str, np.ndarray], init: Callable, layout: Callable) -> Params:
    """Nested parameters with the names and shapes of `init`; `layout` converts 4-dimensional weights."""
    expected = {name: leaf.shape for name, leaf in leaves(jax.eval_shape(init, jax.random.key(0))).items()}
    found = {renamed(n, _OURS): (n, v) for n, v in state.items() if n.rpartition(".")[2] != _CONSTANT}
    cure = "model.resolution, model.mapping_layers and model.n_classes"
    return fitted(found, expected, _RELEASED, lambda _, value: layout(value) if value.ndim == 4 else value, cure)


def fitted(
    found: Mapping[str, tuple[str, np.ndarray]],
    expected: Mapping[str, tuple[int, ...]],
    released: Sequence[tuple[str, str]],
    layout: Callable[[str, np.ndarray], np.ndarray],
    fields: str,
) -> Params:
    """Nested float32 parameters of the shapes `expected`, for a state dict of any family.

    Args:
      found: our name -> (the release's name, weight).
      released: rules for `renamed` from our names to the release's.
      layout: (our name, weight) -> the weight in our layout.
      fields: of the configuration, to check when names do not fit.

    Raises:
      InputError: a weight that is missing, unknown, of another shape or not finite; names it.
    """
    missing = sorted(renamed(n, released) for n in expected.keys() - found.keys())
    extra = sorted(found[n][0] for n in found.keys() - expected.keys())
    if missing or extra:
        raise InputError(
            f"weights do not fit the configuration: {_some(missing)} missing, {_some(extra)} unknown; check {fields}."
        )
    arrays = {}
    for name, shape in expected.items():
        theirs, value = found[name]
        arrays[name] = _array(theirs, layout(name, np.asarray(value)), shape)
    return nested(arrays)


def _array(name: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    value = np.ascontiguousarray(value, np.float32)
    if value.shape != shape:
        raise InputError(f"weight {name} has shape {value.shape} in our layout, the configuration says {shape}.")
    if not np.isfinite(value).all():
        raise InputError(f"weight {name} has values that are not finite; the file is damaged or its training diverged.")
    return value


def _some(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else "none"


# ---- ours -> the release ----


def generator_state(params: Params) -> dict[str, np.ndarray]:
    """The release's state dict of a generator, with its constant buffers; the inverse of `generator_params`."""
    state = {}
    for name, value in leaves(params).items():
        name = "mapping.w_avg" if name == "w_avg" else renamed(name, _RELEASED)
        state[name] = _released(value, name, lambda weight: weight[:, :, None, None])
    blocks = {match[0] for name in state if (match := re.match(r"synthesis\.b\d+", name))}
    return state | _constants(state, blocks, r"(.*\.(?:conv\d|extra_convs\.\d+))\.weight")


def critic_state(params: Params) -> dict[str, np.ndarray]:
    """The release's state dict of both critics, with its constant buffers; the inverse of `critic_params`."""
    state = {}
    for name, value in leaves(params).items():
        name = renamed(name, _RELEASED)
        state[name] = _released(value, name, lambda weight: weight.transpose(3, 2, 0, 1))
    blocks = {name.removesuffix(".skip.weight") for name in state if name.endswith(".skip.weight")}
    return state | _constants(state, blocks, r"(.*\.(?:fromrgb|skip|conv\d?))\.weight")


def _released(value, name: str, layout: Callable) -> np.ndarray:
    value = np.asarray(value)
    return np.ascontiguousarray(layout(value) if value.ndim == 4 or _FMM_WEIGHT.fullmatch(name) else value)


def _constants(state: Mapping[str, np.ndarray], blocks: set[str], pattern: str) -> dict[str, np.ndarray]:
    layers = {match[1] for name in state if (match := re.fullmatch(pattern, name))}
    return {f"{prefix}.{_CONSTANT}": _LOW_PASS for prefix in blocks | layers}


# ---- architecture ----


def architecture(state: Mapping[str, np.ndarray]) -> ModelConfig:
    """The configuration of a generator, inferred from the shapes of its weights.

    If all blocks have equal channels, `channel_base` is ambiguous; the smallest possible value is chosen.

    Raises:
      InputError: these are not the weights of a DIGAN generator; the message says why.
    """

    def shape(name):
        if name not in state:
            raise InputError(f"there is no weight {name}, which every DIGAN generator has.")
        return np.shape(state[name])

    channels = {
        int(m[1]): len(v) for n, v in state.items() if (m := re.fullmatch(r"synthesis\.b(\d+)\.conv1\.bias", n))
    }
    if not any(".coord_fuser." in name for name in state):
        others = (what for sign, what in _OTHERS.items() if any(re.search(sign, name) for name in state))
        what = next(others, f"it has {_some(sorted(state))}")
        raise InputError(f"these weights are not a DIGAN generator's: there are no Fourier layers; {what}.")
    resolution = max(channels, default=0)
    if resolution not in RESOLUTIONS or sorted(channels) != [4 << i for i in range(len(channels))]:
        raise InputError(f"its blocks have resolutions {sorted(channels)}: expected 4, 8, ... to one of {RESOLUTIONS}.")
    fourier = "synthesis.b4.input.input.coord_fuser"
    w_dim = shape(f"{fourier}.xyaffine.weight")[1]
    n_in = shape("synthesis.b4.conv1.weight")[1]
    n_classes = np.shape(state["mapping.embed.weight"])[1] if "mapping.embed.weight" in state else 0
    embedding = np.shape(state["mapping.embed.weight"])[0] if n_classes else 0
    config = ModelConfig(
        resolution=resolution,
        channel_base=channels[resolution] * resolution,
        channel_max=channels[4],
        z_dim=shape("mapping.fc0.weight")[1] - embedding,
        w_dim=w_dim,
        motion_dim=shape(f"{fourier}.affine.weight")[1] - w_dim,
        mapping_layers=sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in state),
        n_classes=n_classes,
        rank=shape("synthesis.b4.conv1.affine.weight")[0] // (n_in + channels[4]),
        n_frequencies=shape(f"{fourier}.affine.weight")[0],
    )
    widest = max(n for n in dataclasses.astuple(config) if isinstance(n, int))
    if widest > _MAX_WIDTH:  # an array without elements may have any width
        raise InputError(f"its layers are up to {widest} wide; no more than {_MAX_WIDTH} are read.")
    odd = {r: n for r, n in channels.items() if n != config.channels(r)}
    if odd:
        raise InputError(f"its blocks have channels {channels}, which no channel_base and channel_max give.")
    return config


# ---- from Python ----


def model_from_state(state: Mapping[str, np.ndarray], config: ModelConfig):
    """A `Model` from a flat dict of arrays under the release's names ("synthesis.b64.conv0.weight").

    Raises:
      InputError: a weight that is missing, unknown, of another shape or not finite; names it.
    """
    from digan_jax.rendering.model import Model

    return Model(config, generator_params(state, config))


def critic_from_state(
    state: Mapping[str, np.ndarray], config: ModelConfig, mbstd_group_size: int = 4
) -> Callable:
    """Both critics from a flat dict of arrays under the release's names ("videoD.b64.conv0.weight").

    Args:
      mbstd_group_size: group size of the minibatch standard deviation in training (the release: 4).

    Returns:
      scores(frames [b 2 h w c] in [-1, 1], delta_t [b], label one-hot [b classes] or None) -> motion [b], image [b 2].

    Raises:
      InputError: a weight that is missing, unknown, of another shape or not finite; names it.
    """
    params = critic_params(state, config)
    apply = jax.jit(networks.build(config, mbstd_group_size=mbstd_group_size).critic.apply)

    def scores(frames, delta_t, label=None):
        as_float = (None if x is None else np.asarray(x, np.float32) for x in (frames, delta_t, label))
        return apply(params, *as_float)

    return scores
