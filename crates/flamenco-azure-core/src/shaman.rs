//! Manager URL ⇄ `shaman://` URL, and who knows where a Manager is.
//!
//! Flamenco 2's add-on takes its "Job Storage" as a `shaman://` URL; Flamenco 3 has no such scheme and wants the
//! Manager URL alone. The rules are those of the parser in Blender Asset Tracer (`blender_asset_tracer.pack.shaman`):
//! `shaman` and `shaman+https` stand for `https`, `shaman+http` for `http`; host, port, path and query stay as they
//! are, except that an empty path becomes `/`; the fragment is the percent-encoded checkout id.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use url::Url;

use crate::spec::{Farm, Tls};

/// Why a text is no Manager URL or no `shaman://` URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShamanError {
    /// Not a URL at all.
    #[error("`{0}` is not a URL (expected one such as https://studio.westeurope.cloudapp.azure.com/)")]
    Malformed(String),
    /// A scheme that stands for nothing here.
    #[error("`{0}://` is not a scheme for this (expected https, http, shaman, shaman+https or shaman+http)")]
    Scheme(String),
    /// No host.
    #[error("`{0}` names no host")]
    NoHost(String),
    /// A user name or password: neither Manager nor Shaman has one.
    #[error("the URL contains a user name or password, which neither Manager nor Shaman has")]
    Credentials,
    /// A fragment in a Manager URL: only `shaman://` URLs have checkout ids.
    #[error("a Manager URL has no `#{0}`; checkout ids belong to shaman:// URLs")]
    Fragment(String),
    /// The checkout id is not text after decoding.
    #[error("the checkout id `{0}` is not UTF-8 when percent-decoded")]
    CheckoutId(String),
}

/// A Shaman server: the Manager's URL and, perhaps, a checkout on it.
///
/// Reads from and prints as a `shaman://` URL.
///
/// ```
/// use flamenco_azure_core::shaman::ShamanUrl;
///
/// let shaman: ShamanUrl = "shaman://h/root#a/b".parse()?;
/// assert_eq!(shaman.manager_url(), "https://h/root");
/// assert_eq!(shaman.checkout_id(), Some("a/b"));
/// assert_eq!(ShamanUrl::from_manager_url("https://h")?.to_string(), "shaman://h/");
/// # Ok::<(), flamenco_azure_core::shaman::ShamanError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShamanUrl {
    /// The Manager's URL as it was written, not as the URL standard would rewrite it: host, port and path stay
    /// untouched, as in the add-on.
    manager: String,
    checkout_id: Option<String>,
}

impl ShamanUrl {
    /// The Shaman of a Manager, from the Manager's `https` or `http` URL.
    pub fn from_manager_url(text: &str) -> Result<Self, ShamanError> {
        let text = text.trim();
        let (scheme, rest) = split(text)?;
        if !["https", "http"].contains(&scheme.as_str()) {
            return Err(ShamanError::Scheme(scheme));
        }
        let (manager, fragment) = manager(&scheme, rest)?;
        if fragment.is_empty() {
            Ok(Self { manager, checkout_id: None })
        } else {
            Err(ShamanError::Fragment(fragment))
        }
    }

    /// The same Shaman with a checkout id; an empty one is none.
    pub fn with_checkout_id(self, id: &str) -> Self {
        Self { checkout_id: (!id.is_empty()).then(|| id.to_owned()), ..self }
    }

    /// The Manager's URL, without the checkout id.
    pub fn manager_url(&self) -> &str {
        &self.manager
    }

    /// The checkout id, decoded.
    pub fn checkout_id(&self) -> Option<&str> {
        self.checkout_id.as_deref()
    }
}

impl FromStr for ShamanUrl {
    type Err = ShamanError;

