//! The commands of docs/quickstart.md, in their order, on one simulated world: what stands there is what is printed.

use std::path::Path;

#[test]
fn the_quickstart_prints_what_it_says() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/quickstart.md");
    // A directory of that name beside the file makes trycmd work in a copy of it, which starts empty.
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("quickstart.in")).unwrap();
    let copy = place.path().join("quickstart.md");
    std::fs::copy(guide, &copy).unwrap();
    trycmd::TestCases::new()
        .env("HOME", place.path().to_string_lossy())
        .env("SSH_AUTH_SOCK", "")
        .case(&copy)
        .run();
}
