//! Which sign-in is used, which were passed over, and why. Only reads: the list of subscriptions.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use flamenco_azure_core::arm::Request;
use flamenco_azure_core::identity::{CredentialChain, Link, Source};
use flamenco_azure_examples::{Azure, Result, on_azure};

fn main() -> Result {
    on_azure(run)
}

/// Which sign-in was used, in words.
pub async fn run(azure: Azure) -> Result<String> {
    let chain = match &azure.signed_in {
        // What this machine offers: `CredentialChain::new`.
        Some(chain) => Arc::clone(chain),
        // Or what a tool brings along.
        None => Arc::new(CredentialChain::of(simulated_links(), Arc::clone(&azure.clock))),
    };
    // The chain is a credential like any other: the first that works is kept for its life.
    chain.get_token(&["https://management.azure.com/.default"], None).await?;
    let used = chain.used().ok_or("no credential was used")?;
    println!("signed in by {used}");
    for passed in chain.passed_over() {
        println!("  not by {passed}");
    }
    let list = Request::get("/subscriptions").api_version("2022-12-01");
    for subscription in azure.client.list(&list).await? {
        println!("  sees {} ({})", subscription["displayName"], subscription["state"]);
    }
    Ok(used)
}

fn simulated_links() -> Vec<Link> {
    let link = |source, credential| Link { source, detail: String::new(), credential };
    vec![
        link(Source::ManagedIdentity, Arc::new(Nobody)),
        link(Source::AzureCli, azure_sim::SimTransport::credential()),
    ]
}

/// A credential of a machine on which nobody is signed in.
#[derive(Debug)]
struct Nobody;

#[async_trait::async_trait]
impl TokenCredential for Nobody {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Err(Error::with_message(ErrorKind::Credential, "no identity is assigned to this machine"))
    }
}
