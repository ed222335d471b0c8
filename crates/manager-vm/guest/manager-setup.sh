#!/bin/bash
# Makes this machine the farm's Flamenco Manager. Run by flamenco-azure-setup.service at every boot: each step looks
# first and does only what is missing, so a failed download heals with a reboot.
set -Eeuo pipefail
umask 022

@LIB@
@MOUNTS@
@INSTALL@
lib=$root/usr/local/lib/flamenco-azure
state=$root/var/lib/flamenco-azure
home=$root/var/lib/flamenco-manager
backup=$root@OUTPUT@/.flamenco-azure/manager-backup
shelf=$root@RESOURCES@/flamenco-azure
fetched=$state/fetched

set_state() {
  printf '%s\n' "$1" >"$state/setup.state.new"
  mv -T "$state/setup.state.new" "$state/setup.state"
}

on_exit() {
  [ "$1" -eq 0 ] || set_state "failed: ${reason:-unexpected error (exit status $1)}"
}

# own MODE OWNER FOLDER...: makes folders with exactly that mode and owner, touching only what differs.
own() {
  local mode=$1 owner=$2 folder
  shift 2
  for folder in "$@"; do
    mkdir -p "$folder" || fail "cannot make ${folder#"$root"} (is root squashed on the share?)"
    [ "$(stat -c %a "$folder")" = "$mode" ] || chmod "$mode" "$folder"
    [ "$(stat -c %U:%G "$folder")" = "$owner" ] || chown "$owner" "$folder" || fail "cannot give ${folder#"$root"} to $owner"
  done
}

download() {
  local code=0
  curl --fail --location --silent --show-error --proto-redir '=https' --connect-timeout 30 --speed-limit 1000 --speed-time 120 \
    --retry "${FLAMENCO_AZURE_RETRIES:-5}" --retry-connrefused --output "$2" "$1" || code=$?
  case $code in
    0) ;;
    23) fail "cannot store the download of $1 (disk full?)" ;;
    *) fail "cannot download $1 (curl exit status $code)" ;;
  esac
}

# prefetch: downloads both archives to local disk while packages are installed. Whatever goes wrong here goes wrong
# again, with its reason, where an archive is needed.
prefetch() {
  rm -rf "$fetched"
  if [ -d "$root/opt/flamenco" ] || ! command -v curl >/dev/null; then return 0; fi
  mkdir -p "$fetched"
  curl --fail --location --silent --proto-redir '=https' --connect-timeout 30 --speed-limit 1000 --speed-time 120 --parallel \
    --output "$fetched/"@FLAMENCO_ARCHIVE@ @FLAMENCO_URL@ --output "$fetched/"@BLENDER_ARCHIVE@ @BLENDER_URL@ </dev/null 9>&- &
  fetching=$!
}

# Half a download is none. A share that has both archives already needs neither.
prefetched() {
  [ -n "$fetching" ] || return 0
  if [ -f "$shelf/"@FLAMENCO_ARCHIVE@ ] && [ -f "$shelf/"@BLENDER_ARCHIVE@ ]; then kill "$fetching" || true; fi
  wait "$fetching" || rm -rf "$fetched"
}

# publish NAME URL SUMS_URL PINNED: puts an archive and its checksum on the share; the checksum comes last, so that
# what has one is whole. Sets sha. The pinned checksum wins over the publisher's own file.
publish() {
  local name=$1 url=$2 sums=$3 pinned=$4 part got
  sha=$(cat "$shelf/$name.sha256" 2>/dev/null || true)
  if [ -n "$sha" ] && [ -f "$shelf/$name" ] && [ "$sha" = "${pinned:-$sha}" ]; then return 0; fi
  rm -f "$shelf"/.part.*
  part=$(mktemp "$shelf/.part.XXXXXX") || fail "cannot write to the share"
  sha=$pinned
  if [ -z "$sha" ]; then
    download "$sums" "$part"
    sha=$(awk -v name="$name" '$2 == name || $2 == "*" name { print tolower($1); exit }' "$part")
    [[ $sha =~ ^[0-9a-f]{64}$ ]] || fail "$sums has no checksum of $name"
  fi
  if [ -f "$fetched/$name" ]; then
    cp "$fetched/$name" "$part" || fail "cannot write $name to the share (share full?)"
    rm -f "$fetched/$name"
  else
    say "downloading $url"
    download "$url" "$part"
  fi
  got=$(sha256sum <"$part")
  got=${got%% *}
  if [ "$got" != "$sha" ]; then
    rm -f "$part"
    fail "checksum of $name is $got, expected $sha"
  fi
  chmod 0644 "$part"
  rm -f "$shelf/$name.sha256"
  mv -T "$part" "$shelf/$name"
  put "$shelf/$name.sha256" 0644 <<<"$sha"
}

