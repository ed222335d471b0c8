//! Every refusal of a farm file, word for word: where, which key, what, and the way out. The cases stand in
//! `spec_errors.txt`; `UPDATE_SNAPSHOTS=1` writes the answers anew.

use flamenco_azure_core::spec::{FarmSpec, SpecError, validate};

use crate::farm_file::{LEAST, overrides};

fn load(text: &str) -> Result<(), SpecError> {
    validate(&FarmSpec::parse("farm.yaml", text)?, &overrides()).map(|_| ())
}

/// The case's lines, followed by those required keys that it does not give itself.
fn completed(case: &str) -> String {
    let given = |line: &&str| {
        let key = line.split(':').next().unwrap_or_default();
        !case.lines().any(|own| own.split(':').next() == Some(key))
    };
    format!("{case}\n{}\n", LEAST.lines().filter(given).collect::<Vec<_>>().join("\n"))
}

fn refusal(text: &str) -> String {
    let error = load(text).expect_err(text);
    for finding in error.findings() {
        assert!(!finding.remedy.is_empty(), "a remedy for {finding}");
    }
    let hint = error.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    format!("{error}\n{hint}")
}

#[test]
fn refusals_name_place_key_and_remedy() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/laws/spec_errors.txt");
    let expected = std::fs::read_to_string(path).unwrap();
    let cases = expected.split("## ").skip(1).map(|case| {
        let (title, rest) = case.split_once('\n').unwrap();
        let (text, _) = rest.split_once("\n=>\n").unwrap();
        // "alone": without the required keys that the other cases are completed with.
        let whole = if title.starts_with("alone: ") { text.to_owned() } else { completed(text) };
        format!("## {title}\n{text}\n=>\n{}", refusal(&whole))
    });
    let actual = cases.collect::<Vec<_>>().join("\n");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &actual).unwrap();
    }
    assert!(actual == std::fs::read_to_string(path).unwrap(), "the refusals are now:\n{actual}");
    assert!(actual.matches("## ").count() > 50);
}

#[test]
fn no_refusal_repeats_a_private_key() {
    let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";
    for key in [
        format!(
            "|\n    -----BEGIN OPENSSH PRIVATE KEY-----\n    {body}\n    -----END OPENSSH PRIVATE KEY-----"
        ),
        format!("|\n    -----BEGIN RSA PRIVATE KEY-----\n    {body}"),
        format!("'-----BEGIN EC PRIVATE KEY----- {body}'"),
        format!("[{body}]"),
        format!("{{a: {body}}}"),
        format!("ssh-ed25519 {body}"),
        body.to_owned(),
    ] {
        let error = load(&completed(&format!("manager:\n  sshPublicKey: {key}"))).unwrap_err();
        assert!(!format!("{error} {error:?} {:?}", error.hint()).contains(body), "{key}");
    }
}
