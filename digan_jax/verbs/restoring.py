"""What the verbs that make a video of a video share: arguments, and flags to a request."""

from __future__ import annotations

from collections.abc import Sequence

from digan_jax.host.video_formats import QUALITIES
from digan_jax.verbs import arguments

FPS = "frames per second (default: the video's)"


def add(
    p, verb: str, methods: Sequence[str], size: str = "size in pixels (default: the video's)", fps: str = FPS
) -> None:
    """Adds the arguments that all of these verbs have. The first method needs a model."""
    p.add_argument("video", nargs="?", help="a video file, or a folder of .png .jpg frames")
    p.add_argument("--out", metavar="FILE", help=".mp4 .webm .gif .png (a strip of frames) or .npz")
    p.add_argument("--run", help=f"a run or an export that was trained on the task {verb}; for --method {methods[0]}")
    arguments.add_step(p)
    p.add_argument("--method", choices=methods, help=f"default {methods[0]}; the others need no model")
    p.add_argument("--size", type=arguments.size, metavar="WxH", help=size)
    p.add_argument("--fps", type=float, help=fps)
    p.add_argument("--id", type=int, help="of the latents, for what the video leaves open (default 0)")
    p.add_argument("--quality", choices=QUALITIES, help="of .mp4 and .webm; 10-bit: .mp4 only; lossless: exact pixels")
    p.add_argument("--no-sound", action="store_false", dest="sound", default=None, help="leave out the video's sound")
    arguments.add_work(p)


def run(a, job, request: type) -> None:
    """Runs the job of a verb on the request of its flags.

    Args:
      job: a module with `run` and `describe`. request: the class of its requests.
    """
    flags = arguments.flags_of(request, video="a video", resume="--continue", sound="--no-sound")
    with arguments.about_flags(flags):
        arguments.finish(a, arguments.request_of(a, request, request.NAME), job.describe, job.run)
