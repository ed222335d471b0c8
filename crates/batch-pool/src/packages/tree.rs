//! Pure: what is in a folder or archive, and what of it goes into the package: links replaced by what they point to, a
//! single top folder taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::error::PackError;
use super::limits::Limits;
use super::path::{join, parent};

/// So many links in a row are a circle (Linux has the same number).
const MOST_LINKS: usize = 40;
/// Deeper folders than these nobody has, unless links make them.
const DEEPEST: usize = 256;

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// In the spool, from this byte.
    Spool(u64),
    /// In a file of its own.
    File(PathBuf),
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) content: Content,
    pub(super) size: u64,
    pub(super) executable: bool,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Folder,
    File(File),
    /// A symbolic link.
    Link(String),
    /// Another name of a file: a tar's hard link, its target counted from the root.
    Same(String),
}

/// An entry of the package. A folder is one only where nothing is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) name: String,
    /// `None` for an empty folder.
    pub(super) file: Option<File>,
}

/// All names, clean and with their folders.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    /// Names in each folder.
    inside: BTreeMap<String, BTreeSet<String>>,
}

impl Tree {
    /// Adds an entry under a clean name. Folders may be named again, nothing else.
    pub(super) fn add(&mut self, name: &str, node: Node) -> Result<(), PackError> {
        if name.is_empty() {
            // The root itself.
            return match node {
                Node::Folder => Ok(()),
                _ => Err(PackError::Name { name: ".".to_owned(), why: "is the root's and no folder" }),
            };
        }
        self.make_folders(name)?;
        match (self.nodes.get(name), &node) {
            (Some(Node::Folder), Node::Folder) => return Ok(()),
            (Some(_), _) => return Err(PackError::Twice { name: name.to_owned() }),
            (None, _) => {}
        }
        self.inside.entry(parent(name).to_owned()).or_default().insert(name.to_owned());
        self.nodes.insert(name.to_owned(), node);
        Ok(())
    }

    fn make_folders(&mut self, name: &str) -> Result<(), PackError> {
        let mut missing = Vec::new();
        let mut folder = parent(name);
        while !folder.is_empty() {
            match self.nodes.get(folder) {
                Some(Node::Folder) => break,
                Some(_) => return Err(PackError::Below { name: name.to_owned(), above: folder.to_owned() }),
                None => missing.push(folder.to_owned()),
            }
            folder = parent(folder);
        }
        for folder in missing {
            self.inside.entry(parent(&folder).to_owned()).or_default().insert(folder.clone());
            self.nodes.insert(folder, Node::Folder);
        }
        Ok(())
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What the package holds, sorted by name. Empty when there is no file.
    pub(super) fn items(&self, limits: &Limits) -> Result<Vec<Item>, PackError> {
        let mut items = Walk { tree: self, limits, items: Vec::new(), bytes: 0 };
        items.folder("", "", &mut Vec::new())?;
        let mut items = items.items;
        if items.iter().all(|item| item.file.is_none()) {
            return Ok(Vec::new());
        }
        strip_top(&mut items);
        // As they are written: a folder with a slash at its end.
        let written = |item: &Item| format!("{}{}", item.name, if item.file.is_none() { "/" } else { "" });
        items.sort_by_cached_key(written);
        Ok(items)
    }

    /// The clean name of what a link stands for, no link itself; its folders are no links either.
    fn resolve(&self, link: &str, target: &str) -> Result<String, PackError> {
        let outside = || PackError::Outside { name: link.to_owned(), target: target.to_owned() };
        let mut at = parent(link).to_owned();
        // What is still to be walked, the next part last.
        let mut parts: Vec<String> = target.split('/').rev().map(str::to_owned).collect();
        if target.starts_with('/') {
            return Err(outside());
        }
        let mut links = 0;
        while let Some(part) = parts.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." if at.is_empty() => return Err(outside()),
                ".." => {
                    at.truncate(parent(&at).len());
                    continue;
                }
                _ => {}
            }
            let next = join(&at, &part);
            match self.nodes.get(&next) {
                None => {
                    let (name, target) = (link.to_owned(), target.to_owned());
                    return Err(PackError::Dangling { name, target });
                }
                // After a file nothing may follow, which the next round finds out.
                Some(Node::Folder | Node::File(_) | Node::Same(_)) => at = next,
                Some(Node::Link(target)) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(PackError::Circle { name: link.to_owned() });
                    }
                    if target.starts_with('/') {
                        return Err(outside());
                    }
                    parts.extend(target.split('/').rev().map(str::to_owned));
                }
            }
        }
        Ok(at)
    }
}

