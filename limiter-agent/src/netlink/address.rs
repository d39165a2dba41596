//! The node's own addresses.

use std::net::IpAddr;

use super::Netlink;
use super::error::NetlinkError;
use super::socket::LIST;
use super::wire::{Request, attribute, u32_at};

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// Bytes of `struct ifaddrmsg`.
const HEADER_BYTES: usize = 8;

/// An address of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The device that carries it.
    pub ifindex: u32,
    /// The node's side of it, not the peer's.
    pub address: IpAddr,
    /// Length of its on-link prefix, bits.
    pub prefix_length: u8,
}

impl Netlink {
    /// The addresses of every device, IPv4 and IPv6.
    pub async fn addresses(&mut self) -> Result<Vec<Address>, NetlinkError> {
        let request = Request::new(libc::RTM_GETADDR, LIST, &[0; HEADER_BYTES]);
        self.socket.list("list the addresses", request, parse).await
    }
}

fn parse(body: &[u8]) -> Option<Address> {
    let rest = body.get(HEADER_BYTES..)?;
    // On a point-to-point device IFA_ADDRESS is the peer.
    let bytes = attribute(rest, IFA_LOCAL).or_else(|| attribute(rest, IFA_ADDRESS))?;
    let address = match i32::from(body[0]) {
        libc::AF_INET => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        libc::AF_INET6 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(Address { ifindex: u32_at(body, 4)?, address, prefix_length: body[1] })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Namespace;
    use super::*;

    #[test]
    fn both_families_and_the_own_side_are_listed() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        space.ip("address add 192.0.2.1/24 dev one");
        space.ip("address add 198.51.100.1 peer 198.51.100.2/32 dev two");
        space.ip("address add 2001:db8::1/64 dev one nodad");
        let addresses = space.run(async |netlink| netlink.addresses().await.expect("addresses"));
        let (one, two) = (space.ifindex("one"), space.ifindex("two"));
        let address = |ifindex, text: &str, prefix_length| Address {
            ifindex,
            address: text.parse().expect("an address"),
            prefix_length,
        };
        assert!(addresses.contains(&address(one, "192.0.2.1", 24)), "{addresses:?}");
        assert!(addresses.contains(&address(two, "198.51.100.1", 32)), "{addresses:?}");
        assert!(addresses.contains(&address(one, "2001:db8::1", 64)), "{addresses:?}");
        assert_eq!(addresses.len(), 3, "{addresses:?}");
    }
}
