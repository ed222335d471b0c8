#!/bin/sh
# Asks for this node's deletion when a check has found it idle for so many minutes on end.
set -u
root=${FLAMENCO_AZURE_ROOT:-}
conf=${FLAMENCO_AZURE_CONF:-$root/etc/flamenco-azure/node.conf}
setting() { sed -n "s/^$1=//p" "$conf" | tail -n 1; }
say() { printf 'flamenco-azure: %s\n' "$*"; }
check=$(setting IDLE_CHECK) minutes=$(setting IDLE_MINUTES)
case $minutes in *[!0-9]* | '') say "IDLE_MINUTES is '$minutes': expected a number" >&2 && exit 1 ;; esac
[ -n "$check" ] || { say "IDLE_CHECK is not set" >&2 && exit 1; }
idle=0
while sleep 60; do
  if sh -c "$check" </dev/null >/dev/null 2>&1; then idle=$((idle + 1)); else idle=0; fi
  if [ "$idle" -ge "$minutes" ]; then
    say "idle for $idle minutes"
    "$root/usr/local/bin/delete-this-node" && exit 0
  fi
done
