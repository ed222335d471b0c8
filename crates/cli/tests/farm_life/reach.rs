//! Ways to the Manager: what would be run, host keys, addresses; and what needs no farm at all.

use crate::{deployed, old_place, place};

const HOST: &str = "flamencoadmin@studio-vm.westeurope.cloudapp.azure.com";

#[test]
fn connections_check_the_farms_own_host_keys() {
    let place = deployed();
    let known = place.path(".flamenco-azure/studio/known_hosts");
    let options = format!("-o UserKnownHostsFile={} -o StrictHostKeyChecking=yes", known.display());

    let ran = place.simulate("ssh");
    ran.ended(0, &["reading the Manager's host keys (once)", "the command is shown, not run"]);
    assert_eq!(ran.out.trim_end(), format!("ssh {options} {HOST}"));
    let text = std::fs::read_to_string(&known).unwrap();
    assert!(text.lines().count() >= 2, "{text}");
    for line in text.lines() {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("studio-vm.westeurope.cloudapp.azure.com"));
        assert!(
            words.next().is_some_and(|kind| kind.starts_with("ssh-") || kind.starts_with("ecdsa-")),
            "{line}"
        );
        assert!(words.next().is_some_and(|key| key.starts_with("AAAA")), "{line}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&known).unwrap().permissions().mode() & 0o777, 0o600);
    }

    let ran = place.simulate("ssh -- systemctl status flamenco-manager");
    assert_eq!(ran.out.trim_end(), format!("ssh {options} {HOST} systemctl status flamenco-manager"));
    assert_eq!(ran.count("host keys"), 0, "read once");
    let ran = place.simulate("tunnel --port 9000");
    ran.ended(0, &["http://localhost:9000/"]);
    assert_eq!(ran.out.trim_end(), format!("ssh {options} -N -L 9000:127.0.0.1:8080 {HOST}"));

    let ran = place.simulate("download shot010/v2 --to frames");
    ran.said(0, &["rsync --archive --partial --append-verify", &format!("--rsh 'ssh {options}'")]);
    let frames = place.path("frames");
    assert!(
        ran.out.contains(&format!("-- {HOST}:/mnt/flamenco-output/render/shot010/v2 {}/", frames.display()))
    );
    assert!(frames.is_dir());
    place.simulate("download").said(0, &[&format!("{HOST}:/mnt/flamenco-output/render/ ")]);
}

#[test]
fn a_download_stays_below_the_output() {
    let place = deployed();
    for path in ["../input", "a/../../b", "..", "a;reboot", "$HOME", "`id`", "a\nb", "/../etc"] {
        let ran = place.run(&["download", "--simulate", "w.json", path]);
        ran.ended(1, &["is not a path below /mnt/flamenco-output/render", "hint"]);
        assert_eq!(ran.out, "", "{path}");
    }
    assert!(!place.path("render").exists(), "made for nothing");
}

#[test]
fn a_farm_that_cannot_be_reached_says_why() {
    let commands = ["ssh", "tunnel", "download"];
    let closed = old_place();
    for line in commands {
        closed.simulate(line).ended(1, &["nobody is admitted by ssh", "`manager.access.ssh`", "deploy"]);
    }
    let place = place();
    for line in commands {
        place.simulate(line).ended(1, &["has no Manager VM", "`flamenco-azure deploy` makes it"]);
    }
    place.simulate("deploy --yes --quiet").ended(0, &[]);
    place.simulate("pause --yes --quiet").ended(0, &[]);
    for line in commands {
        place.simulate(line).ended(1, &["does not run", "`flamenco-azure resume`"]);
    }
    let private =
        place.file().replace("ssh: [203.0.113.7/32]", "ssh: []").replace("web: [203.0.113.0/24]", "web: []");
    place.write("azure_config.yaml", &private);
    place.simulate("ssh").ended(1, &["no public address", "from its network"]);
}

#[test]
fn a_new_manager_has_new_host_keys() {
    let place = deployed();
    place.simulate("ssh --quiet").ended(0, &[]);
    place.simulate("teardown --yes --quiet").ended(0, &[]);
    place.simulate("deploy --yes --quiet").ended(0, &[]);
    place.simulate("ssh").ended(0, &["reading the Manager's host keys"]);
}

#[test]
fn addresses_come_from_the_farm_file_alone() {
    let place = place();
    let urls = [
        "https://studio-vm.westeurope.cloudapp.azure.com/",
        "shaman://studio-vm.westeurope.cloudapp.azure.com/",
        "/mnt/flamenco-output/render",
        HOST,
    ];
    place.simulate("urls").said(0, &urls);
    place.write(
        "azure_config.yaml",
        &place.file().replace("manager:\n", "manager:\n  hostname: farm.studio.example\n"),
    );
    place.simulate("urls").said(0, &["https://farm.studio.example/", "shaman://farm.studio.example/"]);
    place
        .simulate("whoami")
        .said(0, &["signed in by: ", "5b3a7c1e-6f5d-4c2b-9a80-0123456789ab", "(Enabled)"]);
}

#[test]
fn a_shaman_url_is_a_manager_url_and_back() {
    let place = place();
    let convert = |url: &str| place.run(&["shaman-url", url]).out.trim_end().to_owned();
    assert_eq!(convert("https://farm.example.com/"), "shaman://farm.example.com/");
    assert_eq!(convert("shaman://farm.example.com/"), "https://farm.example.com/");
    let plain = convert("http://10.0.0.4:8080/");
    assert_eq!(convert(&plain), "http://10.0.0.4:8080/");
    let ran = place.run(&["shaman-url", "shaman://farm.example.com/#shot-010"]);
    ran.ended(0, &["checkout id: shot-010"]);
    assert_eq!(ran.out.trim_end(), "https://farm.example.com/");
    place.run(&["shaman-url", "ftp://x/"]).ended(1, &["error: "]);
}

#[test]
fn completions_and_manual_are_printed_whole() {
    let place = place();
    let ran = place.run(&["completions", "bash"]);
    ran.said(0, &["complete -F", " flamenco-azure\n", "shaman-url"]);
    assert_eq!(ran.err, "");
    place.run(&["completions", "tcsh"]).ended(1, &["bash, zsh, fish, powershell"]);
    let ran = place.run(&["man"]);
    ran.said(0, &[".TH flamenco", "teardown", "\\-\\-simulate"]);
    assert!(!place.path(".flamenco-azure").exists(), "no farm was touched");
}
