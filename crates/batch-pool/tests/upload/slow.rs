//! Lines that are too slow, for their links or for the transport's patience. On the simulator, whose hours pass at once.

use std::time::Duration;

use batch_pool::packages::{PushError, Pushed};

use super::ends::{End, Signing, id, packed};
use super::gate::Tricks;

/// A link that cannot read does not say what is there, but whoever sent it knows.
#[tokio::test(start_paused = true)]
async fn no_block_is_sent_twice_over_links_that_cannot_read_and_end_too_early() {
    let end = End::simulator();
    // 8 blocks; a link lasts for 4 of them.
    let (id, it) = (id("blind", "1"), packed(30 << 20, 3));
    end.sign(&[Signing { permissions: "w", seconds: 18 }]);
    end.gate.play(Tricks { slow: Some(Duration::from_secs(4)), ..Tricks::default() });
    let pushed = end.push(&id, &it).await.unwrap();
    assert_eq!(pushed, Pushed::Sent { sent: it.size(), kept: 0 });
    assert_eq!(end.gate.staged(), (8, it.size()));
    assert!(!end.gate.staged_twice());
    end.assert_active(&id, &it).await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_over_links_that_end_too_early_for_any_block_does_not_go_on_for_ever() {
    let (id, it) = (id("hopeless", "1"), packed(9 << 20, 3));
    for permissions in ["rw", "w"] {
        let end = End::simulator();
        end.sign(&[Signing { permissions, seconds: 3 }]);
        end.gate.play(Tricks { slow: Some(Duration::from_secs(4)), ..Tricks::default() });
        let pushed = tokio::time::timeout(Duration::from_hours(24), end.push(&id, &it)).await;
        let error = pushed.expect("it ends").unwrap_err();
        assert!(matches!(&error, PushError::Blob(error) if error.is_forbidden()), "{error:?}");
        assert!(end.gate.requests() < 40, "{permissions}: {}", end.gate.requests());
    }
}

/// Blocks share the line: what four of them cannot do in a minute one can.
#[tokio::test(start_paused = true)]
async fn over_a_line_that_is_too_slow_for_all_of_them_fewer_blocks_are_on_their_way() {
    let (id, it) = (id("slow", "1"), packed(25 << 20, 4));
    for narrow in [1, 2, 3] {
        let end = End::simulator();
        end.gate.play(Tricks { narrow: Some(narrow), ..Tricks::default() });
        let pushed = end.push(&id, &it).await.unwrap();
        assert_eq!(pushed, Pushed::Sent { sent: it.size(), kept: 0 });
        // Found out once, not again and again.
        assert!((1..=4).contains(&end.gate.unanswered()), "{narrow}: {}", end.gate.unanswered());
        end.assert_active(&id, &it).await;
    }
}
