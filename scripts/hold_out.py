"""Cuts videos into frame folders of a split "train" and a held-out split "val", for `digan prepare`.

  python scripts/hold_out.py OUT VIDEO...

Of every 192 frames of a video, or of all if it has fewer, the last quarter is held out: OUT/train/NAME_BLOCK/FRAME.png
and OUT/val/NAME_BLOCK/FRAME.png.
"""

import sys
from pathlib import Path

import av

BLOCK = 192


def main(out: Path, videos: list[Path]) -> None:
    for path in videos:
        with av.open(str(path)) as file:
            frames = [frame.to_image() for frame in file.decode(video=0)]
        for start in range(0, len(frames), BLOCK):
            block = frames[start : start + BLOCK]
            for number, frame in enumerate(block):
                split = "val" if 4 * number >= 3 * len(block) else "train"
                folder = out / split / f"{path.stem}_{start // BLOCK:03d}"
                folder.mkdir(parents=True, exist_ok=True)
                frame.save(folder / f"{number:04d}.png", compress_level=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
