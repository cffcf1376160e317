//! Routes as the kernel would choose them: interface, source address and gateway for each destination. Asking sends no
//! packet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use rtnetlink::{Handle, RouteMessageBuilder};

/// How packets to one destination leave this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::scan) struct Route {
    /// Interface index.
    pub(in crate::scan) interface: u32,
    /// Our address on it.
    pub(in crate::scan) source: IpAddr,
    /// The gateway; none where the destination is on the link.
    pub(in crate::scan) gateway: Option<IpAddr>,
    /// The destination is this machine itself.
    pub(in crate::scan) local: bool,
}

impl Route {
    /// The neighbour whose hardware address frames to a destination carry.
    pub(in crate::scan) fn next_hop(&self, destination: IpAddr) -> IpAddr {
        self.gateway.unwrap_or(destination)
    }
}

/// Looks up the routes of many destinations; those without a route are missing from the map.
pub(in crate::scan) fn routes(destinations: &[IpAddr]) -> std::io::Result<BTreeMap<IpAddr, Route>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let task = tokio::spawn(connection);
        let mut found = BTreeMap::new();
        for destination in destinations {
            if let Some(route) = one(&handle, *destination).await {
                found.insert(*destination, route);
            }
        }
        task.abort();
        Ok(found)
    })
}

async fn one(handle: &Handle, destination: IpAddr) -> Option<Route> {
    let question = match destination {
        IpAddr::V4(a) => RouteMessageBuilder::<std::net::Ipv4Addr>::new().destination_prefix(a, 32).build(),
        IpAddr::V6(a) => RouteMessageBuilder::<std::net::Ipv6Addr>::new().destination_prefix(a, 128).build(),
    };
    let mut answers = handle.route().get(question).execute();
    // An error is the kernel's "network is unreachable": no route.
    let answer = answers.try_next().await.ok().flatten()?;
    read(&answer)
}

fn read(message: &RouteMessage) -> Option<Route> {
    let (mut interface, mut source, mut gateway) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            _ => {}
        }
    }
    let blocked = matches!(message.header.kind, RouteType::Unreachable | RouteType::Prohibit | RouteType::BlackHole);
    (!blocked).then_some(Route {
        interface: interface?,
        source: source?,
        gateway,
        local: message.header.kind == RouteType::Local,
    })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(a) => Some(IpAddr::V4(*a)),
        RouteAddress::Inet6(a) => Some(IpAddr::V6(*a)),
        _ => None,
    }
}
