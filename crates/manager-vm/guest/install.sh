# unpack ARCHIVE SHA256 FOLDER PROGRAM LINK: /opt/flamenco/LINK -> FOLDER, unpacked from a verified copy.
# The folder appears under its name only when it is complete; its mark says from which archive it came.
unpack() {
  local archive=$1 sha=$2 folder=$3 program=$4 link=$5 base=$root/opt/flamenco work got
  mkdir -p "$base"
  if [ "$(cat "$base/$folder/.flamenco-azure-sha256" 2>/dev/null)" != "$sha" ]; then
    rm -rf "$base"/.unpack.*
    work=$(mktemp -d "$base/.unpack.XXXXXX") || fail "cannot write to /opt/flamenco (disk full?)"
    cp "$archive" "$work/archive" || fail "cannot copy ${archive##*/} to local disk (disk full?)"
    got=$(sha256sum <"$work/archive")
    got=${got%% *}
    [ "$got" = "$sha" ] || fail "checksum of ${archive##*/} is $got, expected $sha"
    mkdir "$work/out"
    tar -xf "$work/archive" -C "$work/out" --no-same-owner || fail "cannot unpack ${archive##*/} (disk full or a damaged archive)"
    [ -x "$work/out/$folder/$program" ] || fail "${archive##*/} holds no $folder/$program"
    printf '%s\n' "$sha" >"$work/out/$folder/.flamenco-azure-sha256"
    sync -f "$work"
    rm -rf "${base:?}/$folder"
    mv -T "$work/out/$folder" "$base/$folder"
    rm -rf "$work"
    changed=yes
  fi
  point "$link" "$folder"
}

# point LINK FOLDER: /opt/flamenco/LINK -> FOLDER.
point() {
  local base=$root/opt/flamenco
  if [ "$(readlink "$base/$1" || true)" != "$2" ]; then
    rm -f "$base/.link"
    ln -s "$2" "$base/.link"
    mv -T "$base/.link" "$base/$1"
    changed=yes
  fi
}