# A new machine with an old farm's share: take the last nightly copy.
restore() {
  if [ -e "$home/flamenco-manager.sqlite" ] || ! [ -e "$backup/flamenco-manager.sqlite" ]; then return 0; fi
  say "restoring the Manager's database from the nightly copy on the share"
  local file
  for file in flamenco-manager.yaml flamenco-manager.yaml.written flamenco-manager.sqlite; do
    [ -e "$backup/$file" ] || continue
    cp "$backup/$file" "$home/.restore" || fail "cannot restore $file (disk full?)"
    chmod 0600 "$home/.restore"
    chown flamenco:flamenco "$home/.restore"
    mv -T "$home/.restore" "$home/$file"
  done
}

# flamenco-manager.yaml is replaced only while it is still what was written here last; edits made in Flamenco's own
# settings page or by hand are kept.
settings() {
  local file=$home/flamenco-manager.yaml now=
  [ ! -e "$file" ] || now=$(sha256sum <"$file")
  if [ -n "$now" ] && [ "$now" != "$(cat "$file.written" 2>/dev/null)" ] && ! cmp -s "$file" "$lib/flamenco-manager.yaml"; then
    say "flamenco-manager.yaml was edited: kept"
    return 0
  fi
  put "$file" 0600 <"$lib/flamenco-manager.yaml"
  put "$file.written" 0600 <<<"$(sha256sum <"$file")"
  [ "$(stat -c %U:%G "$file" "$file.written" | sort -u)" = flamenco:flamenco ] || chown flamenco:flamenco "$file" "$file.written"
}

@WEB@
mkdir -p "$state"
exec 9>"$state/setup.lock"
flock 9
trap 'on_exit $?' EXIT
set_state running

fetching=
prefetch
packages curl ca-certificates xz-utils sqlite3
mount_packages
ensure_user /var/lib/flamenco-manager
id -nG @ADMIN@ | tr ' ' '\n' | grep -qx flamenco || usermod -a -G flamenco @ADMIN@
mount_units
mount_share
# What nodes will run is root's alone; jobs and frames belong to the workers.
own 755 root:root "$root$share/resources"
own 2775 flamenco:flamenco "$root$share/input" "$root$share/output" "$root$share/output/render"
# 711: the web server's user passes through to its own folder.
own 711 root:root "$root$share/.flamenco-azure"
mount_folders
own 755 root:root "$shelf"
own 750 flamenco:flamenco "$home" "$root@OUTPUT@/.flamenco-azure" "$backup"

prefetched
changed=
publish @FLAMENCO_ARCHIVE@ @FLAMENCO_URL@ @FLAMENCO_SUMS@ @FLAMENCO_SHA256@
changed=
unpack "$shelf/"@FLAMENCO_ARCHIVE@ "$sha" @FLAMENCO_FOLDER@ flamenco-manager flamenco
restore
settings
systemctl is-enabled --quiet flamenco-manager.service 2>/dev/null || systemctl enable --quiet flamenco-manager.service
if [ -n "$changed" ]; then verb=restart; else verb=start; fi
systemctl "$verb" flamenco-manager.service || fail "flamenco-manager does not start: $(journalctl -q -u flamenco-manager.service -n 3 -o cat 2>/dev/null | tr '\n' ' ')"
systemctl is-enabled --quiet flamenco-manager-backup.timer 2>/dev/null || systemctl enable --quiet --now flamenco-manager-backup.timer

publish @BLENDER_ARCHIVE@ @BLENDER_URL@ @BLENDER_SUMS@ @BLENDER_SHA256@
address=@ADDRESS@
if [ -z "$address" ]; then
  # The source address towards Azure's own wire server, which every VM can reach.
  address=$(ip -4 route get 168.63.129.16 | sed -n 's/.* src \([0-9.]*\).*/\1/p')
  [ -n "$address" ] || fail "cannot find this machine's private address"
fi
put "$shelf/manager-address" 0644 <<<"$address"
# The node script comes last: a node that finds it finds all that it needs.
sha=$(sha256sum <"$lib/node-setup")
put "$shelf/node-setup-${sha%% *}.sh" 0755 <"$lib/node-setup"
setup_web
rm -rf "$fetched"
set_state "done"
say "the Manager is set up"
