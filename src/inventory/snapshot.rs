//! The columnar snapshot.
