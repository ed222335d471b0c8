# Tracing ends here, also under `sh -x`: from here on there are tokens in variables.
{ set +x; } 2>/dev/null
set -u
LC_ALL=C
export LC_ALL
# Empty in production; tests set these.
root=${FLAMENCO_AZURE_ROOT:-}
imds=${FLAMENCO_AZURE_IMDS:-http://169.254.169.254}
newline='
'
conf='' notes='' secret='' again='' patience=60

say() { printf 'flamenco-azure: %s\n' "$*"; }

fail() {
  reason=$(printf '%s' "$*" | tr '\n' ' ')
  printf 'flamenco-azure: failed: %s\n' "$reason" >&2
  [ -z "$notes" ] || printf 'failed: %s\n' "$reason" >"$notes"
  exit 1
}

work=$(mktemp -d) || fail "cannot make a temporary folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 143' HUP INT TERM

# setting KEY: its value in the settings file, which is read and never run.
setting() { [ ! -r "$conf" ] || sed -n "s/^$1=//p" "$conf" | tail -n 1; }

# A token goes nowhere but over TLS (and to a test on this machine).
secure() {
  case $2 in
    https://?* | http://127.0.0.1:*) ;;
    *) fail "$1 is '$2': expected an https address" ;;
  esac
}

is_guid() {
  case $1 in
    *[!0-9a-fA-F-]*) return 1 ;;
    ????????-????-????-????-????????????) ;;
    *) return 1 ;;
  esac
}

# explain: what went wrong with the last request, in one short line, in $why.
explain() {
  if [ "$status" = 000 ]; then
    why="no answer: $(tr '\n' ' ' <"$work/said")"
  else
    why=$(printf '%s' "$body" | tr '\r\n\t' '   ' | awk '
      function first(start, stop,  rest, at) {
        if (!match($0, start)) return ""
        rest = substr($0, RSTART + RLENGTH)
        at = index(rest, stop)
        return at ? substr(rest, 1, at - 1) : rest
      }
      {
        code = first("\"(code|error)\" *: *\"", "\"")
        if (code == "") code = first("<Code>", "<")
        text = first("\"(message|error_description)\" *: *\"", "\"")
        if (text == "") text = first("<Message>", "<")
        printf "%s: %s", code, text
      }' | tr -cd '[:print:]' | cut -c 1-300)
    [ "${why:-: }" != ": " ] || why="no reason given"
    why="$why (HTTP status $status)"
  fi
}

# send OPTION...: a request of curl; again on 408, 429, 5xx, a lost connection and the statuses in $again, with growing
# pauses or the one that the server asks for. $secret reaches curl as configuration on its standard input: a token is
# never an argument. Leaves $status (000: no answer), $body and $why.
send() {
  try=1 pause=1
  while :; do
    : >"$work/head"
    answer=$(printf '%s\n' "$secret" | curl -q --config - --silent --show-error --connect-timeout 10 \
      --max-time "$patience" --dump-header "$work/head" --write-out '\n%{http_code}' "$@" 2>"$work/said")
    code=$?
    status=${answer##*"$newline"} body=${answer%"$newline"*}
    [ "$code" -eq 0 ] || status=000
    case $status in
      # A wrong option, address or certificate, a full disk: the next time is no better.
      000) case $code in 1 | 2 | 3 | 4 | 23 | 26 | 60 | 77) break ;; esac ;;
      408 | 429 | 5??) ;;
      *) case " $again " in *" $status "*) ;; *) break ;; esac ;;
    esac
    [ "$try" -lt 8 ] || break
    asked=$(tr '[:upper:]' '[:lower:]' <"$work/head" | sed -n 's/^retry-after: *\([0-9]\{1,5\}\)[[:space:]]*$/\1/p' | tail -n 1)
    if [ -n "$asked" ]; then
      [ "$asked" -le 300 ] || asked=300
      sleep "$asked"
    else
      # Many nodes at once do not come back at once.
      sleep "$((pause + pause * $(od -A n -N 1 -t u1 /dev/urandom) / 256))"
    fi
    try=$((try + 1))
    [ "$pause" -ge 32 ] || pause=$((pause * 2))
  done
  explain
}

# ask FIELD: this machine's own description, from the instance metadata service, in $body.
ask() {
  secret='' again=410
  send --noproxy '*' --header 'Metadata: true' "$imds/metadata/instance/compute/$1?api-version=2021-02-01&format=text"
}

# known FIELD: the same; stops where there is no answer.
known() {
  ask "$1"
  [ "$status" = 200 ] || fail "cannot ask the metadata service for $1: $why"
}

# bearer: takes the token out of $body into $secret, for the requests that follow.
bearer() {
  token=$(printf '%s' "$body" | tr -d '\r\n' | sed -n 's/.*"access_token" *: *"\([A-Za-z0-9._~+/=-]*\)".*/\1/p')
  body='' again=''
  [ -n "$token" ] || fail "the answer of the token service holds no token"
  secret="header = \"Authorization: Bearer $token\""
}

# token RESOURCE CLIENT: a token for RESOURCE of the managed identity with this client id, or of the machine's own.
token() {
  secret='' again='404 410'
  set -- "$1" "$2" --get --data-urlencode "resource=$1" --data api-version=2018-02-01
  [ -z "$2" ] || set -- "$@" --data-urlencode "client_id=$2"
  resource_of=$1 identity=${2:-of this machine}
  shift 2
  send --noproxy '*' --header 'Metadata: true' "$@" "$imds/metadata/identity/oauth2/token"
  case $status in
    200) bearer ;;
    400) fail "cannot get a token for $resource_of: is the identity $identity assigned to this machine? $why" ;;
    *) fail "cannot get a token for $resource_of: $why" ;;
  esac
}
