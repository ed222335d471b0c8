//! Applications and packages of a Batch account, by its control plane.

use std::fmt;

use async_trait::async_trait;
use flamenco_azure_core::arm::{ArmClient, Request};
use flamenco_azure_core::ids::ResourceId;
use serde_json::{Value, json};

use super::limits::PackageId;
use super::link::Link;
use super::push_error::PushError;
use crate::wire::BATCH_API;

/// An application: versions under one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its id.
    pub id: String,
    /// The version that a pool gets which names none.
    pub default_version: Option<String>,
    /// Whether versions may get other content.
    pub allow_updates: bool,
}

/// A version of an application.
#[derive(Debug, Clone)]
pub struct Package {
    /// The version.
    pub version: String,
    /// Whether nodes can have it. What is not active was not uploaded to its end.
    pub active: bool,
    /// When it became so, as Azure writes it.
    pub activated: Option<String>,
    /// Where its bytes are, if Batch says it.
    pub link: Option<Link>,
}

/// What Batch knows about packages. Their bytes go elsewhere: to the [`Link`] that it offers.
#[async_trait]
pub trait Packages: Send + Sync + fmt::Debug {
    /// The storage account that packages are kept in; an error when there is none.
    async fn storage(&self) -> Result<String, PushError>;
    /// All applications.
    async fn applications(&self) -> Result<Vec<Application>, PushError>;
    /// Makes an application that is not there.
    async fn make(&self, application: &str) -> Result<(), PushError>;
    /// All versions of an application; none when there is no such application.
    async fn packages(&self, application: &str) -> Result<Vec<Package>, PushError>;
    /// One version.
    async fn package(&self, id: &PackageId) -> Result<Option<Package>, PushError>;
    /// Makes a version, or opens it for other content: where to upload it.
    async fn offer(&self, id: &PackageId) -> Result<Link, PushError>;
    /// Gives what was uploaded to nodes from now on.
    async fn activate(&self, id: &PackageId) -> Result<(), PushError>;
    /// Says which version a pool gets that names none.
    async fn set_default(&self, id: &PackageId) -> Result<(), PushError>;
    /// Removes a version with its bytes. It may be gone already.
    async fn remove(&self, id: &PackageId) -> Result<(), PushError>;
    /// Removes an application without versions. It may be gone already.
    async fn remove_application(&self, application: &str) -> Result<(), PushError>;
}

/// [`Packages`] of a Batch account.
#[derive(Debug, Clone)]
pub struct BatchPackages {
    client: ArmClient,
    account: ResourceId,
}

impl BatchPackages {
    /// Those of `account`, the resource id of a Batch account.
    pub fn new(client: ArmClient, account: ResourceId) -> Self {
        Self { client, account }
    }

    fn path(&self, application: &str) -> String {
        format!("{}/applications/{application}", self.account)
    }

    fn version_path(&self, id: &PackageId) -> String {
        format!("{}/versions/{}", self.path(id.application()), id.version())
    }

    async fn list(&self, action: &'static str, path: String) -> Result<Vec<Value>, PushError> {
        let request = Request::get(path).api_version(BATCH_API);
        self.client.list_if_there(&request).await.map_err(|source| PushError::Azure { action, source })
    }

    async fn send(&self, action: &'static str, request: Request) -> Result<Value, PushError> {
        let sent = self.client.send(&request.api_version(BATCH_API)).await;
        let response = sent.map_err(|source| PushError::Azure { action, source })?;
        Ok(response.body.unwrap_or_default())
    }

    /// Deletes, which a second time is no failure.
    async fn delete(&self, action: &'static str, path: String) -> Result<(), PushError> {
        match self.client.run(&Request::delete(path).api_version(BATCH_API)).await {
            Err(error) if error.is_not_found() => Ok(()),
            ended => ended.map(drop).map_err(|source| PushError::Azure { action, source }),
        }
    }
}

