//! Live connectors to Azure and Google against a server on loopback that speaks the documented REST shapes.

mod azure;
mod azure_faults;
mod gcp;
mod server;
