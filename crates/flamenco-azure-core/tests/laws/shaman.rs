//! Manager URL ⇄ `shaman://` URL.

use flamenco_azure_core::shaman::{
    FarmLocator, LocateError, ManagerLocator, ShamanError, ShamanUrl, StaticLocator,
};
use flamenco_azure_core::spec::{Farm, FarmSpec, Overrides, validate};
use proptest::prelude::*;

fn parse(text: &str) -> Result<ShamanUrl, ShamanError> {
    text.parse()
}

#[test]
fn shaman_urls_are_read_as_the_add_on_reads_them() {
    let rows = [
        ("shaman://h", "https://h/", None),
        ("shaman://h/", "https://h/", None),
        ("shaman+https://h/", "https://h/", None),
        ("shaman://h:8443", "https://h:8443/", None),
        ("shaman://h:443/", "https://h:443/", None),
        ("shaman+http://h:80", "http://h:80/", None),
        ("shaman://h/root", "https://h/root", None),
        ("shaman://h/root/", "https://h/root/", None),
        ("shaman://h/a/../b//c", "https://h/a/../b//c", None),
        ("shaman://h/root#a/b", "https://h/root", Some("a/b")),
        ("shaman+http://h:8080/#123", "http://h:8080/", Some("123")),
        ("shaman://h#x%20y", "https://h/", Some("x y")),
        ("shaman://h#", "https://h/", None),
        ("shaman://h?q=1#i", "https://h/?q=1", Some("i")),
        ("SHAMAN://Host/Path", "https://Host/Path", None),
        ("shaman://[::1]:8080/x", "https://[::1]:8080/x", None),
        ("shaman://h#100%", "https://h/", Some("100%")),
    ];
    for (text, manager, checkout) in rows {
        let url = parse(text).unwrap();
        assert_eq!((url.manager_url(), url.checkout_id()), (manager, checkout), "{text}");
    }
}

#[test]
fn manager_urls_become_shaman_urls() {
    let rows = [
        ("https://farm.westeurope.cloudapp.azure.com", "shaman://farm.westeurope.cloudapp.azure.com/"),
        ("https://h:8443/x?y", "shaman://h:8443/x?y"),
        ("http://localhost:8080/", "shaman+http://localhost:8080/"),
        ("HTTP://h", "shaman+http://h/"),
    ];
    for (manager, shaman) in rows {
        assert_eq!(ShamanUrl::from_manager_url(manager).unwrap().to_string(), shaman, "{manager}");
    }
}

#[test]
fn wrong_urls_are_refused_in_words() {
    let shaman = |text: &str| parse(text).unwrap_err().to_string();
    let manager = |text: &str| ShamanUrl::from_manager_url(text).unwrap_err().to_string();
    assert_eq!(
        shaman("ftp://h/"),
        "`ftp://` is not a scheme for this (expected https, http, shaman, shaman+https or shaman+http)"
    );
    assert_eq!(manager("shaman://h/"), shaman("ftp://h/").replace("ftp", "shaman"));
    assert_eq!(manager("https:///path"), "`https:///path` names no host");
    assert_eq!(
        manager("farm.example.org"),
        "`farm.example.org` is not a URL (expected one such as https://studio.westeurope.cloudapp.azure.com/)"
    );
    assert_eq!(
        manager("https://h/#job"),
        "a Manager URL has no `#job`; checkout ids belong to shaman:// URLs"
    );
    assert_eq!(shaman("shaman://h#%ff"), "the checkout id `%ff` is not UTF-8 when percent-decoded");
    for text in ["shaman://h:port/", "shaman://a b/", "shaman://h:99999/", "shaman://h/\tx"] {
        assert!(matches!(parse(text), Err(ShamanError::Malformed(_))), "{text}");
    }
    let secret = shaman("shaman://user:pass@h/");
    assert!(!secret.contains("pass@") && secret.contains("user name or password"), "{secret}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn urls_survive_the_round_trip(
        scheme in "https?", host in "[a-z][a-z0-9]{0,8}(\\.[a-z]{1,5}){0,2}", port in proptest::option::of(1u16..),
        path in "(/[a-zA-Z0-9._~%-]{0,6}){0,3}", query in proptest::option::of("[a-z=&]{1,8}"), id in "\\PC{0,20}",
    ) {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let slash = if path.is_empty() { "/" } else { "" };
        let manager = format!("{scheme}://{host}{port}{path}{slash}{query}");
        let url = ShamanUrl::from_manager_url(&manager).unwrap().with_checkout_id(&id);
        prop_assert_eq!(url.manager_url(), &manager);
        let back = parse(&url.to_string()).unwrap();
        prop_assert_eq!(back.manager_url(), &manager);
        prop_assert_eq!(back.checkout_id().unwrap_or_default(), &id);
        prop_assert_eq!(back, url);
    }
}

fn farm(more: &str) -> Farm {
    let text = format!(
        "subscriptionID: 5b3a7c1e-0000-4000-8000-0123456789ab\nlocation: westeurope\nresourceGroup: g\n\
         virtualMachine: farm\nstorageAccountName: farmsa\nbatchAccountName: farmba\n{more}"
    );
    let overrides = Overrides { allow_world: false, today: "2026-11-21T12:00:00Z".parse().unwrap() };
    validate(&FarmSpec::parse("f.yaml", &text).unwrap(), &overrides).unwrap().0
}

#[tokio::test]
async fn locators_know_where_the_manager_is() {
    let there = FarmLocator::new(&farm("")).manager_url().await.unwrap();
    assert_eq!(there.to_string(), "shaman://farm.westeurope.cloudapp.azure.com/");
    assert_eq!(StaticLocator(there.clone()).manager_url().await.unwrap(), there);
    let own = FarmLocator::new(&farm("manager: {hostname: Render.Example.org}")).manager_url().await.unwrap();
    assert_eq!(own.manager_url(), "https://render.example.org/");
    for hidden in ["manager: {tls: off}", "manager: {access: {ssh: [], web: []}}"] {
        let refused = FarmLocator::new(&farm(hidden)).manager_url().await;
        assert!(matches!(refused, Err(LocateError::Unreachable(_))), "{hidden}");
    }
}
