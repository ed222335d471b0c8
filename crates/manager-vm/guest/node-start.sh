set -Eeuo pipefail
umask 022
@LIB@
@MOUNTS@
sha=@NODE_SETUP_SHA256@
script=$root$share/resources/flamenco-azure/node-setup-$sha.sh
mount_packages
mount_units
mount_share
# The Manager puts the script there as the last step of its own setup.
until [ -f "$script" ]; do
  [ "$SECONDS" -lt "${FLAMENCO_AZURE_WAIT:-1200}" ] || fail "no node-setup-$sha.sh on the share: see the Manager's setup"
  sleep 5
done
mount_folders
copy=$root/var/lib/flamenco-azure/node-setup
put "$copy" 0755 <"$script"
got=$(sha256sum <"$copy")
[ "${got%% *}" = "$sha" ] || fail "checksum of the node setup script is ${got%% *}, expected $sha"
exec bash "$copy"
