//! Known differences between this simulator and recorded traffic, each with its reason.
//!
//! The fidelity check (`tests/truth`, `cargo xtask fidelity`) consults this table: a difference that stands here does not
//! count as a failure, and a row that no recording shows any more is reported as stale.

/// One known difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The operation, `*` for any part of its name.
    pub operation: &'static str,
    /// The difference as the fidelity check words it, recorded before simulated; `*` for any text.
    pub what: &'static str,
    /// Why it is so and may stay so.
    pub reason: &'static str,
}

/// The table.
pub const DIFFERENCES: &[Difference] = &[];
