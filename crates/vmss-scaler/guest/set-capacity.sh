#!/bin/sh
# Sets how many nodes the farm is to have: the tag TOTAL_NODES (or another) of the resource group, and no other tag.
@HTTP@
conf=${FLAMENCO_AZURE_CONF:-$root/etc/flamenco-azure/capacity.conf}
usage="usage: set-capacity [--tag NAME] [--identity imds|service-principal] N"
tag='' form='' count='' given=''
while [ "$#" -gt 0 ]; do
  case $1 in
    --tag | --identity)
      [ "$#" -ge 2 ] || fail "$usage"
      if [ "$1" = --tag ]; then tag=$2; else form=$2; fi
      shift
      ;;
    *)
      [ -z "$given" ] || fail "$usage"
      count=$1 given=yes
      ;;
  esac
  shift
done
[ -n "$given" ] || fail "$usage"
case $count in *[!0-9]* | '') fail "'$count' is no node count: expected digits only" ;; esac
count=$(printf '%s' "$count" | sed 's/^0*\(.\)/\1/')
if [ "${#count}" -gt 10 ] || [ "$count" -gt 4294967295 ]; then fail "'$count' is no node count: too large"; fi

# The old names say which identity they use.
case ${form:-${0##*/}} in
  service-principal | set_capacity.service_principal.sh) form=service-principal ;;
  imds | set_capacity.imds.sh) form=imds ;;
  *)
    [ -z "$form" ] || fail "the identity is '$form': expected imds or service-principal"
    form=imds
    [ -z "${AZURE_CLIENT_SECRET:+set}" ] || form=service-principal
    ;;
esac

tag=${tag:-$(setting TAG)}
tag=${tag:-TOTAL_NODES}
# Azure's rule for tag names, and what a JSON text could not hold as it is.
case $tag in *[\<\>%\&\\?/]* | *[[:cntrl:]]*) fail "'$tag' is no tag name: < > % & \\ ? / are not allowed" ;; esac
[ "${#tag}" -le 512 ] || fail "the tag name has ${#tag} characters, at most 512 are allowed"
quoted=$(printf '%s' "$tag" | sed 's/"/\\"/g')

arm=$(setting RESOURCE_MANAGER)
arm=${arm:-https://management.azure.com}
arm=${arm%/}
secure RESOURCE_MANAGER "$arm"
subscription=${AZURE_SUBSCRIPTION_ID:-$(setting SUBSCRIPTION_ID)}
group=${AZURE_RESOURCE_GROUP:-${RESOURCE_GROUP:-$(setting RESOURCE_GROUP)}}
if [ "$form" = imds ]; then
  # A machine in the farm's group knows where it is.
  if [ -z "$subscription" ]; then known subscriptionId && subscription=$body; fi
  if [ -z "$group" ]; then known resourceGroupName && group=$body; fi
fi
is_guid "$subscription" || fail "the subscription id is '$subscription': set AZURE_SUBSCRIPTION_ID"
[ -n "$group" ] || fail "no resource group: set AZURE_RESOURCE_GROUP"

if [ "$form" = imds ]; then
  client=$(setting CLIENT_ID)
  token "$arm/" "$client"
  who="the managed identity ${client:-of this machine}"
else
  tenant=${AZURE_TENANT_ID:-} client=${AZURE_CLIENT_ID:-}
  is_guid "$tenant" || fail "AZURE_TENANT_ID is '$tenant': expected a GUID"
  is_guid "$client" || fail "AZURE_CLIENT_ID is '$client': expected a GUID"
  [ -n "${AZURE_CLIENT_SECRET:-}" ] || fail "AZURE_CLIENT_SECRET is not set"
  login=${AZURE_AUTHORITY_HOST:-$(setting AUTHORITY)}
  login=${login:-https://login.microsoftonline.com}
  login=${login%/}
  secure AUTHORITY "$login"
  case $AZURE_CLIENT_SECRET in *"$newline"*) fail "AZURE_CLIENT_SECRET has more than one line" ;; esac
  # As a quoted value of curl's configuration, which curl then encodes for the form.
  secret="data-urlencode = \"client_secret=$(printf '%s' "$AZURE_CLIENT_SECRET" | sed 's/[\\"]/\\&/g')\""
  send --data-urlencode grant_type=client_credentials --data-urlencode "client_id=$client" \
    --data-urlencode "scope=$arm/.default" "$login/$tenant/oauth2/v2.0/token"
  [ "$status" = 200 ] || fail "cannot log in as service principal $client: $why"
  bearer
  who="service principal $client"
fi

# Letters outside ASCII are allowed in a group's name.
path=$group
case $group in
  *[!A-Za-z0-9._-]*) path=$(printf '%s' "$group" | od -A n -v -t x1 | tr -d ' \n' | sed 's/../%&/g') ;;
esac
# Another change of the same tags answers 409.
again=409
send --request PATCH --header 'Content-Type: application/json' \
  --data "{\"operation\":\"Merge\",\"properties\":{\"tags\":{\"$quoted\":\"$count\"}}}" \
  "$arm/subscriptions/$subscription/resourceGroups/$path/providers/Microsoft.Resources/tags/default?api-version=2021-04-01"
case $status in
  200 | 202) say "$tag of $group is $count" ;;
  401 | 403) fail "$who may not write the tags of $group (role Tag Contributor on the group): $why" ;;
  404) fail "there is no resource group $group in subscription $subscription: $why" ;;
  *) fail "cannot set $tag of $group: $why" ;;
esac
