//! A generated model as a pair of functions.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A type of one of the `azure_mgmt_*` crates.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    name: fn() -> &'static str,
    trip: fn(&Value) -> Result<Trip, String>,
}

/// A body after its way through a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Trip {
    /// What the model writes.
    pub back: Value,
    /// Texts that an open enum of the model took without knowing them.
    pub unknown: Vec<String>,
}

impl Model {
    /// The model `T`.
    pub const fn of<T: DeserializeOwned + Serialize + Debug>() -> Self {
        Self { name: std::any::type_name::<T>, trip: trip::<T> }
    }

    /// Service and type, such as `network::VirtualNetwork`.
    pub fn name(&self) -> String {
        let full = (self.name)();
        let service = full.trim_start_matches("azure_mgmt_").split("::").next().unwrap_or_default();
        format!("{service}::{}", full.rsplit("::").next().unwrap_or_default())
    }

    /// Reads the body into the model and writes it again; the error is the model's refusal.
    pub fn trip(&self, body: &Value) -> Result<Trip, String> {
        (self.trip)(body)
    }
}

fn trip<T: DeserializeOwned + Serialize + Debug>(body: &Value) -> Result<Trip, String> {
    let model = T::deserialize(body).map_err(|error| error.to_string())?;
    let back = serde_json::to_value(&model).map_err(|error| error.to_string())?;
    Ok(Trip { back, unknown: unknown_values(&format!("{model:?}")) })
}

/// The generated open enums keep what they do not know in a variant `UnknownValue(String)`.
fn unknown_values(debug: &str) -> Vec<String> {
    debug
        .split("UnknownValue(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}
