#!/bin/sh
# Takes flamenco-azure-scaler off this machine; what it scaled stays as it is. Runs any number of times.
set -u
root=${FLAMENCO_AZURE_ROOT:-}
unit=flamenco-azure-scaler.service
if [ -e "$root/etc/systemd/system/$unit" ]; then
  systemctl disable --quiet --now "$unit" || {
    printf 'flamenco-azure: failed: cannot stop %s\n' "$unit" >&2
    exit 1
  }
fi
rm -rf "$root/etc/systemd/system/$unit" "$root/etc/systemd/system/$unit.d" "$root/usr/local/bin/flamenco-azure-scaler" \
  "$root/etc/flamenco-azure/scaler.yaml" "$root/etc/flamenco-azure/scaler.env" "$root/etc/flamenco-azure/capacity.conf"
for file in set-capacity set_capacity.imds.sh set_capacity.service_principal.sh; do
  rm -f "$root/usr/local/bin/$file"
done
systemctl daemon-reload
systemctl reset-failed "$unit" 2>/dev/null
if getent passwd flamenco-scaler >/dev/null; then userdel flamenco-scaler; fi
if getent group flamenco-scaler >/dev/null; then groupdel flamenco-scaler; fi
echo 'flamenco-azure: flamenco-azure-scaler is removed'
