#!/usr/bin/env bash
# Installs the test dependencies into .venv and runs all tests; about ten minutes on two cores.
# Arguments are passed to pytest:  bash scripts/test.sh -k checkpoint
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -x .venv/bin/python ]; then
  "$(command -v python3.11 || command -v python3)" -m venv .venv
fi
# Without the extra [cuda] or [tpu], jax is installed for CPU.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,eval,beam]"
JAX_PLATFORMS=cpu exec .venv/bin/python -m pytest -n 2 "$@"
