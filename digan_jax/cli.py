"""The `digan VERB` command line. Each verb turns flags into one library call and imports its modules only then."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys

from digan_jax.errors import InputError, PeerLost, TrainingDiverged, system_error_message
from digan_jax.host import caches, signals
from digan_jax.verbs import (
    animate,
    benchmark,
    complete,
    compress,
    condition,
    config,
    decompress,
    denoise,
    directions,
    doctor,
    evaluate,
    export,
    import_,
    interpolate,
    invert,
    predict,
    prepare,
    render,
    studio,
    study,
    stylize,
    train,
    translate,
    upscale,
)
from digan_jax.verbs.arguments import Parser, glue_values

WELCOME = """\
digan: videos as functions of (x, y, t).

Draw clips; a small model comes with the package:
  digan render --run digan://quickstart --ids 0-15 --grid 4x4 --scale 4 --out clips.mp4

Train on your own clips:
  digan prepare my_videos/ --name mine --size 64 --frames 16
  digan train --config mine --workdir runs/mine

Look inside a model, and change what it draws:
  digan directions --run digan://quickstart --out dirs.npz
  digan render --run digan://quickstart --edit 0:-1.5,m0:-2 --directions dirs.npz --out edited.mp4

Explore in a browser: digan studio --run digan://quickstart

All commands: digan --help. If something does not work: digan doctor."""
RESTORING = (upscale, interpolate, complete, denoise, predict, stylize)
GIVEN = (translate, condition, animate, invert, compress, decompress)  # something in hand
VERBS = (
    prepare, train, render, directions, *RESTORING, *GIVEN, studio, evaluate, study, export, import_, config, benchmark,
    doctor,
)  # fmt: skip
NAMES = [verb.__name__.rpartition(".")[2].rstrip("_") for verb in VERBS]


def main(argv: list[str] | None = None) -> int:
    """Runs one command line and returns its exit status.

    Args:
      argv: arguments after `digan`; None: those of this process, which then exits by itself on statuses above 2.

    Returns:
      0: success. 1: training diverged. 2: unusable input, a path that may not be written, no disk space or memory;
      one message on stderr, nothing overwritten. 3: another process of the job is missing or lost. 129, 130, 143: ended
      by SIGHUP, Ctrl-C, SIGTERM. 141: the reader of the output closed it. Other errors are defects and are raised.
    """
    if argv is not None:
        return _run(argv)
    use_huge_pages()
    with signals.raised():
        status = _run(sys.argv[1:])
        if status in (0, 1, 2):
            return status
        # The work was interrupted: threads of libraries may hang or crash while the interpreter shuts down.
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
        return 128 + 13  # the status that shells report for SIGPIPE


def _ended(argv: list[str]) -> int:
    if not argv:
        print(WELCOME)
        return 0
    try:
        arguments, rest = make_parser().parse_known_args(glue_values(argv))
        if rest and "config" not in arguments:
            raise InputError(f"unknown option {rest[0]}; see: digan {arguments.verb} --help")
        keep_compiled_programs()
        arguments.overrides = rest
        arguments.run_verb(arguments)
        if sys.stdout:
            sys.stdout.flush()  # raises here for a closed pipe or a full disk
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
        message = system_error_message(error)
        if message is None:
            raise
        _drop_output()
        return _say(message, 2)


def _say(message: str, status: int) -> int:
    print(f"digan: {message}", file=sys.stderr, flush=True)
    return status


def _drop_output() -> None:
    """Redirects stdout to the null device. Otherwise Python reports the unwritten buffer at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())


def keep_compiled_programs() -> None:
    """Turns on JAX's cache of compiled programs. Must run before JAX is imported."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and (cache := caches.usable(caches.folder("xla"))):
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def use_huge_pages() -> None:
    """Restarts the process with huge pages for glibc's malloc. Linux only.

    XLA:CPU allocates temporary memory at each call of a program; the page faults take up to half of a small model's
    step. glibc reads the setting only when a process starts.
    """
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        with contextlib.suppress(OSError):  # cannot be restarted: slower, nothing else
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def make_parser() -> Parser:
    """The parser of the command line, with one subparser per verb."""
    parser = Parser(prog="digan", description="Videos as functions of (x, y, t): prepare, train and render.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar=" | ".join(NAMES))
    for verb in VERBS:
        verb.add(verbs)
    return parser
