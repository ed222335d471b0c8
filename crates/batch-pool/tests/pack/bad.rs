//! What cannot become a package is refused with a clear error, and nothing is left behind.

use std::fs;
use std::path::Path;

use batch_pool::packages::limits::Limits;
use batch_pool::packages::{PackError, pack_archive};
use flamenco_azure_core::exec::NoReporter;
use sha2::{Digest as _, Sha256};

use super::samples::*;

/// A tar with one entry whose header is made by hand: the usual writer refuses such names.
fn tar_of(name: &[u8], kind: tar::EntryType, target: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    {
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name);
        old.linkname[..target.len()].copy_from_slice(target);
    }
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    let mut tar = to_tar(&vec![file("f", b"f")]);
    tar.truncate(1024);
    tar.extend(header.as_bytes());
    tar.extend([0; 1024]);
    tar
}

/// A zip in which a name was replaced by another of the same length, in both its headers.
fn zip_of(name: &str) -> Vec<u8> {
    let placeholder = "X".repeat(name.len());
    let mut zip = to_zip(&vec![file("f", b"f"), file(&placeholder, b"x")]);
    let at: Vec<usize> = (0..zip.len()).filter(|at| zip[*at..].starts_with(placeholder.as_bytes())).collect();
    assert_eq!(at.len(), 2);
    for at in at {
        zip[at..at + name.len()].copy_from_slice(name.as_bytes());
    }
    zip
}

#[track_caller]
fn refused(packed: Result<batch_pool::packages::Packed, PackError>) -> PackError {
    let error = packed.expect_err("it was packed");
    let words = error.to_string();
    assert!(words.chars().next().is_some_and(|c| !c.is_uppercase()), "{words}");
    error
}

#[test]
fn names_that_lead_out_are_refused() {
    let place = Place::new();
    for name in ["../x", "a/../../x", "/etc/passwd", "a\\..\\x", "C:/x", "..", "a/../x", "x\ny"] {
        let in_tar = refused(place.pack_bytes(&tar_of(name.as_bytes(), tar::EntryType::Regular, b"")));
        assert!(matches!(in_tar, PackError::Name { .. }), "{name}: {in_tar}");
        let in_zip = refused(place.pack_bytes(&zip_of(name)));
        assert!(matches!(in_zip, PackError::Name { .. }), "{name}: {in_zip}");
    }
    let error = refused(place.pack_bytes(&tar_of(b"x\xff", tar::EntryType::Regular, b"")));
    assert!(matches!(error, PackError::Name { .. }), "{error}");
}

#[test]
fn links_that_lead_out_are_refused() {
    let place = Place::new();
    for target in ["/etc/passwd", "../x", "a/../../x", "..", "../../tree/f"] {
        let tree = vec![file("f", b"f"), file("a/f", b"f"), link("l", target)];
        for packed in [
            place.pack_folder(&tree),
            place.pack_bytes(&to_tar(&tree)),
            place.pack_bytes(&xz(&to_tar(&tree))),
            place.pack_bytes(&to_zip(&tree)),
        ] {
            let error = refused(packed);
            assert!(matches!(&error, PackError::Outside { name, .. } if name == "l"), "{target}: {error}");
        }
    }
    // A file below a link, which a careless unpacker would write through it.
    let tree = vec![link("a", "/tmp"), file("a/x", b"x")];
    for bytes in [to_tar(&tree), to_zip(&tree)] {
        assert!(matches!(refused(place.pack_bytes(&bytes)), PackError::Below { .. }));
    }
    for (name, target) in [("l", "gone"), ("l", "f/x"), ("d/l", "x")] {
        let tree = vec![file("f", b"f"), link(name, target)];
        assert!(matches!(refused(place.pack_folder(&tree)), PackError::Dangling { .. }));
        assert!(matches!(refused(place.pack_bytes(&to_tar(&tree))), PackError::Dangling { .. }));
    }
    for (name, target) in [("l", "l"), ("l", "."), ("d/l", "../d")] {
        let tree = vec![file("f", b"f"), link(name, target)];
        assert!(matches!(refused(place.pack_folder(&tree)), PackError::Circle { .. }), "{target}");
        assert!(matches!(refused(place.pack_bytes(&to_zip(&tree))), PackError::Circle { .. }), "{target}");
    }
    let hard = refused(place.pack_bytes(&tar_of(b"h", tar::EntryType::Link, b"../etc/passwd")));
    assert!(matches!(hard, PackError::Name { .. }), "{hard}");
    let hard = refused(place.pack_bytes(&tar_of(b"h", tar::EntryType::Link, b"gone")));
    assert!(matches!(hard, PackError::Dangling { .. }), "{hard}");
}

