//! Looking on, and being stopped in the middle.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::{deployed, place};

#[test]
fn watching_shows_nodes_come_and_on_the_simulator_ends_when_they_are_there() {
    let place = deployed();
    place.simulate("scale --dedicated 3 --quiet").ended(0, &[]);
    let ran = place.simulate("status --watch");
    ran.said(0, &["every 10 s until Ctrl-C", "resizing", "starting", "ready"]);
    let pages: Vec<&str> = ran.out.split("── ").skip(1).collect();
    assert!((3..100).contains(&pages.len()), "{}", ran.out);
    assert!(!pages.last().unwrap().contains("starting"), "{}", ran.out);
    // Nobody's command waits behind the one that watches: the Manager was asked every two minutes, not at each look.
    let asked = place.simulate("status --watch --debug").count("/runCommand");
    assert_eq!(asked, 1, "one look");
}

#[test]
fn an_interrupt_in_the_middle_says_what_it_was_and_the_next_run_goes_on() {
    let undisturbed = place();
    undisturbed.simulate("deploy --yes --quiet").ended(0, &[]);
    // A simulated deploy takes a tenth of a second: the signal may come too late, so this is tried until it does not.
    for attempt in 1..=30 {
        let place = place();
        let mut child = place
            .command()
            .args(["deploy", "--yes", "--no-input", "--simulate=w.json"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut err = child.stderr.take().unwrap();
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("✓") {
            let mut some = [0; 64];
            let count = err.read(&mut some).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&some[..count]);
        }
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        err.read_to_end(&mut seen).unwrap();
        let said = String::from_utf8_lossy(&seen).into_owned();
        let code = child.wait().unwrap().code();
        if code == Some(0) {
            continue;
        }
        println!("interrupted at attempt {attempt}");
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("interrupted") && said.contains("run the same command again"), "{said}");
        assert!(place.path(".flamenco-azure/studio/journal.jsonl").exists());
        assert!(!place.world().resources().is_empty(), "the world was saved with what had been made");
        place.simulate("deploy --yes").ended(0, &["deployed in"]);
        place.simulate("plan --check").said(0, &["nothing to do"]);
        assert_eq!(place.world().resources().len(), undisturbed.world().resources().len());
        return;
    }
    panic!("thirty deploys were too quick to be interrupted");
}
