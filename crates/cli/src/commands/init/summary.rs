//! The summary: every line of the farm with its value, as shown and edited before the end.

use std::collections::BTreeMap;

use flamenco_azure_core::spec::defaults;

use super::draft::Draft;
use super::field::{BATCH, Field, NOBODY, ROWS};
use crate::args::Global;

/// A line of the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// What choosing it asks.
    pub(super) field: Field,
    /// Title, value and note.
    pub(super) text: String,
    /// The value alone.
    pub(super) value: String,
}

/// What the draft cannot say: names of ids, notes.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Display name of the subscription.
    pub(super) subscription: Option<String>,
    /// Display name of the region.
    pub(super) region: Option<String>,
    /// Where this machine's ssh key was found.
    pub(super) key_found: Option<String>,
    /// Names that are derived and not saved yet.
    pub(super) derived: BTreeMap<Field, String>,
    /// Why a name is not the plain one.
    pub(super) notes: BTreeMap<Field, String>,
}

/// The lines of the summary.
pub(super) fn lines(draft: &Draft, known: &Known) -> Vec<Line> {
    let width = ROWS.iter().map(|row| row.title.len()).max().unwrap_or(0) + 2;
    ROWS.iter()
        .filter(|row| row.field.applies(&draft.spec))
        .map(|row| {
            let value = shown(draft, known, row.field);
            let note = known.notes.get(&row.field).map(|note| format!("  ({note})")).unwrap_or_default();
            Line { field: row.field, text: format!("{:width$}{value}{note}", row.title), value }
        })
        .collect()
}

fn shown(draft: &Draft, known: &Known, field: Field) -> String {
    let value = draft.value(field).or_else(|| known.derived.get(&field).cloned());
    let named = |name: &Option<String>, value: String| match name {
        Some(name) => format!("{name} ({value})"),
        None => value,
    };
    match (field, value) {
        (Field::Subscription, Some(id)) => named(&known.subscription, id),
        (Field::Location, Some(location)) => named(&known.region, location),
        (Field::SshKey, Some(key)) => brief_key(&key),
        (_, Some(value)) => value,
        (Field::SshKey, None) => match &known.key_found {
            Some(place) => format!("this machine's, from {place}"),
            None => "none yet: `deploy` needs one".to_owned(),
        },
        (Field::Ssh | Field::Web, None) => NOBODY.to_owned(),
        (Field::ManagerSize, None) => defaults::MANAGER_VM_SIZE.to_owned(),
        (Field::Kind, None) => BATCH.to_owned(),
        (Field::NodeSize, None) => defaults::POOL_VM_SIZE.to_owned(),
        (Field::Dedicated, None) if draft.spec.pools.is_none() && draft.spec.batch.is_none() => {
            defaults::POOL_DEDICATED.to_string()
        }
        (Field::Dedicated | Field::Spot, None) => "0".to_owned(),
        (_, None) => String::new(),
    }
}

/// Type and comment of a public key: what a person knows it by.
fn brief_key(key: &str) -> String {
    let mut words = key.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let comment = words.skip(1).collect::<Vec<_>>().join(" ");
    if comment.is_empty() { kind.to_owned() } else { format!("{kind} … {comment}") }
}

/// Whether nobody is admitted from outside.
pub(super) fn is_shut(draft: &Draft) -> bool {
    [Field::Ssh, Field::Web].iter().all(|field| draft.value(*field).is_none_or(|value| value == NOBODY))
}

/// A command to run next, with the options that this one was given.
pub(super) fn next_command(command: &str, global: &Global, simulated: bool) -> String {
    let config =
        global.config.as_ref().map(|path| format!(" --config {}", path.display())).unwrap_or_default();
    let simulate = if simulated { " --simulate …" } else { "" };
    format!("flamenco-azure {command}{config}{simulate}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_type_and_comment() {
        assert_eq!(brief_key("ssh-ed25519 AAAA sam@studio pc"), "ssh-ed25519 … sam@studio pc");
        assert_eq!(brief_key("ssh-rsa AAAA"), "ssh-rsa");
    }
}
