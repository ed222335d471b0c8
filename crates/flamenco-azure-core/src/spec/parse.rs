//! Text to [`FarmSpec`] and back.

use serde_saphyr::Error as YamlError;

use super::error::{Finding, Origin, Problem, SpecError};
use super::file::FarmSpec;
use super::shape::{Shape, Walk};
use super::tree::Node;

impl FarmSpec {
    /// Reads a farm file. `file_name` is used in messages only. An empty text is an empty farm file.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, SpecError> {
        let tree = tree(file_name, text)?;
        let root = Shape::of_farm_file();
        let mut walk = Walk { file: file_name, root: &root, findings: Vec::new(), origins: Vec::new() };
        walk.node(&tree, &root, "");
        let Walk { findings, origins, .. } = walk;
        SpecError::unless_empty(findings)?;
        let spec: Option<Self> = serde_saphyr::from_str(text).map_err(|error| wrong(file_name, &error))?;
        let mut spec = spec.unwrap_or_default();
        spec.source.origins = origins.into_iter().collect();
        Ok(spec)
    }

    /// The farm file: keys in the order of the reference, absent ones left out, the secret of the old tool kept.
    pub fn to_yaml(&self) -> Result<String, SpecError> {
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let mut text = String::new();
        serde_saphyr::to_fmt_writer_with_options(&mut text, self, options).map_err(|error| {
            SpecError::one(Finding {
                origin: Origin::Absent,
                key: String::new(),
                problem: Problem::Value(error.to_string()),
                remedy: "remove unusual characters from the values".to_owned(),
            })
        })?;
        Ok(if text.trim() == "{}" { String::new() } else { text })
    }
}

pub(super) fn tree(file_name: &str, text: &str) -> Result<Node, SpecError> {
    serde_saphyr::from_str(text).map_err(|error| wrong(file_name, &error))
}

fn wrong(file_name: &str, error: &YamlError) -> SpecError {
    let error = error.without_snippet();
    let origin = error.location().map_or_else(
        || Origin::File { name: file_name.to_owned(), line: 1, column: 1 },
        |at| {
            let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
            Origin::File { name: file_name.to_owned(), line: number(at.line()), column: number(at.column()) }
        },
    );
    let (key, problem, remedy) = match error {
        YamlError::DuplicateMappingKey { key, .. } => {
            let key = key.clone().unwrap_or_default();
            (key.clone(), Problem::Duplicate(key), "keep one of the two and delete the other".to_owned())
        }
        YamlError::MultipleDocuments { .. } => (
            String::new(),
            Problem::Syntax("a second document begins here".to_owned()),
            "keep one farm in a file; remove the `---` line and what follows".to_owned(),
        ),
        other => {
            let words = other.to_string();
            let words = words.split(" at line ").next().unwrap_or_default().to_owned();
            let remedy = "check this line and the one before it: indentation by spaces, one `: ` between key and \
                          value, closed quotes and brackets";
            (String::new(), Problem::Syntax(words), remedy.to_owned())
        }
    };
    SpecError::one(Finding { origin, key, problem, remedy })
}
