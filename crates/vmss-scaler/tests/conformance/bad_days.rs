//! The state's blob and the deletion queue on a bad day: holders that pause, answers that are lost, storage that is busy.

use std::time::Duration;

use azure_sim::{Action, Fault, Match};
use vmss_scaler::State;
use vmss_scaler::queue::{DeletionQueue, INVISIBLE, QueueError, poison_name, queue_name};
use vmss_scaler::storage::StorageError;
use vmss_scaler::store::{Lease, RENEW_EVERY, StateBlob, StoreError, WRITE_WITHIN, blob_name};

use super::ends::{self, End, sim_world};

fn state(base: u32) -> State {
    let mut state = State::starting("2026-11-21T08:00:00Z".parse().unwrap());
    state.count.base = Some(base);
    state
}

fn blob(end: &End) -> StateBlob {
    StateBlob::new(&end.options(), &blob_name("studio")).unwrap()
}

async fn leased(end: &End) -> Lease {
    let lease = blob(end).acquire("first").await.unwrap();
    assert_eq!(lease.load().await.unwrap(), None);
    lease.save(&state(1)).await.unwrap();
    lease
}

fn busy() -> Action {
    let headers = vec![
        ("x-ms-error-code".to_owned(), "ServerBusy".to_owned()),
        ("retry-after".to_owned(), "3".to_owned()),
    ];
    Action::Respond { status: 503, headers, body: None }
}

