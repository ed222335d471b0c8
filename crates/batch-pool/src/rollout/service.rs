//! Reads what a rollout goes by, keeps its mark and renews nodes.

use flamenco_azure_core::arm::{ArmClient, ArmError, Kind, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::spec::PackageRef;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Mark, Seen, recipe};
use crate::packages::{BatchPackages, PackageId, Packages, PushError};
use crate::wire;

/// A reference to a package, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The application's id.
    pub application: String,
    /// The version that nodes get.
    pub version: String,
    /// Whether the reference names no version, so that the application's default decides.
    pub by_default: bool,
    /// When its content was activated, as Azure writes it.
    pub activated: String,
}

/// What a reference lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is no such application, or no such version.
    Package,
    /// It was not uploaded to its end.
    Content,
    /// It names no version and the application has no default one.
    Default,
}

/// Why a rollout could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// There is no such pool.
    #[error("there is no pool `{0}`")]
    NoPool(String),
    /// A reference that nodes could not be given: renewed, they would be unusable.
    #[error("pool `{pool}` refers to `{package}`, which {}", lacks(*.missing))]
    NoPackage {
        /// The pool.
        pool: String,
        /// The reference.
        package: PackageRef,
        /// What it lacks.
        missing: Missing,
    },
    /// Azure refused or could not be reached.
    #[error("could not {doing}")]
    Azure {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: ArmError,
    },
    /// Packages could not be read.
    #[error("could not see which packages there are")]
    Packages(#[source] PushError),
    /// Azure's answer was not understood.
    #[error("pool `{pool}`: unexpected answer ({what})")]
    Unexpected {
        /// The pool.
        pool: String,
        /// What was odd.
        what: &'static str,
    },
}

fn lacks(missing: Missing) -> &'static str {
    match missing {
        Missing::Package => "is not on the Batch account",
        Missing::Content => "was not uploaded to its end",
        Missing::Default => "has no default version",
    }
}

/// What a reference stands for on an account; `Err` says what it lacks.
///
/// # Errors
/// The outer error is Azure's.
pub async fn resolve(
    packages: &BatchPackages,
    wanted: &PackageRef,
) -> Result<Result<Reference, Missing>, PushError> {
    let (version, by_default) = if let Some(version) = &wanted.version {
        (version.clone(), false)
    } else {
        let all = packages.applications().await?;
        let Some(one) = all.into_iter().find(|a| a.id.eq_ignore_ascii_case(&wanted.application)) else {
            return Ok(Err(Missing::Package));
        };
        let Some(version) = one.default_version else { return Ok(Err(Missing::Default)) };
        (version, true)
    };
    let Ok(id) = PackageId::new(&wanted.application, &version) else { return Ok(Err(Missing::Package)) };
    Ok(match packages.package(&id).await? {
        None => Err(Missing::Package),
        Some(package) if !package.active => Err(Missing::Content),
        Some(package) => Ok(Reference {
            application: wanted.application.to_ascii_lowercase(),
            version: version.to_ascii_lowercase(),
            by_default,
            activated: package.activated.unwrap_or_default(),
        }),
    })
}

/// Where a rollout begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Nodes whose start task began then or later have the newest definition.
    pub since: Timestamp,
    /// Nothing says when the definition became what it is, so that it counts from now on: some nodes may have it and are
    /// renewed all the same.
    pub from_now: bool,
}

/// Rolls out one pool.
#[derive(Debug, Clone)]
pub struct Rollout {
    client: ArmClient,
    pool: ResourceId,
    endpoint: String,
}

impl Rollout {
    /// Of the pool with this id. `endpoint` is its account's data-plane host (`accountEndpoint`).
    pub fn new(client: ArmClient, pool: ResourceId, endpoint: impl Into<String>) -> Self {
        Self { client, pool, endpoint: endpoint.into() }
    }

    fn data(&self, request: Request) -> Request {
        request.api_version(wire::BATCH_API).batch(&self.endpoint)
    }

    fn unexpected(&self, what: &'static str) -> RolloutError {
        RolloutError::Unexpected { pool: self.pool.name().to_owned(), what }
    }

    async fn body(&self) -> Result<Value, RolloutError> {
        let read = Request::get(self.pool.as_str()).api_version(wire::BATCH_API);
        let body = self.client.get(&read).await;
        let body = body.map_err(|source| RolloutError::Azure { doing: "read the pool", source })?;
        body.ok_or_else(|| RolloutError::NoPool(self.pool.name().to_owned()))
    }

    /// The packages that the pool refers to, each there for nodes.
    async fn references(&self, body: &Value) -> Result<Vec<Reference>, RolloutError> {
        let account = self.pool.parent().ok_or_else(|| self.unexpected("id"))?;
        let packages = BatchPackages::new(self.client.clone(), account);
        let mut all = Vec::new();
        for package in references_of(body) {
            let found = resolve(&packages, &package).await.map_err(RolloutError::Packages)?;
            all.push(found.map_err(|missing| RolloutError::NoPackage {
                pool: self.pool.name().to_owned(),
                package,
                missing,
            })?);
        }
        Ok(all)
    }

