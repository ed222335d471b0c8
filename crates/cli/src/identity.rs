//! How the CLI signs in, and how it says so.

use std::path::Path;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use flamenco_azure_core::arm::Cloud;
use flamenco_azure_core::identity::CredentialChain;

use crate::farmfile::Environment;

/// The sign-in of a session.
#[derive(Debug)]
pub enum SignIn {
    /// On Azure, by the first credential that works.
    Chain(Arc<CredentialChain>),
    /// On the simulator, as the subscription's owner.
    Simulated,
}

impl SignIn {
    /// The chain over what the environment offers, with the old tool's auth file `beside` the farm file.
    pub fn from_environment(environment: &Environment, beside: &Path, cloud: &Cloud) -> Self {
        Self::Chain(Arc::new(CredentialChain::new(environment.credentials(beside), cloud)))
    }

    /// The credential for requests.
    pub fn credential(&self) -> Arc<dyn TokenCredential> {
        match self {
            Self::Chain(chain) => Arc::clone(chain) as Arc<dyn TokenCredential>,
            Self::Simulated => azure_sim::SimTransport::credential(),
        }
    }

    /// Which one is used, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Chain(chain) => chain.used().unwrap_or_else(|| "no credential yet".to_owned()),
            Self::Simulated => "the simulator's owner account".to_owned(),
        }
    }
}
