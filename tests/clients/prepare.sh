#!/usr/bin/env bash
# Installs, under target/, what the suites in this folder need: target/py (Microsoft's Python clients), target/az
# (azure-cli) and target/oav (Microsoft's OpenAPI validator); and target/azurite (Microsoft's emulator of queues and
# blobs), beside which a test of crates/vmss-scaler holds the simulator. What is there in the wanted versions is left.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$here/../.." && pwd)/target

prepared() { # prepared NAME LIST: whether target/NAME holds what LIST says
  cmp -s "$2" "$target/$1/.prepared"
}

python_packages() { # python_packages NAME REQUIREMENTS
  local home=$target/$1 begun=$SECONDS
  if prepared "$1" "$2"; then return; fi
  rm -rf "$home"
  python3 -m venv "$home"
  # Modules are compiled when they are first used: az brings thousands that never are.
  "$home/bin/pip" install --quiet --disable-pip-version-check --no-compile --requirement "$2"
  cp "$2" "$home/.prepared"
  echo "prepared target/$1 in $((SECONDS - begun)) s"
}

node_packages() { # node_packages NAME FOLDER
  local home=$target/$1 begun=$SECONDS
  if prepared "$1" "$2/package-lock.json"; then return; fi
  rm -rf "$home"
  mkdir -p "$home"
  cp "$2/package.json" "$2/package-lock.json" "$home"
  npm ci --prefix "$home" --no-audit --no-fund --ignore-scripts --loglevel error
  cp "$2/package-lock.json" "$home/.prepared"
  echo "prepared target/$1 in $((SECONDS - begun)) s"
}

mkdir -p "$target"
python_packages py "$here/requirements-py.txt" &
jobs=($!)
python_packages az "$here/requirements-az.txt" &
jobs+=($!)
node_packages oav "$here/oav" &
jobs+=($!)
node_packages azurite "$here/azurite" &
jobs+=($!)
for job in "${jobs[@]}"; do
  wait "$job"
done
