//! Time as a dependency.
//!
//! Nothing in the workspace reads the wall clock on its own: retries, polling, deadlines and journals take a
//! [`Clock`]. [`TokioClock`] follows tokio's timer, so under a paused runtime (`start_paused(true)`) it is *virtual
//! time*: when every task waits, tokio jumps to the next timer. That is how the simulator runs an hour of Azure in
//! milliseconds, with the very same code that runs on a subscription.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// Tells the time and waits.
#[async_trait]
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// Waits for `duration` of this clock's time.
    async fn sleep(&self, duration: Duration);
}

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock that starts at a given time and follows tokio's timer: virtual time under a paused runtime.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start: Timestamp,
    origin: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `start` now. Must be called within a tokio runtime.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, origin: tokio::time::Instant::now() }
    }
}

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.start + self.origin.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tokio_clock_is_virtual_under_a_paused_runtime() {
        let start: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let clock = TokioClock::starting_at(start);
        clock.sleep(Duration::from_hours(1)).await;
        assert_eq!(clock.now(), start + Duration::from_hours(1));
    }
}
