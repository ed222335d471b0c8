//! The deletion message: what a node or a render manager puts on the queue.
//!
//! Version 1 is JSON: `{"version": 1, "request": "…", "scaleSet": "…", "instanceId": "…", "vmId": "…"}`. The old text
//! form `scaleSet,instanceId` of Avere's VMScaler is understood too. What becomes of a request is in
//! [`ledger`](crate::ledger).

use serde::{Deserialize, Serialize};

use crate::error::MessageError;
use crate::observe::VmId;

/// The version that is written.
pub const VERSION: u32 = 1;
/// No message is longer: a name, an id, a GUID and a request id.
const MOST: usize = 4096;

/// One machine that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The sender's id of the request: the same when it sends again. None in the old text form.
    pub request: Option<String>,
    /// The scale set.
    pub set: String,
    /// The instance in it.
    pub instance: String,
    /// The machine. None in the old text form, where the instance id says it: scale set names are never reused.
    pub vm: Option<VmId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    version: u32,
    request: String,
    scale_set: String,
    instance_id: String,
    vm_id: VmId,
}

/// What is looked at first: a later version may have other fields.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// The text of a version 1 message.
pub fn write(request: &str, set: &str, instance: &str, vm: VmId) -> String {
    let wire = Wire {
        version: VERSION,
        request: request.to_owned(),
        scale_set: set.to_owned(),
        instance_id: instance.to_owned(),
        vm_id: vm,
    };
    // A struct of strings always serialises.
    serde_json::to_string(&wire).unwrap_or_default()
}

/// Reads a message's text. An error is final: the message goes to the poison queue.
pub fn read(text: &str) -> Result<Request, MessageError> {
    let text = text.trim();
    if text.len() > MOST {
        return Err(MessageError::TooLong { most: MOST });
    }
    if text.starts_with('{') { json(text) } else { old(text) }
}

fn json(text: &str) -> Result<Request, MessageError> {
    let problem = |error: serde_json::Error| MessageError::Json { problem: error.to_string() };
    let Versioned { version } = serde_json::from_str(text).map_err(problem)?;
    if version != VERSION {
        return Err(MessageError::Version { version, understood: VERSION });
    }
    let wire: Wire = serde_json::from_str(text).map_err(problem)?;
    Ok(Request {
        request: Some(filled("request", &wire.request)?),
        set: filled("scaleSet", &wire.scale_set)?,
        instance: filled("instanceId", &wire.instance_id)?,
        vm: Some(wire.vm_id),
    })
}

fn old(text: &str) -> Result<Request, MessageError> {
    let (set, instance) = text.split_once(',').ok_or(MessageError::Text)?;
    if instance.contains(',') {
        return Err(MessageError::Text);
    }
    Ok(Request {
        request: None,
        set: filled("scaleSet", set)?,
        instance: filled("instanceId", instance)?,
        vm: None,
    })
}

fn filled(field: &'static str, value: &str) -> Result<String, MessageError> {
    let value = value.trim();
    if value.is_empty() { Err(MessageError::Empty { field }) } else { Ok(value.to_owned()) }
}
