//! What only Batch pools have: application packages, autoscale formulas, variables of the start task.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Packages that one pool may refer to (Microsoft's page "Batch service quotas and limits").
pub const MOST_PACKAGES: usize = 10;
/// The longest formula in characters (Microsoft's page "Batch status and error codes").
pub const LONGEST_FORMULA: usize = 8192;
/// Of which so many are left for the lines that keep the pool within `maxNodes`.
pub const FORMULA_ROOM: usize = 256;

/// A reference to an application package: `id#version`, or `id` for the application's default version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PackageRef {
    /// The application's id.
    pub application: String,
    /// The version; the application's default one when absent.
    pub version: Option<String>,
}

impl fmt::Display for PackageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.application)?;
        self.version.iter().try_for_each(|version| write!(f, "#{version}"))
    }
}

/// Why a text names no application package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackageRefError {
    /// Batch takes no such application id.
    #[error("`{0}` is not an application's id: 1 to 64 letters, digits, `_` and `-`")]
    Application(String),
    /// Batch takes no such version.
    #[error("`{0}` is not a version: 1 to 64 letters, digits, `_`, `-` and `.`, not beginning with `.`")]
    Version(String),
}

impl FromStr for PackageRef {
    type Err = PackageRefError;

    /// By the patterns of Microsoft's OpenAPI of Batch's control plane: `ApplicationNameParameter`,
    /// `VersionNameParameter`.
    fn from_str(text: &str) -> Result<Self, PackageRefError> {
        let text = text.trim();
        let (application, version) = match text.split_once('#') {
            Some((application, version)) => (application, Some(version)),
            None => (text, None),
        };
        let of = |text: &str, marks: &str| {
            (1..=64).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
        };
        if !of(application, "_-") {
            return Err(PackageRefError::Application(application.to_owned()));
        }
        if let Some(version) = version.filter(|version| !of(version, "_-.") || version.starts_with('.')) {
            return Err(PackageRefError::Version(version.to_owned()));
        }
        Ok(Self { application: application.to_owned(), version: version.map(str::to_owned) })
    }
}

/// A pool that sizes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Autoscale {
    /// The formula as the farm file has it. What Batch gets besides keeps the pool within `maxNodes`.
    pub formula: String,
    /// Minutes between two evaluations, 5 to 10,080.
    pub evaluation_minutes: u32,
}

impl Autoscale {
    /// The formula as Batch gets it: followed by lines that keep dedicated and Spot nodes together within `max_nodes`,
    /// whatever the formula sets. They stand last, so that places in Batch's errors are those of the farm file.
    pub fn bounded(&self, max_nodes: u32) -> String {
        let ended = without_comments(&self.formula).trim_end().ends_with(';');
        let gap = if ended { "" } else { "\n;" };
        format!("{}{gap}{}", self.formula, bounds(max_nodes))
    }
}

/// Reads and assigns are those of Microsoft's page "Create a formula to automatically scale compute nodes in a Batch pool",
/// whose own example sets `$TargetLowPriorityNodes` by `$TargetDedicatedNodes`.
fn bounds(max_nodes: u32) -> String {
    format!(
        "{BOUNDS}{max_nodes}, $TargetDedicatedNodes));\n\
         $TargetLowPriorityNodes = max(0, min({max_nodes} - $TargetDedicatedNodes, $TargetLowPriorityNodes));"
    )
}

const BOUNDS: &str = "\n$TargetDedicatedNodes = max(0, min(";

/// The way back from [`Autoscale::bounded`]: the formula, and the most nodes where it has the lines that say so.
pub fn unbounded(formula: &str) -> (&str, Option<u32>) {
    let found = || {
        let (own, rest) = formula.split_at_checked(formula.rfind(BOUNDS)?)?;
        let most: u32 = rest.strip_prefix(BOUNDS)?.split_once(',')?.0.parse().ok()?;
        (rest == bounds(most)).then(|| (own.strip_suffix("\n;").unwrap_or(own), Some(most)))
    };
    found().unwrap_or((formula, None))
}

/// A formula without `//` and `/* */` comments. Texts in quotes stay whole.
pub(super) fn without_comments(formula: &str) -> String {
    let mut out = String::new();
    let mut rest = formula;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            let text = rest[1..].find('"').map_or(rest.len(), |end| end + 2);
            out.push_str(&rest[..text]);
            text
        } else {
            out.push(c);
            c.len_utf8()
        };
        rest = &rest[skip..];
    }
    out
}

/// Why a value looks like a secret, which a pool's definition is no place for: whoever may read the pool reads it.
pub fn suspicious(value: &str) -> Option<&'static str> {
    let lower = value.to_ascii_lowercase();
    let query = |key: &str| lower.split(['?', '&', ' ', ';', '"']).any(|part| part.starts_with(key));
    // 64 bytes in base64, as storage and Batch account keys are.
    let letter = |b: &u8| b.is_ascii_alphanumeric() || *b == b'+' || *b == b'/';
    let key = |word: &str| {
        word.len().checked_sub(88).and_then(|start| word.split_at_checked(start)).is_some_and(
            |(head, key)| {
                key.ends_with("==")
                    && key.as_bytes()[..86].iter().all(letter)
                    && head.as_bytes().last().is_none_or(|b| !letter(b))
            },
        )
    };
    if lower.contains("{storage_account}") || lower.contains("{storage_key}") {
        Some("a placeholder of the old tool")
    } else if query("accountkey=") || value.split(|c: char| c.is_whitespace() || ";,'\"".contains(c)).any(key)
    {
        Some("an account key")
    } else if query("sig=") && (query("sv=") || query("se=") || query("st=")) {
        Some("a shared access signature")
    } else {
        None
    }
}
