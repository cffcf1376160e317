//! One connection as the driver uses it: plain, inside TLS, or datagrams. Reads are bounded; every error is an end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::session::{self, Shown};
use crate::scan::connect::is_shortage;

/// Bytes read at once.
const CHUNK: usize = 16 << 10;
/// Longest time one write may take.
const WRITE_WAIT: Duration = Duration::from_secs(3);

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Datagram(UdpSocket),
    Gone,
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// So many bytes were appended.
    Some(usize),
    /// Nothing within the time.
    Silent,
    /// The peer closed or reset, or TLS broke.
    Closed,
}

/// An open connection.
pub(super) struct Channel {
    wire: Wire,
}

impl Channel {
    /// Connects by a socket of the kernel's: it answers the SYN-ACK itself, so no reset of its own can break the
    /// handshake, and raw mode's source ports are not used.
    pub(super) async fn connect(at: SocketAddr, wait: Duration) -> Result<Self, Failed> {
        match timeout(wait, TcpStream::connect(at)).await {
            Err(_) => Err(Failed::Silent),
            Ok(Err(error)) if is_shortage(&error, at) => Err(Failed::Shortage),
            Ok(Err(error)) => Err(Failed::Other(error.kind())),
            Ok(Ok(stream)) => {
                // Small questions must not wait for company; where the system refuses that, they do.
                let _ = stream.set_nodelay(true);
                Ok(Self { wire: Wire::Plain(stream) })
            }
        }
    }

    /// A socket that hears only this peer.
    pub(super) async fn datagrams(at: SocketAddr) -> Result<Self, Failed> {
        let any: SocketAddr = if at.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let open = async {
            let socket = UdpSocket::bind(any).await?;
            socket.connect(at).await?;
            io::Result::Ok(socket)
        };
        match open.await {
            Ok(socket) => Ok(Self { wire: Wire::Datagram(socket) }),
            Err(error) if is_shortage(&error, at) => Err(Failed::Shortage),
            Err(error) => Err(Failed::Other(error.kind())),
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = async {
            match &mut self.wire {
                Wire::Plain(stream) => stream.write_all(bytes).await.is_ok(),
                Wire::Tls(stream) => stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok(),
                Wire::Datagram(socket) => socket.send(bytes).await.is_ok(),
                Wire::Gone => false,
            }
        };
        timeout(WRITE_WAIT, sent).await.unwrap_or(false)
    }

    /// Appends what comes within the time; at most `room` bytes.
    pub(super) async fn read(&mut self, into: &mut Vec<u8>, room: usize, wait: Duration) -> Read {
        let mut chunk = vec![0; CHUNK.min(room.max(1))];
        let read = async {
            match &mut self.wire {
                Wire::Plain(stream) => stream.read(&mut chunk).await,
                Wire::Tls(stream) => stream.read(&mut chunk).await,
                Wire::Datagram(socket) => socket.recv(&mut chunk).await,
                Wire::Gone => Ok(0),
            }
        };
        match timeout(wait, read).await {
            Err(_) => Read::Silent,
            Ok(Ok(0) | Err(_)) => Read::Closed,
            Ok(Ok(n)) => {
                into.extend_from_slice(chunk.get(..n).unwrap_or_default());
                Read::Some(n)
            }
        }
    }

    /// Begins TLS. The connection is gone where that fails; the error is in words.
    pub(super) async fn tls(
        &mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        wait: Duration,
    ) -> Result<Shown, String> {
        let Wire::Plain(stream) = std::mem::replace(&mut self.wire, Wire::Gone) else {
            return Err("this connection cannot begin TLS".into());
        };
        match timeout(wait, TlsConnector::from(config).connect(name, stream)).await {
            Err(_) => Err("no answer to the TLS hello".into()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(stream)) => {
                let shown = session::shown(stream.get_ref().1);
                self.wire = Wire::Tls(Box::new(stream));
                Ok(shown)
            }
        }
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// No answer.
    Silent,
    /// This machine is short of descriptors, ports or memory: no answer of the target's.
    Shortage,
    /// The system's reason.
    Other(io::ErrorKind),
    /// Not admitted.
    Refused(&'static str),
    /// The port's time is over, or the run was stopped.
    Over(&'static str),
}

impl Failed {
    /// In words.
    pub(super) fn words(self) -> String {
        match self {
            Self::Silent => "no answer to the connection".into(),
            Self::Shortage => "this machine is out of descriptors or ports".into(),
            Self::Other(kind) => kind.to_string(),
            Self::Refused(why) | Self::Over(why) => why.into(),
        }
    }
}
