//! Conversations on open ports: what answers there, learned from its behaviour and never from its port number. One
//! connection a port feeds every check; what was heard becomes typed, redacted [`evidence`]. Nothing here judges.

pub mod conversation;
pub mod evidence;
