//! The documents of the machines: the scaler's own file with everything in it, and cloud-init.

use uuid::Uuid;

use super::{Alone, OwnMachine};
use crate::file::ScalerFile;
use crate::guest::{self, GuestError, NodeGuest, QueueAccess, node_cloud_init};
use crate::surroundings::{Install, Place, scaler_guest};

impl Alone {
    /// The scaler's own file. `scaler`: the client id of the identity that it signs in with, absent for whoever runs it;
    /// `nodes`: that of the nodes, without which they cannot ask for their deletion.
    ///
    /// # Errors
    /// When something in the file cannot be written into a document.
    pub fn scaler_file(&self, scaler: Option<&str>, nodes: Option<Uuid>) -> Result<ScalerFile, GuestError> {
        let mut file = self.file.clone();
        file.client_id = scaler.map(str::to_owned);
        for (pool, guest) in file.pools.iter_mut().zip(&self.guests) {
            let queue = nodes.filter(|_| pool.delete_by_message);
            let node = NodeGuest {
                bootstrap: guest.bootstrap.clone(),
                setup: None,
                queue: queue
                    .map(|client_id| QueueAccess { url: self.place.queue_url(&pool.name), client_id }),
                spot: guest.spot.clone(),
                // Without the right to ask, a watch could do nothing.
                idle: guest.idle.clone().filter(|_| queue.is_some()),
            };
            pool.custom_data = Some(node_cloud_init(&node)?);
        }
        Ok(file)
    }

    /// What is installed on the machine, for the program of this SHA-256.
    ///
    /// # Errors
    /// When something in the file cannot be written into a document.
    pub fn install(&self, file: &ScalerFile, program: &str, client: Uuid) -> Result<Install, GuestError> {
        crate::surroundings::install(&self.place, file, program, client)
    }
}

/// The machine's cloud-init document: its script first, then the scaler. Where both are too long for Azure the scaler is
/// left to the installation that follows.
pub(super) fn cloud_init(
    place: &Place,
    machine: &OwnMachine,
    file: &ScalerFile,
    program: &str,
    client: Uuid,
) -> Result<String, GuestError> {
    let scaler = scaler_guest(place, file, program, client);
    match guest::scaler_cloud_init(&scaler, machine.bootstrap.as_ref()) {
        Err(GuestError::TooLong { .. }) => {
            node_cloud_init(&NodeGuest { bootstrap: machine.bootstrap.clone(), ..NodeGuest::default() })
        }
        document => document,
    }
}