/// Saves of the state: the only requests with this in their URL that put a whole blob.
fn saves() -> Match {
    Match::on("PUT", "/flamenco-azure/scaler/studio.json")
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_when_the_last_renewal_is_too_long_ago() {
    let end = End::simulator();
    let lease = leased(&end).await;
    let clock = end.options().clock;
    lease.renew().await.unwrap();
    let due = lease.renewal_due();
    // Counted from the request, which was sent before now.
    assert!(due <= clock.now() + RENEW_EVERY);
    let last = due - RENEW_EVERY + WRITE_WITHIN;
    assert!(lease.may_write(last));
    assert!(!lease.may_write(last + Duration::from_millis(1)));
    clock.sleep(WRITE_WITHIN).await;
    let late = lease.save(&state(2)).await;
    assert!(matches!(late, Err(StoreError::NotRenewed)), "{late:?}");
    // It may be renewed for as long as nobody else took it.
    lease.renew().await.unwrap();
    lease.save(&state(2)).await.unwrap();
    assert_eq!(lease.load().await.unwrap(), Some(state(2)));
}

#[tokio::test(start_paused = true)]
async fn a_paused_holder_is_replaced_and_writes_nothing_any_more() {
    let end = End::simulator();
    let first = leased(&end).await;
    let mut waited_for = Vec::new();
    let began = end.options().clock.now();
    let second = blob(&end).wait("second", &mut |by| waited_for.push(by.to_owned())).await.unwrap();
    let took = end.options().clock.now().duration_since(began).as_secs();
    assert!((40..80).contains(&took), "{took} s");
    assert_eq!(waited_for, ["first"]);
    assert_eq!(second.load().await.unwrap(), Some(state(1)));
    second.save(&state(5)).await.unwrap();
    // The first one wakes up.
    assert!(!first.may_write(end.options().clock.now()));
    assert!(matches!(first.save(&state(2)).await, Err(StoreError::NotRenewed)));
    let lost = first.renew().await.unwrap_err();
    assert!(matches!(&lost, StoreError::Lost { by: Some(by) } if by == "second"), "{lost}");
    assert_eq!(lost.to_string(), "the lease on the scaler's state is lost to second");
    assert_eq!(second.load().await.unwrap(), Some(state(5)));
}

#[tokio::test(start_paused = true)]
async fn a_renewed_lease_is_held_for_ever() {
    let end = End::simulator();
    let lease = leased(&end).await;
    let clock = end.options().clock;
    for minute in 0..40 {
        clock.sleep(RENEW_EVERY).await;
        lease.renew().await.unwrap();
        assert!(lease.may_write(clock.now()));
        lease.save(&state(minute)).await.unwrap();
        assert!(matches!(blob(&end).acquire("second").await, Err(StoreError::Held { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn a_save_whose_answer_is_lost_is_looked_up() {
    for lost in 1..=6 {
        let end = End::simulator();
        let lease = leased(&end).await;
        sim_world(&end).inject(Fault::times(saves(), Action::LoseResponse, lost));
        let outcome = lease.save(&state(9)).await;
        sim_world(&end).clear_faults();
        // However it ended, the caller knows what is stored, and goes on from there.
        let stored = blob(&end).read_only().await.unwrap().unwrap().state.unwrap();
        assert_eq!(stored, state(9), "{lost}");
        outcome.unwrap();
        lease.renew().await.unwrap();
        lease.save(&state(10)).await.unwrap();
        assert_eq!(lease.load().await.unwrap(), Some(state(10)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_save_that_is_answered_too_late_is_looked_up() {
    let end = End::simulator();
    let lease = leased(&end).await;
    sim_world(&end).inject(Fault::once(saves(), Action::Slow(60_000)));
    let began = end.options().clock.now();
    lease.save(&state(9)).await.unwrap();
    assert!(end.options().clock.now().duration_since(began).as_secs() < 20);
    assert_eq!(lease.load().await.unwrap(), Some(state(9)));
}

#[tokio::test(start_paused = true)]
async fn a_save_that_never_arrives_is_an_error_and_can_be_repeated() {
    let end = End::simulator();
    let lease = leased(&end).await;
    sim_world(&end).inject(Fault::times(saves(), Action::Reset, 20));
    let failed = lease.save(&state(9)).await.unwrap_err();
    assert!(matches!(&failed, StoreError::Storage(StorageError::NoAnswer { .. })), "{failed:?}");
    sim_world(&end).clear_faults();
    lease.renew().await.unwrap();
    lease.save(&state(9)).await.unwrap();
    assert_eq!(lease.load().await.unwrap(), Some(state(9)));
}

#[tokio::test(start_paused = true)]
async fn a_busy_storage_is_waited_for() {
    let end = End::simulator();
    sim_world(&end).inject(Fault::times(Match::any(), busy(), 2));
    let began = end.options().clock.now();
    let lease = leased(&end).await;
    let took = end.options().clock.now().duration_since(began).as_secs();
    assert!((6..15).contains(&took), "{took} s");
    sim_world(&end).inject(Fault::always(Match::any(), busy()));
    let began = end.options().clock.now();
    let refused = lease.renew().await.unwrap_err();
    assert!(refused.to_string().contains("ServerBusy"), "{refused}");
    // Given up while the lease still lives.
    assert!(end.options().clock.now().duration_since(began).as_secs() < 40);
    assert!(lease.may_write(began));
}

#[tokio::test(start_paused = true)]
async fn an_acquisition_whose_answers_are_lost_gets_the_lease() {
    for nth in 1..=8 {
        let end = End::simulator();
        sim_world(&end)
            .inject(Fault::once(Match::on("PUT", "flamenco-azure").nth(nth), Action::LoseResponse));
        let lease = blob(&end).acquire("first").await.unwrap();
        assert_eq!(lease.load().await.unwrap(), None, "{nth}");
        lease.save(&state(1)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_is_said() {
    let end = End::simulator();
    let options = end.options();
    let path = ends::role_assignment_of_blobs();
    assert!(sim_world(&end).handle(&ends::arm("DELETE", &path)).is_success());
    let refused = StateBlob::new(&options, "scaler/x.json").unwrap().read_only().await.unwrap_err();
    let StoreError::Storage(error) = &refused else { panic!("{refused}") };
    assert!(error.is_forbidden());
    assert!(refused.to_string().contains("AuthorizationPermissionMismatch"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_message_reappears_with_a_new_receipt_unless_it_is_extended() {
    let end = End::simulator();
    let clock = end.options().clock;
    let queue = DeletionQueue::new(&end.options(), &queue_name("studio", "render")).unwrap();
    queue.ensure().await.unwrap();
    queue.send("set,1").await.unwrap();
    let mut first = queue.receive(32).await.unwrap().remove(0);
    clock.sleep(INVISIBLE.saturating_sub(Duration::from_secs(5))).await;
    queue.extend(&mut first).await.unwrap();
    clock.sleep(INVISIBLE.saturating_sub(Duration::from_secs(5))).await;
    assert_eq!(queue.receive(32).await.unwrap(), []);
    assert!(first.until > clock.now());
    clock.sleep(Duration::from_secs(6)).await;
    assert!(first.until < clock.now());
    let second = queue.receive(32).await.unwrap().remove(0);
    assert_eq!((second.id.as_str(), second.received), (first.id.as_str(), 2));
    assert!(matches!(queue.extend(&mut first).await, Err(QueueError::NotHeld)));
    assert!(matches!(queue.delete(&first).await, Err(QueueError::NotHeld)));
    queue.delete(&second).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lost_answers_lose_no_message() {
    let end = End::simulator();
    let clock = end.options().clock;
    let queue = DeletionQueue::new(&end.options(), "requests").unwrap();
    sim_world(&end).inject(Fault::once(Match::on("PUT", "/requests"), Action::LoseResponse));
    queue.ensure().await.unwrap();
    // A lost answer to a send may put it there twice: the request's own id tells.
    sim_world(&end).inject(Fault::once(Match::on("POST", "/messages"), Action::LoseResponse));
    queue.send("set,1").await.unwrap();
    // Lost on receipt they come back.
    sim_world(&end).inject(Fault::once(Match::on("GET", "/messages"), Action::LoseResponse));
    assert_eq!(queue.receive(32).await.unwrap(), []);
    clock.sleep(INVISIBLE).await;
    let mut got = queue.receive(32).await.unwrap();
    assert_eq!(got.len(), 2);
    // A lost extension may or may not hold: the handle is given up, and the message comes back.
    sim_world(&end).inject(Fault::once(Match::on("PUT", "/messages/"), Action::LoseResponse));
    assert!(matches!(queue.extend(&mut got[0]).await, Err(QueueError::NotHeld)));
    // A lost deletion is one.
    sim_world(&end).inject(Fault::once(Match::on("DELETE", "/messages/"), Action::LoseResponse));
    queue.delete(&got[1]).await.unwrap();
    clock.sleep(INVISIBLE).await;
    assert_eq!(queue.receive(32).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_message_is_never_on_no_queue() {
    for nth in 1..=2 {
        let end = End::simulator();
        let queue = DeletionQueue::new(&end.options(), "requests").unwrap();
        queue.ensure().await.unwrap();
        queue.send(&"x,".repeat(20_000)).await.unwrap();
        let message = queue.receive(1).await.unwrap().remove(0);
        let at = if nth == 1 { Match::on("POST", "poison") } else { Match::on("DELETE", "/messages/") };
        sim_world(&end).inject(Fault::times(at, Action::Reset, 20));
        queue.poison(&message, "unreadable").await.unwrap_err();
        sim_world(&end).clear_faults();
        let (there, poisoned) = (count(&end, "requests").await, count(&end, "requests-poison").await);
        assert_eq!((there, poisoned), (1, nth - 1));
        queue.poison(&message, "unreadable").await.unwrap();
        assert_eq!((count(&end, "requests").await, count(&end, "requests-poison").await), (0, nth));
    }
}

async fn count(end: &End, queue: &str) -> u32 {
    let shown = end.queue("GET", &format!("{queue}?comp=metadata"), "").await;
    shown.header("x-ms-approximate-messages-count").parse().unwrap()
}

#[test]
fn queue_names_are_legal_and_each_pools_own() {
    assert_eq!(queue_name("studio", "render"), "scaler-studio-render");
    let odd = [
        ("studio", "gpu-render"),
        ("studio-gpu", "render"),
        ("studio", "Render"),
        ("studio", "render_1"),
        ("studio", "poison"),
        ("a", "0123456789ab"),
        ("a", "b"),
        ("a", "b."),
        ("a--b", "c"),
        (&*"f".repeat(60), "render"),
        (&*"f".repeat(60), "render2"),
        ("f", &*"p".repeat(200)),
        ("ü", "…"),
        ("", ""),
    ];
    let mut names = std::collections::BTreeSet::new();
    for (farm, pool) in odd {
        let name = queue_name(farm, pool);
        for name in [&name, &poison_name(&name)] {
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!((3..=63).contains(&name.len()) && name.chars().all(legal), "{name}");
            assert!(!name.contains("--") && !name.starts_with('-') && !name.ends_with('-'), "{name}");
            assert!(names.insert(name.clone()), "{name} is there twice");
        }
    }
}
