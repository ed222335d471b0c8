//! Token buckets: ARM's per subscription (request-limits-and-throttling) and those that
//! providers add per resource and per subscription (compute-throttling-limits).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::wire::SimResponse;

/// One bucket; amounts in thousandths of a request so that refills stay exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    milli: u64,
    at: Timestamp,
}

/// A limit: how much a full bucket holds and how much flows in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Requests in a full bucket.
    pub(crate) capacity: u64,
    /// Requests that flow in per minute.
    pub(crate) per_minute: u64,
}

/// Buckets are looked through for full ones when there are this many.
const LEAST: usize = 4096;

/// All buckets by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Throttle {
    buckets: BTreeMap<String, Bucket>,
    #[serde(default)]
    prune_at: usize,
    /// Switched off: everything passes, full buckets are reported.
    pub(crate) off: bool,
}

impl Throttle {
    /// Takes one request out: the remaining count, or the seconds to wait.
    pub(crate) fn take(&mut self, name: &str, limit: Limit, now: Timestamp) -> Result<u64, u32> {
        let full = limit.capacity * 1000;
        if self.off {
            return Ok(limit.capacity - 1);
        }
        if self.buckets.len() >= self.prune_at.max(LEAST) {
            // A bucket that has not been asked for an hour is full again: it says nothing.
            self.buckets.retain(|_, bucket| now.duration_since(bucket.at).as_secs() < 3600);
            self.prune_at = self.buckets.len() * 2;
        }
        let bucket = self.buckets.entry(name.to_owned()).or_insert(Bucket { milli: full, at: now });
        let passed = u64::try_from(now.duration_since(bucket.at).as_millis()).unwrap_or(0);
        // per minute and per millisecond: per_minute * 1000 thousandths / 60,000 ms
        let inflow = passed * limit.per_minute / 60;
        if inflow > 0 {
            bucket.milli = full.min(bucket.milli + inflow);
            bucket.at = now;
        }
        if bucket.milli >= 1000 {
            bucket.milli -= 1000;
            return Ok(bucket.milli / 1000);
        }
        let missing = 1000 - bucket.milli;
        let wait_ms = (missing * 60).div_ceil(limit.per_minute.max(1));
        Err(u32::try_from(wait_ms.div_ceil(1000)).unwrap_or(u32::MAX).max(1))
    }
}

/// ARM's subscription bucket of a method: header word and limit.
pub(crate) fn subscription_limit(method: &str) -> (&'static str, Limit) {
    match method {
        "GET" | "HEAD" => ("reads", Limit { capacity: 250, per_minute: 1500 }),
        "DELETE" => ("deletes", Limit { capacity: 200, per_minute: 600 }),
        _ => ("writes", Limit { capacity: 200, per_minute: 600 }),
    }
}

/// The body of ARM's own 429 (recorded traffic).
pub(crate) fn body(subscription: &str, seconds: u32) -> Value {
    json!({"error": {
        "code": "SubscriptionRequestsThrottled",
        "message": format!("Number of requests for subscription '{subscription}' exceeded the limit. Please try again after '{seconds}' seconds."),
    }})
}

/// ARM's 429.
pub(crate) fn refused(subscription: &str, seconds: u32) -> SimResponse {
    SimResponse::json(429, &body(subscription, seconds))
        .with_header("retry-after", &seconds.to_string())
        .by_gateway()
}

/// The 429 of the compute provider (compute-throttling-limits), whose code is that of a quota refusal.
pub(crate) fn compute_refused(policy: &str, limit: Limit, seconds: u32) -> SimResponse {
    let detail = json!({
        "operationGroup": policy,
        "allowedRequestCount": limit.per_minute,
        "measuredRequestCount": limit.per_minute + 1,
    });
    let error = json!({"error": {
        "code": "OperationNotAllowed",
        "message": "The server rejected the request because too many requests have been received for this subscription.",
        "details": [{"code": "TooManyRequests", "target": policy, "message": detail.to_string()}],
    }});
    SimResponse::json(429, &error).with_header("retry-after", &seconds.to_string())
}
