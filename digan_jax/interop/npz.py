"""A .npz file of state dicts under the release's names, such as "G_ema.synthesis.b4.conv1.weight"; G and D if known."""

from __future__ import annotations

import numpy as np
from etils import epath

from digan_jax.errors import InputError
from digan_jax.host.arrays import read_arrays
from digan_jax.host.files import moved_in
from digan_jax.host.pickles.restricted import blame
from digan_jax.interop import state_dicts
from digan_jax.runs.weights import Weights


def state_of(weights: Weights) -> dict[str, np.ndarray]:
    """One flat dict with the prefixes "G_ema.", and "G." and "D." if `weights` has them; the inverse of `of_state`."""
    states = {"G_ema": state_dicts.generator_state(weights.params)}
    if weights.critic is not None:
        as_trained = {**weights.generator, "w_avg": weights.params["w_avg"]}
        states |= {"G": state_dicts.generator_state(as_trained), "D": state_dicts.critic_state(weights.critic)}
    return {f"{network}.{name}": value for network, state in states.items() for name, value in state.items()}


def write(path: epath.PathLike, weights: Weights) -> None:
    """Writes the file. Raises `InputError` if `path` is a folder."""
    if epath.Path(path).is_dir():
        raise InputError(f"{path}: is a folder; name the file, such as {epath.Path(path) / 'model.npz'}.")
    if weights.config.condition_planes:
        raise InputError(f"{path}: the release has no names for a condition's encoder; export a folder (safetensors).")
    with moved_in(path) as unfinished:
        np.savez(unfinished, **state_of(weights))


def read(path: epath.PathLike, training: bool = False) -> Weights:
    """The networks of a .npz with these names; nothing is unpickled.

    Args:
      training: also read G and D, if the file has both.

    Raises:
      InputError: the file is damaged, or holds no DIGAN generator.
    """
    state = read_arrays(path)
    with blame(path):
        try:
            return of_state(state, training)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def of_state(state: dict[str, np.ndarray], training: bool = False) -> Weights:
    """The inverse of `state_of`. Raises as `read`."""
    networks = {prefix: _part(state, prefix) for prefix in ("G_ema", "G", "D")}
    if not networks["G_ema"]:
        raise InputError('it has no arrays named "G_ema...."; write it with `digan export --format npz`.')
    config = state_dicts.architecture(networks["G_ema"])
    params = state_dicts.generator_params(networks["G_ema"], config)
    if not (training and networks["G"] and networks["D"]):
        return Weights(config, params)
    generator = state_dicts.generator_params(networks["G"], config)
    generator.pop("w_avg")
    return Weights(config, params, "float32", generator, state_dicts.critic_params(networks["D"], config))


def _part(state: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix + "."): v for name, v in state.items() if name.startswith(prefix + ".")}
