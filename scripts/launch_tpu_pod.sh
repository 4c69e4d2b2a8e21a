#!/usr/bin/env bash
# Starts training on every host of a TPU VM pod slice. Run it again to continue.
#   TPU=my-v5e-32 ZONE=us-west4-a bash scripts/launch_tpu_pod.sh --config sky_128 \
#     --config.data.data_dir=gs://my-bucket/sets --workdir gs://my-bucket/runs/sky
# TPU      name of the TPU VM            ZONE    its zone           PROJECT  its project (default: gcloud's)
# TYPE     such as v5litepod-32: if the TPU VM does not exist, asks for it as a queued resource and waits until it is there
# RUNTIME  its software (default: v2-alpha-tpuv5-lite)              SPOT     1: may be taken back at any time, cheaper
# SOURCE   Git repository for the hosts to clone (default: origin)  BRANCH   its branch (default: main)
# All hosts must see the same --workdir and data, in a bucket or on a shared disk.
# To save a checkpoint and stop: the same variables, and `stop` instead of the options.
set -euo pipefail
: "${TPU:?set it to the name of the TPU VM}" "${ZONE:?set it to the zone of the TPU VM}"
SOURCE=${SOURCE:-$(git -C "$(dirname "$0")" remote get-url origin)}
BRANCH=${BRANCH:-main}
WHERE=(--zone "$ZONE" ${PROJECT:+--project "$PROJECT"})

queued() { gcloud compute tpus queued-resources "$1" "$TPU" "${WHERE[@]}" "${@:2}"; }

on_every_host() { gcloud compute tpus tpu-vm ssh "$TPU" "${WHERE[@]}" --worker=all --command "$1"; }

if [ "${1:-}" = stop ]; then
  on_every_host "pkill --signal TERM --full '[/]digan train'"
  exit
fi
if [ -n "${TYPE:-}" ] && ! gcloud compute tpus tpu-vm describe "$TPU" "${WHERE[@]}" > /dev/null 2>&1; then
  queued create --node-id "$TPU" --accelerator-type "$TYPE" --runtime-version "${RUNTIME:-v2-alpha-tpuv5-lite}" ${SPOT:+--spot}
  until state=$(queued describe --format 'value(state.state)') && [ "$state" = ACTIVE ]; do
    echo "$TPU: $state"
    case $state in FAILED | SUSPEND*) exit 1 ;; esac
    sleep "${EVERY:-30}"
  done
fi
on_every_host "set -e
  [ -d digan-jax ] || git clone --quiet --branch '$BRANCH' '$SOURCE' digan-jax
  cd digan-jax
  [ -d .venv ] || python3 -m venv .venv
  .venv/bin/pip install --quiet '.[tpu]' gcsfs
  .venv/bin/digan train --distributed $(printf '%q ' "$@")"
