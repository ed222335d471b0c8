//! The crate's error.

use flamenco_azure_core::arm::ArmError;

/// Why something about the Manager could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no SSH public key to give the VM.
    #[error("no SSH public key: the Manager VM accepts keys only")]
    NoSshKey,
    /// The guest's files could not be rendered.
    #[error("could not write the Manager's set-up down")]
    Guest(#[from] crate::guest::GuestError),
    /// Azure refused or could not be reached.
    #[error("could not {doing}")]
    Azure {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: Box<ArmError>,
    },
    /// A VM runs one command at a time, and another one did not end in time.
    #[error(
        "the Manager VM is busy with another command, such as a `scale` or `deploy` elsewhere: try again later"
    )]
    Busy {
        /// Azure's refusal.
        source: Box<ArmError>,
    },
    /// A node's name has characters that would not be safe in a command line.
    #[error("`{0}` is not a node's name")]
    UnsafeName(String),
    /// The Manager's control program says that it cannot do what it was asked.
    #[error("the Manager VM cannot {verb}: {reason}")]
    Refused {
        /// The verb of the control program.
        verb: &'static str,
        /// Its reason.
        reason: String,
    },
    /// The guest's answer was not understood.
    #[error("the Manager VM's answer to `{verb}` was not understood")]
    Garbled {
        /// The verb of the control program.
        verb: &'static str,
    },
}

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
