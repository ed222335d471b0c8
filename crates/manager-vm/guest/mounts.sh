# The farm's share and its folders: the same units at the same paths on Manager and nodes.
share=@SHARE@
folders=(resources input output)
points=(@RESOURCES@ @INPUT@ @OUTPUT@)
units=(@RESOURCES_UNIT@ @INPUT_UNIT@ @OUTPUT_UNIT@)
share_unit=@SHARE_UNIT@
export_name=@EXPORT@

mount_packages() {
  packages nfs-common
@AZNFS@
}

mount_units() {
  changed=
  put "$root/etc/systemd/system/$share_unit" 0644 <<'UNIT'
@SHARE_MOUNT_UNIT@
UNIT
  local i
  for i in "${!folders[@]}"; do
    put "$root/etc/systemd/system/${units[i]}" 0644 <<UNIT
@FOLDER_MOUNT_UNIT@
UNIT
  done
  [ -z "$changed" ] || systemctl daemon-reload
}

# check_mount POINT FOLDER: stops unless POINT is the farm's share (or the folder in it). A bind mount of an NFS
# folder shows either as SOURCE/folder or as SOURCE with that root; TLS mounts show 127.0.0.1 as the server.
check_mount() {
  local type source inner
  read -r type source inner < <(findmnt -rnv -o FSTYPE,SOURCE,FSROOT --mountpoint "$root$1" | tail -n 1) ||
    fail "$1 is not mounted"
  case $type in
    nfs | nfs4 | aznfs) ;;
    *) fail "$1 is a mount of type $type, not the NFS share" ;;
  esac
  source=${source#*:}
  [ "$inner" = / ] || source+=$inner
  [ "$source" = "${export_name#*:}$2" ] || fail "$1 is a mount of $source, not of $export_name$2"
}

# mount_unit UNIT POINT: a mount point is read-only while nothing is mounted on it.
mount_unit() {
  if ! [ -e "$root$2" ]; then
    mkdir -p "$root$2"
    chmod 0555 "$root$2"
  fi
  systemctl is-enabled --quiet "$1" 2>/dev/null || systemctl enable --quiet "$1"
  for _ in 1 2 3 4 5; do
    if systemctl start "$1"; then return 0; fi
    sleep 15
  done
  fail "cannot mount $2 from $export_name: $(journalctl -q -u "$1" -n 3 -o cat 2>/dev/null | tr '\n' ' ')"
}

mount_share() {
  mount_unit "$share_unit" "$share"
  check_mount "$share" ''
}

mount_folders() {
  local i
  for i in "${!folders[@]}"; do
    [ -d "$root$share/${folders[i]}" ] || fail "the share has no folder ${folders[i]}"
    mount_unit "${units[i]}" "${points[i]}"
    check_mount "${points[i]}" "/${folders[i]}"
  done
}
