//! The scaler on the Manager VM: what is installed, and how a later deploy knows that it is.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Place;
use crate::file::ScalerFile;
use crate::guest::{self, Capacity, Download, GuestError, LogFormat, ScalerGuest};

/// The member of the script's answer that is `true` when it is installed.
pub const EXPECT: &str = "installed";

/// What is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The lines of a run-command. Its last line of output is JSON: `{"installed": true}`, or false with a `reason`.
    pub script: Vec<String>,
    /// Of the scaler's file, its program and its units: the value of the tag [`super::INSTALLED`].
    pub digest: String,
    /// The program's SHA-256.
    pub program: String,
}

/// The installation of `file` and the program of this SHA-256. `client`: the client id of the identity that fetches and
/// runs it.
///
/// # Errors
/// When something in the file cannot be written into a document.
pub fn install(place: &Place, file: &ScalerFile, program: &str, client: Uuid) -> Result<Install, GuestError> {
    let inner = guest::install_script(&scaler_guest(place, file, program, client))?;
    let hash = Sha256::digest(inner.join("\n"));
    let digest = hash.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let mut script = vec!["log=$(mktemp) || exit 1".to_owned(), "(".to_owned()];
    script.extend(inner);
    script.extend(
        [
            ") >\"$log\" 2>&1 && ok=true || ok=false",
            "why=$(tail -n 1 \"$log\" | tr -cd '[:alnum:] .,:/_()-' | cut -c 1-300)",
            "rm -f \"$log\"",
            "printf '{\"installed\": %s, \"reason\": \"%s\"}\\n' \"$ok\" \"$why\"",
        ]
        .map(str::to_owned),
    );
    Ok(Install { script, digest, program: program.to_owned() })
}

/// What the machine of `file`'s scaler gets.
pub(crate) fn scaler_guest(place: &Place, file: &ScalerFile, program: &str, client: Uuid) -> ScalerGuest {
    let plain = place.pools.len() == 1;
    ScalerGuest {
        binary: Download {
            url: place.program_url(program),
            sha256: program.to_owned(),
            client_id: Some(client),
        },
        // A struct of texts and numbers always serialises; JSON is YAML.
        config: serde_json::to_string_pretty(file).unwrap_or_default() + "\n",
        log: LogFormat::Text,
        // Where there are several pools nobody can guess which one is meant.
        capacity: plain.then(|| Capacity { client_id: Some(client), ..Capacity::default() }),
    }
}
