//! The loopback server.

fn main() {}
