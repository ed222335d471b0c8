//! Where the bytes of a package are.

use std::fmt;

use jiff::Timestamp;
use url::Url;

/// The address of a package's blob. It may carry a signature, which opens the blob to whoever has it: it is shown
/// nowhere, not even by `Debug`.
#[derive(Clone)]
pub struct Link {
    url: Url,
    expires: Option<Timestamp>,
}

impl Link {
    /// From Batch's `storageUrl` and `storageUrlExpiry`. `None` for what is no https address of a blob.
    pub fn new(url: &str, expires: Option<Timestamp>) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let fits = url.scheme() == "https" && url.has_host() && url.path().len() > 1;
        fits.then_some(Self { url, expires })
    }

    /// Whether it is good beyond `at`, as far as it says.
    pub fn lasts(&self, at: Timestamp) -> bool {
        self.expires.is_none_or(|expires| at < expires)
    }

    /// Whether it carries a signature. One without needs a token: that of an account whose Batch account signs in to
    /// storage by its own identity (`authenticationMode: BatchAccountManagedIdentity`, Microsoft's OpenAPI of
    /// `ApplicationPackage_Create`).
    pub fn is_signed(&self) -> bool {
        self.url.query_pairs().any(|(name, _)| name == "sig")
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        f.debug_struct("Link").field("host", &host).field("expires", &self.expires).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_never_shown_and_only_https_is_taken() {
        let link = Link::new("https://a.blob.core.windows.net/app/1?sp=rw&sig=SECRET", None).unwrap();
        assert!(link.is_signed());
        assert!(!format!("{link:?}").contains("SECRET"));
        assert!(!Link::new("https://a.blob.core.windows.net/app/1", None).unwrap().is_signed());
        for bad in ["http://a.blob.core.windows.net/app/1", "https://a/", "REDACTED", ""] {
            assert!(Link::new(bad, None).is_none(), "{bad}");
        }
    }
}
