#!/usr/bin/env bash
# Installs what `make test-ops` runs for real: the Debian packages of packages.txt that are not there yet, and the
# checkers of requirements.txt into .venv/ops. Services are not started: each test runs its own, in a temporary
# folder, on loopback.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

missing=()
while read -r name; do
  [ -z "$name" ] && continue
  [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null)" = "ii " ] || missing+=("$name")
done <packages.txt
if [ "${#missing[@]}" != 0 ]; then
  echo "Installing ${missing[*]}."
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

tools=../../.venv/ops
if ! cmp -s requirements.txt "$tools/requirements.installed"; then
  ../../.venv/bin/python -m venv --clear "$tools"
  "$tools/bin/python" -m pip install --quiet -r requirements.txt 2>"$tools/install.log" ||
    { tail -n 20 "$tools/install.log" >&2; exit 1; }
  cp requirements.txt "$tools/requirements.installed"
fi
