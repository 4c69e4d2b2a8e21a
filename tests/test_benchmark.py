import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from digan_jax import benchmark, cli
from digan_jax.errors import InputError


@pytest.fixture
def tiny_rows(monkeypatch):
    work = benchmark.Work(lambda repeats: benchmark.Timing(0.5, 0.1), 2.0, 3 << 20)
    monkeypatch.setattr(benchmark, "ROWS", {"tiny": benchmark.Row("half a second", lambda: work, 2, 4.0)})
    monkeypatch.setattr(benchmark, "unit", lambda: benchmark.Timing(0.25, 0.0))


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


def test_time_is_the_median_and_grows_with_the_work():
    """Of sleeps: the clock cannot run short, and the slowest call of five must not count."""
    import time

    waits = iter([0, 0.02, 0.02, 0.02, 0.3, 0.02])  # the first is the warm-up
    assert 0.02 <= benchmark.timed(lambda: time.sleep(next(waits)), 5).median < 0.3


def test_training_row_measures_the_real_iteration(monkeypatch):
    """Both kinds of iteration run, each from the state that the one before gave back; on one device, to compile sooner."""

    def compiled_lightly(function, *arguments):
        options = {"xla_backend_optimization_level": 0}  # compiling is what takes time
        return function.lower(*arguments).compile(compiler_options=options), 1.0, None

    axes = dict(axis_types=(AxisType.Auto,) * 2, devices=jax.devices()[:1])
    monkeypatch.setattr(benchmark.mesh_lib, "make_mesh", lambda: jax.make_mesh((1, 1), ("data", "model"), **axes))
    monkeypatch.setattr(benchmark, "_compiled", compiled_lightly)
    assert benchmark.training(32, 64, 4, 4).seconds(2).median > 0


def test_compiled_reports_scratch_memory():
    program, seconds, scratch = benchmark._compiled(jax.jit(lambda x: (x @ x) @ x), jnp.ones((64, 64)))
    np.testing.assert_array_equal(program(jnp.ones((64, 64))), 64.0**2)
    assert seconds > 0 and scratch >= 64 * 64 * 4  # the inner product at least


def test_a_batch_that_devices_cannot_share_is_refused():
    with pytest.raises(InputError, match="batch_size=3"):
        benchmark.training(32, 64, 4, 3)
