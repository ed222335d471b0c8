//! arm.
