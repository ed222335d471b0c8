//! Batch's part for Azurite: applications and versions in memory, links to Azurite.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::http::{Method, Request};
use batch_pool::packages::{Application, Link, Package, PackageId, Packages, PushError};

use super::azurite::sas;
use super::ends::{ACCOUNT, Signing, next_signing, place};
use super::gate::Gate;

#[derive(Debug)]
pub struct Shelf {
    gate: Arc<Gate>,
    signing: Arc<Mutex<Vec<Signing>>>,
    /// Versions of applications, and whether they are active.
    there: Mutex<BTreeMap<String, BTreeMap<String, bool>>>,
}

impl Shelf {
    pub fn new(gate: Arc<Gate>, signing: Arc<Mutex<Vec<Signing>>>) -> Self {
        Self { gate, signing, there: Mutex::default() }
    }

    #[allow(clippy::disallowed_methods, reason = "Azurite looks at the wall clock")]
    fn link(&self, id: &PackageId) -> Link {
        let Signing { permissions, seconds } = next_signing(&self.signing);
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        let (container, name) = place(id);
        let url = format!(
            "https://{ACCOUNT}.blob.core.windows.net/{container}/{name}?{}",
            sas(ACCOUNT, permissions, "b", "o", until)
        );
        Link::new(&url, Some(until)).unwrap()
    }

    /// A request of Batch itself, past the gate's count.
    async fn own(&self, method: Method, path: &str, query: &str) -> u16 {
        let signature = sas(ACCOUNT, "racwd", "b", "sco", "2100-01-01T00:00:00Z".parse().unwrap());
        let url = format!("https://{ACCOUNT}.blob.core.windows.net/{path}?{query}{signature}");
        let mut request = Request::new(url.parse().unwrap(), method);
        request.insert_header("x-ms-version", "2025-11-05");
        request.insert_header("content-length", "0");
        self.gate.own(&request).await.status().into()
    }
}

#[async_trait]
impl Packages for Shelf {
    async fn storage(&self) -> Result<String, PushError> {
        Ok(ACCOUNT.to_owned())
    }

    async fn applications(&self) -> Result<Vec<Application>, PushError> {
        let there = self.there.lock().unwrap();
        let application =
            |id: &String| Application { id: id.clone(), default_version: None, allow_updates: true };
        Ok(there.keys().map(application).collect())
    }

    async fn make(&self, application: &str) -> Result<(), PushError> {
        self.own(Method::Put, &format!("app-{application}"), "restype=container&").await;
        self.there.lock().unwrap().entry(application.to_owned()).or_default();
        Ok(())
    }

    async fn packages(&self, application: &str) -> Result<Vec<Package>, PushError> {
        let there = self.there.lock().unwrap();
        let versions = there.get(application).into_iter().flatten();
        let package = |(version, active): (&String, &bool)| Package {
            version: version.clone(),
            active: *active,
            activated: None,
            link: None,
        };
        Ok(versions.map(package).collect())
    }

    async fn package(&self, id: &PackageId) -> Result<Option<Package>, PushError> {
        let found = self.packages(id.application()).await?.into_iter().find(|p| p.version == id.version());
        Ok(found.map(|package| Package { link: Some(self.link(id)), ..package }))
    }

    async fn offer(&self, id: &PackageId) -> Result<Link, PushError> {
        let mut there = self.there.lock().unwrap();
        there.get_mut(id.application()).unwrap().entry(id.version().to_owned()).or_insert(false);
        drop(there);
        Ok(self.link(id))
    }

    async fn activate(&self, id: &PackageId) -> Result<(), PushError> {
        let (container, name) = place(id);
        assert_eq!(
            self.own(Method::Head, &format!("{container}/{name}"), "").await,
            200,
            "nothing was uploaded"
        );
        let mut there = self.there.lock().unwrap();
        there.get_mut(id.application()).unwrap().insert(id.version().to_owned(), true);
        Ok(())
    }

    async fn set_default(&self, _: &PackageId) -> Result<(), PushError> {
        Ok(())
    }

    async fn remove(&self, _: &PackageId) -> Result<(), PushError> {
        Ok(())
    }

    async fn remove_application(&self, _: &str) -> Result<(), PushError> {
        Ok(())
    }
}
