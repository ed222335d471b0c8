#!/bin/bash
# Tries the share with encryption in transit, beside the mount that the farm uses, and takes everything back but the
# mount helper. Ends with one line of JSON.
set -Eeuo pipefail
umask 022

@LIB@
said() {
  umount "$point" 2>/dev/null || true
  rmdir "$point" 2>/dev/null || true
  if [ "$1" -eq 0 ]; then
    printf '{"mounted":true}\n'
  else
    printf '{"mounted":false,"why":"%s"}\n' "$(printf '%s' "${reason:-exit status $1}" | tr -cd 'A-Za-z0-9 .,:/=()_-' | head -c 300)"
  fi
  exit 0
}
helper() {
@AZNFS@
}
point=$root/mnt/flamenco-azure-try
changed=no
trap 'said $?' EXIT
helper
say "mounting beside the farm's own mount (changed: $changed)"
mkdir -p "$point"
why=$(mount -t aznfs @EXPORT@ "$point" -o @OPTIONS@ 2>&1) || fail "${why:-mount failed}"
ls "$point" >/dev/null || fail "the mounted share cannot be listed"
