//! The same tree makes the same package, whatever form it has.

use std::collections::BTreeMap;

use flamenco_azure_core::exec::{Progress, Reporter};
use proptest::prelude::*;
use sha2::Digest as _;

use super::samples::*;

/// What [`blender`] has to become.
fn wanted() -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut wanted = BTreeMap::new();
    for (name, kind) in blender() {
        let name = name.trim_start_matches("blender-5.0.1-linux-x64").trim_start_matches('/').to_owned();
        if let Kind::File(content, executable) = kind {
            wanted.insert(name, (if executable { 0o100_755 } else { 0o100_644 }, content));
        }
    }
    for folder in ["lib", "lib64"] {
        for library in ["libgl.so", "libgl.so.1", "libgl.so.1.2"] {
            wanted.insert(format!("{folder}/{library}"), (0o100_644, b"gl".to_vec()));
        }
    }
    wanted.insert("5.0/nothing in it/".to_owned(), (0o040_755, Vec::new()));
    wanted
}

#[test]
fn the_same_tree_makes_the_same_bytes_from_every_form_with_any_number_of_threads() {
    let mut place = Place::new();
    let tree = blender();
    let packed = place.pack_folder(&tree).unwrap();
    assert_eq!(unpack(&packed), wanted());
    assert_eq!(packed.programs(), ["blender", "blender-thümbnailer"]);
    assert_eq!((packed.entries(), packed.unpacked()), (12, 3_000_000 + 14 + 11_000 + 6 * 2 + 10));
    // In another order, without the entries of folders that have something in them.
    let mut mixed: Tree =
        tree.iter().filter(|(name, _)| name != "blender-5.0.1-linux-x64").cloned().collect();
    mixed.reverse();
    let tar = to_tar(&tree);
    for threads in [1, 2, 7] {
        place.options.threads = threads;
        let forms = [
            ("folder", place.pack_folder(&tree)),
            ("tar", place.pack_bytes(&tar)),
            ("tar.gz", place.pack_bytes(&gzip(&tar))),
            ("tar.xz", place.pack_bytes(&xz(&tar))),
            ("zip", place.pack_bytes(&to_zip(&tree))),
            ("mixed tar", place.pack_bytes(&to_tar(&mixed))),
            ("mixed zip", place.pack_bytes(&to_zip(&mixed))),
        ];
        for (form, again) in forms {
            let again = again.unwrap();
            assert_eq!(again.sha256(), packed.sha256(), "{form}, {threads} threads");
        }
    }
}

/// What is pushed again is known by its digest alone.
#[test]
fn a_tree_makes_the_bytes_that_it_always_made() {
    let letters: Vec<u8> = noise(400_000).iter().map(|byte| b'a' + (byte & 15)).collect();
    let line = |number: u32| format!("v {} {}\n", number * 7 % 1000, number / 3);
    let lines = (0..9000).map(line).collect::<Vec<_>>().concat();
    let mut tree = blender();
    tree.push(file("blender-5.0.1-linux-x64/letters", &letters));
    tree.push(file("blender-5.0.1-linux-x64/lines", lines.as_bytes()));
    let packed = Place::new().pack_folder(&tree).unwrap();
    assert_eq!(
        packed.sha256(),
        "05354d41ff08448b535c76385da7ae5c93737df588aa510edf30c36ff610ed31",
        "Every package gets other bytes than before, most likely from another version of flate2 or zlib-rs. What users \
         pushed with earlier versions of this tool then counts as other content: `app push` of the same archive refuses \
         without --replace and sends all of it again. Keep the old bytes; or, if it has to be, put the new digest here \
         and say so in the changelog."
    );
}

#[test]
fn what_was_packed_packs_to_itself() {
    let place = Place::new();
    let packed = place.pack_folder(&blender()).unwrap();
    let mut bytes = Vec::new();
    packed.copy_to(&mut bytes).unwrap();
    assert_eq!(place.pack_bytes(&bytes).unwrap().sha256(), packed.sha256());
    // The digest is that of the bytes, which others can take too.
    assert_eq!(packed.sha256(), format!("{:x}", sha2::Sha256::digest(&bytes)));
}

