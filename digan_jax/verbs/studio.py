"""`digan studio`."""

from __future__ import annotations

from digan_jax.errors import InputError
from digan_jax.verbs import arguments

EPILOG = """\
Without --run, the runs in runs/ and the models that come with the package are offered. The studio listens on this
machine alone, unless --host says otherwise. Ctrl-C ends it.
"""
FLAGS = {"runs": "--run", "side": "--max-side", "frames": "--max-frames", "queue": "--max-queue"}
FLAGS |= {"seconds": "--max-seconds", "upload_mb": "--max-upload", "stored_mb": "--max-stored"}


def add(verbs) -> None:
    p = verbs.add_parser(
        "studio",
        help="explore models in a browser",
        description="A page to explore models, make films and follow training. Needs the extra [studio].",
        epilog=EPILOG,
    )
    p.add_argument("--run", action="append", dest="runs", metavar="RUN", help="a run or a model; may be given again")
    p.add_argument("--directions", metavar="FILE", help="of `digan directions` (default: directions.npz in each run)")
    p.add_argument("--host", help="address to listen on (default 127.0.0.1: this machine alone)")
    p.add_argument("--port", type=int, help="port (default 7860; 0: any free one)")
    p.add_argument("--login", metavar="USER:PASSWORD", help="who may come in; also env:NAME or file:PATH that holds it")
    p.add_argument("--max-side", type=int, dest="side", metavar="PIXELS", help="of a frame (default 1024)")
    p.add_argument("--max-frames", type=int, dest="frames", metavar="N", help="of a film (default 480)")
    p.add_argument("--max-queue", type=int, dest="queue", metavar="N", help="films that wait (default 16)")
    p.add_argument("--max-seconds", type=int, dest="seconds", metavar="N", help="of work on a film (default 900)")
    p.add_argument("--max-upload", type=int, dest="upload_mb", metavar="MB", help="of a file that is sent (default 64)")
    p.add_argument("--max-stored", type=int, dest="stored_mb", metavar="MB", help="of all clients' files (default 512)")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    try:
        import gradio  # noqa: F401  the extra
    except ImportError:
        raise InputError('the studio needs Gradio; pip install "digan-jax[studio]".') from None
    import sys
    import threading

    from digan_jax.studio import server

    with arguments.about_flags(arguments.flags_of(server.StudioRequest, **FLAGS)):
        login = server.login_of(a.login)
        given = arguments.given(a, server.StudioRequest)
        request = server.StudioRequest(**{"runs": _offered(), **given})
        if not request.is_local and login is None:
            print(
                f"digan: warning: everybody who reaches {request.host} may use this studio; give --login.",
                file=sys.stderr,
            )
        elif not request.is_local:
            print("digan: warning: the password travels unencrypted; put a proxy with TLS before it.", file=sys.stderr)
        server.bound_programs()
        with server.serving(request, login) as address:
            print(f"digan studio: {address}", flush=True)
            threading.Event().wait()


def _offered() -> list[str]:
    """The runs of this folder, and what comes with the package."""
    from digan_jax.interop import shipped
    from digan_jax.studio import shelf

    return [*shelf.found_in("runs"), *(shipped.PREFIX + name for name in shipped.names())]
