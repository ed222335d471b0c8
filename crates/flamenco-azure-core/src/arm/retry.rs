//! When and how long to wait before sending again. Pure; the waiting is [`super::client`]'s.

use std::time::Duration;

/// How patient the client is. All times run on the client's [`Clock`](crate::clock::Clock).
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Most times one request is sent.
    pub max_tries: u32,
    /// First wait when Azure names none; doubled each time.
    pub first_delay: Duration,
    /// Longest wait when Azure names none.
    pub max_delay: Duration,
    /// Most time spent waiting for one request. A `Retry-After` beyond it ends the attempts at once.
    pub budget: Duration,
    /// Longest time one try may take.
    pub try_timeout: Duration,
    /// How long `begin` waits out a busy resource or an identity that directories do not know yet.
    pub patience: Duration,
    /// How long `begin` waits for what a resource that is to be deleted is still used by: references go some time
    /// after the resource that held them.
    pub release: Duration,
    /// Wait between those, when Azure names none.
    pub patience_delay: Duration,
    /// How long a provider's registration may take.
    pub registration: Duration,
    /// Overall deadline of a long-running operation.
    pub operation: Duration,
}

impl Default for RetryPolicy {
    /// Eight tries, one hour of asked-for waiting (compute's 429 asks for 20 minutes), 100 s per try, 15 minutes of
    /// patience (role propagation takes up to 10: Microsoft's page "Troubleshoot Azure RBAC"), two hours per operation.
    fn default() -> Self {
        Self {
            max_tries: 8,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_mins(1),
            budget: Duration::from_hours(1),
            try_timeout: Duration::from_secs(100),
            patience: Duration::from_mins(15),
            release: Duration::from_mins(3),
            patience_delay: Duration::from_secs(10),
            registration: Duration::from_mins(15),
            operation: Duration::from_hours(2),
        }
    }
}

impl RetryPolicy {
    /// The wait before try `tries + 1`: what Azure asked for, else exponential, spread by `jitter` in `0.0..1.0`.
    pub fn delay(&self, tries: u32, asked: Option<Duration>, jitter: f64) -> Duration {
        if let Some(asked) = asked {
            // A little more than asked, so that many clients do not come back in the same second.
            return asked + Duration::from_secs_f64(jitter);
        }
        let doubled = self.first_delay.saturating_mul(1_u32 << tries.saturating_sub(1).min(16));
        doubled.min(self.max_delay).mul_f64(0.5 + jitter / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_never_undercut_azure() {
        let policy = RetryPolicy::default();
        for jitter in [0.0, 0.5, 0.999] {
            for tries in 1..40 {
                assert!(policy.delay(tries, None, jitter) <= policy.max_delay);
                assert!(
                    policy.delay(tries, Some(Duration::from_mins(20)), jitter) >= Duration::from_mins(20)
                );
            }
        }
        assert_eq!(policy.delay(1, None, 1.0), Duration::from_secs(1));
        assert_eq!(policy.delay(3, None, 1.0), Duration::from_secs(4));
        assert_eq!(policy.delay(3, None, 0.0), Duration::from_secs(2));
    }
}
