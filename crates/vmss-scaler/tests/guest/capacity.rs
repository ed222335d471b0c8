//! `set-capacity` under dash against the stub.

use serde_json::{Value, json};
use vmss_scaler::guest::set_capacity;
use vmss_scaler::target;

use super::machine::{Machine, SECRET, reason, said};
use super::stub::{CLIENT, SUBSCRIPTION, TOKEN, answer};

const TENANT: &str = "99999999-2222-4333-8444-555555555555";

fn script() -> String {
    set_capacity().unwrap()
}

/// A machine whose Resource Manager and login service are the stub.
fn machine(more: &str) -> Machine {
    let machine = Machine::new();
    let url = &machine.stub.url;
    let conf = format!("RESOURCE_MANAGER={url}\nAUTHORITY={url}/\n{more}");
    machine.write("/etc/flamenco-azure/capacity.conf", &conf);
    machine
}

/// The one body that was sent.
fn sent(machine: &Machine) -> Value {
    let writes = machine.stub.writes();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(writes[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(writes[0].method, "PATCH");
    serde_json::from_str(&writes[0].body).unwrap()
}

fn merge(tag: &str, nodes: &str) -> Value {
    json!({"operation": "Merge", "properties": {"tags": {tag: nodes}}})
}

fn principal() -> [(&'static str, &'static str); 4] {
    [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_CLIENT_SECRET", SECRET),
        ("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION),
    ]
}

#[test]
fn a_machine_sets_the_tag_of_its_own_group_and_no_other_tag() {
    let machine = machine(&format!("CLIENT_ID={CLIENT}\n"));
    let output = machine.run(&script(), &["30"]);
    assert_eq!(said(&output).0, "flamenco-azure: TOTAL_NODES of studio is 30\n", "{:?}", said(&output));
    assert_eq!(sent(&machine), merge("TOTAL_NODES", "30"));
    let path = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/studio/providers/Microsoft.Resources/tags/default?api-version=2021-04-01"
    );
    assert_eq!(machine.stub.writes()[0].target, path);
    let asked = &machine.stub.seen("/identity/")[0].target;
    assert!(asked.contains(&format!("client_id={CLIENT}")), "{asked}");
    let resource = machine.stub.url.replace(':', "%3a").replace('/', "%2f");
    assert!(asked.to_lowercase().contains(&format!("resource={resource}%2f&")), "{asked}");
}

#[test]
fn without_a_client_id_the_machines_own_identity_is_asked() {
    let machine = machine("");
    assert!(machine.run(&script(), &["1"]).status.success());
    assert!(!machine.stub.seen("/identity/")[0].target.contains("client_id"));
}

#[test]
fn a_service_principal_does_it_from_anywhere() {
    let machine = machine("RESOURCE_GROUP=Studio\n");
    let output = machine.run_as(&script(), "set-capacity", &["0"], &[], &principal());
    assert!(output.status.success(), "{:?}", said(&output));
    assert_eq!(sent(&machine), merge("TOTAL_NODES", "0"));
    assert!(machine.stub.writes()[0].target.contains("/resourceGroups/Studio/"));
    let login = &machine.stub.seen("/oauth2/v2.0/token")[0];
    assert_eq!(login.target, format!("/{TENANT}/oauth2/v2.0/token"));
    assert_eq!(login.headers["content-type"], "application/x-www-form-urlencoded");
    let form: Vec<(String, String)> = url_form(&login.body);
    let field = |name: &str| form.iter().find(|(key, _)| key == name).unwrap().1.clone();
    assert_eq!(field("client_secret"), SECRET);
    assert_eq!(field("client_id"), CLIENT);
    assert_eq!(field("grant_type"), "client_credentials");
    assert_eq!(field("scope"), format!("{}/.default", machine.stub.url));
    assert!(machine.stub.seen("/metadata/").is_empty(), "there is no metadata service outside Azure");
}

fn url_form(body: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let pair = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap()
                }
                b'+' => b' ',
                other => other,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    body.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (decode(k), decode(v))).collect()
}

