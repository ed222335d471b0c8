//! What can be wrong with what people write: policies, tags and messages.

use flamenco_azure_core::name::NameError;

/// A policy that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Neither spot nor regular.
    #[error("priority `{text}` is neither `spot` nor `regular`")]
    Priority {
        /// What was written.
        text: String,
    },
    /// No node could ever be placed.
    #[error("placements: at least one is needed")]
    NoPlacement,
    /// The same placement is listed twice.
    #[error("placements: {placement} is listed twice")]
    PlacementTwice {
        /// Which one.
        placement: String,
    },
    /// The size's name or vCPU count is missing.
    #[error("placements: {placement} has no size name or no vCPUs")]
    PlacementIncomplete {
        /// Which one.
        placement: String,
    },
    /// No nodes per scale set.
    #[error("vmsPerScaleSet must be at least 1")]
    DensityZero,
    /// More than Azure puts into one scale set.
    #[error("vmsPerScaleSet {given} is above Azure's limit of {limit} for this image and size")]
    DensityAboveLimit {
        /// What was wanted.
        given: u32,
        /// Azure's limit.
        limit: u32,
    },
    /// Not a percentage.
    #[error("onDemandPercent {given} is above 100")]
    OnDemandPercent {
        /// What was wanted.
        given: u8,
    },
    /// The farm or pool would make illegal scale set names.
    #[error("no scale set can be named after this farm and pool")]
    Name(#[from] NameError),
    /// Farm and pool together are too long.
    #[error(
        "farm `{farm}` and pool `{pool}` are {have} characters together, scale set names have room for {most}"
    )]
    NameTooLong {
        /// The farm.
        farm: String,
        /// The pool.
        pool: String,
        /// Their length together.
        have: usize,
        /// The most that fits.
        most: usize,
    },
}

/// Why a target in a tag cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Nothing but blanks.
    #[error("the value is empty")]
    Empty,
    /// A minus sign.
    #[error("a node count cannot be negative")]
    Negative,
    /// Something besides the digits 0-9.
    #[error("`{character}` is no digit: write the bare number, such as 1000")]
    NoDigit {
        /// The first character that is wrong.
        character: char,
    },
    /// More than any farm.
    #[error("the number is above {}", u32::MAX)]
    TooLarge,
}

/// Why a deletion message cannot be understood. Messages of this kind never become right by waiting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Longer than any request.
    #[error("the message is longer than {most} bytes")]
    TooLong {
        /// The limit.
        most: usize,
    },
    /// Starts like JSON and is none of ours.
    #[error("the message is no deletion request: {problem}")]
    Json {
        /// What the parser says.
        problem: String,
    },
    /// A later version of the message.
    #[error("the message has version {version}, this scaler understands {understood}")]
    Version {
        /// What it says.
        version: u32,
        /// What we understand.
        understood: u32,
    },
    /// Neither JSON nor `vmss,instanceId`.
    #[error("the message is neither JSON nor `scaleSet,instanceId`")]
    Text,
    /// A field without a value.
    #[error("the message's {field} is empty")]
    Empty {
        /// The field.
        field: &'static str,
    },
}

/// Why a stored state cannot be used. It is never replaced by an empty one because of that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Not our JSON.
    #[error("the scaler's state cannot be read")]
    Json(#[from] serde_json::Error),
    /// Written by a later program.
    #[error("the scaler's state has version {version}, this program understands {understood}")]
    Version {
        /// What it says.
        version: u32,
        /// What we understand.
        understood: u32,
    },
}
