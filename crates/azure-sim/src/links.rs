//! Absolute links in answers of the loopback server, made to lead back to it.

use crate::wire::SimResponse;
use crate::world::World;

/// Services that answer at the server's own address.
const OWN: &[&str] = &["https://management.azure.com", "https://login.microsoftonline.com"];

/// What has to be replaced by what.
#[derive(Debug)]
pub(crate) struct Links {
    pairs: Vec<(String, String)>,
}

impl Links {
    /// For a client that reached the server as `{scheme}://{host}`. Batch accounts' endpoints, which cannot be made to
    /// resolve to loopback, become paths: `{host}/host/{account}.{region}.batch.azure.com`. So a client that puts its
    /// scheme before an account's `accountEndpoint`, as all do, reaches the right account.
    pub(crate) fn new(scheme: &str, host: &str, world: &World) -> Self {
        let mut pairs: Vec<(String, String)> =
            OWN.iter().map(|own| ((*own).to_owned(), format!("{scheme}://{host}"))).collect();
        let accounts = world.resources().values().filter(|r| r.is(crate::batch::ACCOUNT));
        for endpoint in accounts.filter_map(|r| r.text("/accountEndpoint")) {
            let there = format!("{host}/host/{endpoint}");
            pairs.push((format!("https://{endpoint}"), format!("{scheme}://{there}")));
            pairs.push((format!("\"{endpoint}\""), format!("\"{there}\"")));
        }
        // Blobs and queues alike.
        let accounts = world.resources().values().filter(|r| r.is(crate::storage::ACCOUNT));
        for (account, service) in accounts.flat_map(|r| [(r, "blob"), (r, "queue")]) {
            let endpoint = format!("{}.{service}.core.windows.net", account.name);
            pairs.push((format!("https://{endpoint}"), format!("{scheme}://{host}/host/{endpoint}")));
        }
        Self { pairs }
    }

    fn replace(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// The answer with its links replaced, in headers and text bodies; not in somebody's blob.
    pub(crate) fn lead_back(&self, mut response: SimResponse) -> SimResponse {
        if response.header("x-ms-blob-type").is_some() {
            return response;
        }
        for (_, value) in &mut response.headers {
            *value = self.replace(value);
        }
        if let Ok(text) = std::str::from_utf8(&response.body) {
            response.body = self.replace(text).into_bytes();
        }
        response
    }
}
