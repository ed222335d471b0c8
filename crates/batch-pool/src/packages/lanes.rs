//! How many blocks are on their way at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use azure_core::error::ErrorKind;
use tokio::sync::Semaphore;

/// Blocks share the line, and azure_core's transport waits 60 s for each one's answer. Where the line is too slow for all of
/// them none would ever arrive: each that gets no answer closes its lane, until one is left. They are not opened again, for
/// one block after the other fills a slow line as well.
#[derive(Debug)]
pub(super) struct Lanes {
    open: Semaphore,
    count: AtomicUsize,
}

impl Lanes {
    pub(super) fn new(count: usize) -> Self {
        Self { open: Semaphore::new(count), count: AtomicUsize::new(count) }
    }

    /// Sends a block when there is a lane for it.
    pub(super) async fn pass<T>(
        &self,
        send: impl Future<Output = azure_core::Result<T>>,
    ) -> azure_core::Result<T> {
        let lane = self.open.acquire().await;
        let answer = send.await;
        let unanswered = answer.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Io));
        if unanswered
            && self.close_one()
            && let Ok(lane) = lane
        {
            lane.forget();
        }
        answer
    }

    /// Whether there is one that may be closed.
    fn close_one(&self) -> bool {
        let fewer = |count| if count > 1 { Some(count - 1) } else { None };
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok()
    }
}
