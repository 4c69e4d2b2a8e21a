"""`digan train`."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from digan_jax.errors import InputError

CONFIG_NAME = "a shipped configuration, such as quickstart (see digan config --list), or a file, such as mine.py"
CONFIG_HELP = """\
Override any field: --config.train.batch_size=32 --config.data.flip=false --config.train.augment="('color',)"
"""


def add(verbs) -> None:
    p = verbs.add_parser(
        "train",
        help="train a model, or continue a run",
        description="Train a model, or continue the run in --workdir.",
        epilog=CONFIG_HELP,
    )
    p.add_argument("--config", required=True, metavar="NAME", help=CONFIG_NAME)
    p.add_argument("--workdir", help="folder of the run (default runs/NAME)")
    p.add_argument("--init-from", metavar="RUN", help="fine-tune: start from the weights of a run, an export or a .pkl")
    p.add_argument(
        "--profile",
        type=int,
        default=0,
        metavar="N",
        help="write a trace of N iterations to WORKDIR/profile, for TensorBoard or Perfetto",
    )
    p.add_argument("--distributed", action="store_true", help="train on several hosts; on TPU pods this is enough")
    p.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0, outside of TPU pods")
    p.add_argument("--process-id", type=int, help="index of this process, from 0")
    p.add_argument("--process-count", type=int, help="number of processes")
    p.add_argument("--wait", type=float, default=50, metavar="SECONDS", help="for the other processes (default 50)")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.config import files as config_files
    from digan_jax.host import files

    config = config_files.load(a.config, a.overrides)
    if a.profile < 0:
        raise InputError(f"--profile {a.profile}: traces a number of iterations; give 1 or more, or leave it out.")
    if not 1 <= a.wait < 1e6:
        raise InputError(f"--wait {a.wait:g}: give a number of seconds, 1 or more.")
    workdir = a.workdir or os.path.join("runs", Path(a.config).stem)
    files.check_folder(workdir)
    several = a.distributed or a.coordinator or a.process_id is not None or a.process_count is not None
    with contextlib.ExitStack() as stack:
        if several:
            from digan_jax import devices

            job = a.coordinator, a.process_id, a.process_count, a.wait, _in_common(config)
            stack.enter_context(devices.joined(*job))
        from digan_jax.training import loop

        loop.train(config, workdir, a.init_from, a.profile)


def _in_common(config) -> str:
    """A digest of what all processes of a job must agree on: all but where each finds the data, and with how many
    workers it reads them."""
    from digan_jax.config import records

    own = ("data.data_dir", "data.path", "data.workers")
    fields = {name: value for name, value in records.flatten(config).items() if name not in own}
    return hashlib.sha256(repr(fields).encode()).hexdigest()
