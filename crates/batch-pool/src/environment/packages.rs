//! Variables and folders of application packages.
//!
//! On Linux nodes `AZ_BATCH_APP_PACKAGE_{id}_{version}` names the folder into which Batch unpacked a package, with `.`,
//! `-` and `#` written as `_`. Where the version is the application's default one, `AZ_BATCH_APP_PACKAGE_{id}` names the
//! same folder. About the case sources differ: Microsoft's page of variables shows both `..._FOO_1` for the id `FOO` and
//! `..._agent_linux_x64_1_1_46_0`, "using underscores and lower case", for `Agent-linux-x64`; the page of packages says
//! that the id keeps its case, which a node of 2019 did (azure-docs issue 41768) and one of 2020 did not (issue 50383).
//! Ids and versions are "case-preserving and case-insensitive", so two that differ in case alone cannot both be there:
//! names are made in lower case and looked for in any.
//!
//! Writing three characters as one loses something: version `1` of `ffmpeg-4` and version `4.1` of `ffmpeg` have the
//! same name. The way back from a name therefore gives all packages that it may stand for.

use std::collections::BTreeMap;

/// What every variable of a package starts with.
pub const PACKAGE_PREFIX: &str = "AZ_BATCH_APP_PACKAGE_";

/// An application package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// The application's id.
    pub id: String,
    /// The package's version.
    pub version: String,
}

impl Package {
    /// The package of this id and version.
    pub fn new(id: impl Into<String>, version: impl Into<String>) -> Self {
        Self { id: id.into(), version: version.into() }
    }
}

/// The variable of a package on Linux nodes, in lower case; without a version that of the application's default one.
pub fn package_variable(id: &str, version: Option<&str>) -> String {
    let mut name = format!("{PACKAGE_PREFIX}{}", flat(id));
    if let Some(version) = version {
        name.push('_');
        name.push_str(&flat(version));
    }
    name
}

fn flat(text: &str) -> String {
    text.replace(['.', '-', '#'], "_").to_ascii_lowercase()
}

/// A package that a variable may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The package.
    pub package: &'a Package,
    /// The variable has no version: it stands for this package only if it is the application's default.
    pub as_default: bool,
}

/// Which of the `known` packages a variable may stand for, in their order; none where it is no package's.
pub fn candidates<'a>(variable: &str, known: &'a [Package]) -> Vec<Candidate<'a>> {
    let is = |name: String| name.eq_ignore_ascii_case(variable);
    let mut found = Vec::new();
    for package in known {
        if is(package_variable(&package.id, Some(&package.version))) {
            found.push(Candidate { package, as_default: false });
        }
        if is(package_variable(&package.id, None)) {
            found.push(Candidate { package, as_default: true });
        }
    }
    found
}

/// A package's variable in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The variable's name as it stands there.
    pub variable: &'a str,
    /// The folder with the unpacked package.
    pub folder: &'a str,
    /// The known packages that it may be; none for a package that is not known.
    pub candidates: Vec<Candidate<'a>>,
}

/// All variables of packages in an environment, by name, with the `known` packages that they may stand for.
pub fn packages_in<'a>(environment: &'a BTreeMap<String, String>, known: &'a [Package]) -> Vec<Found<'a>> {
    let of_package = |name: &str| {
        name.get(..PACKAGE_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PACKAGE_PREFIX))
    };
    let variables = environment.iter().filter(|(name, _)| of_package(name));
    variables
        .map(|(variable, folder)| Found { variable, folder, candidates: candidates(variable, known) })
        .collect()
}

/// Variables that differ in case alone name different folders.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} differ in case alone, and in their folders")]
pub struct AmbiguousPackage {
    /// One variable.
    pub first: String,
    /// Another one.
    pub second: String,
}

/// The folder of a package, or without a version of the application's default one: `None` where the environment has no
/// such package.
pub fn package_folder<'a>(
    environment: &'a BTreeMap<String, String>,
    id: &str,
    version: Option<&str>,
) -> Result<Option<&'a str>, AmbiguousPackage> {
    let wanted = package_variable(id, version);
    let mut found: Option<(&String, &String)> = None;
    for (name, folder) in environment.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&wanted)) {
        match found {
            Some((first, other)) if other != folder => {
                return Err(AmbiguousPackage { first: first.clone(), second: name.clone() });
            }
            _ => found = Some((name, folder)),
        }
    }
    Ok(found.map(|(_, folder)| folder.as_str()))
}
