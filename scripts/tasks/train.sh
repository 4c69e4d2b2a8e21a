#!/usr/bin/env bash
# Trains the small models of docs/tasks.md, each in less than 15 minutes on two cores:
#   bash scripts/tasks/prepare.sh && bash scripts/tasks/train.sh [translate] [upscale] [predict]
set -euo pipefail
cd "$(dirname "$0")/../.."
digan=.venv/bin/digan
for task in ${*:-translate upscale predict}; do
  case $task in
    translate)
      $digan train --config translate --workdir runs/translate --config.train.total_kimg=12
      $digan condition styles --run runs/translate ;;
    upscale)
      $digan train --config upscale --workdir runs/upscale --config.train.total_kimg=2.8 ;;
    predict)
      $digan train --config predict --workdir runs/predict --config.train.total_kimg=20 ;;
    *) echo "train.sh: $task is none of translate, upscale, predict" >&2; exit 2 ;;
  esac
done
