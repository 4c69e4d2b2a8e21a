"""Random programs for the pickle machine, and random damage to sound files.

`python -m tests.interop.test_pickle_fuzz 100000` runs as many inputs by hand and prints what memory they take.
"""

import resource
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from digan_jax.errors import InputError
from digan_jax.host.pickles.restricted import read_pickle, read_torch
from digan_jax.interop.snapshot import load_snapshot
from tests.interop import pickle_corpus as corpus

NAMES = [
    ("os", "system"),
    ("builtins", "dict"),
    ("collections", "OrderedDict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("torch", "FloatStorage"),
    ("torch", "Size"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch.storage", "_load_from_bytes"),
    ("torch.nn.modules.container", "Sequential"),
    ("torch_utils.persistence", "_reconstruct_persistent_obj"),
    ("_codecs", "encode"),
]
PIECES = st.one_of(
    st.sampled_from([corpus.name(*pair) for pair in NAMES]),
    st.sampled_from(
        [bytes([c]) for c in b"().0123N]}abdehijopqrstuQR\x81\x82\x83\x85\x86\x87\x88\x89\x8f\x90\x91\x93\x94"]
    ),
    st.text(max_size=8).map(lambda text: corpus.short(text)),
    st.sampled_from([corpus.short(text) for text in ("f4", "<", "latin1", "storage", "cpu", "0")]),
    st.integers(0, 255).map(lambda i: b"K" + bytes([i])),
    st.integers(0, 12).map(lambda i: b"h" + bytes([i])),
    st.binary(max_size=32).map(lambda raw: b"C" + bytes([len(raw)]) + raw),
    st.integers(-(2**63), 2**63 - 1).map(lambda i: b"\x8a\x08" + i.to_bytes(8, "little", signed=True)),
    st.sampled_from([corpus.storage_id("0", 4), corpus.TENSOR, corpus.DOUBLED_KEYS, corpus.DIGAN[2:-1]]),
    st.binary(max_size=6),
)
PROGRAMS = st.lists(PIECES, max_size=40).map(b"".join)
SOUND_FILES = corpus.sound()


@st.composite
def damaged(draw):
    """A sound file with some bytes replaced, removed or put in."""
    data = bytearray(draw(st.sampled_from(SOUND_FILES)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 8))
        data[start : start + length] = draw(st.one_of(st.binary(max_size=8), PIECES))
    return bytes(data)


INPUTS = st.one_of(
    PROGRAMS.map(lambda body: corpus.program(body)),
    PROGRAMS.map(lambda body: corpus.stream(body)),
    PROGRAMS.map(lambda body: corpus.archive([("a/data.pkl", corpus.program(body)), *corpus.MEMBERS[1:]])),
    damaged(),
)


def check(path: Path, data: bytes) -> None:
    """Reading gives a value or an `InputError`, whatever the bytes, and runs nothing."""
    path.write_bytes(data)
    for reader in (read_pickle, read_torch, load_snapshot):
        with corpus.nothing_runs():
            try:
                reader(path)
            except InputError as error:
                assert str(path) in str(error)


QUIET = dict(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@settings(max_examples=160, derandomize=True, **QUIET)
@given(INPUTS)
def test_any_bytes_give_a_value_or_a_clear_error(data):
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder) / "input", data)


if __name__ == "__main__":
    rounds, folder = int(sys.argv[1]) // 1000, Path(tempfile.mkdtemp())
    corpus.first_use(folder / "input")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(rounds):
        run = given(INPUTS)(lambda data: check(folder / "input", data))
        seed(i)(settings(max_examples=1000, **QUIET)(run))()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f"{(i + 1) * 1000} inputs; the process grew by {grown / 1024:.0f} MiB", flush=True)
