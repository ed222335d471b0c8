//! Signing in: a chain of credentials, tried in order, that can say which one it used and why not the others.
//!
//! Nothing here reads the environment: what it offers comes in as an [`Environment`]. Files are read only where a
//! variable names a credential's own (a certificate, a federated token). Order: a service
//! principal's secret or certificate from the environment, workload identity, the auth file of the old tool, managed identity, the
//! Azure CLI, azd. What was configured on purpose and fails stops the chain, so that no command runs as somebody else;
//! what just happens to be there is passed over.

mod auth_file;
mod certificate;
mod chain;
mod environment;
mod source;

pub use auth_file::AuthFile;
pub use chain::{CredentialChain, Link, PassedOver};
pub use environment::Environment;
pub use source::Source;
