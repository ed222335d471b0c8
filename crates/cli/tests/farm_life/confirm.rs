//! What is asked before something happens: yes, no, the farm's name, a plan that was looked at.

use crate::{assert_empty, deployed, place};

#[test]
fn a_deploy_goes_on_after_yes_only() {
    let place = place();
    let ran = place.answered("deploy", "n\n");
    ran.ended(1, &["Carry this out?", "nothing was changed"]);
    // The end of the input is no answer.
    place.answered("deploy", "").ended(1, &["Carry this out?"]);
    place.simulate("deploy").ended(1, &["--no-input is set", "add --yes"]);
    assert_empty(&place);
    place.answered("deploy", "y\nn\n").ended(0, &["deployed in"]);
    assert!(!place.file().contains("Sha256"), "not pinned unless wanted:\n{}", place.file());
}

#[test]
fn pins_are_offered_written_and_change_nothing() {
    let place = place();
    let before = place.file();
    place.answered("deploy", "y\ny\n").ended(0, &["Pin the installed archives' checksums in the farm file?"]);
    let after = place.file();
    assert!(after.starts_with(&before), "comments and lines stay as they were:\n{after}");
    let pinned = |key: &str| {
        let line = after.lines().find(|line| line.trim_start().starts_with(key));
        let value = line.and_then(|line| line.split_whitespace().last()).unwrap_or_default();
        assert!(value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()), "{key} in:\n{after}");
    };
    pinned("flamencoSha256:");
    pinned("sha256:");
    place.simulate("plan --check").said(0, &["nothing to do"]);
    let ran = place.answered("deploy", "");
    ran.said(0, &["nothing to do"]);
    assert_eq!(ran.count("Pin the"), 0, "asked once");
}

#[test]
fn a_farm_goes_only_by_its_name() {
    let place = deployed();
    let before = place.holdings();
    for answer in ["studio-rg\n", "y\n", "\n", ""] {
        place.answered("teardown", answer).ended(1, &["Type the farm's name (studio) to remove it"]);
        assert_eq!(place.holdings(), before, "{answer:?}");
    }
    place.answered("teardown", "wrong\n").ended(1, &["`wrong` is not `studio`: nothing was removed"]);
    place.simulate("teardown").ended(1, &["--no-input is set", "add --yes"]);
    assert_eq!(place.holdings(), before);
    place.answered("teardown", "studio\n").ended(0, &["everything rendered is deleted too", "removed in"]);
    assert_empty(&place);
}

#[test]
fn pause_and_resume_ask_too() {
    let place = deployed();
    let before = place.holdings();
    place.answered("pause", "n\n").ended(1, &["Pause the farm?", "nothing was changed"]);
    place.simulate("pause").ended(1, &["add --yes"]);
    assert_eq!(place.holdings(), before);
    place.answered("pause", "y\n").ended(0, &["paused in"]);
    let before = place.holdings();
    place.answered("resume", "n\n").ended(1, &["Resume the farm?", "nothing was changed"]);
    assert_eq!(place.holdings(), before);
    place.answered("resume", "y\n").ended(0, &["resumed in"]);
}

#[test]
fn a_saved_plan_is_carried_out_while_it_is_the_plan() {
    let place = place();
    place.simulate("plan --out p.json").ended(0, &["plan written to p.json"]);
    place.simulate("deploy p.json --yes").ended(0, &["deployed in"]);

    // The same plan again: there is nothing left to do, which is not what it says.
    let stale = "what exists or the farm file has changed since the plan was written";
    place.simulate("deploy p.json --yes").ended(1, &[stale, "plan --out FILE"]);

    place.write("azure_config.yaml", &place.file().replace("203.0.113.0/24", "198.51.100.0/24"));
    place.simulate("plan --out p.json").ended(0, &[]);
    place.write("azure_config.yaml", &place.file().replace("198.51.100.0/24", "192.0.2.0/24"));
    let before = place.holdings();
    place.simulate("deploy p.json --yes").ended(1, &[stale]);
    assert_eq!(place.holdings(), before);

    place.write("nonsense.json", "{}");
    place.simulate("deploy nonsense.json --yes").ended(1, &["not a plan"]);
    place.simulate("deploy nowhere.json --yes").ended(1, &["could not read", "nowhere.json"]);
    place.simulate("plan --out p.json").ended(0, &[]);
    place.simulate("deploy p.json --yes").ended(0, &["deployed in"]);
    place.simulate("plan --check").said(0, &[]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_at_the_question_changes_nothing() {
    use std::io::{BufReader, Read as _};
    use std::process::{Command, Stdio};

    let place = place();
    let mut command = place.command();
    command.args(["deploy", "--simulate=w.json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let open = child.stdin.take();
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("Carry this out?") {
        let mut byte = [0];
        assert_eq!(messages.read(&mut byte).unwrap(), 1, "{text}");
        text.push(char::from(byte[0]));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    messages.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{text}");
    drop(open);
    assert!(text.contains("run the same command again"), "{text}");
    assert_empty(&place);
    place.simulate("deploy --yes --quiet").ended(0, &[]);
}
