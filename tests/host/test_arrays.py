"""Files of arrays that claim what is not there."""

import io
import zipfile

import numpy as np
import pytest

from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.host import arrays


def npy(shape, data=b"", descr="<f4", version=(1, 0)):
    """A .npy whose header says `shape`, whatever the data are."""
    out = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    write = np.lib.format.write_array_header_1_0 if version == (1, 0) else np.lib.format.write_array_header_2_0
    write(out, header)
    return out.getvalue() + data


def npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


LIES = [(10**13,), (2, 3, 4, 10**9), (2**62, 4), (7,)]


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("shape", LIES)
def test_a_header_that_lies_is_refused_before_memory_is_taken(tmp_path, shape, version):
    (tmp_path / "a.npy").write_bytes(npy(shape, b"1234", version=version))
    npz(tmp_path / "a.npz", good=npy((1,), b"1234"), lying=npy(shape, b"1234", version=version))
    for name, what in (("a.npy", "a.npy"), ("a.npz", "a.npz: lying.npy")):
        with pytest.raises(InputError, match=f"{what} claims .* and holds 4 bytes; it is damaged"):
            arrays.read_arrays(tmp_path / name)


@pytest.mark.parametrize("shape", [(1 << 20,), (1 << 10, 1 << 10)])
def test_what_unpacks_to_more_than_allowed_is_refused(tmp_path, shape):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(shape, np.uint8), b=np.zeros(10))
    assert (tmp_path / "a.npz").stat().st_size < 5000
    with pytest.raises(InputError, match=r"take 1 MiB in memory, more than the 1024 KiB|more than the 1 MiB allowed"):
        arrays.read_arrays(tmp_path / "a.npz", 1 << 20)
    assert set(arrays.read_arrays(tmp_path / "a.npz", (1 << 20) + 80)) == {"a", "b"}


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\3\4" + b"x" * 40, b"\x93NUMPY", b"\x93NUMPY\1\0\xff\xff{", b"text"])
def test_what_is_no_file_of_arrays_is_damaged(tmp_path, data):
    for name in ("a.npz", "a.npy"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match="is damaged, or no .npz of numbers"):
            arrays.read_arrays(tmp_path / name)


def test_whole_files_are_read(tmp_path):
    stored = {"a": np.arange(6).reshape(2, 3), "b": np.float32(2), "c": np.zeros((0, 4))}
    np.savez(tmp_path / "a.npz", **stored)
    np.save(tmp_path / "a.npy", stored["a"])
    found = arrays.read_arrays(tmp_path / "a.npz") | {"d": arrays.read_arrays(tmp_path / "a.npy")[""]}
    for name, value in (stored | {"d": stored["a"]}).items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("words", [["--real", "other"], ["--pairs", "other"], ["--real", "bouncing"]])
@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_evaluate_says_so(tmp_path, monkeypatch, capsys, words, suffix):
    monkeypatch.chdir(tmp_path)
    for folder in ("fake", "other"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "b.npy", np.zeros((2, 16, 8, 8, 3), np.uint8))
    made = npy((10**9, 16, 8, 8, 3), b"\0" * 99, "|u1")
    lying = tmp_path / "fake" / f"a.{suffix}"
    lying.write_bytes(made) if suffix == "npy" else npz(lying, clips=made)
    assert cli.main(["evaluate", "--fake", "fake", *words, "--out", "m.json"]) == 2
    said = capsys.readouterr().err  # pairs want every file; otherwise it is skipped, and too few clips are left
    assert f"a.{suffix}" in said and "claims 2.794 TiB and holds 99 bytes" in said and "Traceback" not in said
    assert "few" in said or words[0] == "--pairs"
    lying.unlink()
    assert cli.main(["evaluate", "--fake", "fake", *words, "--out", "m.json", "--max-array-bytes", "6000"]) == 2
    assert "its arrays take 6 KiB in memory, more than the 5.859 KiB allowed" in capsys.readouterr().err
