//! How a command ends when it does not end well: exit code, words, hint.

use std::fmt;

use flamenco_azure_core::arm::{ArmError, Kind};
pub use flamenco_azure_core::error::chain;
use flamenco_azure_core::exec::ExecError;

/// Exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The user or the farm file is wrong; nothing was created.
    User = 1,
    /// Azure refused or failed.
    Azure = 2,
    /// Interrupted; running it again goes on.
    Interrupted = 3,
    /// `plan --check` found a difference, or `deploy` left one that cannot be changed in place.
    Drift = 4,
    /// `deploy` or `teardown` did all it may; roles are left to an administrator.
    Roles = 5,
    /// A defect of this program.
    Bug = 70,
}

/// A command's failure.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong, with its causes.
    pub message: String,
    /// The next thing to do.
    pub hint: Option<String>,
}

/// A command's result.
pub type Outcome<T = Exit> = Result<T, Failure>;

impl Failure {
    /// The user's or the farm file's fault.
    pub fn user(message: impl Into<String>) -> Self {
        Self { exit: Exit::User, message: message.into(), hint: None }
    }

    /// Azure's refusal.
    pub fn azure(message: impl Into<String>) -> Self {
        Self { exit: Exit::Azure, message: message.into(), hint: None }
    }

    /// A defect.
    pub fn bug(error: &anyhow::Error) -> Self {
        let hint = Some("this is a defect of flamenco-azure: please report it with this message".to_owned());
        Self { exit: Exit::Bug, message: format!("{error:#}"), hint }
    }

    /// With another thing to do beside what it says already.
    pub fn and_hint(self, more: impl Into<String>) -> Self {
        let more = more.into();
        let hint = match &self.hint {
            Some(hint) => format!("{hint}\n       {more}"),
            None => more,
        };
        self.hint(hint)
    }

    /// With the next thing to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What to do where nothing better is known: every command looks first and goes on from what is there.
const AGAIN: &str = "run the same command again: it looks first and goes on from what is there";

const MANAGER: &str =
    "`flamenco-azure status` shows whether the Manager runs; run the same command again when it does";

/// The error's own hint, else what can always be done.
fn hint_of(error: &ArmError) -> String {
    error.hint().map_or_else(|| AGAIN.to_owned(), |hint| hint.0)
}

/// Who is not signed in, or names a subscription that the sign-in does not see, has to change that: Azure has not
/// failed.
fn exit_of(error: &ArmError) -> Exit {
    match error.kind() {
        Kind::Unauthenticated | Kind::SubscriptionUnavailable => Exit::User,
        _ => Exit::Azure,
    }
}

impl From<ArmError> for Failure {
    fn from(error: ArmError) -> Self {
        Self { exit: exit_of(&error), message: chain(&error), hint: Some(hint_of(&error)) }
    }
}

impl From<flamenco_azure_core::Error> for Failure {
    fn from(error: flamenco_azure_core::Error) -> Self {
        let hint = error.hint().map(|hint| hint.0);
        match error {
            flamenco_azure_core::Error::Arm(error) => error.into(),
            other => Self { exit: Exit::User, message: chain(&other), hint },
        }
    }
}

impl From<flamenco_azure_core::plan::PlanError> for Failure {
    fn from(error: flamenco_azure_core::plan::PlanError) -> Self {
        flamenco_azure_core::Error::from(error).into()
    }
}

impl From<flamenco_azure_core::journal::JournalError> for Failure {
    fn from(error: flamenco_azure_core::journal::JournalError) -> Self {
        flamenco_azure_core::Error::from(error).into()
    }
}

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Self {
        // Never the user's: something may have been made before.
        Self { exit: Exit::Azure, message: error.to_string(), hint: error.hint().map(|hint| hint.0) }
    }
}

impl From<manager_vm::Error> for Failure {
    fn from(error: manager_vm::Error) -> Self {
        match &error {
            manager_vm::Error::NoSshKey => Self::user(error.to_string())
                .hint("make one with `ssh-keygen -t ed25519`, or name one with `--ssh-key FILE`"),
            manager_vm::Error::Azure { source, .. } => {
                Self { exit: exit_of(source), message: chain(&error), hint: Some(hint_of(source)) }
            }
            manager_vm::Error::Garbled { .. } | manager_vm::Error::Refused { .. } => {
                Self::azure(chain(&error)).hint(MANAGER)
            }
            _ => Self::azure(chain(&error)).hint(AGAIN),
        }
    }
}

const FORMULA: &str =
    "the pool follows an autoscale formula: give it fixed counts in the farm file and deploy first";

/// Whether Batch refuses because the pool sizes itself. Its code for that is not recorded: one that names it, or the
/// general one for pools.
fn follows_formula(error: &ArmError) -> bool {
    let code = error.code().to_ascii_lowercase();
    *error.kind() == Kind::Conflict && (code.contains("autoscale") || code == "operationnotvalidonpool")
}

impl From<flamenco_azure_core::pool::PoolError> for Failure {
    fn from(error: flamenco_azure_core::pool::PoolError) -> Self {
        use flamenco_azure_core::pool::PoolError;
        match &error {
            PoolError::Missing(_) => {
                Self::user(error.to_string()).hint("`flamenco-azure status` lists the pools")
            }
            PoolError::Azure { source, .. } => {
                let hint = if follows_formula(source) { FORMULA.to_owned() } else { hint_of(source) };
                Self { exit: exit_of(source), message: chain(&error), hint: Some(hint) }
            }
            _ => Self::azure(chain(&error)).hint(AGAIN),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { exit: Exit::User, message: format!("{error:#}"), hint: None }
    }
}
