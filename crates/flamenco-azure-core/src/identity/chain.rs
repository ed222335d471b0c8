//! The chain itself: tries, remembers, explains.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::ClientOptions;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::auth_file::AuthFile;
use super::certificate;
use super::environment::Environment;
use super::source::Source;
use crate::arm::{Cloud, causes_in_words};
use crate::clock::{Clock, SystemClock};

/// How long a token is handed out again. Short: whoever asks again after a 401 gets a fresh one soon, while the
/// clients of one command share one `az` process.
const KEPT: Duration = Duration::from_mins(2);
/// A token that ends sooner is not handed out again.
const SPARE: Duration = Duration::from_mins(5);
/// How long the metadata service may take: it answers at once or never.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// How long any other source may take (a cold `az` takes several seconds).
const TIMEOUT: Duration = Duration::from_secs(90);

/// Why a credential was not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Which.
    pub source: Source,
    /// Why.
    pub reason: String,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.reason)
    }
}

/// One way to sign in.
#[derive(Debug, Clone)]
pub struct Link {
    /// Which.
    pub source: Source,
    /// What says more about it, such as the application's id or the file's path; empty when nothing does.
    pub detail: String,
    /// The credential.
    pub credential: Arc<dyn TokenCredential>,
}

/// Credentials, tried in order. The first that works is kept for the chain's life.
#[derive(Debug)]
pub struct CredentialChain {
    links: Vec<Link>,
    clock: Arc<dyn Clock>,
    /// What is not even worth trying, and why.
    absent: Vec<PassedOver>,
    /// Held while a token is fetched: one `az` at a time.
    tokens: Mutex<BTreeMap<String, (AccessToken, Timestamp)>>,
    story: StdMutex<Story>,
}

#[derive(Debug, Default)]
struct Story {
    used: Option<usize>,
    passed_over: Vec<PassedOver>,
}

impl CredentialChain {
    /// The chain over what `environment` offers in `cloud`. Never fails: what is misconfigured says so when a token is
    /// asked for.
    pub fn new(environment: Environment, cloud: &Cloud) -> Self {
        let (links, absent) = build(environment, cloud);
        Self::over(links, absent, Arc::new(SystemClock))
    }

    /// A chain over these credentials, for tools that bring their own.
    pub fn of(links: Vec<Link>, clock: Arc<dyn Clock>) -> Self {
        Self::over(links, Vec::new(), clock)
    }

    fn over(links: Vec<Link>, absent: Vec<PassedOver>, clock: Arc<dyn Clock>) -> Self {
        Self { links, clock, absent, tokens: Mutex::default(), story: StdMutex::default() }
    }

    /// Which credential is used, in words; `None` before the first token.
    pub fn used(&self) -> Option<String> {
        let link = &self.links[self.story().used?];
        let detail = Some(&link.detail).filter(|detail| !detail.is_empty());
        Some(detail.map_or_else(|| link.source.to_string(), |detail| format!("{}, {detail}", link.source)))
    }

    /// Which kind of credential is used; `None` before the first token.
    pub fn source(&self) -> Option<Source> {
        Some(self.links[self.story().used?].source)
    }

    /// The credentials that were not used, and why, in the chain's order.
    pub fn passed_over(&self) -> Vec<PassedOver> {
        let mut all = self.absent.clone();
        all.extend(self.story().passed_over.iter().cloned());
        all.sort_by_key(|passed| passed.source);
        all
    }

    /// Forgets all tokens: the next request fetches a fresh one.
    pub async fn forget(&self) {
        self.tokens.lock().await.clear();
    }

    fn story(&self) -> std::sync::MutexGuard<'_, Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, link: &Link, scopes: &[&str]) -> Result<AccessToken, String> {
        let limit = if link.source == Source::ManagedIdentity { METADATA_TIMEOUT } else { TIMEOUT };
        tokio::select! {
            biased;
            token = link.credential.get_token(scopes, None) => token.map_err(|error| in_words(&error)),
            () = self.clock.sleep(limit) => Err(format!("no answer within {} s", limit.as_secs())),
        }
    }

    async fn fetch(&self, scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let used = self.story().used;
        if let Some(used) = used.map(|used| &self.links[used]) {
            return self.ask(used, scopes).await.map_err(|reason| {
                failed(format!(
                    "the sign-in by {} no longer works: {reason}; {}",
                    used.source,
                    used.source.remedy()
                ))
            });
        }
        self.story().passed_over.clear();
        for (index, link) in self.links.iter().enumerate() {
            match self.ask(link, scopes).await {
                Ok(token) => {
                    tracing::debug!(source = %link.source, "signed in");
                    self.story().used = Some(index);
                    return Ok(token);
                }
                Err(reason) if link.source.is_deliberate() => {
                    return Err(failed(format!(
                        "the sign-in by {} failed: {reason}; {}",
                        link.source,
                        link.source.remedy()
                    )));
                }
                Err(reason) => self.story().passed_over.push(PassedOver { source: link.source, reason }),
            }
        }
        let tried: Vec<String> = self
            .passed_over()
            .iter()
            .map(|passed| format!("\n  {passed}; {}", passed.source.remedy()))
            .collect();
        Err(failed(format!("nobody is signed in to azure. Any one of these helps:{}", tried.concat())))
    }
}

#[async_trait]
impl TokenCredential for CredentialChain {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let key = scopes.join(" ");
        let mut tokens = self.tokens.lock().await;
        let now = self.clock.now();
        if let Some((token, since)) = tokens.get(&key) {
            let ends = Timestamp::from_second(token.expires_on.unix_timestamp()).unwrap_or(Timestamp::MIN);
            if now < *since + KEPT && now + SPARE < ends {
                return Ok(token.clone());
            }
        }
        let token = self.fetch(scopes).await?;
        tokens.insert(key, (token.clone(), now));
        Ok(token)
    }
}

