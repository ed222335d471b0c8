//! Names of systemd units.

/// The name of the mount unit for a mount point, as `systemd-escape --path --suffix=mount` gives it (systemd takes a
/// mount unit only under exactly this name).
pub fn mount_unit_name(path: &str) -> String {
    use std::fmt::Write as _;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return "-.mount".to_owned();
    }
    let mut name = String::new();
    for (i, byte) in parts.join("/").bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if i == 0 => name.push_str("\\x2e"),
            b'.' | b':' | b'_' => name.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(name, "\\x{byte:02x}");
            }
        }
    }
    name + ".mount"
}
