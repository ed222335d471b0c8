//! Shared set-up of the examples: the embedded simulator, or a subscription with `FLAMENCO_AZURE_LIVE=1`.
