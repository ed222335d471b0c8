//! What may be written into documents.

use super::GuestError;

fn refuse(field: &'static str, value: &str, expected: &'static str) -> GuestError {
    GuestError::InvalidValue { field, value: value.to_owned(), expected }
}

/// An address without user name, query or fragment: there is no place for a password or a SAS in it.
pub(super) fn url(field: &'static str, value: &str) -> Result<(), GuestError> {
    let expected = "an https address of plain characters, without user name, query and fragment";
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/:%+=()".contains(&b);
    let rest = value.strip_prefix("https://").filter(|rest| rest.bytes().all(plain));
    let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if host.is_empty() || host.starts_with(':') { Err(refuse(field, value, expected)) } else { Ok(()) }
}

/// 64 lower-case hexadecimal digits.
pub(super) fn sha256(field: &'static str, value: &str) -> Result<(), GuestError> {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if value.len() == 64 && value.bytes().all(digit) {
        return Ok(());
    }
    Err(refuse(field, value, "64 lower-case hexadecimal digits"))
}

/// An absolute path of plain characters.
pub(super) fn path(field: &'static str, value: &str) -> Result<(), GuestError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./+".contains(&b);
    let whole = value.len() > 1 && !value.split('/').any(|part| part == "..");
    if value.starts_with('/') && whole && value.bytes().all(plain) {
        return Ok(());
    }
    Err(refuse(field, value, "an absolute path of letters, digits and -_.+"))
}

/// `host:/path`.
pub(super) fn export(field: &'static str, value: &str) -> Result<(), GuestError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:[]+".contains(&b);
    let (host, path) = value.split_once(":/").unwrap_or_default();
    if !host.is_empty() && !host.starts_with('-') && value.bytes().all(plain) && !path.contains(':') {
        return Ok(());
    }
    Err(refuse(field, value, "host:/path"))
}

/// A line for a settings file: printable, not empty, no blanks at its ends.
pub(super) fn line(field: &'static str, value: &str) -> Result<(), GuestError> {
    if !value.is_empty() && value.trim() == value && !value.chars().any(char::is_control) {
        return Ok(());
    }
    Err(refuse(field, value, "one line of text"))
}

/// Mount options: `name` or `name=value`, with commas between them.
pub(super) fn options(field: &'static str, value: &str) -> Result<(), GuestError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.=,:".contains(&b);
    if !value.is_empty() && !value.starts_with('-') && value.bytes().all(plain) {
        return Ok(());
    }
    Err(refuse(field, value, "mount options, such as hard,proto=tcp"))
}

/// The name of a systemd service.
pub(super) fn service(field: &'static str, value: &str) -> Result<(), GuestError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.@:".contains(&b);
    if value.len() > 8 && value.ends_with(".service") && !value.starts_with('-') && value.bytes().all(plain) {
        return Ok(());
    }
    Err(refuse(field, value, "the name of a systemd service, such as flamenco-worker.service"))
}