#[test]
fn the_script_takes_exactly_the_counts_that_the_scaler_reads() {
    let texts = [
        "0",
        "1",
        "25",
        "007",
        "0000000000012",
        "4294967295",
        "4294967296",
        "99999999999999999999999",
        "1,000",
        "-3",
        "-",
        "",
        "+5",
        "1.0",
        "1e3",
        "ten",
        "0x10",
        "12a",
        "٣",
        "3;id",
        "$(id)",
        "*",
    ];
    for text in texts {
        let machine = machine("");
        let output = machine.run(&script(), &[text]);
        if let Ok(nodes) = target::parse(text) {
            assert!(output.status.success(), "{text}: {:?}", said(&output));
            assert_eq!(sent(&machine), merge("TOTAL_NODES", &nodes.to_string()));
        } else {
            let why = reason(&output);
            assert!(why.starts_with(&format!("'{text}' is no node count")), "{why}");
            assert!(machine.stub.seen("").is_empty(), "{text}: nothing is even asked");
        }
    }
    // Blanks around a number are forgiven in a tag, not written into one.
    for text in [" 5", "5 ", "5\n", "1 0"] {
        let machine = machine("");
        assert!(reason(&machine.run(&script(), &[text])).contains("is no node count"));
        assert!(machine.stub.seen("").is_empty());
    }
}

#[test]
fn odd_tag_names_arrive_as_they_are_or_not_at_all() {
    for tag in
        ["TOTAL_NODES.farm.pool", "a b", "it's", "say \"hi\"", "$(id)`id`", "große", "{}[]:,", "*", "--tag"]
    {
        let machine = machine("TAG=OTHER\n");
        let output = machine.run(&script(), &["--tag", tag, "3"]);
        assert!(output.status.success(), "{tag}: {:?}", said(&output));
        assert_eq!(sent(&machine), merge(tag, "3"));
    }
    for tag in ["a<b", "a>b", "50%", "a&b", "a\\b", "a?", "a/b", "a\nb", "a\tb", &"x".repeat(513)] {
        let machine = machine("");
        let why = reason(&machine.run(&script(), &["--tag", tag, "3"]));
        assert!(why.contains("tag name"), "{why}");
        assert!(machine.stub.seen("").is_empty());
    }
    let machine = machine("TAG=TOTAL_NODES.crunch.spot\n");
    assert!(machine.run(&script(), &["3"]).status.success());
    assert_eq!(sent(&machine), merge("TOTAL_NODES.crunch.spot", "3"));
}

#[test]
fn wrong_arguments_and_settings_send_nothing_at_all() {
    let all = principal();
    let without = |name: &str| -> Vec<(&str, &str)> {
        let kept = all.iter().filter(|(key, _)| *key != name).copied();
        kept.chain([("AZURE_RESOURCE_GROUP", "studio")]).collect()
    };
    let with = |name: &'static str, value: &'static str| {
        let mut list = without(name);
        list.push((name, value));
        list
    };
    for (args, variables, expected) in [
        (vec![], vec![], "usage:"),
        (vec!["1", "2"], vec![], "usage:"),
        (vec!["--tag"], vec![], "usage:"),
        (vec!["--identity", "key", "3"], vec![], "the identity is 'key'"),
        (vec!["3"], without("AZURE_TENANT_ID"), "AZURE_TENANT_ID is ''"),
        (vec!["3"], without("AZURE_CLIENT_ID"), "AZURE_CLIENT_ID is ''"),
        (vec!["3"], without("AZURE_SUBSCRIPTION_ID"), "the subscription id is ''"),
        (vec!["3"], principal().to_vec(), "no resource group"),
        (vec!["3"], with("AZURE_TENANT_ID", "common/../x"), "AZURE_TENANT_ID is"),
        (
            vec!["3"],
            with("AZURE_AUTHORITY_HOST", "http://login.example"),
            "AUTHORITY is 'http://login.example'",
        ),
        (
            vec!["--identity", "service-principal", "3"],
            without("AZURE_CLIENT_SECRET"),
            "AZURE_CLIENT_SECRET is not set",
        ),
    ] {
        let machine = machine("");
        let why = reason(&machine.run_as(&script(), "set-capacity", &args, &[], &variables));
        assert!(why.contains(expected), "{why}");
        assert!(machine.stub.seen("").is_empty(), "{args:?}");
    }
}

