//! One suite about packages on their way to Batch, played against the simulator and against Azurite, Microsoft's emulator
//! of blobs (its Batch is a shelf in memory, for Azurite has none).
//!
//! Neither of the two looks at a block's CRC-64, as Azure does: the wire of this test does, by a computation of its own.
//! Azurite is started by the test itself from target/azurite, where tests/clients/prepare.sh puts it.
#![allow(unreachable_pub, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../../../../tests/support/azurite.rs"]
mod azurite;
mod batch;
mod ends;
mod foreign;
mod gate;
mod large;
mod sending;
mod shelf;
mod slow;
mod trouble;

use ends::End;

/// One after the other: each sets the wire's tricks.
async fn suite(end: &End) {
    sending::what_was_packed_arrives_and_is_sent_once(end).await;
    sending::a_file_of_one_byte_arrives(end).await;
    sending::other_content_replaces_only_when_asked(end).await;
    sending::a_pending_package_with_the_content_is_only_activated(end).await;
    foreign::blocks_of_another_tool_do_not_matter(end).await;
    foreign::an_active_version_keeps_its_content_while_blocks_of_another_tool_are_dropped(end).await;
    foreign::an_active_version_in_one_piece_is_left_alone_where_blocks_of_another_tool_wait(end).await;
    trouble::an_upload_that_was_cut_goes_on_where_it_was(end).await;
    trouble::cut_at_any_request_the_next_push_ends_well(end).await;
    trouble::a_lost_answer_to_any_request_changes_nothing(end).await;
    trouble::a_damaged_block_is_sent_again(end).await;
    trouble::a_wire_that_damages_all_leaves_nothing_active(end).await;
    trouble::a_link_that_runs_out_is_replaced(end).await;
    trouble::a_link_that_cannot_read_is_good_enough(end).await;
    trouble::a_link_that_cannot_write_is_an_error(end).await;
}

#[tokio::test(start_paused = true)]
async fn the_simulator() {
    suite(&End::simulator()).await;
}

#[tokio::test]
async fn azurite() {
    if let Some((_azurite, end)) = End::azurite() {
        suite(&end).await;
    }
}
