//! The auth file of Azure's old SDKs: `az ad sp create-for-rbac --sdk-auth > client_credentials.json`.

use std::fmt;

use azure_core::credentials::Secret;
use serde::Deserialize;

/// A service principal from an auth file. Its secret shows in no output.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthFile {
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: Secret,
    /// The directory's id.
    pub tenant_id: String,
    /// The subscription that the file was made for.
    #[serde(default)]
    pub subscription_id: Option<String>,
}

impl AuthFile {
    /// Reads the file's text. The error names what is wrong and quotes nothing of the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let file: Self = serde_json::from_str(text).map_err(|error| {
            // serde's own words quote wrong values: only those of missing keys are safe.
            let words = error.to_string();
            let missing = words.split('`').nth(1).filter(|_| words.starts_with("missing field"));
            match missing {
                Some(key) => format!("the key {key} is missing"),
                None => format!("it is not the JSON of an auth file (line {})", error.line()),
            }
        })?;
        let empty = [("clientId", &file.client_id), ("tenantId", &file.tenant_id)]
            .into_iter()
            .find(|(_, value)| value.is_empty());
        match empty {
            Some((key, _)) => Err(format!("the key {key} is empty")),
            None if file.client_secret.secret().is_empty() => Err("the key clientSecret is empty".to_owned()),
            None => Ok(file),
        }
    }
}

impl fmt::Debug for AuthFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFile")
            .field("client_id", &self.client_id)
            .field("tenant_id", &self.tenant_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{feff}{\"clientId\": \"app\", \"clientSecret\": \"HUSH\", \"subscriptionId\": \"sub\", \"tenantId\": \"dir\",
        \"activeDirectoryEndpointUrl\": \"https://login.microsoftonline.com\"}";

    #[test]
    fn the_old_tools_auth_file_is_read_and_its_secret_never_shown() {
        let file = AuthFile::parse(FILE).unwrap();
        assert_eq!((file.client_id.as_str(), file.client_secret.secret()), ("app", "HUSH"));
        assert_eq!(file.subscription_id.as_deref(), Some("sub"));
        assert!(!format!("{file:?}").contains("HUSH"));
    }

    #[test]
    fn a_broken_auth_file_is_named_without_quoting_it() {
        let table = [
            (FILE.replace("\"tenantId\"", "\"tenant\""), "the key tenantId is missing"),
            (FILE.replace("\"dir\"", "\"\""), "the key tenantId is empty"),
            (FILE.replace("\"HUSH\"", "\"\""), "the key clientSecret is empty"),
            (FILE.replace("\"HUSH\"", "{\"HUSH\": 1}"), "it is not the JSON of an auth file (line 1)"),
            ("HUSH".to_owned(), "it is not the JSON of an auth file (line 1)"),
        ];
        for (text, expected) in table {
            assert_eq!(AuthFile::parse(&text).unwrap_err(), expected, "{text}");
        }
    }
}
