"""Cuts real videos into tiles of 32 x 32 for restoration: frame folders of a split "train" and a held-out split "val".

  python scripts/tasks/cut.py OUT VIDEO:SHRINK:FRAMES...

A video is made smaller by the whole factor SHRINK, so that its compression shows less, and its first FRAMES frames are
cut into tiles side by side from its middle. Of every 96 frames the last quarter is held out:
OUT/train/NAME_BLOCK_TILE/FRAME.png and OUT/val/NAME_BLOCK_TILE/FRAME.png. The middle 96 x 96 of the first 17 held-out
frames of a block, to be measured on, becomes OUT_whole/NAME_BLOCK/FRAME.png.
"""

import itertools
import sys
from pathlib import Path

import av
from PIL import Image

BLOCK, SIDE, MOST = 96, 32, 12
WHOLE, LONG = 96, 17


def tiles_of(picture: Image.Image) -> list[Image.Image]:
    """At most MOST tiles, of the middle rows first."""
    width, height = picture.size
    columns, rows = width // SIDE, height // SIDE
    left, top = (width - columns * SIDE) // 2, (height - rows * SIDE) // 2
    corners = [(left + SIDE * x, top + SIDE * y) for y, x in itertools.product(range(rows), range(columns))]
    corners.sort(key=lambda at: (abs(at[1] + SIDE / 2 - height / 2), abs(at[0] + SIDE / 2 - width / 2)))
    return [picture.crop((x, y, x + SIDE, y + SIDE)) for x, y in corners[:MOST]]


def main(out: Path, videos: list[str]) -> None:
    for path, shrink, most in (video.rsplit(":", 2) for video in videos):
        name = Path(path).stem
        with av.open(path) as file:
            frames = [
                frame.to_image().reduce(int(shrink)) for frame in itertools.islice(file.decode(video=0), int(most))
            ]
        for number, frame in enumerate(frames):
            block, place = divmod(number, BLOCK)
            split = "val" if 4 * place >= 3 * min(BLOCK, len(frames) - block * BLOCK) else "train"
            for tile, picture in enumerate(tiles_of(frame)):
                save(picture, out / split / f"{name}_{block:02d}_{tile}", number)
            if split == "val" and 4 * place < 3 * BLOCK + 4 * LONG:
                left, top = (frame.width - WHOLE) // 2, (frame.height - WHOLE) // 2
                middle = frame.crop((left, top, left + WHOLE, top + WHOLE))
                save(middle, out.with_name(f"{out.name}_whole") / f"{name}_{block:02d}", number)


def save(picture: Image.Image, folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / f"{number:04d}.png", compress_level=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