#[test]
fn the_old_names_say_whose_identity_is_used() {
    let mut variables = principal().to_vec();
    variables.push(("RESOURCE_GROUP", "studio"));
    for (name, metadata, login) in
        [("set_capacity.imds.sh", 1, 0), ("set_capacity.service_principal.sh", 0, 1), ("set-capacity", 0, 1)]
    {
        let machine = machine("");
        let output = machine.run_as(&script(), name, &["7"], &[], &variables);
        assert!(output.status.success(), "{:?}", said(&output));
        assert_eq!(sent(&machine), merge("TOTAL_NODES", "7"));
        assert_eq!(machine.stub.seen("/identity/").len(), metadata, "{name}");
        assert_eq!(machine.stub.seen("/oauth2/v2.0/").len(), login, "{name}");
    }
}

#[test]
fn refusals_name_who_lacks_what() {
    let refused =
        r#"{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization."}}"#;
    for (status, expected, tries) in [
        (
            403,
            "may not write the tags of studio (role Tag Contributor on the group): AuthorizationFailed: The client",
            1,
        ),
        (404, "there is no resource group studio", 1),
        (400, "cannot set TOTAL_NODES of studio: AuthorizationFailed", 1),
        (503, "(HTTP status 503)", 8),
        (409, "(HTTP status 409)", 8),
    ] {
        let machine = machine("");
        machine.stub.first("/tags/default", vec![answer(status, refused); 20]);
        let why = reason(&machine.run(&script(), &["3"]));
        assert!(why.contains(expected), "{why}");
        assert_eq!(machine.stub.writes().len(), tries);
    }
    let machine = machine("RESOURCE_GROUP=studio\n");
    let body =
        r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}"#;
    machine.stub.first("/oauth2/v2.0/token", [answer(401, body)]);
    let why = reason(&machine.run_as(&script(), "set-capacity", &["3"], &[], &principal()));
    assert!(why.contains("cannot log in as service principal") && why.contains("AADSTS7000215"), "{why}");
    assert!(machine.stub.writes().is_empty());
}

#[test]
fn a_group_with_letters_of_its_own_is_found() {
    let machine = machine("RESOURCE_GROUP=gruppe (süd)\n");
    assert!(machine.run(&script(), &["3"]).status.success());
    let target = &machine.stub.writes()[0].target;
    let encoded = "%67%72%75%70%70%65%20%28%73%c3%bc%64%29";
    assert!(target.contains(&format!("/resourceGroups/{encoded}/")), "{target}");
}

#[test]
fn a_traced_run_shows_neither_token_nor_secret() {
    let mut variables = principal().to_vec();
    variables.push(("AZURE_RESOURCE_GROUP", "studio"));
    for name in ["set_capacity.imds.sh", "set_capacity.service_principal.sh"] {
        let machine = machine("");
        let output = machine.run_as(&script(), name, &["3"], &["-xv"], &variables);
        assert!(output.status.success(), "{:?}", said(&output));
        assert_eq!(sent(&machine), merge("TOTAL_NODES", "3"));
    }
}

#[test]
fn a_secret_of_several_lines_is_refused_before_it_could_be_an_option() {
    let machine = machine("RESOURCE_GROUP=studio\n");
    let mut variables = principal().to_vec();
    variables[2].1 = "s3cr\nurl = http://x";
    let why = reason(&machine.run_as(&script(), "set-capacity", &["3"], &[], &variables));
    assert_eq!(why, "AZURE_CLIENT_SECRET has more than one line");
    assert!(machine.stub.seen("").is_empty());
}