    /// Puts the mark of the newest definition on the pool, unless it is there, and gives back since when nodes have it.
    /// Killed anywhere, the next call does the same.
    pub async fn begin(&self) -> Result<Begun, RolloutError> {
        let body = self.body().await?;
        let references = self.references(&body).await?;
        let recipe = recipe(&body, &references);
        match Mark::read(&body).filter(|mark| mark.recipe == recipe) {
            Some(Mark { since: Some(since), .. }) => return Ok(Begun { since, from_now: false }),
            Some(Mark { since: None, .. }) => {
                // Marked, and so changed, after whatever was changed: that moment will do.
                let since = self.modified(&body)?;
                self.mark(&body, Mark { recipe, since: Some(since) }).await?;
                return Ok(Begun { since, from_now: true });
            }
            None => {}
        }
        // The service's clock, never this machine's.
        if references.iter().any(|reference| reference.by_default) {
            // When a default version was chosen is written nowhere: from now on is safe.
            let body = self.mark(&body, Mark { recipe: recipe.clone(), since: None }).await?;
            let since = self.modified(&body)?;
            self.mark(&body, Mark { recipe, since: Some(since) }).await?;
            return Ok(Begun { since, from_now: true });
        }
        let contents = references.iter().filter_map(|reference| reference.activated.parse().ok());
        let since = contents.fold(self.modified(&body)?, Timestamp::max);
        self.mark(&body, Mark { recipe, since: Some(since) }).await?;
        Ok(Begun { since, from_now: false })
    }

    fn modified(&self, body: &Value) -> Result<Timestamp, RolloutError> {
        let at = body.pointer("/properties/lastModified").and_then(Value::as_str);
        at.and_then(|at| at.parse().ok()).ok_or_else(|| self.unexpected("its `lastModified`"))
    }

    async fn mark(&self, body: &Value, mark: Mark) -> Result<Value, RolloutError> {
        let patch = json!({"properties": {"metadata": mark.metadata(body)}});
        let request = Request::patch(self.pool.as_str(), patch).api_version(wire::BATCH_API);
        let answer = self.client.run(&request).await;
        let answer = answer.map_err(|source| RolloutError::Azure { doing: "mark the pool", source })?;
        match answer {
            Some(body) if body.pointer("/properties/lastModified").is_some() => Ok(body),
            _ => self.body().await,
        }
    }

    /// The nodes, in one paged pass.
    pub async fn look(&self) -> Result<Vec<Seen>, RolloutError> {
        let list = self.data(Request::get(format!("/pools/{}/nodes", self.pool.name())));
        let list = self.client.list(&list).await;
        let list = list.map_err(|source| RolloutError::Azure { doing: "list its nodes", source })?;
        let odd = || self.unexpected("a node's id or state");
        let mut nodes =
            list.iter().map(|body| Seen::read(body).ok_or_else(odd)).collect::<Result<Vec<_>, _>>()?;
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(nodes)
    }

    /// Has Batch set a node up anew: reimaged, or where Batch does not do that rebooted, which brings start task and
    /// packages too. A node that is gone or boots already needs nothing.
    pub async fn renew(&self, node: &str) -> Result<(), RolloutError> {
        match self.order(node, "reimage", json!({"nodeReimageOption": "terminate"})).await {
            // "This API can be invoked only on Pools created with the cloud service configuration property"
            // (BatchService.json), which the service of today no longer keeps to.
            Err(error) if error.code() == "OperationNotValidOnNode" => {
                self.order(node, "reboot", json!({"nodeRebootOption": "terminate"})).await
            }
            ended => ended,
        }
        .map_err(|source| RolloutError::Azure { doing: "reimage a node", source })
    }

    async fn order(&self, node: &str, verb: &str, body: Value) -> Result<(), ArmError> {
        let path = format!("/pools/{}/nodes/{node}/{verb}", self.pool.name());
        match self.client.send(&self.data(Request::post(path, Some(body)))).await {
            // Whether it was seen shows in the next look.
            Err(error) if error.is_not_found() || *error.kind() == Kind::OutcomeUnknown => Ok(()),
            Err(error) if is_on_its_way(error.code()) => Ok(()),
            ended => ended.map(drop),
        }
    }
}

/// The codes of Microsoft's page "Batch status and error codes" for nodes that boot already, go, or take no order: each
/// shows in the next look for what it is.
fn is_on_its_way(code: &str) -> bool {
    ["NodeBeingCreated", "NodeBeingStarted", "NodeBeingRebooted", "NodeBeingReimaged", "NodeStateUnusable"]
        .iter()
        .chain(&["OperationInvalidForCurrentState"])
        .any(|known| known.eq_ignore_ascii_case(code))
}

/// The references of a pool's control-plane body.
pub fn references_of(body: &Value) -> Vec<PackageRef> {
    let items = body.pointer("/properties/applicationPackages").and_then(Value::as_array);
    let read = |item: &Value| {
        // An id may name the version itself.
        let id = item.get("id")?.as_str()?;
        let (id, own) = match id.split_once("/versions/") {
            Some((id, version)) => (id, Some(version)),
            None => (id, None),
        };
        let version = item.get("version").and_then(Value::as_str).or(own);
        Some(PackageRef {
            application: id.rsplit('/').next()?.to_owned(),
            version: version.map(str::to_owned),
        })
    };
    items.into_iter().flatten().filter_map(read).collect()
}
