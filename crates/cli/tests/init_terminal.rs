//! `init` at a terminal: through a pseudo-terminal that Python's `pty` module makes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests; a skip is said aloud")]

mod support;

use std::process::Command;

use support::Place;

const ENTER: &str = "\r";
const CTRL_C: &str = "\x03";
const ESC: &str = "\x1b";

/// Whether there is a Python to make terminals with; loud when not.
fn python() -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    let required = std::env::var_os("FLAMENCO_AZURE_REQUIRE_ALL").is_some();
    assert!(there || !required, "python3 is missing and FLAMENCO_AZURE_REQUIRE_ALL is set");
    if !there {
        eprintln!("SKIPPED: prompts through a pseudo-terminal, python3 is missing");
    }
    there
}

/// Runs `init` on a terminal; each step is a text to wait for and the keys to press then. Gives what was shown and
/// the exit code.
fn at_terminal(place: &Place, args: &[&str], steps: &[(&str, String)]) -> (String, String) {
    let mut command = Command::new("python3");
    command.arg("-c").arg(include_str!("support/pty.py")).arg(serde_json::to_string(steps).unwrap());
    command.arg(env!("CARGO_BIN_EXE_flamenco-azure")).args(["init", "--simulate", "w.json"]).args(args);
    command
        .current_dir(place.path(""))
        .env("HOME", place.path("home"))
        .env("TERM", "xterm")
        .env_remove("SSH_AUTH_SOCK");
    let output = command.env("NO_COLOR", "1").output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let code = text.trim_end().lines().last().unwrap_or_default().to_owned();
    assert!(text.contains("waited in vain for: []"), "{text}");
    (text, code)
}

fn keys(text: &str, keys: &str) -> String {
    format!("{text}{keys}")
}

#[test]
fn a_new_user_answers_edits_a_line_and_accepts() {
    if !python() {
        return;
    }
    let place = Place::new();
    let steps = [
        ("type to filter", keys("eur we", "")),
        ("> West Europe", keys("", ENTER)),
        ("Farm name", keys("sunrise", ENTER)),
        ("Who may sign in", keys("203.0.113.0/24", ENTER)),
        ("Who may open", keys("", ENTER)),
        ("SSH public key", keys("", ENTER)),
        ("Enter on Accept ends", keys("dedicated", ENTER)),
        ("(4)", keys("2", ENTER)),
        // Back from a line without changing it.
        ("Enter on Accept ends", keys("farm name", ENTER)),
        ("(sunrise)", keys("", ESC)),
        ("Enter on Accept ends", keys("", ENTER)),
    ];
    let (shown, code) = at_terminal(&place, &[], &steps);
    assert_eq!(code, "0", "{shown}");
    let file = place.file();
    for words in ["location: westeurope", "defaultName: sunrise", "203.0.113.0/24", "dedicated: 2"] {
        assert!(file.contains(words), "`{words}` is missing in:\n{file}");
    }
}

#[test]
fn a_bad_answer_is_explained_before_it_is_taken() {
    if !python() {
        return;
    }
    let place = Place::new();
    let steps = [
        ("Farm name", keys("-bad", ENTER)),
        ("it starts with `-`", keys("\x7f\x7f\x7f\x7fsunrise", ENTER)),
        ("Who may sign in", keys("", CTRL_C)),
    ];
    let (shown, code) = at_terminal(&place, &["--location", "westeurope"], &steps);
    assert_eq!(code, "3", "{shown}");
    assert!(place.file().contains("defaultName: sunrise"), "{}", place.file());
}

#[test]
fn ctrl_c_at_any_question_ends_with_3_and_keeps_the_answers() {
    if !python() {
        return;
    }
    let answers = [
        ("type to filter", keys("eur we", ENTER), "location"),
        ("Farm name", keys("sunrise", ENTER), "defaultName"),
        ("Who may sign in", keys("203.0.113.0/24", ENTER), "ssh"),
        ("Who may open", keys("", ENTER), "web"),
        ("SSH public key", keys("", ENTER), "access"),
        ("Enter on Accept ends", keys("", ENTER), "virtualMachine"),
    ];
    for count in 0..answers.len() {
        let place = Place::new();
        let mut steps: Vec<(&str, String)> =
            answers[..count].iter().map(|(text, keys, _)| (*text, keys.clone())).collect();
        steps.push((answers[count].0, CTRL_C.to_owned()));
        let (shown, code) = at_terminal(&place, &[], &steps);
        assert_eq!(code, "3", "{shown}");
        assert!(shown.contains("nothing is lost"), "{shown}");
        for (index, (_, _, key)) in answers.iter().enumerate() {
            let there = place.path("azure_config.yaml").exists() && place.file().contains(key);
            assert!(there || index >= count, "`{key}` is lost after {count} answers");
        }
        assert!(!place.file().contains("virtualMachine"), "derived names wait for the summary");
    }
}

#[test]
fn an_interrupt_while_a_pipe_is_silent_ends_with_3() {
    use std::io::Read as _;
    for signal in ["-INT", "-TERM"] {
        let place = Place::new();
        let mut command = place.command();
        command.args(["init", "--simulate", "w.json"]);
        command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Held open: an end of input would be another reason to stop.
        let _input = child.stdin.take();
        let mut err = child.stderr.take().unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"Location: ") {
            let mut byte = [0];
            assert_eq!(err.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
            seen.extend(byte);
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        err.read_to_end(&mut seen).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3), "{signal}: {}", String::from_utf8_lossy(&seen));
    }
}