    fn from_str(text: &str) -> Result<Self, ShamanError> {
        let text = text.trim();
        let (scheme, rest) = split(text)?;
        let scheme = match scheme.as_str() {
            "shaman" | "shaman+https" => "https",
            "shaman+http" => "http",
            _ => return Err(ShamanError::Scheme(scheme)),
        };
        let (manager, fragment) = manager(scheme, rest)?;
        let id = decode(&fragment).ok_or(ShamanError::CheckoutId(fragment))?;
        Ok(Self { manager, checkout_id: None }.with_checkout_id(&id))
    }
}

impl fmt::Display for ShamanUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.manager.strip_prefix("https:") {
            Some(rest) => write!(f, "shaman:{rest}")?,
            None => write!(f, "shaman+{}", self.manager)?,
        }
        match &self.checkout_id {
            Some(id) => write!(f, "#{}", encode(id)),
            None => Ok(()),
        }
    }
}

/// Scheme in lower case, and what follows `://`.
fn split(text: &str) -> Result<(String, &str), ShamanError> {
    let malformed = || ShamanError::Malformed(text.to_owned());
    let (scheme, rest) = text.split_once("://").ok_or_else(malformed)?;
    Ok((scheme.to_ascii_lowercase(), rest))
}

/// The Manager's URL and the fragment behind it. The URL standard's parser judges, the text stays as written.
fn manager(scheme: &str, rest: &str) -> Result<(String, String), ShamanError> {
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let cut = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(cut);
    let slash = if path.starts_with('/') { "" } else { "/" };
    if host.contains('@') {
        // Said first, and without the text: it may hold a password.
        return Err(ShamanError::Credentials);
    }
    let url = format!("{scheme}://{host}{slash}{path}");
    if host.is_empty() || host.starts_with(':') {
        return Err(ShamanError::NoHost(url));
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if url.contains(odd) || Url::parse(&url).is_err() {
        return Err(ShamanError::Malformed(url));
    }
    Ok((url, fragment.to_owned()))
}

/// Percent-decoding (RFC 3986 §2.1); a `%` that begins no byte stays. `None` when the bytes are not UTF-8.
fn decode(text: &str) -> Option<String> {
    let digit =
        |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16)).and_then(|n| u8::try_from(n).ok());
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

/// The inverse of [`decode`]: everything but unreserved characters and `/` is encoded.
fn encode(text: &str) -> String {
    let encoded = text.bytes().map(|byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    encoded.collect::<Vec<_>>().concat()
}

/// Why a locator cannot say where the Manager is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// The Manager has no address that can be reached from outside.
    #[error("the Manager cannot be reached from outside: {0}")]
    Unreachable(&'static str),
    /// The address makes no URL.
    #[error(transparent)]
    Url(#[from] ShamanError),
    /// Azure refused or could not be reached.
    #[error(transparent)]
    Arm(#[from] crate::arm::ArmError),
}

/// Whoever knows where a farm's Manager is.
#[async_trait]
pub trait ManagerLocator: Send + Sync {
    /// The Manager's URL, with its Shaman.
    async fn manager_url(&self) -> Result<ShamanUrl, LocateError>;
}

/// A Manager whose URL is known.
#[derive(Debug, Clone)]
pub struct StaticLocator(pub ShamanUrl);

#[async_trait]
impl ManagerLocator for StaticLocator {
    async fn manager_url(&self) -> Result<ShamanUrl, LocateError> {
        Ok(self.0.clone())
    }
}

/// The Manager of a farm as the farm file describes it; Azure is not asked.
#[derive(Debug, Clone)]
pub struct FarmLocator {
    url: Option<String>,
}

impl FarmLocator {
    /// The locator of a farm.
    pub fn new(farm: &Farm) -> Self {
        let served = farm.is_public() && farm.manager.tls != Tls::Off;
        Self { url: served.then(|| format!("https://{}/", farm.host())) }
    }
}

#[async_trait]
impl ManagerLocator for FarmLocator {
    async fn manager_url(&self) -> Result<ShamanUrl, LocateError> {
        let why = "it has no public address or TLS is off; use `flamenco-azure tunnel`";
        let url = self.url.as_deref().ok_or(LocateError::Unreachable(why))?;
        Ok(ShamanUrl::from_manager_url(url)?)
    }
}
