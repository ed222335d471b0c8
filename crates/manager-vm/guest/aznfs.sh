  if ! installed packages-microsoft-prod; then
    packages curl ca-certificates
    local release deb
    # shellcheck disable=SC1091
    release=$(. "$root/etc/os-release" && printf '%s/%s' "$ID" "$VERSION_ID")
    deb=$(mktemp --suffix .deb)
    curl -fsSL --proto '=https' --retry 5 -o "$deb" "https://packages.microsoft.com/config/$release/packages-microsoft-prod.deb" ||
      fail "cannot fetch Microsoft's package source for $release (needed for encryption in transit)"
    dpkg -i "$deb" || fail "cannot install Microsoft's package source"
    rm -f "$deb"
  fi
  packages aznfs
