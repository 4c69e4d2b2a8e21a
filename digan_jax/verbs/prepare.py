"""`digan prepare`."""

from __future__ import annotations

import shlex


def add(verbs) -> None:
    p = verbs.add_parser(
        "prepare",
        help="videos or frame folders to a data set",
        description="Videos or folders of frames to a TFDS set; class subfolders and train/val/test folders are kept.",
    )
    p.add_argument("source", help="folder of .mp4 .avi .webm .mkv .mov .gif files, or of folders of .png .jpg frames")
    p.add_argument("--name", required=True, help="of the set: small letters, digits and underscores")
    p.add_argument("--size", type=int, default=128, help="pixels a side of the stored frames (default 128)")
    p.add_argument("--frames", type=int, default=16, help="of a clip; shorter shots are left out (default 16)")
    p.add_argument(
        "--stride", type=int, default=1, help="source frames from one frame of a clip to the next (default 1)"
    )
    p.add_argument("--data-dir", default="", help="where sets lie (default $TFDS_DATA_DIR or ~/tensorflow_datasets)")
    p.add_argument("--val-fraction", type=float, default=0.0, help="part of the files that becomes the split val")
    p.add_argument("--cuts", action="store_true", help="split videos at cuts")
    p.add_argument("--piece-frames", type=int, default=128, help="frames of a stored piece, about (default 128)")
    p.add_argument("--workers", type=int, default=0, help="decoding processes; 0: one for each core (default)")
    p.add_argument("--strict", action="store_true", help="fail on a file that cannot be used instead of skipping it")
    p.add_argument("--overwrite", action="store_true", help="replace a set of this name that was made otherwise")
    p.add_argument("--beam", metavar="OPTIONS", help='prepare on Apache Beam, such as --beam "--runner=DirectRunner"')
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.data import builder

    options = "name size frames stride data_dir val_fraction cuts piece_frames workers strict overwrite".split()
    beam = None if a.beam is None else shlex.split(a.beam)
    print(builder.prepare(source=a.source, beam_options=beam, **{name: getattr(a, name) for name in options}))
