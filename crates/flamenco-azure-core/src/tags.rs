//! Ownership tags: how the tool recognises what it made, from any machine, without a journal.
//!
//! Every taggable resource carries `flamenco-farm=<farm>`. The resource group carries `flamenco-farm.<farm>` with the
//! value `created` (the tool made the group and may delete it once nothing foreign is inside) or `joined` (the group
//! was there before and is never deleted). Two farms in one group therefore never meet.

use std::collections::BTreeMap;

/// A resource's tags. Azure compares tag names without case and keeps their spelling
/// (Microsoft's page "Use tags to organize your Azure resources").
pub type Tags = BTreeMap<String, String>;

/// The tag on each resource of a farm; its value is the farm's name.
pub const FARM: &str = "flamenco-farm";
/// The tag on the Manager VM with the digest of the cloud-init it was made from.
pub const CONFIG: &str = "flamenco-farm-config";
/// The tag on the Manager VM that says that it was seen ready once.
pub const READY: &str = "flamenco-farm-ready";

/// The tag on the resource group for one farm.
pub fn group_tag(farm: &str) -> String {
    format!("{FARM}.{farm}")
}

/// The tag on the resource group that holds the node counts to go back to while a farm is paused.
pub fn paused_tag(farm: &str) -> String {
    format!("{FARM}.{farm}.paused")
}

/// The tag on the resource group that holds the node counts of pools that are being made anew.
pub fn replacing_tag(farm: &str) -> String {
    format!("{FARM}.{farm}.replacing")
}

/// Value of [`group_tag`] when the tool made the group.
pub const CREATED: &str = "created";
/// Value of [`group_tag`] when the group was there before.
pub const JOINED: &str = "joined";

/// The value of `name`, compared without case as Azure does.
pub fn get<'a>(tags: &'a Tags, name: &str) -> Option<&'a str> {
    tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The farm that a resource's tags name as its owner.
pub fn owner(tags: &Tags) -> Option<&str> {
    get(tags, FARM)
}

/// The ownership tag plus the user's own tags. The ownership tag always wins.
pub fn for_resource(farm: &str, user: &Tags) -> Tags {
    let mut tags: Tags =
        user.iter().filter(|(key, _)| !is_reserved(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    tags.insert(FARM.to_owned(), farm.to_owned());
    tags
}

/// Whether `name` belongs to the tool and may not be used in the farm file's `tags`.
pub fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == FARM || name.starts_with("flamenco-farm.") || name.starts_with("flamenco-farm-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_tags_never_replace_ownership() {
        let user = Tags::from([
            ("Flamenco-Farm".to_owned(), "other".to_owned()),
            ("project".to_owned(), "spring".to_owned()),
        ]);
        let tags = for_resource("studio", &user);
        assert_eq!(owner(&tags), Some("studio"));
        assert_eq!(get(&tags, "PROJECT"), Some("spring"));
        assert_eq!(tags.len(), 2);
    }
}
