//! Names of scale sets and of the computers in them.
//!
//! A scale set is called `<farm>-<pool>-<who><generation>`: five characters that tell farms of different groups apart,
//! seven that count up. A generation is used once, so a late message about a removed set never meets another set of
//! the same name. Its computers' names begin with a prefix that has both parts too: two farms in one render manager or
//! directory never have nodes of the same name, nor do two sets of one farm, whose Uniform indices all start at 0.

use flamenco_azure_core::name::{self, Kind};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::error::SpecError;

/// Characters that tell pools apart.
const WHO: usize = 5;
/// Characters of a generation: enough for one a second for 2,400 years.
const GENERATION: usize = 7;
/// Characters of the pool's name in a computer name.
const STEM: usize = 12;
/// Characters that Azure appends to a computer name prefix: six, in both orchestration modes.
pub const COMPUTER_SUFFIX: usize = 6;
/// 2024-01-01T00:00:00Z, where generations start.
const ORIGIN: i64 = 1_704_067_200;

/// The names of one pool's scale sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    farm: String,
    pool: String,
    who: String,
}

impl Names {
    /// The names of this pool of this farm in the resource group with this id.
    pub fn new(group: &str, farm: &str, pool: &str) -> Self {
        let mut hash = Sha256::new();
        // Azure does not mind the case of ids.
        for part in [&group.to_lowercase(), farm, pool] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let number = hash.finalize().iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        Self { farm: farm.to_owned(), pool: pool.to_owned(), who: base36(number, WHO) }
    }

    /// Whether the names are legal and short enough.
    pub fn check(&self) -> Result<(), SpecError> {
        name::check(Kind::Farm, &self.farm)?;
        let most = Kind::ScaleSet.rule().max - 2 - WHO - GENERATION;
        let have = self.farm.len() + self.pool.len();
        if have > most {
            return Err(SpecError::NameTooLong {
                farm: self.farm.clone(),
                pool: self.pool.clone(),
                have,
                most,
            });
        }
        Ok(name::check(Kind::ScaleSet, &self.set(0))?)
    }

    /// The scale set of this generation.
    pub fn set(&self, generation: u64) -> String {
        format!("{}-{}-{}{}", self.farm, self.pool, self.who, base36(generation, GENERATION))
    }

    /// The generation in a scale set's name; none if the name is not of this pool.
    pub fn generation(&self, set: &str) -> Option<u64> {
        let rest = set.strip_prefix(&self.farm)?.strip_prefix('-')?.strip_prefix(&self.pool)?;
        let digits = rest.strip_prefix('-')?.strip_prefix(&self.who)?;
        let lower = digits.len() == GENERATION && digits.chars().all(|c| !c.is_ascii_uppercase());
        lower.then(|| u64::from_str_radix(digits, 36).ok()).flatten()
    }

    /// The computer name prefix of the scale set of this generation. Azure appends [`COMPUTER_SUFFIX`] characters.
    pub fn computer_prefix(&self, generation: u64) -> String {
        let stem: String =
            self.pool.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(STEM).collect();
        format!("{}-{}{}n", stem.trim_end_matches('-'), self.who, base36(generation, GENERATION))
    }
}

/// The generation that a scaler without any memory starts with: seconds, so that a lost state reuses no name unless
/// more than one scale set a second was made all the while.
pub fn first_generation(now: Timestamp) -> u64 {
    u64::try_from(now.as_second() - ORIGIN).unwrap_or(0)
}

/// The last `width` digits of a number to base 36.
fn base36(mut number: u64, width: usize) -> String {
    let mut digits: Vec<char> = Vec::with_capacity(width);
    for _ in 0..width {
        digits.push(char::from_digit((number % 36) as u32, 36).unwrap_or('0'));
        number /= 36;
    }
    digits.iter().rev().collect()
}
