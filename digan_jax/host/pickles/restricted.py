"""Reads weights from pickles and torch files as NumPy arrays, without torch and without running code of the file.

`read_pickle` reads a plain pickle: the authors' `network-snapshot-*.pkl` (its tensors are nested pickles) or a NumPy
checkpoint. `read_torch` reads files of `torch.save` and TorchScript: zip archives, and the streams before torch 1.6.
Arrays are read-only views of the file's bytes, so they take no more memory than the file.
"""

from __future__ import annotations

import collections
import contextlib
import io
import math
import re
import struct
import zipfile
from collections.abc import Callable

import ml_dtypes
import numpy as np
from etils import epath

from digan_jax.errors import InputError
from digan_jax.host.pickles.machine import Budget, Machine, Name, Record, RefusedPickle, check_key, show

MAX_FILE_BYTES = 16 * 2**30
MAX_DEPTH = 100  # nesting of containers in the result
MAX_NODES = 1_000_000
_MAX_LENGTH = 2**40  # of one axis; products stay far from overflow
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of a torch.save stream
_TORCH_PROTOCOL = 1001

_STORAGES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
_INERT = re.compile(
    r"torch_utils\.persistence\._reconstruct_persistent_obj"  # wraps embedded source code, which stays text
    r"|dnnlib\.util\.EasyDict|typing\.Any|builtins\.(dict|list|int|float|str|bool)"
    r"|omegaconf\.[a-z_]+\.\w+|torch\.(nn\.modules|distributions)\.[a-z_]+\.[A-Z]\w*"
    r"|torch\.(device|float\d+|bfloat16|u?int\d+|bool|per_tensor_affine|contiguous_format)"
    r"|__torch__(\.\w+)+"  # classes of TorchScript archives; their code is in other members
    + "".join(rf"|torch\.{name}" for name in _STORAGES)
)


# ---- numpy ----


class _Dtype:
    """A `numpy.dtype` under construction: the call gives the kind, the state gives the byte order."""

    def __init__(self, text: str, *_):
        if not (isinstance(text, str) and re.fullmatch(r"[<>|=]?[biufc]\d{1,2}", text)):
            raise RefusedPickle(f"it has an array of type {show(text)}; only numbers and booleans are read")
        self.dtype = np.dtype(text)

    def take_state(self, state) -> None:
        _version, order, subdtype, names, fields, *_ = state
        if (subdtype, names, fields) != (None, None, None) or order not in ("<", ">", "|", "="):
            raise RefusedPickle("it has a structured array; only numbers and booleans are read")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """A `numpy.ndarray` under construction: the state gives all of it."""

    def __init__(self, *_):
        self.array = None

    def take_state(self, state) -> None:
        _version, shape, dtype, fortran, content = state
        self.array = _array_from_bytes(content, dtype, shape, "F" if fortran else "C")


def _sizes(values) -> tuple[int, ...]:
    ok = isinstance(values, (tuple, list)) and len(values) <= 32
    if not ok or not all(type(v) is int and 0 <= v <= _MAX_LENGTH for v in values):
        raise RefusedPickle("an array's shape, strides or offset are not lengths")
    return tuple(values)


def _array_from_bytes(content, dtype, shape, order="C") -> np.ndarray:
    if not (isinstance(dtype, _Dtype) and isinstance(content, (bytes, bytearray)) and order in ("C", "F")):
        raise RefusedPickle("it has a numpy array that is not made of numbers")
    shape = _sizes(shape)
    if math.prod(shape) * dtype.dtype.itemsize != len(content):
        raise RefusedPickle(f"an array of shape {shape} has {len(content)} bytes")
    return np.frombuffer(content, dtype.dtype).reshape(shape, order=order)


def _scalar(dtype, content) -> np.generic:
    return _array_from_bytes(content, dtype, ())[()]


def _latin1(text, encoding) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise RefusedPickle("it encodes something else than bytes")
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    return b""  # protocol 2 calls `bytes` for empty ones only


def _ordered_dict(pairs=()) -> dict:
    return {check_key(key): value for key, value in pairs}


_NUMPY = {
    "numpy.dtype": _Dtype,
    "numpy.ndarray": _Array,
    **{f"numpy.{core}.multiarray._reconstruct": _Array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _array_from_bytes for core in ("core", "_core")},
    "_codecs.encode": _latin1,
    "__builtin__.bytes": _empty_bytes,
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": lambda factory=None: {},
}


# ---- torch ----


class _Storage:
    """The flat memory of tensors, which are views of it. `array` is None in the first pass over a stream."""

    def __init__(self, dtype: np.dtype, length: int, array: np.ndarray | None):
        self.dtype, self.length, self.array = dtype, length, array


