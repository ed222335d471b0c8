//! The credential chain with credentials of the tests' own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;
use flamenco_azure_core::arm::Cloud;
use flamenco_azure_core::clock::TokioClock;
use flamenco_azure_core::identity::{CredentialChain, Environment, Link, Source};
use jiff::Timestamp;

const SCOPES: &[&str] = &["https://management.azure.com/.default"];

#[derive(Debug, Clone, Copy)]
enum Way {
    Works,
    Fails,
    Hangs,
}

#[derive(Debug)]
struct Fake(Way, AtomicUsize);

#[async_trait]
impl TokenCredential for Fake {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let n = self.1.fetch_add(1, Ordering::Relaxed);
        match self.0 {
            Way::Works => Ok(AccessToken::new(
                format!("TOKENSECRET-{n}"),
                OffsetDateTime::now_utc() + azure_core::time::Duration::hours(1),
            )),
            Way::Fails => {
                Err(azure_core::Error::with_message(ErrorKind::Credential, "please run 'az login'\nor not"))
            }
            Way::Hangs => std::future::pending().await,
        }
    }
}

fn link(source: Source, way: Way) -> Link {
    Link { source, detail: String::new(), credential: Arc::new(Fake(way, AtomicUsize::new(0))) }
}

fn chain(links: Vec<Link>) -> CredentialChain {
    // Tokens end by the wall clock, so this clock starts there.
    let now = Timestamp::from_second(OffsetDateTime::now_utc().unix_timestamp()).unwrap();
    CredentialChain::of(links, Arc::new(TokioClock::starting_at(now)))
}

async fn token(chain: &CredentialChain) -> Result<String, String> {
    let token = chain.get_token(SCOPES, None).await;
    token.map(|token| token.token.secret().to_owned()).map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn the_first_that_works_is_used_and_the_others_are_explained() {
    let chain = chain(vec![
        link(Source::ManagedIdentity, Way::Hangs),
        link(Source::AzureCli, Way::Fails),
        link(Source::AzureDeveloperCli, Way::Works),
    ]);
    assert_eq!(chain.used(), None);
    let began = tokio::time::Instant::now();
    assert_eq!(token(&chain).await.unwrap(), "TOKENSECRET-0");
    assert!(began.elapsed() < Duration::from_secs(10), "probing hung for {:?}", began.elapsed());
    assert_eq!(chain.used().unwrap(), "Azure Developer CLI");
    let passed: Vec<String> = chain.passed_over().iter().map(ToString::to_string).collect();
    assert_eq!(passed, ["managed identity: no answer within 5 s", "Azure CLI: please run 'az login' or not"]);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_shared_for_a_while() {
    let chain = chain(vec![link(Source::AzureCli, Way::Works)]);
    assert_eq!(token(&chain).await.unwrap(), "TOKENSECRET-0");
    assert_eq!(token(&chain).await.unwrap(), "TOKENSECRET-0");
    tokio::time::sleep(Duration::from_mins(3)).await;
    assert_eq!(token(&chain).await.unwrap(), "TOKENSECRET-1");
    chain.forget().await;
    assert_eq!(token(&chain).await.unwrap(), "TOKENSECRET-2");
    assert!(!format!("{chain:?}").contains("TOKENSECRET"));
}

#[tokio::test(start_paused = true)]
async fn what_was_configured_on_purpose_is_not_replaced_by_somebody_else() {
    for source in [Source::EnvironmentSecret, Source::WorkloadIdentity, Source::AuthFile] {
        let chain = chain(vec![link(source, Way::Fails), link(Source::AzureCli, Way::Works)]);
        let error = token(&chain).await.unwrap_err();
        assert!(error.contains(&source.to_string()) && error.contains(source.remedy()), "{error}");
        assert_eq!(chain.used(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_signed_in_names_every_way_to_sign_in() {
    let chain = chain(vec![
        link(Source::ManagedIdentity, Way::Hangs),
        link(Source::AzureCli, Way::Fails),
        link(Source::AzureDeveloperCli, Way::Fails),
    ]);
    let error = token(&chain).await.unwrap_err();
    for source in [Source::ManagedIdentity, Source::AzureCli, Source::AzureDeveloperCli] {
        assert!(error.contains(source.remedy()), "{source}: {error}");
    }
}

#[tokio::test]
async fn an_environment_is_turned_into_a_chain_and_never_shows_its_secret() {
    let variables = |name: &str| match name {
        "AZURE_CLIENT_ID" => Some("app".to_owned()),
        "AZURE_CLIENT_SECRET" => Some("HUSH".to_owned()),
        _ => None,
    };
    let environment = Environment::from_variables(variables)
        .with_auth_file(Some((PathBuf::from("client_credentials.json"), "HUSH".to_owned())));
    assert!(!format!("{environment:?}").contains("HUSH"));
    let chain = CredentialChain::new(environment, &Cloud::public());
    assert!(!format!("{chain:?}").contains("HUSH"));
    // Half a service principal is a mistake worth saying, not a reason to be somebody else.
    let error = token(&chain).await.unwrap_err();
    assert!(error.contains("AZURE_TENANT_ID is not set") && !error.contains("HUSH"), "{error}");
    let passed: Vec<Source> = chain.passed_over().iter().map(|passed| passed.source).collect();
    assert_eq!(passed, [Source::EnvironmentCertificate, Source::WorkloadIdentity, Source::ManagedIdentity]);

    let file = Environment::default()
        .with_auth_file(Some((PathBuf::from("client_credentials.json"), "HUSH".to_owned())));
    let error = token(&CredentialChain::new(file, &Cloud::public())).await.unwrap_err();
    assert!(
        error.contains("auth file") && error.contains("not the JSON") && !error.contains("HUSH"),
        "{error}"
    );
}
