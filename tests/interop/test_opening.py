"""Whatever people take for a model: each gets its own message, from the command line too."""

import json
import os
import re

import pytest

import digan_jax as digan
from digan_jax import cli
from digan_jax.interop import opening
from digan_jax.runs import weights
from tests.interop import golden, pickle_corpus

SNAPSHOT = golden.GOLDEN / "network_snapshot.pkl"
PAGE = b"<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title></html>"
CUT = "(ends in the middle|damaged|incomplete).*get it again"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
BAD = {
    "a StyleGAN2 pickle": (pickle_corpus.STYLEGAN2, "not a DIGAN generator's.*StyleGAN2"),
    "a StyleGAN-V pickle": (
        pickle_corpus.snapshot("synthesis.b4.const", "synthesis.motion_encoder.time_encoder.weight"),
        "not a DIGAN generator's.*StyleGAN-V",
    ),
    "a zip": (pickle_corpus.archive([("network-snapshot.pkl", b"\x80\x04N.")]), "zip archive, not a pickle; unpack it"),
    "a torch file": ((pickle_corpus.FILES / "stream_layout.pth").read_bytes(), "torch.save file"),
    "a truncated download": (SNAPSHOT.read_bytes()[:200_000], CUT),
    "the first bytes of a download": (SNAPSHOT.read_bytes()[:50], CUT),
    "an empty file": (b"", "is empty; get it again"),
    "an LFS pointer": (POINTER, "LFS pointer.*git lfs pull"),
    "a web page": (PAGE, "web page, not a checkpoint; download it again"),
    "something that runs": (pickle_corpus.hostile("unused")["os.system"], "asks for 'posix.system'"),
    "text": (b"hello", "not a pickle"),
}


@pytest.mark.parametrize("what", BAD)
def test_each_has_its_own_message(what, tmp_path, capsys):
    content, message = BAD[what]
    path = tmp_path / "network-snapshot-000100.pkl"
    path.write_bytes(content)
    with pytest.raises(digan.InputError, match=f"^{re.escape(str(path))}: .*{message}"):
        digan.load(path)
    out = tmp_path / "out.mp4"
    for words in (["render", "--run", str(path), "--out", str(out)], ["export", str(path), "--out", str(out)]):
        assert cli.main(words) == 2
        shown = capsys.readouterr()
        assert re.search(message, shown.err) and shown.err.count("\n") == 1 and not shown.out
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["network-snapshot-000100.pkl", "network-snapshot-000100"])
def test_a_snapshot_is_known_by_its_content(name, tmp_path):
    os.symlink(SNAPSHOT, tmp_path / name)
    found = opening.read(tmp_path / name)
    assert found.config.resolution == 32 and found.facts["data"] == {"name": "UCF-101"}
    assert found.facts["training"].get("kimg") == (100 if name.endswith("100.pkl") else None)


def test_folders_and_other_files(tmp_path, tiny_run):
    with pytest.raises(digan.InputError, match="is no run"):
        digan.load(tmp_path)
    (tmp_path / "network-snapshot-000100.pkl").write_bytes(b"")
    with pytest.raises(digan.InputError, match="is a folder; name the file in it"):
        digan.load(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07")
    with pytest.raises(digan.InputError, match="model.onnx: is not a model; give a run"):
        digan.load(tmp_path / "model.onnx")
    with pytest.raises(digan.InputError, match=r"has no checkpoint of step 7; choose one of \[0\]"):
        opening.read(tiny_run, step=7)


def test_scores_are_those_of_the_step(tmp_path):
    assert weights.scores_of(tmp_path, 5) == []
    (tmp_path / "fvd.json").write_text('{"5": 410.5, "6": 399.0}')
    assert weights.scores_of(tmp_path, 5) == [{"metric": "FVD", "protocol": "quick", "mean": 410.5}]
    quick = {"fvd": {"mean": 400.0, "deviation": None}, "kvd": {"mean": 0.5}, "references": {"fvd": 9}}
    digan_numbers = {"fvd": {"mean": 114.6, "deviation": 4.9}, "clips": {}}
    report = {"format": 1, "subject": {"step": 5}, "protocols": {"quick": quick, "digan": digan_numbers}}
    (tmp_path / "metrics.json").write_text(json.dumps(report))
    assert weights.scores_of(tmp_path, 5) == [
        {"metric": "FVD", "protocol": "quick", "mean": 400.0},
        {"metric": "KVD", "protocol": "quick", "mean": 0.5},
        {"metric": "FVD", "protocol": "digan", "mean": 114.6, "deviation": 4.9},
    ]
    assert weights.scores_of(tmp_path, 6) == [{"metric": "FVD", "protocol": "quick", "mean": 399.0}]
    for broken in ("{", "[1]"):
        (tmp_path / "metrics.json").write_text(broken)
        with pytest.raises(digan.InputError, match="metrics.json: is no report"):
            weights.scores_of(tmp_path, 5)
