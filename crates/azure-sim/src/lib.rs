//! azure-sim.
