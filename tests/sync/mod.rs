//! Syncs of a scripted cloud: nothing is lost to a failure, history is told by two times, and addresses are let go of
//! as soon as they are somebody else's.

mod cloud;
mod flow;
mod leases;
#[cfg(feature = "aws")]
mod moto;
#[cfg(feature = "aws")]
mod moto_packets;
mod property;
mod secrets;
