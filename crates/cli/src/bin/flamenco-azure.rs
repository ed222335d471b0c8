//! Thin entry.

fn main() {}