#[test]
fn devices_and_pipes_are_refused() {
    let place = Place::new();
    for kind in [tar::EntryType::Fifo, tar::EntryType::Block, tar::EntryType::Char] {
        assert!(matches!(refused(place.pack_bytes(&tar_of(b"d", kind, b""))), PackError::Special { .. }));
    }
    let root = place.path("with-socket");
    std::fs::create_dir(&root).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("s")).unwrap();
    assert!(matches!(refused(place.pack(&root)), PackError::Special { .. }));
    assert!(matches!(refused(place.pack(&root.join("s"))), PackError::UnknownForm { .. }));
}

#[test]
fn encrypted_and_otherwise_compressed_zips_are_refused() {
    let place = Place::new();
    let flip = |offset_in_local: usize, offset_in_central: usize, with: u8| {
        let mut zip = to_zip(&vec![file("secret.txt", b"not for you")]);
        let central = (0..zip.len()).find(|at| zip[*at..].starts_with(b"PK\x01\x02")).unwrap();
        zip[offset_in_local] |= with;
        zip[central + offset_in_central] |= with;
        zip
    };
    let error = refused(place.pack_bytes(&flip(6, 8, 1)));
    assert!(matches!(&error, PackError::Encrypted { name } if name == "secret.txt"), "{error}");
    // 8 becomes 14: LZMA.
    let error = refused(place.pack_bytes(&flip(8, 10, 14)));
    assert!(matches!(&error, PackError::Method { name, .. } if name == "secret.txt"), "{error}");
}

#[test]
fn what_is_empty_or_no_archive_is_refused() {
    let place = Place::new();
    let nothing = Vec::new();
    for bytes in [nothing.clone(), to_zip(&vec![]), to_zip(&vec![folder("a/b")]), gzip(&to_tar(&vec![]))] {
        assert!(matches!(refused(place.pack_bytes(&bytes)), PackError::Empty { .. }));
    }
    for tree in [vec![], vec![folder("a"), folder("b/c")]] {
        assert!(matches!(refused(place.pack_folder(&tree)), PackError::Empty { .. }));
    }
    for bytes in [&b"MZ this is a program"[..], b"x", &[0; 2000], b"BZh9", b"(\xb5/\xfd"] {
        assert!(matches!(refused(place.pack_bytes(bytes)), PackError::UnknownForm { .. }));
    }
    assert!(matches!(refused(place.pack(&place.path("gone"))), PackError::Io { .. }));
    // Compressed, but not a tar: there is nothing in it, or it is no header.
    for bytes in [gzip(b"only text"), xz(&b"no tar at all ".repeat(100))] {
        assert!(matches!(
            refused(place.pack_bytes(&bytes)),
            PackError::Damaged { .. } | PackError::Empty { .. }
        ));
    }
}

#[test]
fn what_is_cut_short_anywhere_is_refused() {
    let place = Place::new();
    let tree = vec![program("top/run", b"#!/bin/sh\nexec true\n"), link("top/l", "run"), folder("top/empty")];
    for (form, bytes) in
        [("zip", to_zip(&tree)), ("tar.gz", gzip(&to_tar(&tree))), ("tar.xz", xz(&to_tar(&tree)))]
    {
        for length in 0..bytes.len() {
            let error = refused(place.pack_bytes(&bytes[..length]));
            let fits = matches!(
                error,
                PackError::Damaged { .. } | PackError::Empty { .. } | PackError::UnknownForm { .. }
            );
            assert!(fits, "{form} of {length} bytes: {error}");
        }
    }
}

