# require_packages: fails where a package that the pool refers to (FLAMENCO_AZURE_PACKAGES) is not here. Batch lets a node go
# on that may not read its packages, and it is not to render with something else.
require_packages() {
  local id name wanted found
  for id in ${FLAMENCO_AZURE_PACKAGES-}; do
    wanted=az_batch_app_package_${id//[.-]/_} found=
    for name in $(compgen -e); do
      case ${name,,} in
        "${wanted,,}" | "${wanted,,}"_*) if [ -d "${!name-}" ]; then found=yes; fi ;;
      esac
    done
    [ -n "$found" ] || fail "the application package $id is not on this node: may the nodes' identity read it?"
  done
}

# find_package ID PROGRAM: sets package to the folder where Batch unpacked this pool's application package ID, or to
# nothing. Batch's variable is in either case; without a version it stands for the default one, else one with a version
# is taken, if there is only one.
find_package() {
  local wanted=az_batch_app_package_${1//[.-]/_} name folder versions=()
  package=
  for name in $(compgen -e); do
    folder=${!name-}
    case ${name,,} in
      "$wanted") package=$folder ;;
      # An id may go on with what looks like a version: what holds the program, or goes on with a digit, is this one's.
      "$wanted"_*)
        if [[ ${name:${#wanted}+1} == [0-9]* ]] || [ -f "$folder/$2" ]; then versions+=("$folder"); fi
        ;;
    esac
  done
  if [ -z "$package" ]; then
    for folder in "${versions[@]}"; do
      [ "$folder" = "${versions[0]}" ] || fail "this pool has several versions of the application package $1, and none is its default"
      package=$folder
    done
  fi
  # Another package's id may begin like this one's.
  case " ${FLAMENCO_AZURE_PACKAGES-} " in
    *" $1 "*) [ -n "$package" ] || fail "the application package $1 is not on this node: may the nodes' identity read it?" ;;
  esac
  if [ -n "$package" ] && ! { [ -f "$package/$2" ] && [ -x "$package/$2" ]; }; then
    fail "the application package $1 (${package##*/}) has no executable $2 at its top"
  fi
}

# take_package ID LINK: /opt/flamenco/LINK -> a copy of $package. A copy, because Batch's folder is open to its own users
# only and goes when Batch wants. Batch names it after version and time: another name is another content.
take_package() {
  local base=$root/opt/flamenco folder=$1.package work
  mkdir -p "$base"
  if [ "$(cat "$base/$folder/.flamenco-azure-package" 2>/dev/null)" != "${package##*/}" ]; then
    rm -rf "$base"/.unpack.*
    work=$(mktemp -d "$base/.unpack.XXXXXX") || fail "cannot write to /opt/flamenco (disk full?)"
    mkdir "$work/out"
    cp -a --no-preserve=ownership "$package/." "$work/out" || fail "cannot copy the application package $1 (disk full?)"
    chmod -R u+w,go-w,a+rX "$work/out"
    printf '%s\n' "${package##*/}" >"$work/out/.flamenco-azure-package"
    sync -f "$work"
    rm -rf "${base:?}/$folder"
    mv -T "$work/out" "$base/$folder"
    rm -rf "$work"
    changed=yes
  fi
  point "$2" "$folder"
}

# worker_ffmpeg: Flamenco runs the FFmpeg that lies in `tools` beside its Worker. With $package that is the package's,
# else Flamenco's own again.
worker_ffmpeg() {
  local tools=$root/opt/flamenco/flamenco/tools own=ffmpeg-linux-amd64 other=../../ffmpeg/ffmpeg
  if [ -n "$package" ]; then
    if [ "$(readlink "$tools/$own" || true)" = "$other" ]; then return 0; fi
    mkdir -p "$tools"
    if [ -f "$tools/$own" ]; then mv -T "$tools/$own" "$tools/flamencos-own"; fi
    ln -sfn "$other" "$tools/$own"
    changed=yes
    return 0
  fi
  if [ -L "$tools/$own" ]; then
    rm "$tools/$own"
    changed=yes
  fi
  # Also after a run that was killed on its way.
  if [ -f "$tools/flamencos-own" ]; then
    mv -T "$tools/flamencos-own" "$tools/$own"
    changed=yes
  fi
}
