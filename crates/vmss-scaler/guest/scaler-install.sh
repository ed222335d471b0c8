#!/bin/sh
# Installs flamenco-azure-scaler. Runs any number of times; the scaler is restarted only when something has changed.
@HTTP@
@FETCH@
changed=''

# put FILE MODE GROUP BASE64: the file with this content, written beside and moved into place.
put() {
  mkdir -p "$root${1%/*}"
  new=$(mktemp "$root$1.XXXXXX") || fail "cannot write $1"
  printf '%s' "$4" | base64 -d >"$new" || fail "cannot write $1 (disk full?)"
  chmod "$2" "$new"
  chgrp "$3" "$new" || fail "there is no group $3"
  if cmp -s "$new" "$root$1" && [ "$(stat -c %a "$new")" = "$(stat -c %a "$root$1")" ]; then
    rm -f "$new"
  else
    mv "$new" "$root$1"
    changed=yes
  fi
}
link() { # link TARGET FILE
  [ "$(readlink "$root$2")" = "$1" ] || ln -sfn "$1" "$root$2" || fail "cannot write $2"
}

getent group flamenco-scaler >/dev/null || groupadd --system flamenco-scaler || fail "cannot make the group flamenco-scaler"
getent passwd flamenco-scaler >/dev/null ||
  useradd --system --gid flamenco-scaler --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin flamenco-scaler ||
  fail "cannot make the user flamenco-scaler"
fetch "$root/usr/local/bin/flamenco-azure-scaler" @URL@ @SHA256@ @CLIENT@
@FILES@
version=$(systemctl --version | awk 'NR == 1 { print $2 + 0 }')
if [ "${version:-0}" -ge 254 ]; then
  put /etc/systemd/system/flamenco-azure-scaler.service.d/10-backoff.conf 0644 root @BACKOFF@
fi
if [ -n "$changed" ]; then
  systemctl daemon-reload || fail "systemd does not take the unit"
fi
systemctl enable --quiet flamenco-azure-scaler.service || fail "cannot enable flamenco-azure-scaler.service"
# The scaler says itself when it is ready; while another one holds the lease that can be never.
if [ -n "$changed" ]; then
  systemctl restart --no-block flamenco-azure-scaler.service || fail "cannot restart flamenco-azure-scaler.service"
  say "flamenco-azure-scaler is installed and restarted"
else
  systemctl start --no-block flamenco-azure-scaler.service || fail "cannot start flamenco-azure-scaler.service"
  say "flamenco-azure-scaler is as it should be"
fi
