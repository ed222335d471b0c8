# Helpers shared by every guest script. FLAMENCO_AZURE_ROOT is empty in production; tests set it to a scratch folder.
root=${FLAMENCO_AZURE_ROOT:-}
reason=
changed=

say() { printf 'flamenco-azure: %s\n' "$*"; }

fail() {
  reason=${*//$'\n'/ }
  printf 'flamenco-azure: failed: %s\n' "$reason" >&2
  exit 1
}

# What no check foresaw stops with its place.
on_error() {
  [ -n "$reason" ] || printf 'flamenco-azure: failed: unexpected error in line %s: %s\n' "$1" "${2//$'\n'/ }" >&2
  reason=${reason:-unexpected error in line $1: ${2//$'\n'/ }}
}
trap 'on_error "$LINENO" "$BASH_COMMAND"' ERR

# put FILE MODE: writes stdin to FILE atomically, only when the content differs; then sets changed.
put() {
  local new
  mkdir -p "${1%/*}"
  new=$(mktemp "$1.XXXXXX") || fail "cannot write $1 (disk full?)"
  cat >"$new" || fail "cannot write $1 (disk full?)"
  chmod "$2" "$new"
  if cmp -s "$new" "$1"; then
    rm -f "$new"
  else
    mv -T "$new" "$1"
    changed=yes
  fi
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# packages NAME...: installs what is missing; apt is not touched when nothing is.
packages() {
  local name missing=()
  for name in "$@"; do installed "$name" || missing+=("$name"); done
  [ "${#missing[@]}" -gt 0 ] || return 0
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 AZNFS_NONINTERACTIVE_INSTALL=1
  for _ in 1 2 3 4 5 6 7 8; do
    if apt-get -q update && apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends "${missing[@]}"; then
      return 0
    fi
    sleep 15
  done
  fail "cannot install packages: ${missing[*]}"
}

# One uid and gid on Manager and nodes: NFS compares numbers, not names.
ensure_user() {
  getent group flamenco >/dev/null || groupadd --gid 4080 flamenco || fail "cannot make the group flamenco"
  getent passwd flamenco >/dev/null ||
    useradd --uid 4080 --gid flamenco --home-dir "$1" --no-create-home --shell /usr/sbin/nologin flamenco ||
    fail "cannot make the user flamenco"
}
