#!/usr/bin/env bash
# Starts training on every host of a TPU VM pod slice. Run it again to continue.
#   TPU=my-v5e-32 ZONE=us-west4-a bash scripts/launch_tpu_pod.sh --config sky_128 \
#     --config.data.data_dir=gs://my-bucket/sets --workdir gs://my-bucket/runs/sky
# TPU      name of the TPU VM            ZONE    its zone           PROJECT  its project (default: gcloud's)
# SOURCE   Git repository for the hosts to clone (default: origin)          BRANCH  its branch (default: main)
# All hosts must see the same --workdir and data, in a bucket or on a shared disk.
# To save a checkpoint and stop: the same variables, and `stop` instead of the options.
set -euo pipefail
: "${TPU:?set it to the name of the TPU VM}" "${ZONE:?set it to the zone of the TPU VM}"
SOURCE=${SOURCE:-$(git -C "$(dirname "$0")" remote get-url origin)}
BRANCH=${BRANCH:-main}

on_every_host() {
  gcloud compute tpus tpu-vm ssh "$TPU" --zone "$ZONE" ${PROJECT:+--project "$PROJECT"} --worker=all --command "$1"
}

if [ "${1:-}" = stop ]; then
  on_every_host "pkill --signal TERM --full '[/]digan train'"
  exit
fi
on_every_host "set -e
  [ -d digan-jax ] || git clone --quiet --branch '$BRANCH' '$SOURCE' digan-jax
  cd digan-jax
  [ -d .venv ] || python3 -m venv .venv
  .venv/bin/pip install --quiet '.[tpu]' gcsfs
  .venv/bin/digan train --distributed $(printf '%q ' "$@")"