pub(super) fn failed(message: String) -> azure_core::Error {
    azure_core::Error::with_message(ErrorKind::Credential, message)
}

/// The chain of causes on one line.
fn in_words(error: &azure_core::Error) -> String {
    causes_in_words(error).lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn build(environment: Environment, cloud: &Cloud) -> (Vec<Link>, Vec<PassedOver>) {
    let mut links = Vec::new();
    let mut absent = Vec::new();
    let Environment {
        tenant_id,
        client_id,
        client_secret,
        client_certificate,
        client_certificate_password,
        federated_token_file,
        auth_file,
        ..
    } = environment;
    let mut offer =
        |source: Source, detail: String, credential: azure_core::Result<Arc<dyn TokenCredential>>| {
            let credential = credential.unwrap_or_else(|error| Arc::new(Broken(in_words(&error))));
            links.push(Link { source, detail, credential });
        };
    let mut skip =
        |source: Source, reason: &str| absent.push(PassedOver { source, reason: reason.to_owned() });

    match (&tenant_id, &client_id, client_secret) {
        (Some(tenant), Some(client), Some(secret)) => {
            offer(
                Source::EnvironmentSecret,
                format!("application {client}"),
                by_secret(tenant, client, secret, cloud),
            );
        }
        (_, _, None) => skip(Source::EnvironmentSecret, "AZURE_CLIENT_SECRET is not set"),
        (None, ..) => offer(
            Source::EnvironmentSecret,
            String::new(),
            Err(failed("AZURE_TENANT_ID is not set".to_owned())),
        ),
        (_, None, _) => offer(
            Source::EnvironmentSecret,
            String::new(),
            Err(failed("AZURE_CLIENT_ID is not set".to_owned())),
        ),
    }
    match (&tenant_id, &client_id, client_certificate) {
        (Some(tenant), Some(client), Some(file)) => offer(
            Source::EnvironmentCertificate,
            format!("application {client}"),
            certificate::credential(tenant, client, &file, client_certificate_password, cloud),
        ),
        (_, _, None) => {
            skip(Source::EnvironmentCertificate, "AZURE_CLIENT_CERTIFICATE_PATH is not set");
        }
        _ => offer(
            Source::EnvironmentCertificate,
            String::new(),
            Err(failed("AZURE_TENANT_ID or AZURE_CLIENT_ID is not set".to_owned())),
        ),
    }
    match (&tenant_id, &client_id, federated_token_file) {
        (Some(tenant), Some(client), Some(file)) => {
            let options = WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions {
                    client_options: client_options(cloud),
                },
                client_id: Some(client.clone()),
                tenant_id: Some(tenant.clone()),
                token_file_path: Some(file),
            };
            let credential =
                WorkloadIdentityCredential::new(Some(options)).map(|made| made as Arc<dyn TokenCredential>);
            offer(Source::WorkloadIdentity, format!("application {client}"), credential);
        }
        (_, _, None) => skip(Source::WorkloadIdentity, "AZURE_FEDERATED_TOKEN_FILE is not set"),
        _ => skip(Source::WorkloadIdentity, "AZURE_TENANT_ID or AZURE_CLIENT_ID is not set"),
    }
    match auth_file {
        Some((path, text)) => {
            let credential = AuthFile::parse(&text)
                .map_err(failed)
                .and_then(|file| by_secret(&file.tenant_id, &file.client_id, file.client_secret, cloud));
            offer(Source::AuthFile, path.display().to_string(), credential);
        }
        None => skip(Source::AuthFile, "there is none"),
    }
    if environment.identity_endpoint || environment.on_azure_vm {
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
            client_options: client_options(cloud),
        };
        let detail = client_id.map(|client| format!("identity {client}")).unwrap_or_default();
        let credential =
            ManagedIdentityCredential::new(Some(options)).map(|made| made as Arc<dyn TokenCredential>);
        offer(Source::ManagedIdentity, detail, credential);
    } else {
        skip(Source::ManagedIdentity, "this machine is not known to be on azure");
    }
    let options = AzureCliCredentialOptions {
        subscription: environment.subscription,
        ..AzureCliCredentialOptions::default()
    };
    offer(
        Source::AzureCli,
        String::new(),
        AzureCliCredential::new(Some(options)).map(|made| made as Arc<dyn TokenCredential>),
    );
    let azd = AzureDeveloperCliCredential::new(None).map(|made| made as Arc<dyn TokenCredential>);
    offer(Source::AzureDeveloperCli, String::new(), azd);
    (links, absent)
}

fn by_secret(
    tenant: &str,
    client: &str,
    secret: Secret,
    cloud: &Cloud,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let options = ClientSecretCredentialOptions { client_options: client_options(cloud) };
    let credential = ClientSecretCredential::new(tenant, client.to_owned(), secret, Some(options))?;
    Ok(credential)
}

pub(super) fn client_options(cloud: &Cloud) -> ClientOptions {
    let mut configuration = CustomConfiguration::default();
    cloud.login.clone_into(&mut configuration.authority_host);
    ClientOptions {
        cloud: Some(Arc::new(CloudConfiguration::Custom(configuration))),
        ..ClientOptions::default()
    }
}

/// A credential that was configured wrongly: says so whenever it is asked.
#[derive(Debug)]
struct Broken(String);

#[async_trait]
impl TokenCredential for Broken {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Err(failed(self.0.clone()))
    }
}
