//! prices.
