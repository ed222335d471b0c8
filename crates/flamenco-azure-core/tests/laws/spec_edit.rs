//! Changing single keys of a farm file.

use flamenco_azure_core::spec::{FarmSpec, edit};
use proptest::prelude::*;
use serde_json::{Value, json};

const FILE: &str = "# our farm
location: westeurope  # near us
manager:
  vmSize: Standard_B2s_v2
  # the studio
  access:
    ssh: [203.0.113.0/24]
tags:
  project: spring
";

fn set(text: &str, path: &str, value: &Value) -> String {
    edit::set("f", text, path, value).unwrap()
}

#[test]
fn comments_and_order_survive_an_edit() {
    let text = set(FILE, "location", &json!("northeurope"));
    assert_eq!(text, FILE.replace("westeurope", "northeurope"));
    let text = set(FILE, "manager.flamencoVersion", &json!("3.8.5"));
    assert_eq!(text, FILE.replace("tags:", "  flamencoVersion: 3.8.5\ntags:"));
    let text = set(FILE, "storage.shareGiB", &json!(200));
    assert_eq!(text, format!("{FILE}storage:\n  shareGiB: 200\n"));
    let text = set(FILE, "manager.access.web", &json!(["198.51.100.7/32"]));
    assert!(text.contains("    ssh: [203.0.113.0/24]\n    web: [198.51.100.7/32]\ntags:"), "{text}");
    assert_eq!(set("", "location", &json!("westeurope")), "location: westeurope\n");
    assert_eq!(set("manager:\n", "manager.tls", &json!("off")), "manager:\n  tls: off\n");
    assert_eq!(set("location:\n", "location", &json!("westeurope")), "location: westeurope\n");
}

#[test]
fn a_key_is_removed_with_the_block_that_it_leaves_empty() {
    assert_eq!(
        edit::unset("f", FILE, "tags.project").unwrap(),
        FILE.replace("tags:\n  project: spring\n", "")
    );
    assert_eq!(
        edit::unset("f", FILE, "manager.access.ssh").unwrap(),
        FILE.replace("  access:\n    ssh: [203.0.113.0/24]\n", "")
    );
    assert_eq!(edit::unset("f", FILE, "cloud").unwrap(), FILE);
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    let error = edit::set("f", FILE, "storage.shareGiB", &json!("lots")).unwrap_err();
    assert_eq!(error.findings()[0].key, "storage.shareGiB");
    assert!(edit::set("f", FILE, "lcoation", &json!("x")).is_err());
}

/// Layouts that a line edit could get wrong.
const TEXTS: &[&str] = &[
    FILE,
    "",
    "# only a comment",
    "location: westeurope",
    "{location: westeurope, manager: {vmSize: x}}\n",
    "manager: {vmSize: a, access: {ssh: []}}\nlocation: >-\n  west\n  europe\n",
    "tags: &t {a: b}\nmanager:\n    sshPublicKey: |\n      one\n      two\n    tls: 'off'\n\n\n# end\n",
    "location: \"x\\\n  y\"\r\nmanager:\r\n  vmSize: b\r\n",
    "manager:\n  access:\n    ssh:\n    - 10.0.0.0/8\n    - 10.0.0.1 # one\nlocation: a\n...\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn an_edit_changes_its_key_and_nothing_else(
        text in proptest::sample::select(TEXTS), word in "\\PC{0,12}|(null|~|off|no|1\\.0|- x|#a|a: b|a #b)",
        path in proptest::sample::select(vec!["location", "manager.vmSize", "manager.sshPublicKey", "blender.version"]),
    ) {
        let before = serde_json::to_value(FarmSpec::parse("f", text).unwrap()).unwrap();
        let edited = edit::set("f", text, path, &json!(word)).unwrap();
        let spec = FarmSpec::parse("f", &edited).unwrap();
        let mut after = serde_json::to_value(&spec).unwrap();
        let pointer = format!("/{}", path.replace('.', "/"));
        prop_assert_eq!(after.pointer(&pointer), Some(&json!(word)), "{}", edited);
        // Setting it again changes no byte.
        prop_assert_eq!(&edit::set("f", &edited, path, &json!(word)).unwrap(), &edited);
        // Without the key, both say the same.
        let without = |value: &mut Value| {
            let (block, key) = path.split_once('.').unwrap_or(("", path));
            let holder = if block.is_empty() { Some(value) } else { value.get_mut(block) };
            if let Some(Value::Object(map)) = holder { map.remove(key); }
        };
        let removed = edit::unset("f", &edited, path).unwrap();
        let mut removed = serde_json::to_value(FarmSpec::parse("f", &removed).unwrap()).unwrap();
        let mut before = before;
        for value in [&mut before, &mut after, &mut removed] {
            without(value);
            if let Value::Object(map) = value { map.retain(|_, block| block != &json!({})); }
        }
        prop_assert_eq!(&after, &before);
        prop_assert_eq!(&removed, &before);
    }
}

