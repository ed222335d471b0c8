
# Once per machine: mounts the export, runs the script on it, unmounts.
export_of=@EXPORT@ point=@POINT@ options=@OPTIONS@ script=@SCRIPT@
nfs_client() {
  if command -v mount.nfs >/dev/null 2>&1; then return 0; fi
  if command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update && apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends nfs-common
  elif command -v dnf >/dev/null 2>&1; then
    dnf -q -y install nfs-utils
  elif command -v yum >/dev/null 2>&1; then
    yum -q -y install nfs-utils
  else
    zypper -q -n install nfs-client
  fi
}
patiently() { # patiently TIMES PAUSE COMMAND...
  times=$1 between=$2
  shift 2
  until "$@"; do
    times=$((times - 1))
    [ "$times" -gt 0 ] || return 1
    sleep "$between"
  done
}
if [ ! -e "$state/bootstrap.done" ]; then
  patiently 8 15 nfs_client || fail "cannot install the NFS client"
  mkdir -p "$root$point"
  before=$(findmnt --noheadings --output SOURCE --mountpoint "$root$point")
  case $before in
    "$export_of") ;;
    '') patiently 30 10 mount -t nfs -o "$options" "$export_of" "$root$point" || fail "cannot mount $export_of on $point" ;;
    *) fail "$point is a mount of $before, not of $export_of" ;;
  esac
  if [ -x "$root$point$script" ]; then
    "$root$point$script" </dev/null
  else
    bash "$root$point$script" </dev/null
  fi
  ended=$?
  [ -n "$before" ] || umount "$root$point" || umount -l "$root$point"
  [ "$ended" -eq 0 ] || fail "$script of $export_of ended with status $ended"
  : >"$state/bootstrap.done"
fi
