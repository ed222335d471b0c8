//! The scaler's own clients.

use vmss_scaler::State;
use vmss_scaler::queue::{DeletionQueue, QueueError};
use vmss_scaler::store::{CONTAINER, StateBlob, StoreError};

use super::ends::End;

fn state(base: u32) -> State {
    let mut state = State::starting("2026-11-21T08:00:00Z".parse().unwrap());
    state.count.base = Some(base);
    state
}

pub async fn the_state_has_one_writer(end: &End) {
    let blob = StateBlob::new(&end.options(), "scaler/one-writer.json").unwrap();
    assert_eq!(blob.read_only().await.unwrap(), None);
    let first = blob.acquire("first on vm-1").await.unwrap();
    let held = blob.acquire("second").await.unwrap_err();
    assert!(matches!(&held, StoreError::Held { by } if by == "first on vm-1"), "{held}");
    let seen = blob.read_only().await.unwrap().unwrap();
    assert_eq!((seen.state, seen.holder.as_deref(), seen.leased), (None, Some("first on vm-1"), true));
    first.release().await.unwrap();
    let second = blob.acquire("second").await.unwrap();
    assert_eq!(second.load().await.unwrap(), None);
    second.save(&state(7)).await.unwrap();
    let lost = first.load().await.unwrap_err();
    assert!(matches!(&lost, StoreError::Lost { by: Some(by) } if by == "second"), "{lost}");
    second.release().await.unwrap();
    let seen = blob.read_only().await.unwrap().unwrap();
    assert_eq!((seen.state, seen.leased), (Some(state(7)), false));
}

pub async fn what_is_saved_is_loaded(end: &End) {
    let blob = StateBlob::new(&end.options(), "scaler/kept.json").unwrap();
    let lease = blob.acquire("me").await.unwrap();
    assert!(matches!(lease.save(&state(1)).await, Err(StoreError::NotLoaded)));
    assert_eq!(lease.load().await.unwrap(), None);
    for base in 1..5 {
        lease.save(&state(base)).await.unwrap();
        lease.renew().await.unwrap();
        if base % 2 == 0 {
            assert_eq!(lease.load().await.unwrap(), Some(state(base)));
        }
    }
    lease.release().await.unwrap();
    let again = blob.acquire("me, restarted").await.unwrap();
    assert_eq!(again.load().await.unwrap(), Some(state(4)));
    again.release().await.unwrap();
}

pub async fn a_stolen_lease_is_noticed(end: &End) {
    let name = "scaler/stolen.json";
    let blob = StateBlob::new(&end.options(), name).unwrap();
    let lease = blob.acquire("me").await.unwrap();
    lease.load().await.unwrap();
    lease.save(&state(1)).await.unwrap();
    let path = format!("{CONTAINER}/{name}");
    end.lease(&path, "break", &[("x-ms-lease-break-period", "0")]).await.is(202, "");
    // Somebody wrote it, and nobody holds the lease: that is a lost lease too.
    end.put(&path, &[], "by hand").await.is(201, "");
    assert!(matches!(lease.save(&state(2)).await, Err(StoreError::Lost { .. } | StoreError::Changed)));
    let now = end.options().clock.now();
    assert!(matches!(lease.renew().await, Err(StoreError::Lost { by: None })));
    assert!(!lease.may_write(now));
    // What cannot be read is left as it is.
    let next = blob.acquire("next").await.unwrap();
    assert!(matches!(next.load().await, Err(StoreError::Unreadable(_))));
    assert!(matches!(next.save(&state(3)).await, Err(StoreError::NotLoaded)));
    assert_eq!(end.blob("GET", &path, &[]).await.body, "by hand");
}

pub async fn requests_go_through_the_queue(end: &End) {
    let queue = DeletionQueue::new(&end.options(), "requests").unwrap();
    queue.ensure().await.unwrap();
    queue.ensure().await.unwrap();
    assert_eq!(queue.receive(32).await.unwrap(), []);
    let texts = ["set,12", "{\"version\": 1, \"request\": \"<&>\"}", "c2V0LDEz"];
    for text in texts {
        queue.send(text).await.unwrap();
    }
    let mut got = queue.receive(32).await.unwrap();
    let read: Vec<&str> = got.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(read, ["set,12", texts[1], "set,13"]);
    assert!(got.iter().all(|message| message.received == 1 && message.sent.is_some()));
    assert_eq!(queue.receive(32).await.unwrap(), []);

    let before = got[0].clone();
    queue.extend(&mut got[0]).await.unwrap();
    assert!(matches!(queue.delete(&before).await, Err(QueueError::NotHeld)));
    queue.delete(&got[0]).await.unwrap();
    queue.delete(&got[0]).await.unwrap();
    assert!(matches!(queue.extend(&mut got[0]).await, Err(QueueError::NotHeld)));

    queue.poison(&got[2], "nobody knows the set").await.unwrap();
    let note = end.queue("GET", "requests-poison/messages?peekonly=true", "").await;
    let note: serde_json::Value = serde_json::from_str(&note.text("MessageText")).unwrap();
    assert_eq!((&note["reason"], &note["text"]), (&"nobody knows the set".into(), &"set,13".into()));
    let shown = end.queue("GET", "requests?comp=metadata", "").await;
    assert_eq!(shown.header("x-ms-approximate-messages-count"), "1");
}
