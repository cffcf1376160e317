//! Conversations on open ports: what answers there, learned from its behaviour and never from its port number. One
//! connection a port feeds every check; what was heard becomes typed, redacted [`evidence`]. Nothing here judges.

pub mod catalogue;
mod channel;
pub mod conversation;
pub mod driver;
pub mod evidence;
mod host;
mod port;
pub mod redact;
pub mod services;
mod session;

pub mod redis;
pub mod ssh;
mod ssh_wire;
