//! Judges wire bodies by Microsoft's own generated models: `azure_mgmt_batch`, `_compute` and `_network` 0.21.
//!
//! A body goes through the model of its operation and back. What the model drops or changes it does not know:
//! a misspelt or misplaced property, or one newer than the model, which [`known::KNOWN`] must then list with a
//! reason. Only the models are used, never the clients (docs/adr/0001-azure-crates.md).
//!
//! Three ways in which the models are silent, and what is done about each:
//! - They write `null` for an absent date and nothing for an empty list. So `null`, `[]` and absence are equal in
//!   the comparison ([`compare`]). To keep a misspelt name from hiding behind an empty value, each such property is
//!   filled with a value of an impossible type and sent again: a model that knows the name refuses it
//!   ([`judge`]).
//! - Open enums take any text. The model's debug form tells which texts it did not know ([`model::Trip`]).
//! - Times come back in another spelling: they are compared as instants.

pub mod compare;
pub mod judge;
pub mod known;
pub mod model;
pub mod operations;
