
checksum() { sha256sum <"$1" | cut -d ' ' -f 1; }

# fetch FILE URL SHA256 CLIENT: FILE is what has this checksum, downloaded only where it is not there yet; then sets
# $changed. CLIENT: the client id of the identity that may read the blob, or nothing for a public address.
fetch() {
  target=$1 url=$2 want=$3
  if [ -x "$target" ] && [ "$(checksum "$target")" = "$want" ]; then return 0; fi
  secret='' again=''
  if [ -n "$4" ]; then
    token https://storage.azure.com/ "$4"
    set -- --header 'x-ms-version: 2020-10-02'
  else
    set -- --location --proto-redir =https
  fi
  mkdir -p "${target%/*}"
  part=$(mktemp "$target.XXXXXX") || fail "cannot write to ${target%/*}"
  patience=1800
  send "$@" --output "$part" "$url"
  secret='' patience=60
  got=$(checksum "$part")
  if [ "$status" != 200 ]; then
    rm -f "$part"
    fail "cannot download $url: $why"
  elif [ "$got" != "$want" ]; then
    rm -f "$part"
    fail "checksum of $url is $got, expected $want"
  fi
  chmod 0755 "$part"
  sync "$part" 2>/dev/null
  mv "$part" "$target" || fail "cannot write $target"
  # shellcheck disable=SC2034 # for callers who restart something
  changed=yes
}
