//! Instances, a node that routes, an Internet host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::netns::Namespace;

/// A node with its instances and the Internet behind it.
#[derive(Debug)]
pub struct Topology {
    /// The machine on which the agent runs.
    pub node: Namespace,
    /// The Internet.
    pub host: Namespace,
    /// Instances by network.
    pub networks: Vec<Vec<Instance>>,
}

/// Another node beside that of a [`Topology`], on the same wire.
#[derive(Debug)]
pub struct Beside {
    /// The machine on which its agent runs.
    pub node: Namespace,
    /// An instance of network 0 behind it.
    pub instance: Instance,
}

/// An instance on a veth of its own.
#[derive(Debug)]
pub struct Instance {
    /// Where its programs run.
    pub namespace: Namespace,
    /// The node's side of its veth.
    pub device: String,
    /// Its IPv4 address.
    pub v4: Ipv4Addr,
    /// Its IPv6 address.
    pub v6: Ipv6Addr,
}

/// The node's device towards the Internet; the host's own is `eth0`, and so is each instance's.
pub const UPLINK: &str = "uplink";
/// The Internet host.
pub const HOST_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// The Internet host.
pub const HOST_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 2);

impl Instance {
    /// Its address in a family.
    pub fn address(&self, v6: bool) -> IpAddr {
        if v6 { self.v6.into() } else { self.v4.into() }
    }
}

/// The host's address in a family.
pub fn host_address(v6: bool) -> IpAddr {
    if v6 { HOST_V6.into() } else { HOST_V4.into() }
}

impl Topology {
    /// One network for each number, with that many instances. Network 0 is `10.10.0.0/24` and
    /// `fd00:10::/64`, network 1 `10.11.0.0/24` and `fd00:11::/64`, and so on; `.1` is the node.
    pub fn new(instances: &[usize]) -> Self {
        let (node, host) = (Namespace::new("node"), Namespace::new("host"));
        // An address under detection changes by itself a second later, which no dump is to show.
        let no_detection = "net.ipv6.conf.default.accept_dad=0";
        for setting in ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", no_detection] {
            node.run(&format!("sysctl -qw {setting}"));
        }
        pair(&node, UPLINK, &host);
        node.ip(&format!("addr add 198.51.100.1/24 dev {UPLINK}"));
        node.ip(&format!("addr add 2001:db8:100::1/64 dev {UPLINK} nodad"));
        host.ip(&format!("addr add {HOST_V4}/24 dev eth0"));
        host.ip(&format!("addr add {HOST_V6}/64 dev eth0 nodad"));
        node.ip(&format!("route add default via {HOST_V4}"));
        node.ip(&format!("-6 route add default via {HOST_V6}"));
        host.ip("route add 10.0.0.0/8 via 198.51.100.1");
        host.ip("-6 route add fd00::/8 via 2001:db8:100::1");
        let networks = instances.iter().enumerate();
        let networks = networks
            .map(|(network, &count)| (0..count).map(|place| instance(&node, network, place)).collect());
        let networks = networks.collect();
        Self { node, host, networks }
    }

    /// An instance.
    pub fn instance(&self, network: usize, place: usize) -> &Instance {
        &self.networks[network][place]
    }

    /// A second node, and behind it one more instance of network 0. The host's `eth0` becomes a port of its
    /// bridge `wire`.
    pub fn beside(&self) -> Beside {
        let node = Namespace::new("beside");
        node.run("sysctl -qw net.ipv4.ip_forward=1");
        self.host.ip("link add wire type bridge");
        self.host.ip("link set eth0 master wire");
        self.host.ip(&format!("addr del {HOST_V4}/24 dev eth0"));
        self.host.ip(&format!("addr add {HOST_V4}/24 dev wire"));
        self.host.ip("link set wire up");
        node.ip(&format!("link add {UPLINK} type veth peer name eth1 netns {}", self.host.name()));
        node.ip(&format!("link set {UPLINK} up"));
        self.host.ip("link set eth1 master wire up");
        node.ip(&format!("addr add 198.51.100.3/24 dev {UPLINK}"));
        node.ip(&format!("route add default via {HOST_V4}"));
        let instance = instance(&node, 0, self.networks[0].len());
        self.host.ip("route add 10.0.0.0/8 via 198.51.100.1");
        self.host.ip(&format!("route add {}/32 via 198.51.100.3", instance.v4));
        Beside { node, instance }
    }

    /// Delays everything the host sends by `delay_ms`. Needs a kernel with netem.
    pub fn delay(&self, delay_ms: u32) {
        self.host.run(&format!("tc qdisc add dev eth0 root netem delay {delay_ms}ms limit 100000"));
    }
}

/// A veth between `node`, where it is called `device`, and `other`, where it is `eth0`.
fn pair(node: &Namespace, device: &str, other: &Namespace) {
    node.ip(&format!("link add {device} type veth peer name eth0 netns {}", other.name()));
    node.ip(&format!("link set {device} up"));
    other.ip("link set eth0 up");
}

fn instance(node: &Namespace, network: usize, place: usize) -> Instance {
    let (net, number) = (10 + network, place + 2);
    let namespace = Namespace::new(&format!("i{network}{place}"));
    let device = format!("inst{network}{place}");
    pair(node, &device, &namespace);
    let v4 = Ipv4Addr::new(10, net as u8, 0, number as u8);
    let v6: Ipv6Addr = format!("fd00:{net}::{number}").parse().expect("address");
    node.ip(&format!("addr add 10.{net}.0.1/32 dev {device}"));
    node.ip(&format!("addr add fd00:{net}::1/128 dev {device} nodad"));
    node.ip(&format!("route add {v4}/32 dev {device}"));
    node.ip(&format!("-6 route add {v6}/128 dev {device}"));
    namespace.ip(&format!("addr add {v4}/24 dev eth0"));
    namespace.ip(&format!("addr add {v6}/64 dev eth0 nodad"));
    namespace.ip(&format!("route add default via 10.{net}.0.1"));
    namespace.ip(&format!("-6 route add default via fd00:{net}::1"));
    Instance { namespace, device, v4, v6 }
}
