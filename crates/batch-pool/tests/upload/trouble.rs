//! Uploads on bad days.

use std::time::Duration;

use batch_pool::packages::{PackageId, PushError, Pushed};
use flamenco_azure_core::storage::StorageError;

use super::ends::{End, Signing, USUAL, id, packed};
use super::gate::Tricks;

/// An error tells no signature, however it is shown.
fn tells_no_secret(error: &PushError) {
    let mut shown = format!("{error:?} {error}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        shown = format!("{shown} {inner}");
        source = inner.source();
    }
    for secret in ["sig=", "SECRET"] {
        let hidden = shown.replace("sig=REDACTED", "");
        assert!(!hidden.contains(secret), "{shown}");
    }
}

pub async fn an_upload_that_was_cut_goes_on_where_it_was(end: &End) {
    // 16 blocks.
    let (id, it) = (id("resumed", "1"), packed(63 << 20, 6));
    end.gate.play(Tricks { cut_after: Some(13), ..Tricks::default() });
    tells_no_secret(&end.push(&id, &it).await.unwrap_err());
    let (before, bytes) = end.gate.staged();
    assert!((3..13).contains(&before), "{before}");
    assert!(!end.packages.package(&id).await.unwrap_or_default().is_some_and(|package| package.active));
    end.gate.play(Tricks::default());
    let pushed = end.push(&id, &it).await.unwrap();
    assert_eq!(pushed, Pushed::Sent { sent: it.size() - bytes, kept: bytes });
    assert_eq!(end.gate.staged().0, 16 - before);
    end.assert_active(&id, &it).await;
}

/// Accounts have few applications.
async fn make_room(end: &End, id: &PackageId) {
    end.packages.remove(id).await.unwrap();
    end.packages.remove_application(id.application()).await.unwrap();
}

pub async fn cut_at_any_request_the_next_push_ends_well(end: &End) {
    let it = packed(5 << 20, 7);
    for cut in 0.. {
        // Each in an application of its own, from its very beginning.
        let id = id(&format!("cut{cut}"), "1");
        end.gate.play(Tricks { cut_after: Some(cut), ..Tricks::default() });
        let first = end.push(&id, &it).await;
        let before = end.gate.staged().0;
        if let Err(error) = &first {
            tells_no_secret(error);
        }
        end.gate.play(Tricks::default());
        let second = end.push(&id, &it).await.unwrap();
        assert_eq!(end.gate.staged().0, 2 - before, "cut after {cut}");
        end.assert_active(&id, &it).await;
        make_room(end, &id).await;
        if first.is_ok() {
            assert_eq!(second, Pushed::AlreadyThere);
            assert!(cut >= 4, "{cut}");
            return;
        }
    }
}

pub async fn a_lost_answer_to_any_request_changes_nothing(end: &End) {
    let it = packed(5 << 20, 8);
    for lost in 1.. {
        let id = id(&format!("lost{lost}"), "1");
        end.gate.play(Tricks { lose: Some(lost), ..Tricks::default() });
        end.push(&id, &it).await.unwrap();
        let all = end.gate.requests();
        end.gate.play(Tricks::default());
        end.assert_active(&id, &it).await;
        make_room(end, &id).await;
        if all < lost {
            assert!(lost >= 5, "{lost}");
            return;
        }
    }
}

pub async fn a_damaged_block_is_sent_again(end: &End) {
    let (id, it) = (id("damaged", "1"), packed(9 << 20, 9));
    end.gate.play(Tricks { damage: 3, ..Tricks::default() });
    end.push(&id, &it).await.unwrap();
    assert_eq!(end.gate.staged(), (3, it.size()));
    end.assert_active(&id, &it).await;
}

pub async fn a_wire_that_damages_all_leaves_nothing_active(end: &End) {
    let (id, it) = (id("damaged", "2"), packed(9 << 20, 10));
    end.gate.play(Tricks { damage: u32::MAX, ..Tricks::default() });
    let error = end.push(&id, &it).await.unwrap_err();
    assert!(matches!(error, PushError::Blob(StorageError::Damaged { .. })), "{error:?}");
    end.gate.play(Tricks::default());
    assert!(!end.packages.package(&id).await.unwrap().unwrap().active);
    assert_eq!(end.download(&id).await.0, 404);
    end.push(&id, &it).await.unwrap();
    end.assert_active(&id, &it).await;
}

pub async fn a_link_that_runs_out_is_replaced(end: &End) {
    let (id, it) = (id("expired", "1"), packed(30 << 20, 11));
    // The first link ends while blocks are on their way; with Azurite that is waited for.
    let (seconds, pause) = if end.world.is_some() { (4 * 3600, 5 * 3600) } else { (3, 4) };
    end.sign(&[Signing { seconds, ..USUAL }, USUAL]);
    end.gate.play(Tricks { pause: Some((3, Duration::from_secs(pause))), ..Tricks::default() });
    let pushed = end.push(&id, &it).await.unwrap();
    end.sign(&[USUAL]);
    assert_eq!(pushed, Pushed::Sent { sent: it.size(), kept: 0 });
    // What had arrived was kept.
    assert!(!end.gate.staged_twice());
    end.assert_active(&id, &it).await;
}

pub async fn a_link_that_cannot_read_is_good_enough(end: &End) {
    let it = packed(5 << 20, 12);
    let blind = Signing { permissions: "w", ..USUAL };
    for (version, ways) in [("1", vec![blind, USUAL]), ("2", vec![blind])] {
        let id = id("blind", version);
        end.gate.play(Tricks::default());
        end.sign(&ways);
        let pushed = end.push(&id, &it).await.unwrap();
        end.sign(&[USUAL]);
        assert_eq!(pushed, Pushed::Sent { sent: it.size(), kept: 0 });
        end.assert_active(&id, &it).await;
    }
}

pub async fn a_link_that_cannot_write_is_an_error(end: &End) {
    let (id, it) = (id("readonly", "1"), packed(1 << 20, 13));
    end.gate.play(Tricks::default());
    end.sign(&[Signing { permissions: "r", ..USUAL }]);
    let error = end.push(&id, &it).await.unwrap_err();
    end.sign(&[USUAL]);
    assert!(matches!(&error, PushError::Blob(error) if error.is_forbidden()), "{error:?}");
    tells_no_secret(&error);
    // Not for ever.
    assert!(end.gate.requests() < 40, "{}", end.gate.requests());
    assert!(!end.packages.package(&id).await.unwrap().unwrap().active);
    end.push(&id, &it).await.unwrap();
    end.assert_active(&id, &it).await;
}
