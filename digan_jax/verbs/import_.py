"""`digan import`."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

from digan_jax.errors import InputError
from digan_jax.verbs.train import CONFIG_HELP


def add(verbs) -> None:
    p = verbs.add_parser(
        "import",
        help="make a run from the authors' network-snapshot.pkl",
        description="Make a run from a checkpoint of the authors' release, to render, evaluate or continue training. "
        "No code in the file is executed. Its architecture replaces the configuration's; the optimizer is fresh.",
        epilog=CONFIG_HELP,
    )
    p.add_argument("file", help="such as network-snapshot-025000.pkl")
    p.add_argument("--out", required=True, metavar="RUN", help="folder of the new run")
    p.add_argument("--config", metavar="NAME", help="configuration to continue with, shipped or a file (default base)")
    p.add_argument("--kimg", type=float, help="thousands of frame pairs it was trained on (default: from the file's "
                   "name, or 0)")  # fmt: skip
    p.set_defaults(run_verb=run)


def run(a) -> None:
    if a.kimg is not None and not 0 <= a.kimg < 1e9:
        raise InputError(f"--kimg {a.kimg:g}: must be a number of thousands of frame pairs, 0 or more.")
    from digan_jax.config import files as config_files
    from digan_jax.host import files
    from digan_jax.interop import opening
    from digan_jax.jobs import import_run

    files.check_free(a.out)
    name, overrides = a.config or "base", list(a.overrides)
    if not a.config and not any(word.startswith("--config.data.") for word in overrides):
        overrides.append("--config.data.name=" + (re.sub(r"\W+", "_", Path(a.out).name.lower()) or "data"))
    asked = config_files.load(name, overrides)
    found = opening.read(a.file, training=True)
    try:
        config = import_run.run_config(found, asked)
    except InputError as error:
        raise InputError(f"{a.file}: {error}") from None
    kimg = found.facts.get("training", {}).get("kimg", 0) if a.kimg is None else a.kimg
    step = import_run.write(a.out, found, config, kimg)

    for field, value in dataclasses.asdict(config.model).items():
        if value != getattr(asked.model, field):
            overrides.append(f"--config.model.{field}={value}")
    if asked.train.total_kimg <= kimg:
        overrides.append(f"--config.train.total_kimg={kimg + 1000:g}")
    out = str(a.out)
    print(f"{out}: {config.model.resolution}x{config.model.resolution}, step {step}, {kimg:g} kimg.")
    if not kimg:
        print("The file's name does not say how long it was trained; give --kimg, so that the EMA keeps its pace.")
    print("  render      " + shlex.join(["digan", "render", "--run", out, "--out", "clips.mp4"]))
    print("  continue    " + shlex.join(["digan", "train", "--config", name, "--workdir", out, *overrides]))
    print("  other data  " + shlex.join(["digan", "train", "--config", "NAME", "--init-from", out, *_model(overrides)]))


def _model(overrides: list[str]) -> list[str]:
    return [word for word in overrides if word.startswith("--config.model.")]
