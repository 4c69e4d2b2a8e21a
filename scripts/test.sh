#!/usr/bin/env bash
# Installs what the tests need into .venv and runs them; about ten minutes on two cores.
#   bash scripts/test.sh --all            also the slow ones: several processes, the wheel, every program of an export
#   bash scripts/test.sh -k checkpoint    more arguments go to pytest
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -x .venv/bin/python ]; then
  "$(command -v python3.11 || command -v python3)" -m venv .venv
fi
which=(-m "not slow")
if [ "${1:-}" = --all ]; then
  which=() && shift
fi
# jax without the extras [cuda] or [tpu] is the build for CPUs.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,eval,beam]"
JAX_PLATFORMS=cpu exec .venv/bin/python -m pytest -n 2 ${which[@]+"${which[@]}"} "$@"
