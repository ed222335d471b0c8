//! Reading and writing files: errors that name the path, private and atomic writes.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::failure::{Failure, Outcome};

/// Reads a text file.
pub fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path)
        .map_err(|error| Failure::user(format!("could not read `{}`: {error}", path.display())))
}

/// Writes a file that only its owner may read (0600), whole or not at all: the content goes to a file beside it,
/// which then takes its place.
pub fn write_private(path: &Path, text: &str) -> Outcome<()> {
    let fail =
        |error: std::io::Error| Failure::user(format!("could not write `{}`: {error}", path.display()));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        fs::create_dir_all(parent).map_err(fail)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(beside).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
    fs::rename(beside, path).map_err(fail)
}

/// Whether a program is on a search path.
pub fn on_path(search: &str, program: &str) -> bool {
    std::env::split_paths(search)
        .any(|folder| folder.join(program).is_file() || folder.join(program).with_extension("exe").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/f.yaml");
        write_private(&path, "a").unwrap();
        write_private(&path, "b").unwrap();
        assert_eq!(read(&path).unwrap(), "b");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
