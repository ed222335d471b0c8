# Caddy in front of the Manager. Its certificates stay on the share, so a new machine does not ask the CA again.
# No certificate, no failure: the farm is ready without its web address.
setup_web() {
  packages caddy
  own 700 caddy:caddy "$root$share/.flamenco-azure/caddy"
  # The package's user may have another number on a new machine.
  chown -R caddy:caddy "$root$share/.flamenco-azure/caddy"
  changed=
  put "$root/etc/flamenco-azure/caddy.env" 0644 <<<"MANAGER_ADDRESS=$address"
  put "$root/etc/systemd/system/caddy.service.d/flamenco-azure.conf" 0644 <"$lib/caddy.conf"
  if [ -n "$changed" ]; then
    systemctl daemon-reload
    systemctl reset-failed caddy.service || true
    systemctl restart caddy.service || say "warning: caddy does not start, the web address will not answer"
  fi
}