def _tensor(storage, offset, size, stride, *_) -> np.ndarray | None:
    size, stride, (offset,) = _sizes(size), _sizes(stride), _sizes((offset,))
    if not isinstance(storage, _Storage) or len(size) != len(stride):
        raise RefusedPickle("it has a tensor without storage or with strides of another rank")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride))
    if math.prod(size) and (last >= storage.length or math.prod(size) > storage.length):
        raise RefusedPickle(
            f"a tensor of shape {size}, strides {stride} and offset {offset} leaves its storage of {storage.length}"
        )
    if storage.array is None:
        return None
    if not math.prod(size):
        return np.empty(size, storage.dtype)
    strides = tuple(s * storage.dtype.itemsize for s in stride)
    return np.lib.stride_tricks.as_strided(storage.array[offset:], size, strides, writeable=False)


def _parameter(data, *_):
    return data


_TORCH = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.Size": lambda sizes=(): _sizes(sizes),
}


def _storage_id(pid) -> tuple[str, np.dtype, int]:
    """(key, dtype, length) of a storage from its persistent id ("storage", class, key, device, length[, None])."""
    ok = isinstance(pid, tuple) and len(pid) in (5, 6) and pid[0] == "storage" and pid[5:] in ((), (None,))
    if not ok or not isinstance(pid[1], Name) or not isinstance(pid[2], str):
        raise RefusedPickle("it refers to something else than a torch storage")
    dtype = _STORAGES.get(pid[1].path.removeprefix("torch."))
    if dtype is None:
        raise RefusedPickle(f"it has a storage of type {show(pid[1])}")
    return pid[2], np.dtype(dtype), _sizes((pid[4],))[0]


def _run(stream: io.BytesIO, budget: Budget, persistent: Callable | None = None, functions: dict | None = None):
    return Machine({**_NUMPY, **_TORCH, **(functions or {})}, _is_inert, budget, persistent).run(stream)


def _is_inert(path: str) -> bool:
    return _INERT.fullmatch(path) is not None


def _read_stream(data: bytes, budget: Budget):
    """Reads a torch.save stream: pickles of magic, protocol, system, object and keys, then the storages' memory."""
    stream = io.BytesIO(data)
    if _run(stream, budget) != _TORCH_MAGIC or _run(stream, budget) != _TORCH_PROTOCOL:
        raise RefusedPickle("it is a pickle but not one of torch.save")
    system = _run(stream, budget)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise RefusedPickle("it was written on a big-endian machine, which is not supported")
    start, storages = stream.tell(), {}

    def declare(pid):
        key, dtype, length = _storage_id(pid)
        return storages.setdefault(key, _Storage(dtype, length, None))

    value = _run(stream, budget, declare)
    keys = _run(stream, budget)
    strings = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not strings or sorted(keys) != sorted(storages):
        raise RefusedPickle("its list of storages does not fit its tensors")
    position = stream.tell()
    for key in keys:
        storage = storages[key]
        (length,) = struct.unpack_from("<q", data, position)
        if length != storage.length:
            raise RefusedPickle(f"storage {show(key)} has {length} numbers, its tensors say {storage.length}")
        storage.array = np.frombuffer(data, storage.dtype, length, position + 8)
        position += 8 + storage.array.nbytes
    if not storages:
        return value
    stream.seek(start)  # second pass: the storages have memory now
    return _run(stream, budget, declare)


def _budget(data: bytes) -> Budget:
    """A budget for a file: each byte may be in a literal, in one of a nested file, and in an argument of a call."""
    return Budget(3 * len(data) + 2**16)


def _embedded_storage(budget: Budget) -> dict:
    def load(content):
        if not isinstance(content, bytes):
            raise RefusedPickle("it has a tensor without memory")
        storage = _read_stream(content, budget)
        if not isinstance(storage, _Storage):
            raise RefusedPickle("an embedded file holds something else than a tensor's memory")
        return storage

    return {"torch.storage._load_from_bytes": load}


