//! Trees in every form that is read.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use batch_pool::packages::{PackError, PackOptions, Packed, pack};
use flamenco_azure_core::exec::NoReporter;
use zip::write::SimpleFileOptions;

/// What a name stands for.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Content, and whether it is a program.
    File(Vec<u8>, bool),
    Folder,
    Link(String),
}

pub type Tree = Vec<(String, Kind)>;

pub fn file(name: &str, content: &[u8]) -> (String, Kind) {
    (name.to_owned(), Kind::File(content.to_vec(), false))
}

pub fn program(name: &str, content: &[u8]) -> (String, Kind) {
    (name.to_owned(), Kind::File(content.to_vec(), true))
}

pub fn folder(name: &str) -> (String, Kind) {
    (name.to_owned(), Kind::Folder)
}

pub fn link(name: &str, target: &str) -> (String, Kind) {
    (name.to_owned(), Kind::Link(target.to_owned()))
}

/// Bytes that do not get smaller.
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..count).map(|_| next()).collect()
}

/// What a render program looks like, in small: in a top folder, with links and an empty folder.
pub fn blender() -> Tree {
    vec![
        folder("blender-5.0.1-linux-x64"),
        program("blender-5.0.1-linux-x64/blender", &noise(3_000_000)),
        file("blender-5.0.1-linux-x64/readme.html", b"<p>read me</p>"),
        file("blender-5.0.1-linux-x64/5.0/scripts/startup.py", &b"import bpy\n".repeat(1000)),
        file("blender-5.0.1-linux-x64/5.0/empty.txt", b""),
        folder("blender-5.0.1-linux-x64/5.0/nothing in it"),
        file("blender-5.0.1-linux-x64/lib/libgl.so.1.2", b"gl"),
        link("blender-5.0.1-linux-x64/lib/libgl.so.1", "libgl.so.1.2"),
        link("blender-5.0.1-linux-x64/lib/libgl.so", "libgl.so.1"),
        link("blender-5.0.1-linux-x64/lib64", "lib"),
        program("blender-5.0.1-linux-x64/blender-thümbnailer", b"#!/bin/sh\n"),
    ]
}

pub fn to_folder(tree: &Tree, root: &Path) {
    for (name, kind) in tree {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match kind {
            Kind::File(content, executable) => {
                use std::os::unix::fs::PermissionsExt as _;
                fs::write(&path, content).unwrap();
                let mode = if *executable { 0o755 } else { 0o640 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            Kind::Folder => fs::create_dir_all(&path).unwrap(),
            Kind::Link(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
        }
    }
}

pub fn to_tar(tree: &Tree) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind) in tree {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_700_000_000 + name.len() as u64);
        header.set_uid(1000);
        match kind {
            Kind::File(content, executable) => {
                header.set_size(content.len() as u64);
                header.set_mode(if *executable { 0o775 } else { 0o664 });
                tar.append_data(&mut header, name, &content[..]).unwrap();
            }
            Kind::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                header.set_mode(0o775);
                tar.append_data(&mut header, format!("{name}/"), &[][..]).unwrap();
            }
            Kind::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                header.set_mode(0o777);
                tar.append_link(&mut header, name, target).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn to_zip(tree: &Tree) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, kind) in tree {
        let options = SimpleFileOptions::default();
        match kind {
            Kind::File(content, executable) => {
                let mode = if *executable { 0o755 } else { 0o644 };
                zip.start_file(name.as_str(), options.unix_permissions(mode)).unwrap();
                zip.write_all(content).unwrap();
            }
            Kind::Folder => zip.add_directory(name.as_str(), options).unwrap(),
            Kind::Link(target) => zip.add_symlink(name.as_str(), target.as_str(), options).unwrap(),
        }
    }
    zip.finish().unwrap().into_inner()
}

/// A place to pack in.
pub struct Place {
    folder: tempfile::TempDir,
    pub options: PackOptions,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        fs::create_dir(&work).unwrap();
        Self { folder, options: PackOptions { work, threads: 2, ..PackOptions::default() } }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Packs and looks whether anything was left behind.
    pub fn pack(&self, source: &Path) -> Result<Packed, PackError> {
        let packed = pack(source, &self.options, "it", &NoReporter);
        assert_eq!(fs::read_dir(&self.options.work).unwrap().count(), 0, "something is left behind");
        packed
    }

    pub fn pack_bytes(&self, bytes: &[u8]) -> Result<Packed, PackError> {
        // The name says nothing.
        let path = self.path("archive.bin");
        fs::write(&path, bytes).unwrap();
        self.pack(&path)
    }

    pub fn pack_folder(&self, tree: &Tree) -> Result<Packed, PackError> {
        let root = self.path("tree");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        to_folder(tree, &root);
        self.pack(&root)
    }
}

/// What another reader finds: mode and content by name.
pub fn unpack(packed: &Packed) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut bytes = Vec::new();
    packed.copy_to(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, packed.size());
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    zip.validate_header_consistency().unwrap();
    let mut found = BTreeMap::new();
    let mut before = String::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        assert!(before < name, "{name} after {before}");
        before.clone_from(&name);
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.insert(name, (entry.unix_mode().unwrap(), content));
    }
    found
}
