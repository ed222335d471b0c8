#!/bin/sh
# Waits for Azure's notice that this Spot machine is taken back (30 seconds before, at best) and runs the hook then.
set -u
root=${FLAMENCO_AZURE_ROOT:-}
imds=${FLAMENCO_AZURE_IMDS:-http://169.254.169.254}
conf=${FLAMENCO_AZURE_CONF:-$root/etc/flamenco-azure/node.conf}
setting() { [ ! -r "$conf" ] || sed -n "s/^$1=//p" "$conf" | tail -n 1; }
say() { printf 'flamenco-azure: %s\n' "$*"; }
get() { curl -q --silent --fail --noproxy '*' --connect-timeout 5 --max-time "$patience" --header 'Metadata: true' "$@"; }
events="$imds/metadata/scheduledevents?api-version=2020-07-01"

worker=$(setting WORKER_SERVICE)
hook=$(setting SPOT_HOOK)
hook=${hook:-systemctl stop ${worker:-flamenco-worker.service}}
interval=$(setting SPOT_INTERVAL)
interval=${interval:-2}
# The first answer may take two minutes: it switches the service on.
patience=130

# mine NAME: of a document of scheduled events, the ids of those that take the machine NAME back, each with the number
# of machines in it. Events are told to all machines of a placement group. Strings may hold any character.
mine() {
  awk -v "name=$1" '
    { text = text $0 " " }
    END {
      for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "\"") {
          word = ""
          while (++i <= length(text) && (c = substr(text, i, 1)) != "\"") {
            if (c == "\\") c = substr(text, ++i, 1)
            word = word c
          }
          match(substr(text, i + 1), /^[ \t\r]*:/)
          if (RLENGTH > 0) key = word
          else if (key == "Resources") { machines++; if (tolower(word) == tolower(name)) ours = 1 }
          else value[key] = word
        } else if (c == "]") key = ""
        else if (c == "}") {
          if (ours && value["EventType"] == "Preempt" && value["EventId"] ~ /^[A-Za-z0-9-]+$/)
            print value["EventId"] ":" machines
          split("", value); machines = 0; ours = 0; key = ""
        }
      }
    }'
}

down=''
until name=$(get "$imds/metadata/instance/compute/name?api-version=2021-02-01&format=text") && [ -n "$name" ]; do
  [ -n "$down" ] || say "the metadata service does not answer; asking on"
  down=yes
  sleep "$interval"
done
down=''
say "watching over $name: $hook"

handled=' '
while :; do
  if answer=$(get "$events"); then
    [ -z "$down" ] || say "the metadata service answers again"
    down='' patience=10
    for event in $(printf '%s\n' "$answer" | mine "$name"); do
      id=${event%:*}
      case $handled in *" $id "*) continue ;; esac
      say "Azure takes this machine back (event $id): $hook"
      if sh -c "$hook" </dev/null; then
        handled="$handled$id "
        # Nothing is left to wait for: the sooner it goes, the sooner it is replaced. Only where no other machine waits.
        if [ "${event##*:}" = 1 ]; then
          get --output /dev/null --data "{\"StartRequests\":[{\"EventId\":\"$id\"}]}" "$events" ||
            say "the metadata service did not take the answer to event $id"
        fi
      else
        say "the hook ended with status $?; trying again"
      fi
    done
  elif [ -z "$down" ]; then
    say "the metadata service does not answer; asking on"
    down=yes
  fi
  sleep "$interval"
done
