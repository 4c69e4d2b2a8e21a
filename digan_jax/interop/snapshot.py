"""The authors' network-snapshot-*.pkl: G, G_ema and D. The source code in the pickle is never executed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import numpy as np
from etils import epath

from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.host.pickles.machine import show
from digan_jax.host.pickles.restricted import Record, blame, read_pickle
from digan_jax.interop import state_dicts
from digan_jax.models.digan.constants import FREQUENCY_SCALE, MOTION_SCALE
from digan_jax.runs.weights import Weights
from digan_jax.shapes import Params

_SHELL = "torch_utils.persistence._reconstruct_persistent_obj"
_MAX_DEPTH = 16  # of nested modules; the release has 7
_MAX_MODULES = 5000  # per network; the release has about 200
# Settings of the release's Fourier layers that are constants in our networks.
_FIXED = {
    "motion_sigma": MOTION_SCALE,
    "fourier_scale": FREQUENCY_SCALE,
    "use_cosine": True,
    "use_raw_coords": False,
    "log_emb_size": 0,
    "random_emb_size": 0,
    "shared_emb_size": 0,
    "const_emb_size": 0,
}


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A checkpoint of the release, in our layout.

    Attributes:
      config: architecture, inferred from shapes.
      params: EMA generator {"mapping", "synthesis", "w_avg"}, for `Model`.
      generator: generator without averaging {"mapping", "synthesis"}.
      critic: critics {"motion", "image"}.
      data: name of the training data without its folder; "" if unknown.
    """

    config: ModelConfig
    params: Params
    generator: Params
    critic: Params
    data: str = ""


def load_snapshot(path: epath.PathLike) -> Snapshot:
    """Reads a checkpoint of the authors' release.

    Raises:
      InputError: no such file, another kind of file, a damaged file, or networks of another method.
    """
    content = read_pickle(path)
    with blame(path):
        try:
            return from_content(content)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def from_content(content: object) -> Snapshot:
    """The snapshot in the content of a pickle; see `load_snapshot`."""
    networks = {key: _network(content, key) for key in ("G", "G_ema", "D")}
    state = state_of(networks["G_ema"])
    config = state_dicts.architecture(state)
    _check_settings(networks["G_ema"])
    generator = state_dicts.generator_params(state_of(networks["G"]), config)
    return Snapshot(
        config=config,
        params=state_dicts.generator_params(state, config),
        generator={key: generator[key] for key in ("mapping", "synthesis")},
        critic=state_dicts.critic_params(state_of(networks["D"]), config),
        data=_data_of(content),
    )


def read(path: epath.PathLike, training: bool = False) -> Weights:
    """`load_snapshot` as `Weights`; with `training` also generator and critics. Raises as `load_snapshot`."""
    found = load_snapshot(path)
    as_trained = {"generator": found.generator, "critic": found.critic} if training else {}
    facts: dict = {"training": {"source": epath.Path(path).name}}
    if found.data:
        facts["data"] = {"name": found.data}
    if kimg := kimg_of(path):
        facts["training"]["kimg"] = kimg
    return Weights(found.config, found.params, "float32", **as_trained, facts=facts)


def kimg_of(path: epath.PathLike) -> int | None:
    """Thousands of frame pairs of training, from the file name: 25000 for network-snapshot-025000.pkl; else None."""
    found = re.search(r"-(\d{6})\.pkl$", epath.Path(path).name)
    return int(found[1]) if found else None


def _data_of(content: dict) -> str:
    arguments = content.get("training_set_kwargs")
    place = arguments.get("path") if isinstance(arguments, dict) else None
    return re.split(r"[/\\]", place.rstrip("/\\"))[-1][:100] if isinstance(place, str) else ""


def _network(content: object, key: str) -> Record:
    network = content.get(key) if isinstance(content, dict) else None
    if not isinstance(network, Record):
        has = sorted(map(str, content))[:8] if isinstance(content, dict) else type(content).__name__
        raise InputError(f"there is no network {key!r} in it (found: {has}); give a network-snapshot-*.pkl of DIGAN.")
    return network


def _attributes(module: Record) -> dict:
    """Attributes of a module: its pickled state, wrapped in a persistence object for the release's own classes."""
    if module.name != _SHELL:
        attributes = module.state
    elif len(module.args) == 1 and isinstance(module.args[0], dict):
        attributes = module.args[0].get("state")
    else:
        attributes = None
    if not isinstance(attributes, dict):
        raise InputError("a module in it has no attributes; the file is damaged.")
    return attributes


def _modules(module: Record, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, dict]]:
    """Yields (dotted prefix, attributes) of a module and its submodules."""
    if depth > _MAX_DEPTH:
        raise InputError(f"its modules nest deeper than {_MAX_DEPTH} levels; no network we know does.")
    attributes = _attributes(module)
    yield prefix, attributes
    for name, child in _table(attributes, "_modules").items():
        if isinstance(child, Record):
            yield from _modules(child, f"{prefix}{name}.", depth + 1)


def _table(attributes: dict, key: str) -> dict:
    table = attributes.get(key, {})
    if not isinstance(table, dict):
        raise InputError(f"a module's {key} is not a dict; the file is damaged.")
    return table


def state_of(network: Record) -> dict[str, np.ndarray]:
    """Parameters and buffers of a network by dotted name, as in PyTorch's `state_dict()`."""
    state: dict[str, np.ndarray] = {}
    for n, (prefix, attributes) in enumerate(_modules(network)):
        if n > _MAX_MODULES:
            raise InputError(f"it has more than {_MAX_MODULES} modules; no network we know does.")
        for table in ("_parameters", "_buffers"):
            for name, value in _table(attributes, table).items():
                if isinstance(value, np.ndarray):
                    state[f"{prefix}{name}"] = value
    return state


def _check_settings(generator: Record) -> None:
    for prefix, attributes in _modules(generator):
        if not prefix.endswith("coord_fuser."):
            continue
        for name, expected in _FIXED.items():
            value = attributes.get(name, expected)
            if not isinstance(value, (int, float, np.number)) or not np.isclose(float(value), float(expected)):
                raise InputError(f"{prefix}{name} is {show(value)}: only networks trained with {expected!r} are read.")