#[test]
fn hard_links_and_long_names_of_tars_are_read() {
    let long = format!("top/{}/{}", "x".repeat(120), "y".repeat(200));
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o755);
    tar.append_data(&mut header, &long, &b"ab"[..]).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    tar.append_link(&mut header, "top/same", &long).unwrap();
    let packed = Place::new().pack_bytes(&tar.into_inner().unwrap()).unwrap();
    let found = unpack(&packed);
    assert_eq!(found["same"], (0o100_755, b"ab".to_vec()));
    assert_eq!(found[long.trim_start_matches("top/")], found["same"]);
}

#[test]
fn a_link_in_a_folder_may_name_the_folder_by_its_full_path() {
    let place = Place::new();
    let root = place.path("tree");
    let target = root.join("a/f");
    let tree = vec![file("a/f", b"f"), link("b/deep/l", target.to_str().unwrap()), file("c", b"c")];
    let found = unpack(&place.pack_folder(&tree).unwrap());
    assert_eq!(found["b/deep/l"].1, b"f");
}

#[derive(Debug, Default)]
struct Heard(std::sync::Mutex<Vec<(String, u64, u64)>>);
impl Reporter for Heard {
    fn report(&self, progress: &Progress) {
        let Progress::Moved { what, done, total } = progress else { panic!("{progress:?}") };
        self.0.lock().unwrap().push((what.clone(), *done, *total));
    }
}

#[test]
fn progress_is_told_and_ends() {
    let place = Place::new();
    for bytes in [xz(&to_tar(&blender())), to_zip(&blender())] {
        let path = place.path("it");
        std::fs::write(&path, &bytes).unwrap();
        let heard = Heard::default();
        batch_pool::packages::pack(&path, &place.options, "it", &heard).unwrap();
        let heard = heard.0.into_inner().unwrap();
        for what in ["read it", "pack it"] {
            let told: Vec<_> = heard.iter().filter(|(told, ..)| told == what).collect();
            assert!(told.len() <= 101 && told.windows(2).all(|two| two[0].1 < two[1].1), "{told:?}");
            let (_, done, total) = told.last().unwrap();
            assert_eq!(done, total, "{what}");
        }
    }
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let name = proptest::collection::vec("[a-c.é ]{1,3}", 1..4).prop_map(|parts| parts.join("/"));
    let content = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        (any::<u8>(), 0..2_500_000_usize).prop_map(|(byte, count)| vec![byte; count]),
    ];
    let kind = prop_oneof![
        4 => (content, any::<bool>()).prop_map(|(content, executable)| Kind::File(content, executable)),
        1 => Just(Kind::Folder),
        2 => "[a-c./é]{1,6}".prop_map(Kind::Link),
    ];
    proptest::collection::vec((name, kind), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever is in a tar and a zip: both are packed alike or both refused, and what is packed packs to itself.
    #[test]
    fn tar_and_zip_are_packed_alike(tree in any_tree()) {
        let place = Place::new();
        let mut names: Vec<&str> = tree.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        // The writers of the test refuse such names themselves.
        prop_assume!(names.len() == tree.len() && !names.iter().any(|name| name.split('/').any(|p| p == "..")));
        let from_tar = place.pack_bytes(&to_tar(&tree));
        let from_zip = place.pack_bytes(&to_zip(&tree));
        match (from_tar, from_zip) {
            (Ok(tar), Ok(zip)) => {
                prop_assert_eq!(tar.sha256(), zip.sha256());
                let mut bytes = Vec::new();
                tar.copy_to(&mut bytes).unwrap();
                let top = unpack(&tar);
                // A package with a single top folder would lose it.
                if top.keys().any(|name| !name.contains('/')) {
                    let again = place.pack_bytes(&bytes).unwrap();
                    prop_assert_eq!(again.sha256(), tar.sha256());
                }
            }
            (Err(_), Err(_)) => {}
            (tar, zip) => prop_assert!(false, "{tar:?} {zip:?}"),
        }
    }
}