#[test]
fn a_changed_byte_is_noticed_or_harmless() {
    let place = Place::new();
    let tree = vec![program("top/run", b"#!/bin/sh\nexec true\n"), link("top/l", "run"), folder("top/empty")];
    let sha256 = place.pack_bytes(&to_tar(&tree)).unwrap().sha256().to_owned();
    // Headers of a zip have no sums: only the compressed ones promise this.
    for (form, bytes) in [("tar.gz", gzip(&to_tar(&tree))), ("tar.xz", xz(&to_tar(&tree)))] {
        let mut noticed = 0;
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            match place.pack_bytes(&changed) {
                Ok(packed) => assert_eq!(packed.sha256(), sha256, "{form}: byte {at}"),
                Err(_) => noticed += 1,
            }
        }
        assert!(noticed > bytes.len() * 3 / 4, "{form}: {noticed} of {}", bytes.len());
    }
    // The content of a zip has one.
    let mut zip = to_zip(&vec![file("f", &[7; 5000])]);
    let name_end = 30 + 1;
    zip[name_end + 8] ^= 1;
    assert!(matches!(refused(place.pack_bytes(&zip)), PackError::Damaged { .. }));
}

#[test]
fn what_is_larger_than_the_limits_is_refused() {
    let tree = vec![file("a", &noise(20_000)), file("b", &[0; 20_000]), file("c", b"c"), link("d", "a")];
    let fits = Limits { packed: 60_000, file: 20_000, unpacked: 60_001, entries: 4 };
    let mut place = Place::new();
    let mut try_all = |limits: Limits| {
        place.options.limits = limits;
        vec![
            place.pack_folder(&tree),
            place.pack_bytes(&to_tar(&tree)),
            place.pack_bytes(&xz(&to_tar(&tree))),
            place.pack_bytes(&to_zip(&tree)),
        ]
    };
    for packed in try_all(fits) {
        packed.unwrap();
    }
    for limits in [
        Limits { packed: 30_000, ..fits },
        Limits { file: 19_999, ..fits },
        Limits { unpacked: 60_000, ..fits },
        Limits { entries: 3, ..fits },
    ] {
        for packed in try_all(limits) {
            let error = refused(packed);
            assert!(matches!(error, PackError::TooLarge { .. }), "{limits:?}: {error}");
        }
    }
    // Very much of nothing stops where the limit is, not when all was unpacked.
    let bomb = gzip(&to_tar(&vec![file("zeros", &vec![0; 50_000_000])]));
    place.options.limits = fits;
    assert!(matches!(refused(place.pack_bytes(&bomb)), PackError::TooLarge { .. }));
}

#[test]
fn a_zip_with_a_name_twice_is_refused() {
    let place = Place::new();
    let mut twice = to_zip(&vec![file("aa", b"1"), file("ab", b"2")]);
    let at: Vec<usize> = (0..twice.len()).filter(|at| twice[*at..].starts_with(b"ab")).collect();
    for at in at {
        twice[at + 1] = b'a';
    }
    assert!(matches!(refused(place.pack_bytes(&twice)), PackError::Twice { .. }));
    let mut tar = to_tar(&vec![file("a", b"1")]);
    tar.truncate(1024);
    tar.extend(to_tar(&vec![file("./a", b"2")]));
    assert!(matches!(refused(place.pack_bytes(&tar)), PackError::Twice { .. }));
}

#[test]
fn an_archive_with_another_digest_is_refused_and_the_right_one_is_packed_as_ever() {
    let mut place = Place::new();
    let bytes = gzip(&to_tar(&vec![program("top/run", b"#!/bin/sh\nexec true\n")]));
    let plain = place.pack_bytes(&bytes).unwrap().sha256().to_owned();
    let digest = |bytes: &[u8]| format!("{:x}", Sha256::digest(bytes));
    place.options.sha256 = Some(digest(&bytes).to_uppercase());
    assert_eq!(place.pack_bytes(&bytes).unwrap().sha256(), plain);
    let archive = fs::File::open(place.path("archive.bin")).unwrap();
    pack_archive(archive, Path::new("it"), &place.options, "it", &NoReporter).unwrap();

    place.options.sha256 = Some(digest(b"another"));
    let error = refused(place.pack_bytes(&bytes));
    let told = matches!(&error, PackError::OtherContent { got, .. } if *got == digest(&bytes));
    assert!(told, "{error}");
    let archive = fs::File::open(place.path("archive.bin")).unwrap();
    let error = refused(pack_archive(archive, Path::new("it"), &place.options, "it", &NoReporter));
    assert!(matches!(error, PackError::OtherContent { .. }), "{error}");
    let error = refused(place.pack_folder(&vec![file("a", b"a")]));
    assert!(matches!(error, PackError::NoArchive { .. }), "{error}");
}
