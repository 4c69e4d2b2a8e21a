"""Following a run: its log is read on, thinned and cut into curves; damaged lines are left out."""

import json

from digan_jax.studio import training_tab


def row(k):
    return json.dumps({"step": k, "progress/kimg": k / 10, "critic/loss": float(k), "rate/clips_per_second": 5.0})


def test_a_log_is_read_on(tmp_path):
    file = tmp_path / "metrics.jsonl"
    log = training_tab.Log(file)
    assert log.rows() == []
    file.write_text(row(1) + "\n" + "{damaged\n[]\n" + row(2)[:-3])
    assert [r["step"] for r in log.rows()] == [1]
    with open(file, "a") as more:
        more.write(row(2)[-3:] + "\n" + row(3) + "\n")
    assert [r["step"] for r in log.rows()] == [1, 2, 3]
    file.write_text(row(1) + "\n")  # continued from an earlier checkpoint
    assert [r["step"] for r in log.rows()] == [1]


def test_a_long_log_is_thinned(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(row(k) + "\n" for k in range(5000)))
    steps = [r["step"] for r in training_tab.Log(file).rows()]
    assert training_tab.POINTS / 2 <= len(steps) <= 2 * training_tab.POINTS and steps == sorted(steps)
    assert steps[0] == 0 and steps[-1] == 4999


def test_curves():
    rows = [json.loads(row(k)) for k in range(3)]
    losses = training_tab.curves(rows, "losses")
    assert list(losses["value"]) == [0, 1, 2] and set(losses["term"]) == {"critic/loss"}
    assert list(training_tab.curves(rows, "rate")["value"]) == [5, 5, 5]
    assert training_tab.curves(rows, "nothing").empty
