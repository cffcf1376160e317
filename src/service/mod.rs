//! Conversations on open ports: what answers there, learned from its behaviour and never from its port number. One
//! connection a port feeds every check; what was heard becomes typed, redacted [`evidence`]. Nothing here judges.

mod banner;
pub mod catalogue;
mod certificate;
mod channel;
pub mod conversation;
pub mod driver;
mod encoding;
pub mod evidence;
pub mod ftp;
mod host;
pub mod http;
mod http2;
mod http_message;
mod http_page;
pub mod imap;
pub mod pop3;
mod port;
pub mod redact;
mod reply;
pub mod services;
mod session;
pub mod smtp;

pub mod redis;
pub mod ssh;
mod ssh_auth;
mod ssh_cipher;
mod ssh_wire;
pub mod telnet;
pub mod tls;
mod tls_hello;
mod tls_probe;
mod tls_reply;
mod tls_suites;
