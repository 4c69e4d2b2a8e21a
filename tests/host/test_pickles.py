import io
import pickle
import resource
import struct
import zipfile

import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.host.pickles import machine
from digan_jax.host.pickles.machine import Record
from digan_jax.host.pickles.restricted import read_pickle, read_torch
from tests.interop import pickle_corpus as corpus
from tests.interop.pickle_corpus import FILES, KEYS, MEMBERS, MEMORY, archive


def read_bytes(tmp_path, data, reader=read_pickle):
    path = tmp_path / "file.pkl"
    path.write_bytes(data)
    return reader(path)


# ---- what is read ----


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy_pickles_come_back(tmp_path, protocol):
    values = {
        "c": np.arange(12, dtype=np.float32).reshape(3, 4),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big endian": np.arange(3, dtype=">i2"),
        "bool": np.array([[True], [False]]),
        "complex": np.array(1 + 2j),
        "empty": np.zeros((0, 4), np.int8),
        "scalar": np.float64(0.25),
        "nested": [(1, -2.5, "text", None, True), {"k": b"bytes"}, 2**70],
    }
    found = read_bytes(tmp_path, pickle.dumps(values, protocol))
    assert found.keys() == values.keys()
    for key in values.keys() - {"nested"}:
        np.testing.assert_array_equal(found[key], values[key])
        assert found[key].dtype == values[key].dtype
    assert found["nested"] == values["nested"]


def test_strings_of_python_2(tmp_path):
    file = tmp_path / "old.pkl"
    file.write_bytes(b"\x80\x02}U\x03keyT\x02\x00\x00\x00d\xe9s.")
    assert read_pickle(file) == {"key": "dé"}


@pytest.mark.parametrize("layout", ["zip_layout.pth", "stream_layout.pth"])
def test_torch_layouts(layout):
    found = read_torch(FILES / layout)
    state, base = found["state_dict"], np.arange(24, dtype=np.float32)
    np.testing.assert_array_equal(state["plain"], base.reshape(2, 3, 4))
    np.testing.assert_array_equal(state["transposed"], base.reshape(4, 6).T)
    np.testing.assert_array_equal(state["part"], base.reshape(4, 6)[1:3, 2:5])
    np.testing.assert_array_equal(state["half"], base[:3].astype(np.float16))
    np.testing.assert_array_equal(state["bf16"].astype(np.float32), base[:3])
    np.testing.assert_array_equal(state["long"], np.arange(5))
    np.testing.assert_array_equal(state["flag"], [True, False])
    assert state["scalar"].shape == () and state["scalar"] == 2.5
    assert state["empty"].shape == (0, 3)
    np.testing.assert_array_equal(state["parameter"], base[:2])
    assert (found["epoch"], found["name"], found["betas"], found["shape"]) == (7, "twin", (0.0, 0.99), (2, 3))
    assert not state["part"].flags.writeable


def test_torchscript_gives_records():
    module = read_torch(FILES / "script.pt")
    assert isinstance(module, Record) and module.name.startswith("__torch__")
    np.testing.assert_array_equal(module.state["steps"], np.arange(4))


# ---- what is refused ----


@pytest.mark.parametrize("what", corpus.hostile("unused"))
def test_hostile_pickles_are_refused_and_run_nothing(tmp_path, what, monkeypatch):
    monkeypatch.setattr(machine, "MAX_OPCODES", 20_000)  # type checks make each a hundred times slower here
    canary = tmp_path / "canary"
    data = corpus.hostile(str(canary))[what]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = tmp_path / "file.pkl"
    path.write_bytes(data)
    for reader in (read_pickle, read_torch):
        with corpus.nothing_runs(), pytest.raises(InputError, match=r"file\.pkl: .+\.$"):
            reader(path)
    assert not canary.exists()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100 << 10  # KiB; the largest file has 1 MiB


@pytest.mark.parametrize("what", ["os.system", "builtins.eval", "numpy function"])
def test_the_refused_name_is_told(tmp_path, what):
    names = {"os.system": "(posix|nt).system", "builtins.eval": "builtins.eval", "numpy function": "numpy.save"}
    with pytest.raises(InputError, match=names[what]):
        read_bytes(tmp_path, corpus.hostile("x")[what])


