//! One suite about queues, blobs and leases, played against the simulator and against Azurite, Microsoft's emulator.
//!
//! Where Azure is known to differ from Azurite, the simulator follows Azure, and the difference is said here:
//! - without any credential Azurite answers 403 AuthorizationFailure, Azure 401 NoAuthenticationInformation;
//! - a deleted queue's or container's name is free again at once, with Azure after 30 s;
//! - a range that begins where a blob ends is 416 for Azure; Azurite delivers nothing, 206;
//! - a write that names a lease, to a blob that is not there, makes the blob in Azurite; "Lease Blob" says that such
//!   writes need the lease;
//! - Azurite signs in nobody: roles are only the simulator's (crates/azure-sim/tests/laws/storage_data.rs).
//!
//! Azurite is started by the test itself from target/azurite, where tests/clients/prepare.sh puts it.
#![allow(unreachable_pub, missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../../tests/support/azurite.rs"]
mod azurite;
mod bad_days;
mod blobs;
mod clients;
mod ends;
mod leases;
mod messages;
mod queues;

use ends::{ACCOUNT, End};

/// Everything, side by side: with Azurite the waits are real.
async fn suite(end: &End) {
    futures::join!(
        Box::pin(queues::queues_are_made_listed_and_deleted(end)),
        Box::pin(queues::names_are_checked(end)),
        Box::pin(messages::a_message_is_hidden_while_somebody_has_it(end)),
        Box::pin(messages::only_the_last_receipt_counts(end)),
        Box::pin(messages::messages_come_back_and_run_out(end)),
        Box::pin(messages::numbers_have_limits(end)),
        Box::pin(messages::texts_arrive_as_they_are(end)),
        Box::pin(blobs::containers_are_made_listed_and_deleted(end)),
        Box::pin(blobs::blobs_are_put_read_and_deleted(end)),
        Box::pin(blobs::conditions_are_kept(end)),
        Box::pin(blobs::lists_come_in_pages(end)),
        Box::pin(blobs::blocks_make_a_blob(end)),
        Box::pin(leases::a_lease_locks_writers_out(end)),
        Box::pin(leases::leases_are_renewed_changed_released_and_broken(end)),
        Box::pin(leases::a_lease_runs_out_and_its_holder_has_it_back(end)),
        Box::pin(leases::a_lease_that_ran_out_is_somebody_elses(end)),
        Box::pin(clients::the_state_has_one_writer(end)),
        Box::pin(clients::what_is_saved_is_loaded(end)),
        Box::pin(clients::requests_go_through_the_queue(end)),
        Box::pin(clients::a_stolen_lease_is_noticed(end)),
    );
}

#[tokio::test(start_paused = true)]
async fn the_simulator() {
    suite(&End::simulator()).await;
}

#[tokio::test]
async fn azurite() {
    let Some(azurite) = azurite::Azurite::start(ACCOUNT, "the conformance with Azurite", &[]) else { return };
    let everything = azurite::sas(ACCOUNT, "rwdlacup", "bq", "sco", "2100-01-01T00:00:00Z".parse().unwrap());
    suite(&End::new(azurite.wire(Some(everything)), true)).await;
}