#[test]
fn comments_survive_edits_of_values_in_brackets() {
    let cases = [
        ("# a\nmanager:\n  access: {} # b\n", "manager.access", json!({"ssh": ["192.0.2.0/24"], "web": []})),
        (
            "# a\nmanager:\n  access: {ssh: [192.0.2.0/24], web: []} # b\n",
            "manager.access.web",
            json!(["192.0.2.7"]),
        ),
        ("# a\nmanager:\n  access: {ssh: [192.0.2.0/24]} # b\n", "manager.access.web", json!(["192.0.2.7"])),
        ("# a\nmanager: {} # b\n", "manager.access.web", json!(["192.0.2.7"])),
        (
            "# a\nmanager:\n  access: # b\n    ssh: [192.0.2.0/24]\n    web: []\nlocation: x\n",
            "manager.access",
            json!({}),
        ),
        (
            "# a\npools: [{name: 'x', dedicated: 4}] # b\nlocation: x\n",
            "pools",
            json!([{"name": "x", "dedicated": 3}]),
        ),
        ("# a\nmanager:\n  access:\n    ssh: [192.0.2.0/24] # b\n", "manager.access.web", json!([])),
    ];
    for (text, path, value) in cases {
        let edited = edit::set("f", text, path, &value).unwrap();
        assert!(edited.contains("# a") && edited.contains("# b"), "{path} in\n{text}gave\n{edited}");
    }
}

#[test]
fn an_emptied_block_stands_beside_its_key() {
    let text = "# a\nmanager:\n  access:\n    ssh: []\nlocation: x\n";
    let edited = "# a\nmanager:\n  access: {}\nlocation: x\n";
    assert_eq!(edit::set("f", text, "manager.access", &json!({})).unwrap(), edited);
}

fn pool(name: &str) -> flamenco_azure_core::spec::PoolSpec {
    let text = format!("pools: [{{name: {name}, packages: ['a#1'], environment: {{X: y}}}}]");
    FarmSpec::parse("f", &text).unwrap().pools.unwrap().remove(0)
}

#[test]
fn a_pool_is_put_beside_the_others_or_in_place_of_its_namesake() {
    let text = "# top\npools: # ours\n  - name: a # first\n    dedicated: 1\n  # second\n  - name: b\n    vmSize: x # why\nlocation: y # end\n";
    let put = |text: &str, name: &str| edit::put_pool("f", text, &pool(name)).unwrap();
    let entry =
        |name: &str| format!("  - name: {name}\n    packages: [\"a#1\"]\n    environment:\n      X: y\n");
    assert_eq!(put(text, "c"), text.replace("location: y", &format!("{}location: y", entry("c"))));
    assert_eq!(put(text, "B"), text.replace("  - name: b\n    vmSize: x # why\n", &entry("B")));
    // A second time changes no byte.
    assert_eq!(put(&put(text, "c"), "c"), put(text, "c"));
}

#[test]
fn a_pool_put_anywhere_is_there_and_nothing_else_has_changed() {
    for text in [
        "",
        "location: x",
        "pools: []\n",
        "pools:\nlocation: x\n",
        "pools: [{name: a}, {name: b, dedicated: 2}] # c\n",
        "pools:\n- name: a\n- {name: b, dedicated: 2}\nlocation: x\n",
        "pools:\n- name: a\n  autoscale:\n    formula: |\n      x = 1;\n\n      y = 2;\n    evaluationMinutes: 5\n",
        "pools:\n  -\n    name: a\n  -   name: b\n",
    ] {
        for name in ["a", "b", "new"] {
            let before = FarmSpec::parse("f", text).unwrap();
            let edited = edit::put_pool("f", text, &pool(name)).unwrap();
            let after = FarmSpec::parse("f", &edited).unwrap();
            let others = |spec: &FarmSpec| {
                spec.pools
                    .iter()
                    .flatten()
                    .filter(|one| one.name.as_deref() != Some(name))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            assert_eq!(others(&after), others(&before), "{name} into\n{text}gave\n{edited}");
            assert!(after.pools.iter().flatten().any(|one| *one == pool(name)), "{edited}");
            assert_eq!(after.location, before.location);
        }
    }
}

#[test]
fn formulas_are_written_as_lines() {
    for formula in [
        "a = 1;\nb = 2;",
        "a = 1;\n\n  b = \"x\"; // #",
        "x: y\n- z",
        "one",
        " lead\nx",
        "tail\n",
        "tab\t\nx",
    ] {
        let mut one = pool("a");
        one.autoscale = Some(flamenco_azure_core::spec::AutoscaleSpec {
            formula: Some(formula.to_owned()),
            evaluation_minutes: Some(5),
        });
        let text = format!("pools:\n{}", edit::pool_lines(&one));
        let read = FarmSpec::parse("f", &text).unwrap().pools.unwrap().remove(0);
        assert_eq!(read, one, "{text}");
    }
    let mut one = pool("a");
    one.autoscale = Some(flamenco_azure_core::spec::AutoscaleSpec {
        formula: Some("a = 1;\nb = 2;".to_owned()),
        evaluation_minutes: None,
    });
    assert!(edit::pool_lines(&one).contains("      formula: |-\n        a = 1;\n        b = 2;\n"));
}
