
# The names that a Batch start task finds: one set-up script serves both kinds of node.
known name
AZ_BATCH_NODE_ID=$body
AZ_BATCH_NODE_SHARED_DIR=$state/shared
export AZ_BATCH_NODE_ID AZ_BATCH_NODE_SHARED_DIR
"$root$setup" </dev/null
ended=$?
[ "$ended" -eq 0 ] || fail "the set-up script ended with status $ended"