/// Puts the package's entries together.
struct Walk<'t> {
    tree: &'t Tree,
    limits: &'t Limits,
    items: Vec<Item>,
    bytes: u64,
}

impl Walk<'_> {
    /// What is in the folder `real` of the tree, as if it were called `shown`. `above` are the folders that are being
    /// walked.
    fn folder(&mut self, real: &str, shown: &str, above: &mut Vec<String>) -> Result<(), PackError> {
        if above.len() >= DEEPEST {
            return Err(PackError::Name { name: shown.to_owned(), why: "lies more than 256 folders deep" });
        }
        above.push(real.to_owned());
        let tree = self.tree;
        let inside = tree.inside.get(real);
        for name in inside.into_iter().flatten() {
            let last = name.rsplit('/').next().unwrap_or(name);
            self.entry(name, &join(shown, last), above)?;
        }
        if inside.is_none() && !shown.is_empty() {
            self.push(shown, None)?;
        }
        above.pop();
        Ok(())
    }

    fn entry(&mut self, name: &str, shown: &str, above: &mut Vec<String>) -> Result<(), PackError> {
        let circle = || PackError::Circle { name: name.to_owned() };
        let mut real = name.to_owned();
        for _ in 0..MOST_LINKS {
            match self.tree.nodes.get(&real) {
                Some(Node::File(file)) => return self.push(shown, Some(file)),
                Some(Node::Folder) if above.contains(&real) => return Err(circle()),
                Some(Node::Folder) => return self.folder(&real, shown, above),
                None if real.is_empty() => return Err(circle()),
                Some(Node::Link(target)) => real = self.tree.resolve(&real, target)?,
                Some(Node::Same(target)) => real.clone_from(target),
                None => {
                    let (name, target) = (name.to_owned(), real);
                    return Err(PackError::Dangling { name, target });
                }
            }
        }
        Err(circle())
    }

    fn push(&mut self, shown: &str, file: Option<&File>) -> Result<(), PackError> {
        // Links can multiply what is there.
        self.limits.check_entries(self.items.len() + 1)?;
        if let Some(file) = file {
            self.limits.check_file(file.size)?;
            self.bytes += file.size;
            self.limits.check_unpacked(self.bytes)?;
        }
        self.items.push(Item { name: shown.to_owned(), file: file.cloned() });
        Ok(())
    }
}

