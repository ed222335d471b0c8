//! The naming table.

use flamenco_azure_core::name::{Kind, RULES, check, suggest, suggest_unique};
use proptest::prelude::*;

const EVERY: &[Kind] = &[
    Kind::Farm,
    Kind::ResourceGroup,
    Kind::StorageAccount,
    Kind::Share,
    Kind::BatchAccount,
    Kind::Pool,
    Kind::VirtualMachine,
    Kind::ScaleSet,
    Kind::Fleet,
    Kind::VirtualNetwork,
    Kind::NetworkResource,
    Kind::DnsLabel,
    Kind::Identity,
    Kind::KeyVault,
    Kind::Gallery,
    Kind::ImageDefinition,
];

#[test]
fn every_kind_has_one_row() {
    assert_eq!(RULES.len(), EVERY.len());
    for kind in EVERY {
        assert_eq!(RULES.iter().filter(|rule| rule.kind == *kind).count(), 1, "{kind:?}");
        assert_eq!(kind.rule().kind, *kind);
    }
}

#[test]
fn lengths_are_allowed_up_to_their_bounds_and_no_further() {
    for rule in RULES {
        let of = |length: usize| "a".repeat(length);
        assert!(check(rule.kind, &of(rule.min)).is_ok(), "{rule:?}");
        assert!(check(rule.kind, &of(rule.max)).is_ok(), "{rule:?}");
        assert!(check(rule.kind, &of(rule.min - 1)).is_err(), "{rule:?}");
        assert!(check(rule.kind, &of(rule.max + 1)).is_err(), "{rule:?}");
    }
}

#[test]
fn names_are_judged_as_azure_does() {
    let legal = [
        (Kind::ResourceGroup, "my_group.(prod)-1"),
        (Kind::StorageAccount, "studio2026"),
        (Kind::Share, "flamenco-in"),
        (Kind::Pool, "Crunch_time-F16s"),
        (Kind::Pool, "-_"),
        (Kind::VirtualMachine, "farm-1"),
        (Kind::VirtualNetwork, "1net_"),
        (Kind::NetworkResource, "a"),
        (Kind::KeyVault, "My-Vault1"),
        (Kind::Gallery, "Images.v1"),
        (Kind::ImageDefinition, "ubuntu-24.04"),
        (Kind::Identity, "id-"),
    ];
    for (kind, name) in legal {
        assert_eq!(check(kind, name), Ok(()), "{kind:?} {name}");
    }
    let illegal = [
        (Kind::ResourceGroup, "group."),
        (Kind::ResourceGroup, "a b"),
        (Kind::StorageAccount, "My-Farm"),
        (Kind::StorageAccount, "farm_1"),
        (Kind::BatchAccount, "farm-1"),
        (Kind::Share, "a--b"),
        (Kind::Pool, "pool 1"),
        (Kind::VirtualMachine, "1farm"),
        (Kind::VirtualMachine, "farm-"),
        (Kind::VirtualMachine, "Farm"),
        (Kind::DnsLabel, "farm.x"),
        (Kind::VirtualNetwork, "net-"),
        (Kind::KeyVault, "a--b"),
        (Kind::KeyVault, "1vault"),
        (Kind::Gallery, "a-b"),
        (Kind::Farm, "a.b"),
        (Kind::Farm, ""),
    ];
    for (kind, name) in illegal {
        assert!(check(kind, name).is_err(), "{kind:?} {name}");
    }
}

#[test]
fn refusals_say_what_is_wrong_in_words() {
    let words = |kind, name: &str| check(kind, name).unwrap_err().to_string();
    assert_eq!(
        words(Kind::StorageAccount, "My-Farm"),
        "`My-Farm` is not a legal storage account name: `M` is not allowed; lower-case letters and digits only"
    );
    assert_eq!(
        words(Kind::StorageAccount, "ab"),
        "`ab` is not a legal storage account name: it has 2 characters, 3 to 24 are allowed"
    );
    assert_eq!(
        words(Kind::VirtualMachine, "farm-"),
        "`farm-` is not a legal virtual machine name: it ends with `-`; lower-case letters, digits and hyphens, \
         starting with a letter, ending with a letter or digit"
    );
    assert_eq!(
        words(Kind::Pool, "pool 1"),
        "`pool 1` is not a legal pool name: a space is not allowed; letters, digits, `-` and `_`"
    );
}

#[test]
fn suggestions_keep_what_they_can() {
    let rows = [
        (Kind::StorageAccount, "My Studio-Farm", "mystudiofarm"),
        (Kind::VirtualMachine, "My Studio Farm!", "my-studio-farm"),
        (Kind::VirtualMachine, "2nd farm", "nd-farm"),
        (Kind::Farm, "Käse & Brötchen", "kaese-broetchen"),
        (Kind::Farm, "Crème brûlée", "creme-brulee"),
        (Kind::Share, "a--b", "a-b"),
        (Kind::ResourceGroup, "My Group.", "My-Group"),
        (Kind::StorageAccount, "日本", "flamenco"),
        (Kind::StorageAccount, "x", "xflamenco"),
        (Kind::Pool, "pool 1", "pool-1"),
    ];
    for (kind, base, wanted) in rows {
        assert_eq!(suggest(kind, base), wanted, "{kind:?} {base}");
    }
}

#[test]
fn unique_suggestions_differ_by_salt_alone() {
    let one = suggest_unique(Kind::StorageAccount, "My Farm", "subscription 1");
    assert_eq!(one, suggest_unique(Kind::StorageAccount, "My Farm", "subscription 1"));
    assert_ne!(one, suggest_unique(Kind::StorageAccount, "My Farm", "subscription 2"));
    assert!(one.starts_with("myfarm") && one.len() == "myfarm".len() + 8, "{one}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn suggestions_are_legal_and_stable(base in "\\PC{0,120}|[a-zA-Z0-9_. -]{0,100}|[-._()]{0,100}", salt in "\\PC{0,20}") {
        for kind in EVERY {
            let name = suggest(*kind, &base);
            prop_assert_eq!(check(*kind, &name), Ok(()));
            prop_assert_eq!(suggest(*kind, &name), name.clone());
            prop_assert_eq!(suggest(*kind, &base), name.clone());
            if check(*kind, &base).is_ok() {
                prop_assert_eq!(&name, &base);
            }
            prop_assert_eq!(check(*kind, &suggest_unique(*kind, &base, &salt)), Ok(()));
        }
    }
}
