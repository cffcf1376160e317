//! Packets: probes, link backends, connect mode, pacing, the frame gate and the ledger. Accepts no destination
//! without a warrant.

pub mod observation;