/// Takes the top folder away when all is in it.
fn strip_top(items: &mut [Item]) {
    let Some((top, _)) = items.first().and_then(|item| item.name.split_once('/')) else { return };
    let prefix = format!("{top}/");
    if items.iter().all(|item| item.name.starts_with(&prefix)) {
        for item in items {
            item.name.drain(..prefix.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(at: u64) -> Node {
        Node::File(File { content: Content::Spool(at), size: 1, executable: false })
    }

    fn link(target: &str) -> Node {
        Node::Link(target.to_owned())
    }

    fn tree(entries: &[(&str, Node)]) -> Result<Tree, PackError> {
        let mut tree = Tree::default();
        for (name, node) in entries {
            tree.add(name, node.clone())?;
        }
        Ok(tree)
    }

    /// Name and spool address of each item.
    fn items(entries: &[(&str, Node)]) -> Result<Vec<(String, Option<u64>)>, PackError> {
        let items = tree(entries)?.items(&Limits::default())?;
        let at = |item: Item| match item.file.map(|file| file.content) {
            Some(Content::Spool(at)) => (item.name, Some(at)),
            _ => (item.name, None),
        };
        Ok(items.into_iter().map(at).collect())
    }

    fn names(entries: &[(&str, Node)]) -> String {
        let items = items(entries).unwrap();
        items
            .iter()
            .map(|(name, at)| format!("{name}{}", at.map_or("/".to_owned(), |at| format!("={at}"))))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_single_top_folder_is_taken_away_once() {
        assert_eq!(names(&[("top/a", file(1)), ("top/b/c", file(2))]), "a=1 b/c=2");
        assert_eq!(names(&[("top/in/a", file(1)), ("top/in/b", file(2))]), "in/a=1 in/b=2");
        assert_eq!(names(&[("top/a", file(1)), ("other", file(2))]), "other=2 top/a=1");
        assert_eq!(names(&[("top", file(1))]), "top=1");
        assert_eq!(names(&[("top/a", file(1)), ("top/empty", Node::Folder)]), "a=1 empty/");
        assert_eq!(
            names(&[("top", Node::Folder), ("top/a", file(1)), ("empty", Node::Folder)]),
            "empty/ top/a=1"
        );
        assert_eq!(names(&[("a", Node::Folder), ("b/c", Node::Folder)]), "");
    }

    #[test]
    fn links_become_what_they_point_to() {
        let shared = [
            ("top/lib/so.1.2", file(1)),
            ("top/lib/so.1", link("so.1.2")),
            ("top/lib/so", link("./so.1")),
            ("top/lib64", link("lib")),
            ("top/run", link("lib64/../lib64/so")),
            ("top/again", Node::Same("top/lib/so.1.2".to_owned())),
        ];
        assert_eq!(
            names(&shared),
            "again=1 lib/so=1 lib/so.1=1 lib/so.1.2=1 lib64/so=1 lib64/so.1=1 lib64/so.1.2=1 run=1"
        );
        // A link before its target, and one out of the top folder but not out of the tree.
        assert_eq!(names(&[("a/l", link("../b/f")), ("b/f", file(7))]), "a/l=7 b/f=7");
    }

    #[test]
    fn links_that_lead_out_nowhere_or_round_are_refused() {
        let outside = |e| matches!(e, PackError::Outside { .. });
        for target in ["/etc/passwd", "../x", "a/../../x", "..", "../../../../etc/passwd", "/"] {
            assert!(
                outside(items(&[("f", file(1)), ("a/f", file(2)), ("l", link(target))]).unwrap_err()),
                "{target}"
            );
        }
        let through = [("f", file(1)), ("a", link("b")), ("b", link("../c")), ("l", link("a/x"))];
        assert!(outside(items(&through).unwrap_err()));
        for target in ["gone", "f/x", "d/gone"] {
            let error = items(&[("f", file(1)), ("d/g", file(2)), ("l", link(target))]).unwrap_err();
            assert!(matches!(error, PackError::Dangling { .. }), "{target}: {error}");
        }
        let circles: [&[(&str, Node)]; 5] = [
            &[("f", file(1)), ("l", link("l"))],
            &[("f", file(1)), ("a", link("b")), ("b", link("a"))],
            &[("d/f", file(1)), ("d/l", link("."))],
            &[("d/f", file(1)), ("d/e/l", link("../../d"))],
            &[("x/f", file(1)), ("x/to-y", link("../y")), ("y/to-x", link("../x"))],
        ];
        for entries in circles {
            let error = items(entries).unwrap_err();
            assert!(matches!(error, PackError::Circle { .. }), "{entries:?}: {error}");
        }
    }

    #[test]
    fn names_that_exclude_each_other_are_refused() {
        assert!(matches!(tree(&[("a", file(1)), ("a", file(2))]), Err(PackError::Twice { .. })));
        assert!(matches!(tree(&[("a/b", file(1)), ("a", file(2))]), Err(PackError::Twice { .. })));
        assert!(matches!(tree(&[("a", file(1)), ("a/b", file(2))]), Err(PackError::Below { .. })));
        assert!(matches!(tree(&[("a", link("/tmp")), ("a/b", file(2))]), Err(PackError::Below { .. })));
        assert!(tree(&[("a/b", file(1)), ("a", Node::Folder), ("a", Node::Folder)]).is_ok());
    }

    #[test]
    fn links_do_not_multiply_beyond_the_limits() {
        // Each level holds the one below twice: 2^20 files out of 41 entries.
        let mut entries = vec![("l0/f".to_owned(), file(1))];
        for level in 1..21 {
            for side in ["a", "b"] {
                entries.push((format!("l{level}/{side}"), link(&format!("../l{}", level - 1))));
            }
        }
        let entries: Vec<(&str, Node)> = entries.iter().map(|(n, node)| (n.as_str(), node.clone())).collect();
        assert!(matches!(items(&entries), Err(PackError::TooLarge { .. })));
        // A file behind ten thousand links.
        let mut entries = vec![("l0/f".to_owned(), file(1))];
        entries.extend((1..10_000).map(|level| (format!("l{level}/a"), link(&format!("../l{}", level - 1)))));
        let entries: Vec<(&str, Node)> = entries.iter().map(|(n, node)| (n.as_str(), node.clone())).collect();
        assert!(matches!(items(&entries), Err(PackError::Name { .. })));
    }
}
