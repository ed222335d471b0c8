//! The defects of the program that this one replaces (`flamenco-manager-azure`, 2019 to 2020), one test each: we do not
//! have them. And what has broken it since, one test each: what we do instead.
#![allow(clippy::unwrap_used, reason = "tests")]

mod broke_by_2026;
mod defects;
mod support;
