//! What Batch says to packages, on the simulator.

use batch_pool::packages::limits::PACKAGES;
use batch_pool::packages::{BatchPackages, Packages as _, PushError, Pushed, check, push};
use flamenco_azure_core::exec::NoReporter;
use serde_json::{Value, json};

use super::ends::{End, arm, batch_account, id, packed};
use super::gate::Tricks;

#[tokio::test(start_paused = true)]
async fn without_auto_storage_nothing_is_begun() {
    let end = End::simulator_with(&Value::Null);
    let it = packed(1, 1);
    end.gate.play(Tricks::default());
    for error in [
        check(&*end.packages, &id("a", "1")).await.unwrap_err(),
        end.push(&id("a", "1"), &it).await.unwrap_err(),
    ] {
        assert!(matches!(&error, PushError::NoAutoStorage { account } if account == "farmbatch"), "{error}");
    }
    assert_eq!(end.gate.requests(), 2);
    let gone = batch_account().replace("farmbatch", "nobatch");
    let packages = BatchPackages::new(end.client.clone().unwrap(), gone.parse().unwrap());
    assert!(matches!(packages.storage().await, Err(PushError::NoAccount { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_full_application_takes_only_versions_that_it_has() {
    let end = End::simulator();
    let it = packed(1, 1);
    end.packages.make("full").await.unwrap();
    for version in 0..PACKAGES {
        end.packages.offer(&id("full", &version.to_string())).await.unwrap();
    }
    end.gate.play(Tricks::default());
    let error = end.push(&id("full", "more"), &it).await.unwrap_err();
    assert!(matches!(error, PushError::Packages { limit: PACKAGES, .. }), "{error}");
    assert_eq!(end.packages.packages("full").await.unwrap().len(), PACKAGES);
    assert_eq!(end.gate.staged().0, 0);
    end.push(&id("full", "7"), &it).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_may_not_change_is_not_replaced() {
    let end = End::simulator();
    let (version, old, new) = (id("frozen", "1"), packed(100, 1), packed(100, 2));
    end.push(&version, &old).await.unwrap();
    let freeze = json!({"properties": {"allowUpdates": false}});
    let request = arm("PATCH", &format!("{}/applications/frozen", batch_account()), "2025-06-01");
    let answer = end.world.as_ref().unwrap().lock().unwrap().handle(&request.json_body(&freeze));
    assert!(answer.is_success());
    let error = end.replace(&version, &new).await.unwrap_err();
    assert!(matches!(error, PushError::Frozen { .. }), "{error}");
    end.push(&version, &old).await.unwrap();
    end.push(&id("frozen", "2"), &new).await.unwrap();
    end.assert_active(&version, &old).await;
}

#[tokio::test(start_paused = true)]
async fn versions_are_listed_made_default_and_removed() {
    let end = End::simulator();
    let it = packed(100, 1);
    for version in ["1.0", "2.0"] {
        end.push(&id("app", version), &it).await.unwrap();
    }
    end.packages.offer(&id("app", "3.0")).await.unwrap();
    end.packages.set_default(&id("app", "2.0")).await.unwrap();
    let app = end.packages.applications().await.unwrap().remove(0);
    assert_eq!((app.id.as_str(), app.default_version.as_deref()), ("app", Some("2.0")));
    let all = end.packages.packages("app").await.unwrap();
    let shown: Vec<(&str, bool)> = all.iter().map(|p| (p.version.as_str(), p.active)).collect();
    assert_eq!(shown, [("1.0", true), ("2.0", true), ("3.0", false)]);
    assert!(all[0].activated.is_some());
    assert!(matches!(end.packages.remove_application("app").await, Err(PushError::Azure { .. })));
    for version in ["1.0", "2.0", "3.0"] {
        for _ in 0..2 {
            end.packages.remove(&id("app", version)).await.unwrap();
        }
    }
    for _ in 0..2 {
        end.packages.remove_application("app").await.unwrap();
    }
    assert_eq!(end.packages.applications().await.unwrap(), []);
    assert!(end.packages.packages("app").await.unwrap().is_empty());
    assert!(end.packages.package(&id("app", "1.0")).await.unwrap().is_none());
}

/// Between its upload and its activation a killed replacement has the new content and is active, as before: only the time of
/// its activation tells that nodes have not been given it.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_was_killed_anywhere_is_activated_by_the_next_push() {
    let end = End::simulator();
    let (id, old, new) = (id("killed", "1"), packed(100, 1), packed(100, 2));
    let activated = async || end.packages.package(&id).await.unwrap().unwrap().activated.unwrap();
    for cut in 0.. {
        end.gate.play(Tricks::default());
        end.replace(&id, &old).await.unwrap();
        let before = activated().await;
        end.gate.pass(60.0).await;
        end.gate.play(Tricks { cut_after: Some(cut), ..Tricks::default() });
        let first = end.replace(&id, &new).await;
        end.gate.play(Tricks::default());
        end.gate.pass(60.0).await;
        let second = end.replace(&id, &new).await.unwrap();
        assert!(activated().await > before, "cut after {cut}: {second:?}");
        end.assert_active(&id, &new).await;
        if first.is_ok() {
            assert_eq!(second, Pushed::AlreadyThere);
            return;
        }
    }
}

/// To make a version anew is to change it: what may not be replaced is left alone, also where Batch shows no link.
#[tokio::test(start_paused = true)]
async fn an_active_version_is_not_touched_by_a_push_that_may_not_replace_it() {
    let end = End::simulator();
    let (id, it) = (id("shown", "1"), packed(100, 1));
    end.gate.play(Tricks::default());
    end.push(&id, &it).await.unwrap();
    let world = end.world.clone().unwrap();
    world.lock().unwrap().hide_package_links();
    let path = format!("{}/applications/shown/versions/1", batch_account());
    let etag = || {
        let shown = world.lock().unwrap().handle(&arm("GET", &path, "2025-06-01"));
        shown.json_body()["etag"].as_str().unwrap().to_owned()
    };
    let before = etag();
    let packages = BatchPackages::new(end.client.clone().unwrap(), batch_account().parse().unwrap());
    let error = push(&packages, &end.blobs, &id, &it, false, &NoReporter).await.unwrap_err();
    assert!(matches!(error, PushError::Unseen { .. }), "{error}");
    assert_eq!(etag(), before);
    end.replace(&id, &packed(100, 2)).await.unwrap();
}