def _read_archive(data: bytes, budget: Budget):
    """Reads a torch.save or TorchScript archive: NAME/data.pkl and, per storage, NAME/data/KEY, all uncompressed."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = collections.Counter(archive.namelist())
    pickles = [name for name in members if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(pickles) != 1:
        raise RefusedPickle("it is a zip archive, but not one that torch.save writes (there is no data.pkl)")
    folder = pickles[0].removesuffix("data.pkl")

    def read(name):
        if members[name] != 1:
            raise RefusedPickle(f"the archive has {members[name]} members {show(name)}; there must be one")
        info = archive.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise RefusedPickle(
                f"member {show(name)} is compressed or encrypted; torch.save stores its members plainly"
            )
        content = archive.read(info)
        budget.spend(content)
        return content

    if folder + "byteorder" in members and read(folder + "byteorder") != b"little":
        raise RefusedPickle("it was written on a big-endian machine, which is not supported")
    storages = {}

    def load(pid):
        key, dtype, length = _storage_id(pid)
        if key not in storages:
            content = read(f"{folder}data/{key}")
            if len(content) != length * dtype.itemsize:
                raise RefusedPickle(f"storage {show(key)} has {len(content)} bytes, its tensors say {length} numbers")
            storages[key] = _Storage(dtype, length, np.frombuffer(content, dtype))
        return storages[key]

    return _run(io.BytesIO(read(pickles[0])), budget, load)


# ---- files ----


def plain(value: object) -> object:
    """Replaces arrays under construction by NumPy arrays, within dicts, lists and tuples. Leaves records unchanged.

    Raises:
      RefusedPickle: containers that contain themselves, nest deeper than MAX_DEPTH or hold over MAX_NODES objects; or
        an object that is still under construction.
    """
    nodes = 0

    def walk(v, depth):
        nonlocal nodes
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise RefusedPickle(
                f"its containers nest deeper than {MAX_DEPTH} levels or unfold to over {MAX_NODES} objects"
            )
        if isinstance(v, dict):
            return {key: walk(item, depth + 1) for key, item in v.items()}
        if isinstance(v, (list, tuple)):
            return type(v)(walk(item, depth + 1) for item in v)
        if isinstance(v, _Array):
            return walk(v.array, depth)
        if isinstance(v, (str, bytes, bytearray, int, float, np.ndarray, np.generic, Record, Name, type(None))):
            return v
        raise RefusedPickle(f"it ends with {show(v)} where weights are expected")

    return walk(value, 0)


def read_pickle(path: epath.PathLike) -> object:
    """Reads a plain pickle: nested dicts, lists and tuples of NumPy arrays, scalars and inert `Record`s.

    Raises:
      InputError: the file is missing, larger than MAX_FILE_BYTES, damaged, no plain pickle, or requests names other
        than those of weights.
    """
    with blame(path):
        data = _content(path)
        _require_pickle(data)
        budget = _budget(data)
        stream = io.BytesIO(data)
        value = _run(stream, budget, functions=_embedded_storage(budget))
        if stream.tell() != len(data):
            kind = "it is a torch.save file" if value == _TORCH_MAGIC else "there is something behind the pickle"
            raise RefusedPickle(f"{kind}; give a file that is one pickle, such as network-snapshot-025000.pkl")
        return plain(value)


def read_torch(path: epath.PathLike) -> object:
    """Reads a file of `torch.save` (either layout) or TorchScript. Returns the same types as `read_pickle`.

    Raises:
      InputError: the file is missing, larger than MAX_FILE_BYTES, damaged, of another kind, or requests names other
        than those of weights.
    """
    with blame(path):
        data = _content(path)
        budget = _budget(data)
        if data.startswith(b"PK\x03\x04"):
            return plain(_read_archive(data, budget))
        _require_pickle(data)
        return plain(_read_stream(data, budget))


@contextlib.contextmanager
def blame(path):
    """Within the block, turns any error into an `InputError` that names the file: a hostile file may cause any type."""
    try:
        yield
    except RefusedPickle as error:
        raise InputError(f"{path}: {error}.") from None
    except InputError:
        raise
    except (Exception, MemoryError) as error:
        raise InputError(
            f"{path}: the file is damaged or incomplete ({type(error).__name__}: {error}); get it again."
        ) from error


def _content(path) -> bytes:
    file = epath.Path(path)
    if not file.exists():
        raise InputError(f"{path}: there is no such file.")
    if file.is_dir():
        raise InputError(f"{path}: is a folder; name the file of weights in it.")
    if file.stat().length > MAX_FILE_BYTES:
        raise InputError(f"{path}: larger than {MAX_FILE_BYTES >> 30} GiB; no checkpoint we know is.")
    return file.read_bytes()


def _require_pickle(data: bytes) -> None:
    head = data[:512].lstrip().lower()
    kinds = {
        "it is empty; get it again": not data,
        "it is a Git LFS pointer, not the file itself; run `git lfs pull`": head.startswith(b"version https://git-lfs"),
        "it is a web page, not a checkpoint; download it again from a browser": head.startswith(
            (b"<!doctype", b"<html")
        ),
        "it is a zip archive, not a pickle; unpack it, or give the .pkl itself": data.startswith(b"PK"),
        "it is compressed; unpack it first": data.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")),
        "it is a tar archive; unpack it, or save the weights again with torch 1.0 or later": data[257:262] == b"ustar",
        "it is not a pickle of protocol 2 or later": data[:1] != b"\x80",
    }
    for message, found in kinds.items():
        if found:
            raise RefusedPickle(message)
