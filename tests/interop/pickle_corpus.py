"""Pickles made to harm their reader, and watching what a reader does."""

import collections
import contextlib
import functools
import importlib
import io
import operator
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from digan_jax.errors import InputError
from digan_jax.host.pickles.restricted import read_pickle, read_torch
from digan_jax.interop.snapshot import load_snapshot


class Reduces:
    """Pickles as a call of `function` with `args`."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def short(text: str) -> bytes:
    """Opcode that pushes a short string."""
    raw = text.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def name(module: str, attribute: str) -> bytes:
    return short(module) + short(attribute) + b"\x93"


def program(*opcodes: bytes) -> bytes:
    return b"\x80\x04" + b"".join(opcodes) + b"."


def stream(body: bytes, keys: bytes = b"]", memory: bytes = b"") -> bytes:
    """A torch.save stream around the opcodes of its object and of its list of storage keys."""
    magic = b"\x80\x02\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
    system = b"\x80\x02}X\r\x00\x00\x00little_endian\x88s."
    return magic + b"\x80\x02M\xe9\x03." + system + b"\x80\x02" + body + b".\x80\x02" + keys + b"." + memory


def storage_id(key: str, length: int) -> bytes:
    """Opcodes of a reference to a float storage."""
    tail = b"N" if length < 2**31 else b""
    number = b"J" + struct.pack("<i", length) if length < 2**31 else b"\x8a\x08" + struct.pack("<q", length)
    return b"(" + short("storage") + b"ctorch\nFloatStorage\n" + short(key) + short("cpu") + number + tail + b"tQ"


def _bytes(content: bytes) -> bytes:
    """Opcode that pushes bytes."""
    return b"B" + struct.pack("<I", len(content)) + content


def tensor(storage: bytes, offset: int, size: tuple, stride: tuple) -> bytes:
    """Opcodes of a tensor on a storage."""

    def longs(values):
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", v) for v in values) + b"t"

    offset_and_shape = b"\x8a\x08" + struct.pack("<q", offset) + longs(size) + longs(stride)
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + offset_and_shape + b"\x89}tR"


def _nested(depth: int) -> bytes:
    return program(b"]" * depth, b"a" * (depth - 1))


def _doubled(tuples: int) -> bytes:
    """Opcodes of a list of tuples, each of which holds the one before twice; the last one is memo `tuples` - 1."""
    twice = b"".join(b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86\x94" for i in range(tuples - 1))
    return b"](K\x01K\x01\x86\x94" + twice + b"e"


DOUBLED_KEYS = _doubled(60)  # as the list of storages of a stream


def _colliding(n: int) -> bytes:
    """Opcodes of a dict of whole numbers that all have the hash of the first."""
    keys = (i * (2**61 - 1) for i in range(1, n))
    return b"}(" + b"".join(b"\x8a\x0b" + key.to_bytes(11, "little", signed=True) + b"N" for key in keys) + b"u"


def hostile(canary: str) -> dict[str, bytes]:
    """Plain pickles by what they try; those that could run something would make the file `canary`."""
    touch = f"touch {canary}"
    code = f"open({canary!r}, 'w').close()"
    objects = {
        "os.system": Reduces(os.system, touch),
        "builtins.eval": Reduces(eval, code),
        "builtins.exec": Reduces(exec, code),
        "in a list": [1, {"a": (Reduces(os.system, touch),)}],
        "as an argument": Reduces(collections.OrderedDict, [("a", Reduces(os.system, touch))]),
        "getattr chain": Reduces(getattr, Reduces(__import__, "os"), "system"),
        "importlib": Reduces(importlib.import_module, "antigravity"),
        "partial": Reduces(functools.partial, os.system, touch),
        "method by name": Reduces(operator.methodcaller, "system", touch),
        "process": Reduces(subprocess.Popen, ["touch", canary]),
        "file": Reduces(open, canary, "w"),
        "path": Path(canary),
        "pickle in a pickle": Reduces(pickle.loads, pickle.dumps(Reduces(os.system, touch))),
        "class made on the spot": Reduces(type, "Made", (), {}),
        "state set by name": Reduces(collections.OrderedDict, state={"__class__": Reduces(eval, code)}),
        "numpy function": Reduces(np.save, canary, 1),
        "numpy load": Reduces(np.load, canary, None, True),
        "object array": np.array([Reduces(os.system, touch)], object),
        "state of a dict": Reduces(collections.OrderedDict, state={"a": Reduces(os.system, touch)}),
    }
    programs = {
        "dotted attribute": program(name("numpy", "dtype.__class__.__base__")),
        "allowed prefix": program(name("torch.nn.modules.container", "os.system")),
        "whole getattr chain": program(
            name("builtins", "getattr") + name("builtins", "__import__") + short("os") + b"\x85R",
            short("system") + b"\x86R" + short(touch) + b"\x85R",
        ),
        "trailing newline": program(name("builtins", "dict\n"), b")R"),
        "copyreg": program(
            name("copyreg", "_reconstructor"), name("builtins", "dict"), name("builtins", "object") + b"N\x87R"
        ),
        "method of an allowed class": program(name("collections", "OrderedDict.__init__"), b")R"),
        "setstate of an allowed class": program(name("torch.nn.modules.container", "Sequential.__setstate__"), b")R"),
        "instance by NEWOBJ": program(name("subprocess", "Popen"), short(touch), b"\x85\x81"),
        "instance by NEWOBJ_EX": program(name("builtins", "dict"), b")}\x92"),
        "instance by OBJ": program(b"(", name("builtins", "dict"), b"o"),
        "state in slots": program(b"K\x01", b"N}", short("__dict__"), b"Ns\x86b"),
        "state for a tuple": program(b")}", short("__setstate__"), b"Nsb"),
        "hostile storage": program(
            name("torch.storage", "_load_from_bytes") + _bytes(stream(name("os", "system") + short(touch) + b"\x85R")),
            b"\x85R",
        ),
        "hostile parameter": program(
            name("torch._utils", "_rebuild_parameter") + name("os", "system") + short(touch) + b"\x85R\x89}\x87R"
        ),
        "doubled tuples as a key": program(
            b"](" + _doubled(60) + name("collections", "OrderedDict") + b"](h" + bytes([59]) + b"N\x86e\x85R", b"e"
        ),
        "doubled tuples as an item": program(b"](" + _doubled(60) + b"}h" + bytes([59]) + b"Nse"),
        "keys of one hash": program(_colliding(2000)),
        "call of a result": program(name("collections", "OrderedDict"), b")R", short(touch), b"\x85R"),
        "call of a string": program(short("os.system"), short(touch), b"\x85R"),
        "state for an array": program(name("numpy", "dtype"), short("f4"), b"\x85R(K\x03", short("<"), b"}}}t", b"b"),
        "state for a list": program(b"]", b"}", short("__class__"), name("builtins", "dict"), b"sb"),
        "state for a name": program(name("builtins", "dict"), b"}", short("__setstate__"), b"Nsb"),
        "old opcode INST": program(b"(S'" + touch.encode() + b"'\nios\nsystem\n"),
        "old opcode UNICODE": program(b"Vtext\n"),
        "old opcode STRING": program(b"S'text'\n"),
        "old opcode GLOBAL": program(b"cos\nsystem\n"),
        "extension registry": program(b"\x82\x01"),
        "persistent id": program(short("x"), b"Q"),
        "out-of-band buffer": program(b"\x97"),
        "unhashable key": program(b"}", b"]", b"Ns"),
        "list in itself": program(b"]\x94h\x00a"),
        "deep lists": _nested(10_000),
        "deep marks": program(b"(" * 100_000, b"t" * 100_000),
        "doubled lists": program(
            b"]\x94", b"".join(b"](h" + bytes([i]) + b"h" + bytes([i]) + b"e\x94" for i in range(60))
        ),
        "doubled calls": program(
            b"X" + struct.pack("<I", 2**20) + b"x" * 2**20 + b"\x94",
            b"".join(name("_codecs", "encode") + b"h\x00" + short("latin1") + b"\x86R" for _ in range(2000)),
            b"\x8c\x00",
        ),
        "many opcodes": program(b"]" * 30_000),
        "huge string": program(b"\x8d" + struct.pack("<Q", 2**62) + b"abc"),
        "huge bytes": program(b"\x8e" + struct.pack("<Q", 2**40) + b"abc"),
        "huge bytearray": program(b"\x96" + struct.pack("<Q", 2**40) + b"abc"),
        "huge number": program(b"\x8b\xff\xff\xff\x7f"),
        "huge shape": program(
            name("numpy.core.multiarray", "_reconstruct"),
            name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R",
            b"(K\x01(\x8a\x08" + struct.pack("<q", 2**39) + b"\x8a\x08" + struct.pack("<q", 2**39) + b"t",
            name("numpy", "dtype") + short("f4") + b"\x85R\x89C\x00tb",
        ),
        "negative shape": program(
            name("numpy.core.multiarray", "_reconstruct"),
            name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R",
            b"(K\x01(J\xff\xff\xff\xffJ\xff\xff\xff\xfft",
            name("numpy", "dtype") + short("f4") + b"\x85R\x89C\x04abcdtb",
        ),
        "long name": program(short("__torch__"), b"X" + struct.pack("<I", 10**6) + b"x" * 10**6, b"\x93"),
        "empty stack": program(b"t"),
        "nothing": program(),
        "missing memo": program(b"h\x07"),
        "two values": program(b"NN"),
    }
    return {what: pickle.dumps(value, 4) for what, value in objects.items()} | programs


FILES = Path(__file__).parent / "files"  # by torch 2.13: one dict in both layouts; a scripted module without its code
MEMORY = struct.pack("<q4f", 4, 0, 1, 2, 3)  # of a storage of four floats, in a stream
KEYS = b"]" + short("0") + b"a"
TENSOR = tensor(storage_id("0", 4), 0, (4,), (1,))
MEMBERS = [("a/data.pkl", b"\x80\x02" + TENSOR + b"."), ("a/data/0", MEMORY[8:]), ("a/byteorder", "little")]


def archive(members, compression=zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as z:
        for member, content in members:
            z.writestr(member, content)
    return buffer.getvalue()


def small_files() -> dict[str, tuple[str, bytes]]:
    """Sound files of every layout, by kind, with the reader that takes them."""
    embedded = stream(storage_id("0", 4), KEYS, MEMORY)
    whole = name("torch.storage", "_load_from_bytes") + b"C" + bytes([len(embedded)]) + embedded + b"\x85R"
    return {
        "pickle": ("read_pickle", pickle.dumps({"a": np.arange(3.0), "b": [1, "x"]})),
        "embedded": ("read_pickle", program(tensor(whole, 0, (4,), (1,)))),
        "stream": ("read_torch", stream(TENSOR, KEYS, MEMORY)),
        "archive": ("read_torch", archive(MEMBERS)),
    }


def snapshot(*names: str) -> bytes:
    """A pickle with the shells of the release around networks with a tensor under each dotted name."""
    embedded = small_files()["embedded"][1][2:-1]

    def shell(parameters: dict, modules: dict) -> bytes:
        table = lambda entries: b"}(" + b"".join(short(key) + body for key, body in entries.items()) + b"u"
        tables = {"_parameters": table(parameters), "_buffers": b"}", "_modules": table(modules)}
        meta = table({"type": short("class"), "module_src": short("raise SystemExit"), "state": table(tables)})
        return name("torch_utils.persistence", "_reconstruct_persistent_obj") + meta + b"\x85R"

    def module(below: list[list[str]]) -> bytes:
        children = {}
        for first, *rest in below:
            children.setdefault(first, []).append(rest)
        own = {key: embedded for key, rest in children.items() if rest == [[]]}
        return shell(own, {key: module(rest) for key, rest in children.items() if key not in own})

    network = module([name.split(".") for name in names])
    return program(b"}(" + b"".join(short(key) + network for key in ("G", "D", "G_ema")) + b"u")


STYLEGAN2 = snapshot("synthesis.b4.const", "synthesis.b4.conv1.weight")
DIGAN = snapshot("mapping.fc0.weight", "synthesis.b4.conv1.bias", "synthesis.b4.input.input.coord_fuser.affine.weight")


def sound() -> list[bytes]:
    files = ("zip_layout.pth", "stream_layout.pth", "script.pt")
    small = [data for _, data in small_files().values()]
    return [*small, STYLEGAN2, DIGAN, *((FILES / name).read_bytes() for name in files)]


_WATCHED = ("exec", "compile", "os.", "subprocess.", "socket.", "shutil.", "pty.", "ctypes.", "pickle.find_class")
_seen: list[str] | None = None


def _watch(event: str, args) -> None:
    if _seen is None or not event.startswith(_WATCHED):
        return
    frame = sys._getframe()
    while frame := frame.f_back:  # the tests' own type checkers wrap inner functions whenever these are made
        if "beartype" in frame.f_code.co_filename or "jaxtyping" in frame.f_code.co_filename:
            return
    _seen.append(f"{event} {args[:1]}")


sys.addaudithook(_watch)  # stays for the life of the process, and does nothing outside of `nothing_runs`


@contextlib.contextmanager
def nothing_runs():
    """Fails if code is compiled or executed, a process or connection started, or a name imported by pickle."""
    global _seen
    _seen = []
    try:
        yield
        assert not _seen, _seen
    finally:
        _seen = None


def first_use(path: Path) -> None:
    """Reads everything once: type checkers and codecs compile or import then, which `nothing_runs` must not see."""
    for data in [*hostile(f"{path}_canary").values(), *sound()]:
        path.write_bytes(data)
        for reader in (read_pickle, read_torch, load_snapshot):
            with contextlib.suppress(InputError):
                reader(path)
