//! The node's own addresses, and those that we put there.

use std::net::{IpAddr, Ipv4Addr};

use super::Netlink;
use super::error::NetlinkError;
use super::socket::{CHANGE, CREATE, LIST};
use super::wire::{Request, attribute, u32_at};

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_PROTO: u16 = 11;

/// Who put an address there, as the kernel keeps it with the address since 5.18: this is us. `ip address` shows
/// it as `proto 108`.
const OURS: u8 = 108;

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
    /// We put it there.
    pub is_ours: bool,
}

impl Netlink {
    /// The addresses of every device, IPv4 and IPv6.
    pub async fn addresses(&mut self) -> Result<Vec<Address>, NetlinkError> {
        let request = Request::new(libc::RTM_GETADDR, LIST, &[0; HEADER_BYTES]);
        self.socket.list("list the addresses", request, parse).await
    }

    /// Puts addresses on a device, marked as ours; those that are there stay as they are.
    pub async fn add_addresses(&mut self, ifindex: u32, addresses: &[Ipv4Addr]) -> Result<(), NetlinkError> {
        let requests = addresses.iter().map(|address| change(libc::RTM_NEWADDR, CREATE, ifindex, *address));
        self.socket.changes(&format!("interface {ifindex}: add addresses"), requests, libc::EEXIST).await
    }

    /// Takes addresses off a device; those that are gone are no error.
    pub async fn remove_addresses(
        &mut self,
        ifindex: u32,
        addresses: &[Ipv4Addr],
    ) -> Result<(), NetlinkError> {
        let requests = addresses.iter().map(|address| change(libc::RTM_DELADDR, CHANGE, ifindex, *address));
        let what = format!("interface {ifindex}: remove addresses");
        self.socket.changes(&what, requests, libc::EADDRNOTAVAIL).await
    }
}

fn change(kind: u16, flags: u16, ifindex: u32, address: Ipv4Addr) -> Request {
    let mut header = [0; HEADER_BYTES];
    header[0] = libc::AF_INET as u8;
    header[1] = 32;
    header[4..].copy_from_slice(&ifindex.to_ne_bytes());
    let request = Request::new(kind, flags, &header);
    let request = request.with(IFA_LOCAL, &address.octets()).with(IFA_ADDRESS, &address.octets());
    if kind == libc::RTM_NEWADDR { request.with(IFA_PROTO, &[OURS]) } else { request }
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
    let is_ours = attribute(rest, IFA_PROTO) == Some(&[OURS]);
    Some(Address { ifindex: u32_at(body, 4)?, address, prefix_length: body[1], is_ours })
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
            is_ours: false,
        };
        assert!(addresses.contains(&address(one, "192.0.2.1", 24)), "{addresses:?}");
        assert!(addresses.contains(&address(two, "198.51.100.1", 32)), "{addresses:?}");
        assert!(addresses.contains(&address(one, "2001:db8::1", 64)), "{addresses:?}");
        assert_eq!(addresses.len(), 3, "{addresses:?}");
    }

    #[test]
    fn ours_are_known_from_others() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        space.ip("address add 192.0.2.1/24 dev one");
        let one = space.ifindex("one");
        let ours: Vec<Ipv4Addr> = (0..300).map(|host| Ipv4Addr::from(0xc633_6400 + host)).collect();
        let ours_now = async |netlink: &mut Netlink| {
            let addresses = netlink.addresses().await.expect("addresses");
            let ours = addresses.iter().filter(|address| address.is_ours && address.prefix_length == 32);
            (addresses.len(), ours.count())
        };
        space.run(async |netlink| {
            netlink.add_addresses(one, &ours).await.expect("added");
            netlink.add_addresses(one, &ours[..9]).await.expect("there already");
            assert_eq!(ours_now(netlink).await, (301, 300));
            netlink.remove_addresses(one, &ours[..9]).await.expect("removed");
            netlink.remove_addresses(one, &ours).await.expect("some are gone already");
            assert_eq!(ours_now(netlink).await, (1, 0));
            netlink.add_addresses(one + 100, &ours).await.expect_err("no such device");
            assert_eq!(ours_now(netlink).await, (1, 0), "the socket is in order");
        });
    }
}
