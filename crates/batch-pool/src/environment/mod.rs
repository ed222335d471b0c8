//! What a start task on a Linux node finds in its environment: the `AZ_BATCH_*` contract.
//!
//! - [`variables`]: every variable, with what it means and which kinds of tasks have it.
//! - [`packages`]: the variables of application packages, from an id and a version to a name and back.
//! - [`StartTaskEnvironment`]: from what is known about a node to all its variables and their values.
//!
//! All of this is seen by the task's user alone: nothing of it is set in an SSH session or in a service that the task
//! starts. Paths are for reading from the variables, never for building: they differ by size and image, and Batch calls
//! them an implementation detail.
//!
//! ```
//! use batch_pool::environment::{package_folder, package_variable};
//!
//! assert_eq!(package_variable("Agent-linux-x64", Some("1.1.46.0")), "AZ_BATCH_APP_PACKAGE_agent_linux_x64_1_1_46_0");
//! // Nodes have been seen with either case, so the search takes both.
//! let seen = [("AZ_BATCH_APP_PACKAGE_Blender_5_0_1".to_owned(), "/mnt/batch/tasks/applications/x".to_owned())];
//! assert_eq!(package_folder(&seen.into(), "blender", Some("5.0.1"))?, Some("/mnt/batch/tasks/applications/x"));
//! # Ok::<(), batch_pool::environment::AmbiguousPackage>(())
//! ```
//!
//! Sources: "Azure Batch runtime environment variables", "Files and directories in Azure Batch" and "Deploy applications
//! to compute nodes with Batch application packages" (learn.microsoft.com/azure/batch), and what real nodes printed:
//! a start task of 2019 and the tasks of Microsoft's own quickstart.

mod node;
pub mod packages;
pub mod variables;

pub use node::{AutoUser, NODE_ROOT, StartTaskEnvironment, Unpacked};
pub use packages::{
    AmbiguousPackage, Candidate, Found, Package, candidates, package_folder, package_variable, packages_in,
};
pub use variables::{SetFor, TaskKind, Variable};
