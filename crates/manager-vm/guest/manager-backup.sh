#!/bin/bash
# Nightly copy of the Manager's database and settings to the share. Runs as the user flamenco. SQLite's own backup
# goes to local disk first (its locks do not belong on NFS); a damaged database never replaces a good copy.
set -euo pipefail
umask 077

root=${FLAMENCO_AZURE_ROOT:-}

fail() {
  printf 'flamenco-azure: failed: %s\n' "$*" >&2
  exit 1
}

home=$root/var/lib/flamenco-manager
backup=$root@OUTPUT@/.flamenco-azure/manager-backup

[ -d "$backup" ] || fail "no folder @OUTPUT@/.flamenco-azure/manager-backup: is the share mounted?"
work=$(mktemp -d "$home/.backup.XXXXXX")
trap 'rm -rf "$work"' EXIT
sqlite3 -bail "$home/flamenco-manager.sqlite" '.timeout 60000' ".backup '$work/flamenco-manager.sqlite'" ||
  fail "cannot copy the database"
[ "$(sqlite3 "$work/flamenco-manager.sqlite" 'PRAGMA quick_check')" = ok ] ||
  fail "the database is damaged; the last good copy is kept"
cp "$home/flamenco-manager.yaml" "$home/flamenco-manager.yaml.written" "$work/"
for file in flamenco-manager.yaml flamenco-manager.yaml.written flamenco-manager.sqlite; do
  cp "$work/$file" "$backup/.$file.new"
  [ ! -e "$backup/$file" ] || cp "$backup/$file" "$backup/$file.previous"
  mv -T "$backup/.$file.new" "$backup/$file"
done
echo "flamenco-azure: copied the Manager's database to @OUTPUT@/.flamenco-azure/manager-backup"
