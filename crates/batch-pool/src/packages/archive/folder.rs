//! A folder of this machine.

use std::fs;
use std::path::Path;

use super::super::error::PackError;
use super::super::limits::Limits;
use super::super::path::{clean, join};
use super::super::tree::{Content, File, Node, Tree};

/// Reads what is in `root`, without following links.
pub(super) fn read(root: &Path, limits: &Limits, tree: &mut Tree) -> Result<(), PackError> {
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, shown)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(PackError::io(&folder))? {
            let entry = entry.map_err(PackError::io(&folder))?;
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| PackError::Name {
                name: join(&shown, &name.to_string_lossy()),
                why: "is no UTF-8",
            })?;
            let name = clean(&join(&shown, name))?;
            let meta = entry.metadata().map_err(PackError::io(&path))?;
            let node = if meta.is_symlink() {
                let target = fs::read_link(&path).map_err(PackError::io(&path))?;
                Node::Link(relative(root, &shown, &target, &name)?)
            } else if meta.is_dir() {
                folders.push((path, name.clone()));
                Node::Folder
            } else if meta.is_file() {
                let executable = is_executable(&meta);
                Node::File(File { content: Content::File(path), size: meta.len(), executable })
            } else {
                return Err(PackError::Special { name });
            };
            tree.add(&name, node)?;
            limits.check_entries(tree.len())?;
        }
    }
    Ok(())
}

/// A link's target as text, counted from the folder it lies in. One that names the root by its full path stays inside.
fn relative(root: &Path, folder: &str, target: &Path, link: &str) -> Result<String, PackError> {
    let text = |path: &Path| {
        let why = "points to a name that is no UTF-8";
        path.to_str().map(str::to_owned).ok_or_else(|| PackError::Name { name: link.to_owned(), why })
    };
    match target.strip_prefix(root) {
        Ok(inside) if target.is_absolute() => {
            let up = "../".repeat(folder.split('/').filter(|part| !part.is_empty()).count());
            Ok(format!("{up}{}", text(inside)?))
        }
        _ => text(target),
    }
}

#[cfg(unix)]
fn is_executable(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    meta.permissions().mode() & 0o111 != 0
}

/// Where files have no such bit, all have it: what runs is not known.
#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    true
}
