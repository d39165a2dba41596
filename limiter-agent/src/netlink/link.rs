//! Network devices.

use super::Netlink;
use super::error::NetlinkError;
use super::socket::{CHANGE, LIST};
use super::wire::{Request, attribute, attributes, text, u16_at, u32_at};

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_LINK_NETNSID: u16 = 37;

/// Bytes of `struct ifinfomsg`.
const HEADER_BYTES: usize = 16;

/// A network device of the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, unique in the namespace; a recreated device has a new one.
    pub ifindex: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Driver kind (veth, bridge, vlan, tun, ..); a physical device has none.
    pub kind: Option<String>,
    /// The bridge, bond or VRF it is a port of.
    pub master_ifindex: Option<u32>,
    /// The device it sits on (VLAN, macvlan) or its peer (veth), where that is in this namespace.
    pub parent_ifindex: Option<u32>,
    /// Frames begin with an Ethernet header; false for tun, ppp, wireguard and IP tunnels.
    pub has_mac: bool,
    /// Administratively up.
    pub up: bool,
    /// Largest IP packet, bytes.
    pub mtu_bytes: u32,
    /// Transmit queues it was made with; fewer may be in use.
    pub tx_queues: u32,
    /// `txqueuelen`, packets. The kernel sets 0 to 1000 when a scheduler is put on the device.
    pub tx_queue_packets: u32,
}

impl Link {
    /// True for an 802.1Q or 802.1ad device.
    pub fn is_vlan(&self) -> bool {
        self.kind.as_deref() == Some("vlan")
    }
}

impl Netlink {
    /// All devices of the namespace, in the kernel's order.
    pub async fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let skip_statistics = (libc::RTEXT_FILTER_SKIP_STATS as u32).to_ne_bytes();
        let request =
            Request::new(libc::RTM_GETLINK, LIST, &[0; HEADER_BYTES]).with(IFLA_EXT_MASK, &skip_statistics);
        self.socket.list("list the devices", request, parse).await
    }

    /// Sets `txqueuelen` of a device.
    pub(super) async fn set_tx_queue_packets(
        &mut self,
        ifindex: u32,
        packets: u32,
    ) -> Result<(), NetlinkError> {
        let mut header = [0; HEADER_BYTES];
        header[4..8].copy_from_slice(&ifindex.to_ne_bytes());
        let request =
            Request::new(libc::RTM_NEWLINK, CHANGE, &header).with(IFLA_TXQLEN, &packets.to_ne_bytes());
        self.socket.change(&format!("interface {ifindex}: set txqueuelen {packets}"), request).await
    }
}

fn parse(body: &[u8]) -> Option<Link> {
    let has_mac = matches!(u16_at(body, 2)?, libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK);
    let mut link = Link {
        ifindex: u32_at(body, 4)?,
        name: String::new(),
        kind: None,
        master_ifindex: None,
        parent_ifindex: None,
        has_mac,
        up: u32_at(body, 8)? & libc::IFF_UP as u32 != 0,
        mtu_bytes: 0,
        tx_queues: 1,
        tx_queue_packets: 0,
    };
    let mut parent_elsewhere = false;
    for (kind, value) in attributes(body.get(HEADER_BYTES..)?) {
        let number = u32_at(value, 0);
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_MTU => link.mtu_bytes = number?,
            IFLA_LINK => link.parent_ifindex = number.filter(|&parent| parent != 0 && parent != link.ifindex),
            IFLA_LINK_NETNSID => parent_elsewhere = true,
            IFLA_MASTER => link.master_ifindex = number,
            IFLA_NUM_TX_QUEUES => link.tx_queues = number?,
            IFLA_TXQLEN => link.tx_queue_packets = number?,
            IFLA_LINKINFO => link.kind = attribute(value, IFLA_INFO_KIND).map(text),
            _ => {}
        }
    }
    if parent_elsewhere {
        link.parent_ifindex = None;
    }
    Some(link)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Namespace;

    #[test]
    fn devices_are_listed_as_they_are() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        space.ip("link add away type veth peer name gone");
        let other = Namespace::new();
        space.ip(&format!("link set gone netns {}", other.name()));
        space.ip("link add bridge0 type bridge");
        space.ip("link set one master bridge0 mtu 1400 up");
        space.ip("tuntap add three mode tun");
        space.ip("tuntap add four mode tap multi_queue");
        let links = space.run(async |netlink| netlink.links().await.expect("links"));
        let find = |name: &str| links.iter().find(|link| link.name == name).expect(name);

        let (one, two, bridge) = (find("one"), find("two"), find("bridge0"));
        assert_eq!(one.kind.as_deref(), Some("veth"));
        assert_eq!((one.mtu_bytes, one.up, two.up), (1400, true, false));
        assert_eq!((one.parent_ifindex, two.parent_ifindex), (Some(two.ifindex), Some(one.ifindex)));
        assert_eq!((one.master_ifindex, two.master_ifindex), (Some(bridge.ifindex), None));
        assert_eq!(find("away").parent_ifindex, None, "its peer is in another namespace");
        assert_eq!((bridge.kind.as_deref(), bridge.is_vlan()), (Some("bridge"), false));
        assert!(one.has_mac && bridge.has_mac && find("lo").has_mac && find("four").has_mac);
        assert_eq!((find("three").kind.as_deref(), find("three").has_mac), (Some("tun"), false));
        assert!(find("four").tx_queues > 1);
        assert_eq!(find("two").tx_queue_packets, 1000);
    }

    #[test]
    fn txqueuelen_is_set() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        let packets = space.run(async |netlink| {
            let ifindex = space.ifindex("one");
            netlink.set_tx_queue_packets(ifindex, 0).await.expect("set");
            let links = netlink.links().await.expect("links");
            links.into_iter().find(|link| link.ifindex == ifindex).expect("one").tx_queue_packets
        });
        assert_eq!(packets, 0);
    }
}
