"""`digan prepare`."""

from __future__ import annotations

import shlex

from digan_jax.verbs import arguments


def add(verbs) -> None:
    p = verbs.add_parser(
        "prepare",
        help="convert videos or frame folders to a dataset",
        description="Convert videos or folders of frames to a TFDS dataset. Class subfolders become labels, train/val/"
        "test folders become splits.",
    )
    p.add_argument("source", help="folder of .mp4 .avi .webm .mkv .mov .gif files, or of folders of .png .jpg frames")
    p.add_argument("--name", required=True, help="of the dataset: lower-case letters, digits and underscores")
    p.add_argument("--size", type=int, help="pixels a side of stored frames (default 128)")
    p.add_argument("--frames", type=int, help="frames per clip; shorter videos are skipped (default 16)")
    p.add_argument("--stride", type=int, help="source frames from one frame of a clip to the next (default 1)")
    p.add_argument("--data-dir", help="folder of prepared datasets (default $TFDS_DATA_DIR or ~/tensorflow_datasets)")
    p.add_argument("--val-fraction", type=float, help="fraction of files for the validation split (default 0)")
    p.add_argument("--cuts", action="store_true", help="split videos at cuts")
    p.add_argument("--piece-frames", type=int, help="approximate number of frames per stored record (default 128)")
    p.add_argument("--workers", type=int, help="decoding processes; 0: one per core (default)")
    p.add_argument("--strict", action="store_true", help="fail on unusable files instead of skipping them")
    p.add_argument("--overwrite", action="store_true", help="replace a dataset of this name made with other settings")
    p.add_argument("--beam", dest="beam_options", type=shlex.split, metavar="OPTIONS",
                   help='prepare on Apache Beam, such as --beam "--runner=DirectRunner"')  # fmt: skip
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.host.progress import TerminalProgress
    from digan_jax.jobs import prepare

    with arguments.about_flags(arguments.flags_of(prepare.PrepareRequest, beam_options="--beam")):
        request = prepare.PrepareRequest(**arguments.given(a, prepare.PrepareRequest))
        print(prepare.run(request, TerminalProgress()))
