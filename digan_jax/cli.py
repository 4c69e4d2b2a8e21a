"""`digan VERB`: flags to one library call. Imports what a verb needs when it runs, so that --help is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from digan_jax.errors import InputError, TrainingDiverged, full_disk
from digan_jax.verbs import benchmark, config, evaluate, export, import_, prepare, render, study, train
from digan_jax.verbs.arguments import Parser, glue_values

VERBS = (prepare, train, render, evaluate, study, export, import_, config, benchmark)
NAMES = [verb.__name__.rpartition(".")[2].rstrip("_") for verb in VERBS]


def main(argv: list[str] | None = None) -> int:
    """Runs one command line and returns the exit status.

    0 done; 1 training diverged; 2 input that cannot be used, or no space left: one message on stderr, nothing
    overwritten; 130 interrupted. Anything else is a defect and shows its traceback.
    """
    if argv is None:
        argv = sys.argv[1:]
        use_huge_pages()
    keep_compiled_programs()
    try:
        arguments, rest = make_parser().parse_known_args(glue_values(argv))
        if rest and "config" not in arguments:
            raise InputError(f"unknown option {rest[0]}; see: digan {arguments.verb} --help")
        arguments.overrides = rest
        arguments.run_verb(arguments)
        return 0
    except InputError as error:
        return _say(str(error), 2)
    except TrainingDiverged as error:
        return _say(str(error), 1)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except Exception as error:
        if not full_disk(error):
            raise
        place = getattr(error, "filename", None) or "the output"
        return _say(f"{place}: no space left on the device; free some, or choose another place. It was not changed.", 2)


def _say(message: str, status: int) -> int:
    print(f"digan: {message}", file=sys.stderr)
    return status


def keep_compiled_programs() -> None:
    """A second run of the same shapes starts without compiling; jax reads these when it is imported."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "digan-jax" / "xla"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def use_huge_pages() -> None:
    """XLA:CPU takes its scratch memory anew for each call of a program, and the page faults of that cost up to half
    of a small model's step. glibc asks for huge pages if told so when a process starts, so start once more."""
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def make_parser() -> Parser:
    parser = Parser(prog="digan", description="Videos as functions of (x, y, t): prepare, train and render.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar=" | ".join(NAMES))
    for verb in VERBS:
        verb.add(verbs)
    return parser