def test_inert_records_keep_state_without_calling_it(tmp_path):
    body = corpus.program(
        corpus.name("torch.nn.modules.container", "Sequential"),
        b")\x81",
        b"}" + corpus.short("__setstate__") + corpus.name("builtins", "dict") + b"sb",
    )
    with corpus.nothing_runs():
        record = read_bytes(tmp_path, body)
    assert record.name == "torch.nn.modules.container.Sequential" and "__setstate__" in record.state
    assert type(record) is Record


def test_stream_twin_is_sound(tmp_path):
    """What the refusals below change is otherwise readable."""
    body = corpus.tensor(corpus.storage_id("0", 4), 1, (3,), (1,))
    np.testing.assert_array_equal(read_bytes(tmp_path, corpus.stream(body, KEYS, MEMORY), read_torch), [1, 2, 3])


@pytest.mark.parametrize(
    "offset, size, stride",
    [
        (0, (5,), (1,)),
        (1, (4,), (1,)),
        (0, (2, 2), (3, 1)),
        (0, (2**39,), (0,)),
        (0, (2**39, 2**39), (1, 1)),
        (-1, (1,), (1,)),
        (0, (2,), (-1,)),
        (0, (2, 2), (1,)),
        (2**62, (1,), (1,)),
        (0, (-1,), (1,)),
    ],
)
def test_tensors_stay_in_their_storage(tmp_path, offset, size, stride):
    body = corpus.tensor(corpus.storage_id("0", 4), offset, size, stride)
    with pytest.raises(InputError, match="storage|length|stride"):
        read_bytes(tmp_path, corpus.stream(body, KEYS, MEMORY), read_torch)


@pytest.mark.parametrize(
    "body, keys, memory",
    [
        (corpus.tensor(corpus.storage_id("0", 2**39), 0, (4,), (1,)), KEYS, MEMORY),
        (corpus.tensor(corpus.storage_id("0", 2**39), 0, (4,), (1,)), KEYS, struct.pack("<q", 2**39)),
        (corpus.TENSOR, KEYS, MEMORY[:-1]),
        (corpus.TENSOR, b"]", MEMORY),
        (corpus.TENSOR, b"]" + corpus.short("1") + b"a", MEMORY),
        (corpus.TENSOR, corpus.DOUBLED_KEYS, MEMORY),
        (corpus.tensor(corpus.short("no storage"), 0, (4,), (1,)), KEYS, MEMORY),
        (corpus.storage_id("0", 4), KEYS, MEMORY),
    ],
)
def test_storages_are_what_the_stream_says(tmp_path, body, keys, memory):
    with pytest.raises(InputError):
        read_bytes(tmp_path, corpus.stream(body, keys, memory), read_torch)


# ---- damage ----


def _sound(kind):
    reader, data = corpus.small_files()[kind]
    return {"read_pickle": read_pickle, "read_torch": read_torch}[reader], data


@pytest.mark.parametrize("kind", corpus.small_files())
def test_truncated_at_every_byte(tmp_path, kind):
    reader, data = _sound(kind)
    read_bytes(tmp_path, data, reader)  # whole, it is readable
    for length in range(len(data)):
        with pytest.raises(InputError):
            read_bytes(tmp_path, data[:length], reader)


@pytest.mark.parametrize("kind", corpus.small_files())
def test_flipped_bits_give_a_value_or_a_clear_error(tmp_path, kind):
    reader, data = _sound(kind)
    refused = 0
    with corpus.nothing_runs():
        for bit in range(0, 8 * len(data), 13):  # every byte or second one, each of its bits in turn
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            try:
                read_bytes(tmp_path, bytes(damaged), reader)
            except InputError:
                refused += 1
    assert refused > len(data) / 10


# ---- archives with odd members ----


SIZES = struct.pack("<II", 16, 16)  # of the storage, stored and whole, in the archive's directory and before it


def _deflated_storage() -> bytes:
    buffer = io.BytesIO(archive(MEMBERS[:1]))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a/data/0", bytes(16))
    return buffer.getvalue()


