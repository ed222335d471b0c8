//! flamenco-azure-core.
