"""The runs and models that a studio offers, and the few that are open."""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from digan_jax.config import FamilyConfig
from digan_jax.errors import InputError
from digan_jax.interop import opening, shipped
from digan_jax.rendering.directions import Directions
from digan_jax.rendering.model import Model
from digan_jax.rendering.sampler import Sampler
from digan_jax.runs import reading

OPEN = 4  # models in memory
NEWEST = "newest"
DIRECTIONS_FILE = "directions.npz"  # in the folder of a run


class Entry(NamedTuple):
    """A run or a model.

    Attributes:
      name: the path as it was given; clients choose by it.
      tasks: what it is offered for: the task that it was trained on, "none" for a model that follows no condition;
        a VIDM with a motion model also for "animate".
    """

    name: str
    tasks: tuple[str, ...] = ("none",)


class Shelf:
    """Runs and models by name.

    Args:
      runs: paths for `digan.load`; also runs that have no checkpoint yet.
      directions: a file of `digan directions`, for the models that it fits; None: `directions.npz` in each run.

    Raises:
      InputError: a path that is neither a run nor a model; a file without directions.
    """

    def __init__(self, runs: Sequence[str], directions: str | None = None):
        self.entries = {name: _entry(name) for name in dict.fromkeys(runs)}
        self._directions = directions and (directions, Directions.load(directions))
        self._open: collections.OrderedDict[tuple[str, int | None], Sampler] = collections.OrderedDict()
        self._found_anew: dict[str, Directions] = {}
        self._lock, self._finding = threading.Lock(), threading.Lock()

    def names(self, task: str = "none") -> list[str]:
        """Of the models that are offered for a task."""
        return [entry.name for entry in self.entries.values() if task in entry.tasks]

    def training(self) -> list[str]:
        """Names of runs, whose training can be followed."""
        return [name for name in self.entries if reading.is_run(name)]

    def entry(self, name: object) -> Entry:
        """Raises `InputError` for a name that is not offered: what a client sends never becomes a path."""
        found = self.entries.get(name) if isinstance(name, str) else None
        if found is None:
            raise InputError("this studio does not offer that run; choose one of its list.")
        return found

    def steps(self, name: object) -> list[str]:
        """What a client may choose for the step of a run: "newest" and the steps of its checkpoints, newest first."""
        name = self.entry(name).name
        found = reading.finished_steps(name) if reading.is_run(name) else []
        return [NEWEST, *map(str, reversed(found))]

    def step(self, name: object, chosen: object) -> int | None:
        """The step that a choice of `steps` names; None: the newest, or a model without steps.

        Raises:
          InputError: there is no such checkpoint, or not any more.
        """
        if chosen in (None, "", NEWEST):
            return None
        if chosen not in self.steps(name):
            raise InputError("the run has no such checkpoint any more; choose another step.")
        return int(chosen)

    def open(self, name: object, step: int | None) -> Sampler:
        """The model, from memory if it was used lately. Raises as `digan.load`."""
        name = self.entry(name).name
        if step is None and reading.is_run(name):
            step = reading.newest_step(name)
        with self._lock:
            if (name, step) not in self._open:
                self._open[name, step] = opening.load(name, step)
            self._open.move_to_end((name, step))
            while len(self._open) > OPEN:
                self._open.popitem(last=False)
            return self._open[name, step]

    def config(self, name: object) -> FamilyConfig:
        """The architecture of a model. Raises as `open`."""
        return self.open(name, None).config

    def directions(self, name: object, model: Sampler) -> tuple[str | None, Directions] | None:
        """(file, its directions) for a model of the shelf; None without a file that fits it.

        A model that comes with the package is small, and needs no file: its directions are found, as for a render.
        """
        if not isinstance(model, Model) or model.config.condition_planes:
            return None
        name = self.entry(name).name
        found = self._directions
        if found is None and "://" not in name and (own := epath.Path(name) / DIRECTIONS_FILE).exists():
            with contextlib.suppress(InputError):  # damaged: there are none
                found = str(own), Directions.load(own)
        with contextlib.suppress(InputError):
            if found:
                found[1].check_fits(model.config.w_dim, model.config.motion_dim)
                return found
        if not name.startswith(shipped.PREFIX):
            return None
        with self._finding:
            if name not in self._found_anew:
                self._found_anew[name] = model.directions()
            return None, self._found_anew[name]


def _entry(name: str) -> Entry:
    config = reading.run_config(name)
    if config is not None:
        moves = config.family == "vidm" and config.vidm.stage != "content"
        return Entry(name, (config.task.name, *["animate"] * moves))
    found = opening.read(name)
    moves = found.family == "vidm" and "motion" in found.params
    return Entry(name, (found.facts.get("task", {}).get("name", "none"), *["animate"] * moves))


def found_in(folder: str) -> list[str]:
    """The runs in a folder, by name."""
    place = epath.Path(folder)
    if not place.is_dir():
        return []
    return sorted(str(place / run.name) for run in place.iterdir() if run.is_dir() and reading.is_run(run))
