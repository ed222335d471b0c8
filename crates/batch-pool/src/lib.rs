//! batch-pool.
