//! The devices that lead to the Internet.

use std::collections::BTreeSet;

use super::Netlink;
use super::error::NetlinkError;
use super::socket::LIST;
use super::wire::{Request, attributes, u16_at, u32_at};

const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;

/// Bytes of `struct rtmsg`.
const HEADER_BYTES: usize = 12;
/// Bytes of `struct rtnexthop`.
const NEXT_HOP_BYTES: usize = 8;

impl Netlink {
    /// The devices of the default routes of the main table, IPv4 and IPv6, all next hops.
    ///
    /// The kernel cannot search for them: it lists the table, about 1 us a route (100,000: 0.1 s).
    pub async fn uplinks(&mut self) -> Result<BTreeSet<u32>, NetlinkError> {
        let mut uplinks = BTreeSet::new();
        for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
            let mut header = [0; HEADER_BYTES];
            header[0] = family;
            header[4] = libc::RT_TABLE_MAIN;
            let request = Request::new(libc::RTM_GETROUTE, LIST, &header);
            let read = |body: &[u8]| (body.first() == Some(&family)).then(|| default_devices(body)).flatten();
            match self.socket.list("list the routes", request, read).await {
                Ok(devices) => uplinks.extend(devices.into_iter().flatten()),
                // A table that never held a route does not exist.
                Err(error) if error.errno() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(uplinks)
    }
}

/// Devices of a default route of the main table; `None` for any other route.
fn default_devices(body: &[u8]) -> Option<Vec<u32>> {
    let rest = body.get(HEADER_BYTES..)?;
    let (destination_bits, table, kind) = (body[1], body[4], body[7]);
    if destination_bits != 0 || table != libc::RT_TABLE_MAIN || kind != libc::RTN_UNICAST {
        return None;
    }
    let mut devices = Vec::new();
    for (kind, value) in attributes(rest) {
        match kind {
            RTA_OIF => devices.extend(u32_at(value, 0)),
            RTA_MULTIPATH => devices.extend(next_hops(value)),
            _ => {}
        }
    }
    Some(devices)
}

fn next_hops(mut rest: &[u8]) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?).max(NEXT_HOP_BYTES);
        let device = u32_at(rest, 4)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(device)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Namespace;

    #[test]
    fn default_routes_name_the_uplinks() {
        let space = Namespace::new();
        for (device, address) in
            [("one", "192.0.2.1/24"), ("two", "198.51.100.1/24"), ("six", "2001:db8::1/64")]
        {
            space.ip(&format!("link add {device} type veth peer name {device}p"));
            space.ip(&format!("address add {address} dev {device} nodad"));
            space.ip(&format!("link set {device} up"));
            space.ip(&format!("link set {device}p up"));
        }
        let uplinks =
            |space: &Namespace| space.run(async |netlink| netlink.uplinks().await.expect("uplinks"));
        assert_eq!(uplinks(&space), [].into());

        space.ip("route add 203.0.113.0/24 via 192.0.2.2");
        space.ip("route add default via 192.0.2.2 table 7");
        assert_eq!(uplinks(&space), [].into(), "no default route of the main table yet");

        space.ip("route add default nexthop via 192.0.2.2 nexthop via 198.51.100.2");
        space.ip("-6 route add default via 2001:db8::2");
        assert_eq!(uplinks(&space), ["one", "two", "six"].map(|name| space.ifindex(name)).into());
    }
}
