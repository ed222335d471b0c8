//! Pure: names within an archive.

use super::error::PackError;

/// A name without needless parts: `./a//b/` is `a/b`; the root itself is empty. What is absolute, leads upwards, or means
/// something else on another system is refused.
pub(super) fn clean(name: &str) -> Result<String, PackError> {
    let refuse = |why| Err(PackError::Name { name: name.to_owned(), why });
    if name.starts_with('/') {
        return refuse("is absolute");
    }
    if name.contains('\\') {
        return refuse("has a backslash, which separates folders on some systems only");
    }
    if name.chars().any(char::is_control) {
        return refuse("has control characters");
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return refuse("leads upwards"),
            _ if part.len() > 255 => return refuse("has a part of more than 255 bytes"),
            part => parts.push(part),
        }
    }
    let is_drive =
        |part: &&str| matches!(part.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    if parts.first().is_some_and(is_drive) {
        return refuse("begins with a drive's letter");
    }
    let clean = parts.join("/");
    if clean.len() > 4096 { refuse("is longer than 4,096 bytes") } else { Ok(clean) }
}

/// A name as text.
pub(super) fn text(name: &[u8]) -> Result<&str, PackError> {
    let name_of = || String::from_utf8_lossy(name).into_owned();
    std::str::from_utf8(name).map_err(|_| PackError::Name { name: name_of(), why: "is no UTF-8" })
}

/// The folder of a name; empty for the root.
pub(super) fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A name in a folder.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needless_parts_go_and_what_leads_out_is_refused() {
        for (name, wanted) in
            [("a", "a"), ("./a//b/", "a/b"), ("./", ""), ("a/./b", "a/b"), ("..a/b..", "..a/b..")]
        {
            assert_eq!(clean(name).unwrap(), wanted);
        }
        let long = "x".repeat(256);
        let deep = "x/".repeat(3000);
        for bad in [
            "/a", "//a", "../a", "a/..", "a/../b", "..", "a\\b", "..\\a", "C:/a", "c:a", "a\0b", "a\nb",
            &long, &deep,
        ] {
            assert!(matches!(clean(bad), Err(PackError::Name { .. })), "{bad}");
        }
        assert!(matches!(text(b"a\xff"), Err(PackError::Name { .. })));
    }
}
