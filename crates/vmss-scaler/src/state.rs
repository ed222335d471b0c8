//! What the scaler keeps between passes and across restarts: one JSON document.

use serde::{Deserialize, Serialize};

use crate::asked::Asked;
use crate::boots::Boots;
use crate::error::StateError;
use crate::ledger::Ledger;
use crate::marks::Marks;
use crate::target::{Count, Target};

/// The version that is written.
pub const VERSION: u32 = 1;

/// The scaler's state. It is stored under the lease before anything that it says is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The document's version.
    pub version: u32,
    /// The target's own part.
    pub count: Count,
    /// The requests to delete machines.
    pub ledger: Ledger,
    /// Where there is no capacity or quota.
    pub marks: Marks,
    /// What was asked of Azure.
    pub asked: Asked,
    /// Machines that did not start.
    #[serde(default)]
    pub boots: Boots,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl State {
    /// The state of a scaler that never ran. Only for where no state is stored, not for where it cannot be read.
    pub fn starting(now: jiff::Timestamp) -> Self {
        Self {
            version: VERSION,
            count: Count::default(),
            ledger: Ledger::default(),
            marks: Marks::default(),
            asked: Asked::starting(now),
            boots: Boots::default(),
        }
    }

    /// Reads a stored state. One of a later version is refused rather than half understood.
    pub fn read(json: &str) -> Result<Self, StateError> {
        let Versioned { version } = serde_json::from_str(json)?;
        if version != VERSION {
            return Err(StateError::Version { version, understood: VERSION });
        }
        Ok(serde_json::from_str(json)?)
    }

    /// The document.
    pub fn write(&self) -> Result<String, StateError> {
        Ok(serde_json::to_string(self)?)
    }

    /// What to reach, as it follows from the count and the requests.
    pub fn target(&self) -> Target {
        Target { nodes: self.count.effective(), leaving: self.ledger.leaving() }
    }
}
