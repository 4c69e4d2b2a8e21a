"""The tab "Training": follows the folder of a run, its curves and its samples as they come."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import gradio as gr
import pandas as pd

from digan_jax.errors import InputError
from digan_jax.runs import reading
from digan_jax.studio import widgets
from digan_jax.studio.services import Services

SECONDS = 4  # between looks at the folder
POINTS = 300  # of a curve
LINE = 2**16  # bytes of a line of the log, at most
NEWEST_SAMPLE = "newest"


class Log:
    """The log of a run, read on from where the last look ended; one point for each of POINTS equal parts."""

    def __init__(self, file: Path):
        self._file, self._end, self._rows, self._lock = file, 0, [], threading.Lock()

    def rows(self) -> list[dict[str, float]]:
        """Rows of the log, thinned to 2 POINTS at most."""
        with self._lock:
            if not self._file.is_file():
                return []
            size = self._file.stat().st_size
            if size < self._end:  # the run was continued from an earlier step
                self._end, self._rows = 0, []
            with open(self._file, "rb") as file:
                file.seek(self._end)
                for line in iter(lambda: file.readline(LINE), b""):
                    if not line.endswith(b"\n"):
                        break
                    self._end += len(line)
                    self._take(line)
            return list(self._rows)

    def _take(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            row = {name: float(value) for name, value in row.items() if isinstance(value, (int, float))}
        except (ValueError, AttributeError):
            return
        if "progress/kimg" in row:
            self._rows.append(row)
        if len(self._rows) > 2 * POINTS:
            del self._rows[1:-1:2]


class Logs:
    """The logs of all runs that are followed."""

    def __init__(self, services: Services):
        self._services, self._logs = services, {}

    def of(self, name: object) -> Log:
        """Raises `InputError` for a run that is not offered."""
        name = self._services.shelf.entry(name).name
        return self._logs.setdefault(name, Log(Path(name) / "metrics.jsonl"))


def build(page: gr.Blocks, services: Services) -> None:
    """Lays out the tab and connects it."""
    logs, runs = Logs(services), services.shelf.training()
    with gr.Row():
        run = gr.Dropdown(runs, value=runs[0], label="Run", elem_id="followed")
        terms = gr.Dropdown(
            ["losses", "scores", "signs", "rate", "FVD"], value="losses", label="Curves", elem_id="terms"
        )
        sample = gr.Dropdown([NEWEST_SAMPLE], value=NEWEST_SAMPLE, label="Samples", elem_id="sample")
    told = widgets.status(elem_id="trained")
    plot = gr.LinePlot(x="kimg", y="value", color="term", height=340, label="Curves", elem_id="curves")
    strip = widgets.result(elem_id="sample_film")
    picture = widgets.result(elem_id="sample_strip")
    version = gr.State("")
    seen = [told, plot, sample, picture, strip, version]

    def look(name, kind, chosen, before):
        return follow(services, logs, name, kind, chosen, before)

    timer = gr.Timer(SECONDS)
    quiet = dict(queue=False, show_progress="hidden", trigger_mode="always_last")
    gr.on(
        [timer.tick, run.change, terms.change, sample.change, page.load],
        look,
        [run, terms, sample, version],
        seen,
        **quiet,
    )


def follow(services: Services, logs: Logs, name: object, kind: object, chosen: object, before: str):
    """(message, curves, choice of samples, strip, film, version) of a run; nothing new: nothing changes."""
    try:
        rows, samples = logs.of(name).rows(), samples_of(services, name)
    except InputError as error:
        return widgets.error(error), *[gr.skip()] * 5
    version = f"{name} {kind} {chosen} {rows[-1]['progress/kimg'] if rows else 0} {len(samples)}"
    if version == before:
        return [gr.skip()] * 6
    names = list(reversed(samples))
    stem = chosen if chosen in samples else (names[0] if names else None)
    shown = [of_sample(services, samples[stem], suffix) for suffix in (".png", ".mp4")] if stem else [None, None]
    choices = gr.update(choices=[NEWEST_SAMPLE, *names], value=chosen if chosen in samples else NEWEST_SAMPLE)
    return words(name, rows), curves(rows, kind), choices, *shown, version


def samples_of(services: Services, name: object) -> dict[str, Path]:
    """{name: path without suffix} of a run's samples, in order of training."""
    folder = Path(services.shelf.entry(name).name) / "samples"
    found = sorted(folder.glob("kimg_*.png")) if folder.is_dir() else []
    return {path.stem: path.with_suffix("") for path in found}


def of_sample(services: Services, path: Path, suffix: str) -> dict | None:
    """A sample's strip or film for the page."""
    file = path.parent / (path.name + suffix)
    if not file.exists():
        return None
    token = services.store.show(file)
    kind = "video" if suffix == ".mp4" else "picture"
    alt = "generated clips" if kind == "video" else "strips of real clips above generated ones"
    return {"url": f"studio/files/{token}/{file.name}", "name": file.name, "kind": kind, "alt": alt, "note": alt}


def words(name: object, rows: list[dict]) -> dict:
    """How far a run is, as a message."""
    if not rows:
        return widgets.note(f"{name}: no line in its log yet.")
    config, last = reading.run_config(name), rows[-1]
    total = f" of {config.train.total_kimg:g}" if config else ""
    rate = f", {last['rate/clips_per_second']:.1f} clips/s" if "rate/clips_per_second" in last else ""
    return widgets.note(f"{name}: {last['progress/kimg']:.1f}{total} kimg{rate}")


def curves(rows: list[dict], kind: object) -> pd.DataFrame:
    """The points of a kind of curves: columns kimg, value, term."""
    belongs = {
        "losses": lambda name: name.endswith("/loss"),
        "scores": lambda name: "/score_" in name,
        "signs": lambda name: "/sign_" in name,
        "rate": lambda name: name == "rate/clips_per_second",
        "FVD": lambda name: name.startswith("eval/fvd"),
    }.get(kind, lambda name: False)
    points = [(row["progress/kimg"], value, name) for row in rows for name, value in row.items() if belongs(name)]
    return pd.DataFrame(points, columns=["kimg", "value", "term"])
