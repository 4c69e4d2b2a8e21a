#!/usr/bin/env bash
# Trains on the GPUs of several machines of a Slurm cluster. Submit it again to continue.
#   sbatch --nodes 4 scripts/launch_slurm.sh --config sky_128 --config.data.data_dir=/shared/sets --workdir /shared/runs/sky
# Run it where `digan` is on the PATH, on a disk that all machines share. Options of sbatch replace those below.
# One process for each GPU: this is how JAX parts the GPUs of a machine under Slurm.
# DIGAN    command to run (default: digan)       PORT    free port on the first machine (default: by the job's number)
#SBATCH --job-name=digan
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=digan-%j.log
# TERM, three minutes before the end of the job's time: training saves a checkpoint and ends.
set -euo pipefail
machines=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
export COORDINATOR=${machines%%$'\n'*}:${PORT:-$((20000 + SLURM_JOB_ID % 20000))} DIGAN=${DIGAN:-digan}

status=0
# Variables in single quotes are those of each task.
# shellcheck disable=SC2016
srun --kill-on-bad-exit=0 bash -c 'exec $DIGAN train --coordinator "$COORDINATOR" --process-id "$SLURM_PROCID" \
  --process-count "$SLURM_NTASKS" --wait 300 "$@"' digan "$@" || status=$?
# 1: training diverged; 2: an invalid option or a full disk. Anything else is a lost machine: go on from the last checkpoint.
if [ "$status" -gt 2 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
