#!/bin/sh
# Asks the farm's scaler to delete this node: puts a message on its queue. Run again, it asks for the same, which
# counts once. The node goes on until the scaler deletes it.
@HTTP@
conf=${FLAMENCO_AZURE_CONF:-$root/etc/flamenco-azure/node.conf}
state=$root/var/lib/flamenco-azure
[ "$#" -eq 0 ] || fail "usage: delete-this-node"
[ -r "$conf" ] || fail "cannot read $conf: this machine may not ask for its deletion"
queue=$(setting QUEUE_URL) client=$(setting CLIENT_ID)
secure QUEUE_URL "$queue"
is_guid "$client" || fail "CLIENT_ID is '$client': expected the client id of the node identity"

known vmScaleSetName && set=$body
[ -n "$set" ] || fail "this machine is not in a scale set"
known name && name=$body
known vmId && vm=$body
is_guid "$vm" || fail "the metadata service gives the VM id '$vm'"
case $set$name in *[!A-Za-z0-9._-]*) fail "the metadata service gives the names '$set' and '$name'" ;; esac
# Uniform sets number their machines (set_12 is 12), in flexible ones the id is the VM's name (set_1a2b3c4d). Eight
# digits can be either: the resource id tells, where the service has it.
ask resourceId
[ "$status" = 200 ] || body=''
case $(printf '%s' "$body" | tr '[:upper:]' '[:lower:]') in
  */virtualmachinescalesets/*/virtualmachines/*) instance=${body##*/} ;;
  */virtualmachines/*) instance=$name ;;
  *)
    instance=${name#"$set"_}
    case $instance in *[!0-9]* | '' | ????????) instance=$name ;; esac
    ;;
esac
case $instance in *[!A-Za-z0-9._-]* | '') fail "the metadata service gives the resource id '$body'" ;; esac

# One id for all tries on this machine, also for two at once. It comes into its place whole: a file that a power cut
# left empty is replaced.
file=$state/delete-request-$vm
mkdir -p "$state" 2>/dev/null || fail "cannot write to $state: run this as root"
(
  flock 9 || exit
  [ -s "$file" ] || { cat /proc/sys/kernel/random/uuid >"$file.new" && mv -f "$file.new" "$file"; }
) 9>"$file.lock" || fail "cannot write $file (not root, or the disk is full?)"
request=$(cat "$file")
is_guid "$request" || fail "$file holds no request id: '$request'"

token https://storage.azure.com/ "$client"
message="{\"version\":1,\"request\":\"$request\",\"scaleSet\":\"$set\",\"instanceId\":\"$instance\",\"vmId\":\"$vm\"}"
# All values are letters, digits, dots, dashes and underscores: nothing to escape in JSON or XML.
send --request POST --header 'Content-Type: application/xml' --header 'x-ms-version: 2020-10-02' \
  --header "x-ms-date: $(date -u '+%a, %d %b %Y %H:%M:%S GMT')" \
  --data "<QueueMessage><MessageText>$message</MessageText></QueueMessage>" "$queue/messages"
case $status in
  201) say "asked for the deletion of $instance in $set (request $request)" ;;
  401 | 403) fail "the queue $queue refuses identity $client (role Storage Queue Data Message Sender): $why" ;;
  404) fail "there is no queue $queue: $why" ;;
  *) fail "cannot put a message on $queue: $why" ;;
esac
