"""Statistics of a blinded preference study: pairs of clips A and B, one answer per pair and rater."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import scipy.stats
from etils import epath

from digan_jax.errors import InputError

FORMAT = 1  # of files of answers
_RESAMPLES = 10_000


# ---- answers ----


def report(files: Sequence[str], key: str | None = None) -> dict:
    """How often A was preferred to B, with 95 % intervals.

    "win_rate": fraction of answers for A. "interval": Wilson's (1927), which treats answers as independent.
    "interval_over_raters": bootstrap over raters; None for a single rater. "p_value": two-sided sign test against no
    preference. "left": fraction of answers for the left clip; far from one half, raters did not look.

    Args:
      files: answers that raters saved.
      key: the study.json of `study_page.make`, for the names of A and B.

    Raises:
      InputError: no answers, a file of another kind or another study, or a rater twice.
    """
    read = [_read(file) for file in files]
    if not read:
        raise InputError("no answers; give the files that raters saved.")
    for file, answers in zip(files, read):
        if answers["study"] != read[0]["study"]:
            raise InputError(f"{file}: answers another study than {files[0]}; report each by itself.")
    raters = [answers["rater"] for answers in read]
    twice = {rater for rater in raters if raters.count(rater) > 1}
    if twice:
        raise InputError(f"rater {twice.pop()} has two files; leave one out.")
    wins = [np.array([answer["chosen"] == "a" for answer in answers["answers"]]) for answers in read]
    pooled = np.concatenate(wins)
    left = np.concatenate([[x["chosen"] == x["left"] for x in answers["answers"]] for answers in read])
    sign_test = scipy.stats.binomtest(int(pooled.sum()), len(pooled))
    found = {
        "study": read[0]["study"],
        "raters": len(read),
        "answers": len(pooled),
        "win_rate": float(pooled.mean()),
        "interval": list(sign_test.proportion_ci(method="wilson")),
        "interval_over_raters": _over_raters(wins) if len(wins) > 1 else None,
        "p_value": float(sign_test.pvalue),
        "left": float(left.mean()),
        "by_rater": {rater: float(won.mean()) for rater, won in zip(raters, wins)},
    }
    return found | {"names": _names(key, found["study"]) if key else {"a": "A", "b": "B"}}


def _names(key: str, study: str) -> dict[str, str]:
    record = _load(key)
    if record.get("study") != study:
        raise InputError(f"{key}: belongs to another study than the answers.")
    return {side: record[side]["name"] for side in ("a", "b")}


def _load(file: str) -> dict:
    try:
        record = json.loads(epath.Path(file).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error}).") from None
    if not isinstance(record, dict):
        raise InputError(f"{file}: is no file of a study.")
    return record


def _read(file: str) -> dict:
    record = _load(file)
    answers = record.get("answers")
    good = record.get("format") == FORMAT and isinstance(answers, list) and answers
    good = good and isinstance(record.get("study"), str) and isinstance(record.get("rater"), str)
    if not good or not all(isinstance(x, dict) and {x.get("left"), x.get("chosen")} <= {"a", "b"} for x in answers):
        raise InputError(f"{file}: holds no answers of a study; give the files that the page saved.")
    return record


def _over_raters(wins: list[np.ndarray]) -> list[float]:
    """95 % bootstrap interval of the win rate over raters."""
    random = np.random.default_rng(0)
    sums, counts = np.array([w.sum() for w in wins]), np.array([len(w) for w in wins])
    drawn = random.integers(len(wins), size=(_RESAMPLES, len(wins)))
    rates = sums[drawn].sum(1) / counts[drawn].sum(1)
    return [float(x) for x in np.quantile(rates, [0.025, 0.975])]


def text(found: dict) -> str:
    """A `report` as text."""
    a, b = found["names"]["a"], found["names"]["b"]
    percent = lambda interval: f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"
    lines = [
        f"{a} was preferred to {b} in {100 * found['win_rate']:.1f} % of {found['answers']} answers of "
        f"{found['raters']} {'raters' if found['raters'] > 1 else 'rater'}.",
        f"95 % interval {percent(found['interval'])} (Wilson, as if answers were independent)",
    ]
    if found["interval_over_raters"]:
        lines.append(f"95 % interval {percent(found['interval_over_raters'])} (over raters, bootstrap)")
    left = f"the left clip was chosen in {100 * found['left']:.0f} % of answers"
    lines.append(f"sign test against no preference: p = {found['p_value']:.2g}; {left}")
    return "\n".join(lines)
