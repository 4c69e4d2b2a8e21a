import json

import jax
import pytest

from digan_jax import benchmark, cli
from digan_jax.benchmark import report


@pytest.fixture
def tiny_rows(monkeypatch):
    work = benchmark.Work(lambda repeats: benchmark.Timing(0.5, 0.1), 2.0, 3 << 20)
    monkeypatch.setattr(report, "ROWS", {"tiny": benchmark.Row("half a second", lambda: work, 2, 4.0)})
    monkeypatch.setattr(report, "unit", lambda: benchmark.Timing(0.25, 0.0))


def test_a_row_is_divided_by_the_unit(tiny_rows, tmp_path, capsys):
    assert cli.main(["benchmark", "--json", str(tmp_path / "a.json")]) == 0
    row = json.loads((tmp_path / "a.json").read_text())["rows"]["tiny"]
    assert (row["in_units"], row["spread_in_units"], row["compile_seconds"], row["scratch_bytes"]) == (2, 0.4, 2, 3 << 20)
    assert "2.00 ± 0.40" in capsys.readouterr().out


def test_compare_gives_the_ratio(tiny_rows, tmp_path, capsys):
    before = {"rows": {"tiny": {"in_units": 4.0}, "gone": {"in_units": 1.0}}}
    (tmp_path / "before.json").write_text(json.dumps(before))
    assert cli.main(["benchmark", "--compare", str(tmp_path / "before.json")]) == 0
    out = capsys.readouterr().out
    assert "4.00 U ->     2.00 U   x 0.50" in out and "gone" not in out


def test_bad_words_are_refused_before_measuring(tiny_rows, tmp_path, capsys):
    (tmp_path / "no.json").write_text("[1]")
    assert cli.main(["benchmark", "--rows", "tiny,huge"]) == 2
    assert "unknown row 'huge'; choose from tiny" in capsys.readouterr().err
    for file in ("no.json", "missing.json"):
        assert cli.main(["benchmark", "--compare", str(tmp_path / file)]) == 2
        captured = capsys.readouterr()
        assert "is no report of digan benchmark" in captured.err and captured.out == ""


def test_the_bound_on_a_cpu_is_from_an_accelerators_flops_alone(monkeypatch):
    work = benchmark.Work(None, flops=989.4e9, bytes_moved=None, dtype="bfloat16")
    assert report._bounds(work)["NVIDIA H100"] == 1e-3
    kind = type("Device", (), {"device_kind": "NVIDIA H100 80GB HBM3"})
    monkeypatch.setattr(jax, "devices", lambda: [kind, kind])
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    of_two = report._bounds(work._replace(flops=2 * 989.4e9, bytes_moved=6.7e9))
    assert of_two == {"NVIDIA H100 80GB HBM3": 2e-3}  # half of the FLOPs each; memory takes longer


def test_a_row_for_accelerators_is_left_out_on_a_cpu(capsys):
    assert benchmark.run(["train_128_bf16"])["rows"] == {}
    assert "left out: it takes an accelerator" in capsys.readouterr().out
