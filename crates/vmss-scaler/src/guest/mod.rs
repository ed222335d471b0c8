//! What runs on the machines: the nodes' cloud-init document and scripts, and the scaler's own installation.
//!
//! Everything here is pure text, the same bytes for the same input. The scripts are POSIX sh with curl, template files
//! of their own (folder `guest/` of this crate), filled in by placeholders that refuse unsafe values. No document holds
//! a secret: [`NodeGuest`] and [`ScalerGuest`] have no field for one and their addresses take no query and no user
//! name. Tokens come from the machine's managed identity while a script runs; they are neither arguments of a program
//! nor printed, also under `sh -x`.
//!
//! | on | file | what it does |
//! |---|---|---|
//! | node | `/usr/local/bin/delete-this-node` | asks the scaler, over the queue, to delete this node |
//! | node | `spot-watch` and its unit | stops the worker when Azure takes the machine back |
//! | node | `idle-watch` and its unit | runs `delete-this-node` after so many idle minutes |
//! | node | `node-boot` and its unit | an export's bootstrap script, then the set-up script |
//! | scaler | `flamenco-azure-scaler.service` | the daemon, locked in |
//! | scaler | `/usr/local/bin/set-capacity` | sets the target tag |
//!
//! ```
//! use vmss_scaler::guest::{self, NodeGuest, QueueAccess, Setup, SpotWatch};
//!
//! let node = NodeGuest {
//!     setup: Some(Setup::command("echo this machine is a worker now")),
//!     queue: Some(QueueAccess {
//!         url: "https://crunchfarm.queue.core.windows.net/deletions".into(),
//!         client_id: "11111111-2222-4333-8444-555555555555".parse()?,
//!     }),
//!     spot: Some(SpotWatch::default()),
//!     ..NodeGuest::default()
//! };
//! let document = guest::node_cloud_init(&node)?;
//! assert!(document.starts_with("#cloud-config\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod boot;
mod check;
mod cloud_init;
mod error;
mod node;
mod scaler;
mod scripts;
mod template;

pub use boot::{Download, NFS_OPTIONS, NfsBootstrap, Setup};
pub use cloud_init::{CLOUD_INIT_LIMIT, GuestFile};
pub use error::GuestError;
pub use node::{IdleWatch, NodeGuest, QueueAccess, SpotWatch, WORKER_SERVICE, node_cloud_init, node_files};
pub use scaler::{
    Capacity, LogFormat, ScalerGuest, capacity_files, install_script, scaler_cloud_init, scaler_unit,
    uninstall_script,
};
pub use scripts::{delete_this_node, idle_watch, set_capacity, spot_watch};