fn text(body: &Value, pointer: &str) -> Option<String> {
    body.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

impl Application {
    /// Reads an application from its control-plane body; `None` if it has no name.
    pub fn read(body: &Value) -> Option<Self> {
        Some(Self {
            id: text(body, "/name")?,
            default_version: text(body, "/properties/defaultVersion"),
            allow_updates: body.pointer("/properties/allowUpdates").and_then(Value::as_bool).unwrap_or(true),
        })
    }
}

impl Package {
    /// Reads a package from its control-plane body; `None` if it has no name or state.
    pub fn read(body: &Value) -> Option<Self> {
        Some(Self {
            version: text(body, "/name")?,
            active: text(body, "/properties/state")?.eq_ignore_ascii_case("active"),
            activated: text(body, "/properties/lastActivationTime"),
            link: link_of(body),
        })
    }
}

fn link_of(body: &Value) -> Option<Link> {
    let expires = text(body, "/properties/storageUrlExpiry").and_then(|at| at.parse().ok());
    Link::new(&text(body, "/properties/storageUrl")?, expires)
}

#[async_trait]
impl Packages for BatchPackages {
    async fn storage(&self) -> Result<String, PushError> {
        let action = "look at the Batch account";
        let account = || self.account.name().to_owned();
        let request = Request::get(self.account.as_str()).api_version(BATCH_API);
        let found = self.client.get(&request).await;
        let body = found.map_err(|source| PushError::Azure { action, source })?;
        let body = body.ok_or_else(|| PushError::NoAccount { account: account() })?;
        text(&body, "/properties/autoStorage/storageAccountId")
            .ok_or_else(|| PushError::NoAutoStorage { account: account() })
    }

    async fn applications(&self) -> Result<Vec<Application>, PushError> {
        let action = "list applications";
        let list = self.list(action, format!("{}/applications", self.account)).await?;
        let odd = || PushError::Answer { action, what: "name" };
        list.iter().map(|body| Application::read(body).ok_or_else(odd)).collect()
    }

    async fn make(&self, application: &str) -> Result<(), PushError> {
        let body = json!({"properties": {"allowUpdates": true}});
        self.send("make the application", Request::put(self.path(application), body)).await.map(drop)
    }

    async fn packages(&self, application: &str) -> Result<Vec<Package>, PushError> {
        let action = "list packages";
        let list = self.list(action, format!("{}/versions", self.path(application))).await?;
        let odd = || PushError::Answer { action, what: "name or state" };
        list.iter().map(|body| Package::read(body).ok_or_else(odd)).collect()
    }

    async fn package(&self, id: &PackageId) -> Result<Option<Package>, PushError> {
        let action = "look at the package";
        let request = Request::get(self.version_path(id)).api_version(BATCH_API);
        let found = self.client.get(&request).await;
        let body = found.map_err(|source| PushError::Azure { action, source })?;
        let odd = || PushError::Answer { action, what: "name or state" };
        body.map(|body| Package::read(&body).ok_or_else(odd)).transpose()
    }

    async fn offer(&self, id: &PackageId) -> Result<Link, PushError> {
        let action = "make the package";
        let body = self.send(action, Request::put(self.version_path(id), json!({}))).await?;
        link_of(&body).ok_or(PushError::Answer { action, what: "`storageUrl`" })
    }

    async fn activate(&self, id: &PackageId) -> Result<(), PushError> {
        let path = format!("{}/activate", self.version_path(id));
        // Recorded traffic: also one that is active is activated, so it may be sent again.
        let request = Request::post(path, Some(json!({"format": "zip"}))).idempotent();
        self.send("activate the package", request).await.map(drop)
    }

    async fn set_default(&self, id: &PackageId) -> Result<(), PushError> {
        let body = json!({"properties": {"defaultVersion": id.version()}});
        let request = Request::patch(self.path(id.application()), body);
        self.send("set the default version", request).await.map(drop)
    }

    async fn remove(&self, id: &PackageId) -> Result<(), PushError> {
        self.delete("remove the package", self.version_path(id)).await
    }

    async fn remove_application(&self, application: &str) -> Result<(), PushError> {
        self.delete("remove the application", self.path(application)).await
    }
}
