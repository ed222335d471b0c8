//! SSH public keys: read, checked, and told apart from private ones before anything leaves the machine.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Algorithms that Ubuntu 24.04's OpenSSH admits by default and that Azure accepts as key data.
const ALGORITHMS: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Why a text is not a usable public key. Never contains the text itself: it may be a private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SshKeyError {
    /// Someone pasted the secret half.
    #[error("this is a private key; it must never leave your machine")]
    Private,
    /// Nothing there.
    #[error("the key is empty")]
    Empty,
    /// An `authorized_keys` file or a wrapped line.
    #[error("the key has more than one line")]
    SeveralLines,
    /// The first word is no known algorithm.
    #[error("unknown key type (expected ssh-ed25519, ecdsa-sha2-nistp256/384/521 or ssh-rsa)")]
    Algorithm,
    /// The second word is not base64, is cut short, or names another algorithm inside.
    #[error("the key is garbled ({0})")]
    Garbled(&'static str),
}

impl SshKeyError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Private => {
                "give the public half instead, the file ending in .pub; if the private key was saved or shared, \
                 make a new pair with `ssh-keygen -t ed25519`"
            }
            _ => "give one line as in ~/.ssh/id_ed25519.pub: type, key, comment",
        }
    }
}

/// One SSH public key: a line of type, base64 and comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SshPublicKey(String);

impl SshPublicKey {
    /// The line, single spaces, without a line end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key type such as `ssh-ed25519`.
    pub fn algorithm(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

impl fmt::Display for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SshPublicKey {
    type Err = SshKeyError;

    fn from_str(text: &str) -> Result<Self, SshKeyError> {
        let text = text.trim();
        if text.contains("PRIVATE KEY") || text.starts_with("PuTTY-User-Key-File") {
            return Err(SshKeyError::Private);
        }
        if text.is_empty() {
            return Err(SshKeyError::Empty);
        }
        if text.contains(['\n', '\r']) {
            return Err(SshKeyError::SeveralLines);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let algorithm = words[0];
        if !ALGORITHMS.contains(&algorithm) {
            return Err(SshKeyError::Algorithm);
        }
        let body = words.get(1).ok_or(SshKeyError::Garbled("nothing follows the key type"))?;
        let blob = STANDARD.decode(body).map_err(|_| SshKeyError::Garbled("not base64"))?;
        let fields = fields(&blob).ok_or(SshKeyError::Garbled("cut short"))?;
        if fields.first() != Some(&algorithm.as_bytes()) {
            return Err(SshKeyError::Garbled("the key inside is of another type"));
        }
        if !has_body(algorithm, &fields) {
            return Err(SshKeyError::Garbled("wrong length"));
        }
        Ok(Self(words.join(" ")))
    }
}

/// The length-prefixed fields of a key blob (RFC 4253 §6.6); `None` when the lengths do not add up.
fn fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (field, rest) = rest.split_at_checked(length)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}

/// Whether the fields after the type have the number and size that the type wants.
fn has_body(algorithm: &str, fields: &[&[u8]]) -> bool {
    let lengths: Vec<usize> = fields.iter().skip(1).map(|field| field.len()).collect();
    match (algorithm, lengths.as_slice()) {
        // Azure refuses RSA keys below 2,048 bits: 256 bytes of modulus.
        ("ssh-rsa", [exponent, modulus]) => *exponent > 0 && *modulus >= 256,
        ("ssh-ed25519", [32])
        | ("sk-ssh-ed25519@openssh.com", [32, _])
        | ("ecdsa-sha2-nistp256", [8, 65])
        | ("sk-ecdsa-sha2-nistp256@openssh.com", [8, 65, _])
        | ("ecdsa-sha2-nistp384", [8, 97])
        | ("ecdsa-sha2-nistp521", [8, 133]) => true,
        _ => false,
    }
}
