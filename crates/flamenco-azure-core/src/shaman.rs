//! shaman.
