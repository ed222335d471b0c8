#!/bin/sh
# Makes this machine what the farm wants of it. How it went is in node.state: running, done, or failed: REASON.
@HTTP@
@FETCH@
state=$root/var/lib/flamenco-azure
mkdir -p "$state" || fail "cannot write to $state"
notes=$state/node.state
echo running >"$notes"
@BOOTSTRAP@
@SETUP@
echo 'done' >"$notes"
