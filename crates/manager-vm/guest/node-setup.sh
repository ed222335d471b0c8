#!/bin/bash
# Makes this Batch node a Flamenco worker. Run as root by the pool's start task, again after every reboot: a second
# run changes nothing and does not disturb a rendering worker.
set -Eeuo pipefail
umask 022

@LIB@
@INSTALL@
@APP_PACKAGES@

shelf=$root@RESOURCES@/flamenco-azure
home=$root/var/lib/flamenco-worker
node=${AZ_BATCH_NODE_ID:-}
shared=${AZ_BATCH_NODE_SHARED_DIR:-}
[[ $node =~ ^[A-Za-z0-9_.-]+$ ]] || fail "AZ_BATCH_NODE_ID is '$node': this script runs as a Batch start task"
[[ $shared =~ ^/[A-Za-z0-9_./-]+$ ]] || fail "AZ_BATCH_NODE_SHARED_DIR is '$shared': not a plain absolute path"

address=@ADDRESS@
[ -n "$address" ] || address=$(cat "$shelf/manager-address" 2>/dev/null) || fail "the share has no manager-address: has the Manager's setup finished?"

# checksum NAME PINNED: sets sha to the pinned one, else to the one that the Manager verified.
checksum() {
  sha=$2
  [ -n "$sha" ] || sha=$(cat "$shelf/$1.sha256" 2>/dev/null) || fail "the share has no checksum of $1: has the Manager's setup finished?"
  [ -f "$shelf/$1" ] || fail "the share has no $1: has the Manager's setup finished?"
}

packages xz-utils ca-certificates libx11-6 libxi6 libxrender1 libxxf86vm1 libxfixes3 libgl1 libxkbcommon0 libsm6 libegl1
ensure_user /var/lib/flamenco-worker
# GPU images have these groups; without them Blender sees no device.
for group in video render; do
  if getent group "$group" >/dev/null && ! id -nG flamenco | tr ' ' '\n' | grep -qx "$group"; then
    usermod -a -G "$group" flamenco
  fi
done
mkdir -p "$home/home" "$shared"
[ "$(stat -c %U:%G "$home/home")" = flamenco:flamenco ] || chown flamenco:flamenco "$home" "$home/home"

require_packages
# A program is the pool's application package where it has one, else what the Manager put on the share.
changed=
find_package flamenco-worker flamenco-worker
if [ -n "$package" ]; then
  take_package flamenco-worker flamenco
else
  checksum @FLAMENCO_ARCHIVE@ @FLAMENCO_SHA256@
  unpack "$shelf/"@FLAMENCO_ARCHIVE@ "$sha" @FLAMENCO_FOLDER@ flamenco-worker flamenco
fi
find_package blender blender
if [ -n "$package" ]; then
  take_package blender blender
else
  checksum @BLENDER_ARCHIVE@ @BLENDER_SHA256@
  unpack "$shelf/"@BLENDER_ARCHIVE@ "$sha" @BLENDER_FOLDER@ blender blender
fi
find_package ffmpeg ffmpeg
[ -z "$package" ] || take_package ffmpeg ffmpeg
worker_ffmpeg
put "$home/flamenco-worker.yaml" 0644 <<FILE
@WORKER_YAML@
FILE
put "$root/etc/flamenco-azure/worker.env" 0644 <<FILE
FLAMENCO_WORKER_NAME=$node
FLAMENCO_HOME=/var/lib/flamenco-worker/home
FILE
put "$root/etc/logrotate.d/flamenco-worker" 0644 <<FILE
$shared/flamenco-worker.log {
  su root root
  size 50M
  rotate 2
  copytruncate
  missingok
}
FILE
put "$root/etc/systemd/system/flamenco-worker.service" 0644 <<FILE
@WORKER_UNIT@
FILE
if [ -n "$changed" ]; then
  systemctl daemon-reload
  verb=restart
else
  verb=start
fi
systemctl is-enabled --quiet flamenco-worker.service 2>/dev/null || systemctl enable --quiet flamenco-worker.service
systemctl "$verb" flamenco-worker.service || fail "flamenco-worker does not start: $(journalctl -q -u flamenco-worker.service -n 3 -o cat 2>/dev/null | tr '\n' ' ')"
say "worker $node is set up"