ODD = {
    "no data.pkl": archive(MEMBERS[1:]),
    "two data.pkl": archive([*MEMBERS, ("b/data.pkl", MEMBERS[0][1])]),
    "no storage": archive([MEMBERS[0]]),
    "short storage": archive([MEMBERS[0], ("a/data/0", MEMORY[8:-4])]),
    "long storage": archive([MEMBERS[0], ("a/data/0", MEMORY)]),
    "compressed": archive(MEMBERS, zipfile.ZIP_DEFLATED),
    "big endian": archive([*MEMBERS[:2], ("a/byteorder", "big")]),
    "storage outside": archive(
        [("a/data.pkl", MEMBERS[0][1].replace(corpus.short("0"), corpus.short("../x"))), *MEMBERS[1:]]
    ),
    "a spreadsheet": archive([("xl/workbook.xml", "<x/>")]),
    "bad checksum": archive(MEMBERS).replace(MEMORY[8:], b"\x01" + MEMORY[9:], 1),
    "hostile": archive([("a/data.pkl", corpus.hostile("x")["os.system"])]),
    "compressed storage": _deflated_storage(),
    "bomb": archive([("a/data.pkl", bytes(2**24)), *MEMBERS[1:]], zipfile.ZIP_DEFLATED),
    "encrypted": archive(MEMBERS).replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
    "size that lies": archive(MEMBERS).replace(SIZES, struct.pack("<II", 2**31 - 1, 2**31 - 1)),
    "name that lies": archive(MEMBERS).replace(b"a/data/0", b"a/data/1", 1),
    "absolute path": archive([("/data.pkl", MEMBERS[0][1]), *MEMBERS[1:]]),
    "no directory": archive(MEMBERS)[:-22],
    "directory in place of a storage": archive([MEMBERS[0], ("a/data/0/", b"")]),
}


def test_members_that_are_not_asked_for_are_never_touched(tmp_path):
    """Code of scripted modules and the like: present, and neither read nor unpacked."""
    code = ("a/code/__torch__.py", "raise SystemExit"), ("../escape.py", "raise SystemExit"), ("/etc/escape", "x")
    with corpus.nothing_runs():
        found = read_bytes(tmp_path, archive([*MEMBERS, *code]), read_torch)
    np.testing.assert_array_equal(found, [0, 1, 2, 3])
    assert [path.name for path in tmp_path.iterdir()] == ["file.pkl"]


def test_sound_archive(tmp_path):
    np.testing.assert_array_equal(read_bytes(tmp_path, archive(MEMBERS), read_torch), [0, 1, 2, 3])


@pytest.mark.parametrize("what", ODD)
def test_odd_archives(tmp_path, what):
    with corpus.nothing_runs(), pytest.raises(InputError, match=r"file\.pkl: "):
        read_bytes(tmp_path, ODD[what], read_torch)


def test_a_member_given_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        data = archive([*MEMBERS, ("a/data/0", MEMORY[8:])])
    with pytest.raises(InputError, match="2 members"):
        read_bytes(tmp_path, data, read_torch)


# ---- other files ----


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "LFS"),
        (b"\n<!DOCTYPE html><html></html>", "web page"),
        (b"PK\x03\x04 and so on", "zip"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"a" * 257 + b"ustar", "tar"),
        (b"plain text", "not a pickle"),
        ((FILES / "stream_layout.pth").read_bytes(), "torch.save"),
        (pickle.dumps(1) + b"more", "behind"),
    ],
)
def test_files_of_other_kinds_are_told_apart(tmp_path, data, message):
    with pytest.raises(InputError, match=message):
        read_bytes(tmp_path, data)


def test_folders_and_missing_files(tmp_path):
    with pytest.raises(InputError, match="folder"):
        read_pickle(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_torch(tmp_path / "absent.pth")


def test_the_watch_sees_what_pickle_runs():
    """The twin of `nothing_runs`: Python's own reader trips it."""
    with pytest.raises(AssertionError, match="exec"), corpus.nothing_runs():
        pickle.loads(pickle.dumps(corpus.Reduces(exec, "pass")))
