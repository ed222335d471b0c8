//! The scripts that need nothing filled in: their settings are in files beside them.

use super::GuestError;
use super::template::{Value, render};

/// What every script that talks to Azure begins with.
pub(super) const HTTP: &str = include_str!("../../guest/http.sh");

fn script(template: &'static str, text: &str) -> Result<String, GuestError> {
    render(template, text, &[("HTTP", Value::fragment(HTTP))])
}

/// `delete-this-node`: reads `/etc/flamenco-azure/node.conf`, asks the metadata service who this is and puts a
/// [deletion message](crate::request) on the queue. Run again it sends the same request id. It must run as root.
///
/// It ends with status 0, or prints `flamenco-azure: failed: REASON` and ends with 1.
pub fn delete_this_node() -> Result<String, GuestError> {
    script("delete-this-node.sh", include_str!("../../guest/delete-this-node.sh"))
}

/// `set-capacity N`: sets the [target tag](crate::target) of the resource group, and nothing else. Settings, all with
/// a default: `/etc/flamenco-azure/capacity.conf` ([`Capacity`](super::Capacity)), the environment variables
/// `AZURE_SUBSCRIPTION_ID`, `AZURE_RESOURCE_GROUP`, `AZURE_AUTHORITY_HOST`, and the machine itself.
///
/// It acts as the machine's managed identity, or, on a machine outside Azure, as the service principal of
/// `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`.
pub fn set_capacity() -> Result<String, GuestError> {
    script("set-capacity.sh", include_str!("../../guest/set-capacity.sh"))
}

/// `spot-watch`: asks for scheduled events every few seconds and runs the hook on a `Preempt` of this machine (Microsoft's
/// page "Azure Metadata Service: Scheduled Events for Linux VMs"). The hook's end is told to Azure if the event is about
/// this machine alone. No other event is answered.
pub fn spot_watch() -> &'static str {
    include_str!("../../guest/spot-watch.sh")
}

/// `idle-watch`: runs `delete-this-node` when a check has succeeded for so many minutes on end.
pub fn idle_watch() -> &'static str {
    include_str!("../../guest/idle-watch.sh")
}
