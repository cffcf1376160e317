//! The sample inventories.
