"""The folder of an exported model: model.safetensors, config.json, README.md (model card) and samples.

It contains no pickle, and reading it executes no code. It can be uploaded to a hub as it is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from importlib import metadata

import numpy as np
from etils import epath
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from digan_jax import config as config_lib
from digan_jax.config import FamilyConfig
from digan_jax.errors import InputError
from digan_jax.host import files
from digan_jax.interop import model_card, packing
from digan_jax.models.families import FAMILIES
from digan_jax.runs.weights import Weights
from digan_jax.shapes import Params, leaves, nested

LIBRARY = "digan-jax"
WEIGHTS, TRAINING, CONFIG, CARD = "model.safetensors", "training.safetensors", "config.json", "README.md"
MAX_WIDTH, MAX_LAYERS = 2**20, 64
DEPTHS = ("mapping_layers", "blocks")  # fields that count layers
STRIP_TIMES = np.linspace(0, 1, 8)


def is_one(path: epath.PathLike) -> bool:
    """Whether `path` is a folder that `write` made, by its config.json."""
    try:
        record = files.read_json(epath.Path(path) / CONFIG)
    except InputError:
        return False
    return isinstance(record, dict) and record.get("library") == LIBRARY


# ---- out ----


def write(path: epath.PathLike, weights: Weights, samples: int = 4, extra=None, bits: int = 32) -> None:
    """Writes the folder, atomically: an existing export is replaced when the new one is complete.

    Args:
      weights: `generator` and `critic`, if present, go to training.safetensors, for `digan train --init-from`.
      samples: number of clips in samples.png and samples.mp4; 0: none. Of a conditional model there are none.
      extra: function of the unfinished folder that adds files; may return entries for config.json.
      bits: of a stored number: 32, 16, 8, 7 or 6 (see `packing`). The samples are of the weights as they are read back.

    Raises:
      InputError: `path` exists and is no export; nothing is written.
    """
    files.check_free(path, is_one)
    weights = weights if bits == 32 else rounded(weights, bits)
    samples *= not getattr(weights.config, "condition_planes", 0)  # a conditional model draws what it is given
    with files.folder_moved_in(path) as folder:
        sha256 = {WEIGHTS: _save(folder / WEIGHTS, weights.params, bits)}
        as_trained = {"generator": weights.generator, "critic": weights.critic}
        as_trained = {name: tree for name, tree in as_trained.items() if tree is not None}
        if as_trained:
            sha256[TRAINING] = _save(folder / TRAINING, as_trained, bits)
        if samples:
            _draw(folder, weights, samples)
        more = extra(folder) if extra else {}
        record = {
            "format": config_lib.records.FORMAT,
            "library": LIBRARY,
            "library_version": metadata.version(LIBRARY),
            "family": weights.family,
            "compute_dtype": weights.compute_dtype,
            "model": dataclasses.asdict(weights.config),
            "class_names": list(weights.class_names),
            **({} if bits == 32 else {"bits": bits}),
            "sha256": sha256,
            **weights.facts,
            **more,
        }
        card = model_card.text(weights, samples, next(iter(more), ""))
        (folder / CARD).write_text(card)
        (folder / CONFIG).write_text(json.dumps(record, indent=2) + "\n")


def rounded(weights: Weights, bits: int) -> Weights:
    """The weights as they are read back from a file of so many bits. Raises as `packing.packed`."""

    def of(tree):
        flat = leaves(tree)
        stored = packing.packed(flat, bits)
        return nested({name: packing.unpacked(stored, name, np.shape(flat[name]), bits) for name in flat})

    trees = {name: getattr(weights, name) for name in ("params", "generator", "critic")}
    return dataclasses.replace(weights, **{name: tree and of(tree) for name, tree in trees.items()})


def _save(path: epath.Path, tree: Params, bits: int) -> str:
    """Returns the SHA-256 of the file."""
    tensors = packing.packed(leaves(tree), bits)
    content = save(tensors, {"format": "np", "library": LIBRARY})
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _draw(folder: epath.Path, weights: Weights, samples: int) -> None:
    from digan_jax.host.video_formats import DEFAULT_FPS
    from digan_jax.rendering.contact_sheets import strips, write_samples
    from digan_jax.rendering.samplers import of_weights

    clips = of_weights(weights).sample(np.arange(samples), STRIP_TIMES)
    write_samples(folder / "samples", clips, DEFAULT_FPS, strips(clips))


# ---- in ----


def read(path: epath.PathLike, training: bool = False) -> Weights:
    """The weights of an exported model of this or an older format.

    Args:
      training: also read training.safetensors, if it exists.

    Raises:
      InputError: a file that is missing, damaged, of a newer format, or inconsistent with config.json.
    """
    path = epath.Path(path)
    try:
        record = config_lib.upgraded(files.read_json(path / CONFIG))
        config = config_lib.parse_model(record["model"], record["family"])
        compute_dtype = config_lib.check_dtype(record["compute_dtype"])
        _check_plausible(config)
        class_names = tuple(map(str, record.get("class_names", ())))
        sha256 = dict(record.get("sha256", {}))  # exports from before there were digests have none
        bits = record.get("bits", 32)
        if bits not in packing.BITS:
            raise InputError(f"bits={bits!r}: no such storage is known; was it written by a newer digan-jax?")
    except InputError as error:
        raise InputError(f"{path / CONFIG}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path / CONFIG}: is damaged ({type(error).__name__}: {error}); get it again.") from None
    family = FAMILIES[record["family"]]
    params = _load(path / WEIGHTS, lambda names: family.stored(config, names)["params"], sha256.get(WEIGHTS), bits)
    as_trained = {}
    if training and (path / TRAINING).exists():

        def shapes(names):  # of {"generator": ..., "critic": ...}
            inside = frozenset(name.partition(".")[2].partition(".")[0] for name in names)
            return {kind: tree for kind, tree in family.stored(config, inside).items() if kind != "params"}

        as_trained = _load(path / TRAINING, shapes, sha256.get(TRAINING), bits, words=2)
    facts = {key: record[key] for key in ("data", "training", "scores", "task") if key in record}
    known = {"class_names": class_names, "facts": facts, "family": record["family"]}
    return Weights(config, params, compute_dtype, **as_trained, **known)


def _check_plausible(config: FamilyConfig) -> None:
    """Rejects implausible sizes before networks are built from an untrusted config.json."""
    for name, value in dataclasses.asdict(config).items():
        most = MAX_LAYERS if name in DEPTHS else MAX_WIDTH
        values = value if isinstance(value, tuple) else (value,)
        if len(values) > MAX_LAYERS or any(isinstance(one, int) and one > most for one in values):
            raise InputError(f"model.{name}={value}: no more than {most} are read.")


def _load(path: epath.Path, shapes_of: Callable, sha256: str | None, bits: int, words: int = 1) -> Params:
    """Nested float32 arrays from a safetensors file, checked one by one, and the whole file against its SHA-256 where
    that is known.

    Args:
      shapes_of: the first `words` words of the names in the file, as a frozenset -> tree of names and shapes.
    """
    if not files.is_plain(path):
        raise InputError(f"{path}: is missing; get the whole folder again.")
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: is a Git LFS pointer, not the file itself; run `git lfs pull`.")
    try:
        if "://" in os.fspath(path):
            flat = load(path.read_bytes())
        else:
            with safe_open(os.fspath(path), framework="numpy") as file:  # maps the file into memory
                flat = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, ValueError, TypeError, KeyError, OSError) as error:
        raise InputError(f"{path}: is damaged or incomplete ({error}); get it again.") from None
    try:
        shapes = shapes_of(frozenset(".".join(name.split(".")[:words]) for name in flat))
    except InputError as error:
        raise InputError(f"{path}: {error}; get it again.") from None
    arrays = {}
    for name, like in leaves(shapes).items():
        arrays[name] = packing.unpacked(flat, name, like.shape, bits)
        if arrays[name] is None:
            value = flat.get(name)
            found = "is missing" if value is None else f"has shape {value.shape} and type {value.dtype}"
            kind = "float32" if bits == 32 else f"{bits} bits"
            raise InputError(f"{path}: array {name} {found}; config.json says {like.shape} and {kind}.")
    _check_sha256(path, sha256)
    return nested(arrays)


def _check_sha256(path: epath.Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise InputError(f"{path}: is damaged (its SHA-256 is not the one in {CONFIG}); get it again.")
