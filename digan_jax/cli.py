"""`digan VERB`: flags to one library call. Imports what a verb needs when it runs, so that --help is quick."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys

from digan_jax.errors import InputError, PeerLost, TrainingDiverged, told_by_system
from digan_jax.host import caches, signals
from digan_jax.verbs import benchmark, config, evaluate, export, import_, prepare, render, study, train
from digan_jax.verbs.arguments import Parser, glue_values

VERBS = (prepare, train, render, evaluate, study, export, import_, config, benchmark)
NAMES = [verb.__name__.rpartition(".")[2].rstrip("_") for verb in VERBS]


def main(argv: list[str] | None = None) -> int:
    """Runs one command line and returns the exit status.

    0 done; 1 training diverged; 2 input that cannot be used, a place that may not be written, no space or memory left
    (one message on stderr, nothing overwritten); 3 another process of the job did not come, or is gone; 129, 130 and 143
    ended by SIGHUP, Ctrl-C and SIGTERM; 141 nobody reads the output any more. Anything else is a defect and shows its
    traceback.
    """
    if argv is not None:
        return _run(argv)
    use_huge_pages()
    with signals.raised():
        status = _run(sys.argv[1:])
        if status in (0, 1, 2):
            return status
        # Work was broken off in the middle: threads of libraries may hang or crash when the interpreter ends.
        for child in multiprocessing.active_children():
            child.terminate()
        os._exit(status)


def _run(argv: list[str]) -> int:
    try:
        return _ended(argv)
    except BrokenPipeError as error:
        if error.filename is not None:
            raise
        _drop_output()
        return 128 + 13  # as a shell says it of a program that SIGPIPE ended


def _ended(argv: list[str]) -> int:
    try:
        arguments, rest = make_parser().parse_known_args(glue_values(argv))
        if rest and "config" not in arguments:
            raise InputError(f"unknown option {rest[0]}; see: digan {arguments.verb} --help")
        keep_compiled_programs()
        arguments.overrides = rest
        arguments.run_verb(arguments)
        if sys.stdout:
            sys.stdout.flush()  # so that a closed pipe or a full disk is met here
        return 0
    except InputError as error:
        return _say(str(error), 2)
    except TrainingDiverged as error:
        return _say(str(error), 1)
    except PeerLost as error:
        return _say(str(error), PeerLost.STATUS)
    except signals.Terminated as end:
        return _say("terminated", 128 + end.number)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:
        raise
    except Exception as error:
        message = told_by_system(error)
        if message is None:
            raise
        _drop_output()
        return _say(message, 2)


def _say(message: str, status: int) -> int:
    print(f"digan: {message}", file=sys.stderr, flush=True)
    return status


def _drop_output() -> None:
    """What is still in the buffer goes nowhere, or Python would complain when it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())


def keep_compiled_programs() -> None:
    """A second run of the same shapes starts without compiling; jax reads these when it is imported."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and (cache := caches.usable(caches.folder("xla"))):
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def use_huge_pages() -> None:
    """XLA:CPU takes its scratch memory anew for each call of a program, and the page faults of that cost up to half
    of a small model's step. glibc asks for huge pages if told so when a process starts, so start once more."""
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        with contextlib.suppress(OSError):  # nobody may start it again: slower, that is all
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def make_parser() -> Parser:
    parser = Parser(prog="digan", description="Videos as functions of (x, y, t): prepare, train and render.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar=" | ".join(NAMES))
    for verb in VERBS:
        verb.add(verbs)
    return parser
