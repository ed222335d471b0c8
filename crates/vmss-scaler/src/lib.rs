//! A pool of Azure scale sets held at an exact node count.
//!
//! For programs that want so many machines, Spot or not, and no more: missing ones are replaced in one pass, walls of
//! capacity and quota are gone around, a machine that asks to go lowers the farm by one and exactly once.
//!
//! The half that decides is pure: it reads no clock, keeps no state of its own and sends nothing.
//!
//! | module | what it holds |
//! |---|---|
//! | [`spec`] | limits, density, placements, patience |
//! | [`names`] | names of scale sets and computers, never used twice |
//! | [`target`] | the target from tags, less what asked to go |
//! | [`request`], [`ledger`] | the deletion message; each counts once or not at all |
//! | [`marks`], [`boots`], [`room`] | where there is no capacity or quota, or nothing starts; what quotas leave |
//! | [`observe`] | what is known about the sets: how old, how complete |
//! | [`asked`] | what was asked of Azure and is perhaps not seen yet |
//! | [`mod@reconcile`] | the decision |
//! | [`buckets`] | Azure's token buckets, mirrored |
//! | [`state`] | all that survives a restart, as one JSON document |
//! | [`template`], [`skus`], [`desired`], [`read`] | bodies of scale sets, and what Azure's answers say |
//! | [`file`](mod@file), [`surroundings`], [`alone`], [`guest`] | the scaler's own file; what a farm has around it; what runs on machines |
//!
//! The half that talks to Azure is thin.
//!
//! | module | what it does |
//! |---|---|
//! | [`look`](mod@look) | reads sets and machines, as often as Azure's budget allows |
//! | [`store`], [`storage`] | the state's blob under a lease |
//! | [`queue`] | the deletion queue and its poison queue |
//! | [`act`], [`scaler`] | one pass after the other: read, decide, store, send |
//! | [`run`](mod@run), [`metrics`] | the loop and its figures |
//! | [`service`] | [`ScaleSetFleet`], the pool behind core's `WorkerPool` |
//!
//! # A pass
//!
//! ```
//! use vmss_scaler::spec::{Placement, Priority};
//! use vmss_scaler::{Action, Observed, Policy, State, reconcile, target};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse()?;
//! let spot = Placement {
//!     sku: "Standard_D16s_v5".into(),
//!     family: "standardDSv5Family".into(),
//!     vcpus: 16,
//!     zone: Some("1".into()),
//!     priority: Priority::Spot,
//! };
//! let policy = Policy::new("/subscriptions/…/resourceGroups/studio", "studio", "render", 100, vec![spot]);
//! policy.check()?;
//!
//! // The tag on the resource group says 30; there is nothing yet.
//! let mut state = State::starting(now);
//! let tags = [("TOTAL_NODES".to_owned(), "30".to_owned())].into();
//! state.count.settle(&target::read(Some(&tags), "studio", "render", true));
//! let observed = Observed { asked: state.asked.clone(), ..Observed::empty(now) };
//!
//! let decision = reconcile(&observed, &state.target(), &state.marks, &policy, now);
//! let capacities: Vec<u32> = decision
//!     .actions
//!     .iter()
//!     .map(|planned| match planned.action {
//!         Action::Create { capacity, .. } => capacity,
//!         _ => 0,
//!     })
//!     .collect();
//! // 25 in one set, and a partial one: exactly 30.
//! assert_eq!(capacities, [25, 5]);
//!
//! // Stored before the first request is sent: a crash in between asks for nothing twice.
//! state.asked.note(&decision, now);
//! let again = State::read(&state.write()?)?;
//! let observed = Observed { asked: again.asked.clone(), ..observed };
//! assert!(reconcile(&observed, &again.target(), &again.marks, &policy, now).actions.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # What a caller of the pure half has to do
//!
//! [`Scaler`] does it. Per pass: read the tags and [settle](target::Count::settle) the count;
//! [receive](ledger::Ledger::receive) messages; [settle](ledger::Ledger::settle) the ledger and
//! [forget](asked::Asked::forget) what is seen; [`reconcile()`]; [note](asked::Asked::note) the decision; store the state;
//! only then send the actions, in their order, and tell [accepted](asked::Asked::accepted), [refused](asked::Asked::refused)
//! and [marks](marks::Marks::refused) what came of them. A request whose outcome is unknown is told nothing. Before a
//! machine is deleted its VM id is compared.
//!
//! # The defects of Avere's VMScaler
//!
//! Each of the 28 listed defects has a test named after it: in `tests/laws/defects.rs` those that the pure half shows
//! not to have, in the workspace's `tests/scaler` the others, on the simulated Azure and beside a model of the old program that
//! has them; the signals (7) in the daemon's test.

pub mod act;
pub mod alone;
pub mod asked;
pub mod boots;
pub mod buckets;
pub mod desired;
pub mod error;
pub mod file;
pub mod guest;
pub mod ledger;
pub mod look;
pub mod marks;
pub mod metrics;
pub mod names;
pub mod observe;
pub mod program;
pub mod queue;
pub mod read;
pub mod reconcile;
pub mod request;
pub mod room;
pub mod run;
pub mod scaler;
pub mod service;
pub mod skus;
pub mod spec;
pub mod state;
pub mod storage;
pub mod store;
pub mod surroundings;
pub mod target;
pub mod template;
pub mod wire;

pub use observe::Observed;
pub use reconcile::{Action, Decision, reconcile};
pub use scaler::{Parts, Pass, Scaler};
pub use service::ScaleSetFleet;
pub use spec::Policy;
pub use state::State;
pub use target::Target;
