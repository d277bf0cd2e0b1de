#!/usr/bin/env bash
# Makes .venv and installs the pinned packages and Accord itself into it.
#
# Packages are installed only when requirements.txt has changed since the last time. pip gets them from
# wherever it is configured to; --no-deps, because the list is complete and vLLM's own would bring
# torchvision and others, whose public builds need CUDA and break transformers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

PIP_VERSION=26.3 # halves the time of Python 3.11's own pip
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

python_find() {
  local name
  for name in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "Accord needs Python 3.11 or newer: install it, or set PYTHON to where it is." >&2
  return 1
}

packages_install() {
  local log=.venv/install.log
  echo "Installing the pinned packages into .venv, which takes a few minutes, once."
  .venv/bin/python -m pip install --quiet "pip==$PIP_VERSION" >"$log" 2>&1 || { packages_failed "$log"; return 1; }
  # Compiled afterwards on all cores: pip compiles on one.
  .venv/bin/python -m pip install --no-deps --no-compile -r requirements.txt >"$log" 2>&1 ||
    { packages_failed "$log"; return 1; }
  .venv/bin/python -m compileall -q -j 0 -x '/tests/' .venv/lib/python3*/site-packages >/dev/null 2>&1 || true
  cp requirements.txt .venv/requirements.installed
}

packages_failed() {
  tail -n 20 "$1" >&2
  if grep -q 'No matching distribution found for torch' "$1"; then
    echo "pip found no CPU build of torch: set PIP_FIND_LINKS to a folder or page, or PIP_EXTRA_INDEX_URL" \
      "to an index, that holds PyTorch's CPU wheels." >&2
  fi
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  python=$(python_find)
  "$python" -m venv --clear .venv
fi
if ! cmp -s requirements.txt .venv/requirements.installed; then
  packages_install
fi
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e . >.venv/install.log 2>&1 ||
  { packages_failed .venv/install.log; exit 1; }
touch .venv/installed
