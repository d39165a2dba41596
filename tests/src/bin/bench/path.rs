//! A path through a router: one sender, any number of destinations, all on one CPU.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use anyhow::{Context as _, Error};
use limiter_tests::netns::Namespace;
use tempfile::NamedTempFile;

/// Where the destinations are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// All behind one device of the router, `inst0`.
    Shared,
    /// Each behind a device of its own, `inst0`, `inst1` and so on.
    Devices,
}

/// Sender, router, destinations.
pub(crate) struct Path {
    pub(crate) node: Namespace,
    pub(crate) layout: Layout,
    pub(crate) instances: u32,
    source: Namespace,
    sink: Namespace,
}

/// What sends over a path.
pub(crate) struct Sender {
    /// Packets so far.
    pub(crate) sent: u64,
    socket: UdpSocket,
    order: Vec<SocketAddr>,
    next: usize,
}

/// UDP payload of each packet.
const PAYLOAD_BYTES: usize = 72;
/// A router's address and the MAC address of its device.
const ROUTER: (&str, &str) = ("198.51.100.1", "02:00:00:00:00:01");
/// A MAC address that nobody has: what is sent there has arrived, and is dropped at once.
const NOBODY: &str = "02:00:00:00:00:99";

impl Path {
    pub(crate) fn new(layout: Layout, instances: u32) -> anyhow::Result<Self> {
        let [source, node, sink] = ["source", "node", "sink"].map(Namespace::new);
        for namespace in [&source, &node, &sink] {
            for setting in ["all", "default"] {
                namespace.run(&format!("sysctl -qw net.ipv6.conf.{setting}.disable_ipv6=1"));
            }
        }
        node.run("sysctl -qw net.ipv4.ip_forward=1");
        let (router, mac) = ROUTER;
        node.ip(&format!("link add uplink address {mac} type veth peer name eth0 netns {}", source.name()));
        node.ip(&format!("addr add {router}/24 dev uplink"));
        node.ip("link set uplink up");
        source.ip("addr add 198.51.100.2/24 dev eth0");
        source.ip("link set eth0 up");
        source.ip(&format!("neigh add {router} lladdr {mac} dev eth0 nud permanent"));
        source.ip(&format!("route add default via {router}"));
        let [at_node, at_sink] = destinations(layout, instances, sink.name());
        batch(&node, "ip", &at_node)?;
        batch(&sink, "ip", &at_sink)?;
        Ok(Self { node, layout, instances, source, sink })
    }

    pub(crate) fn sender(&self) -> anyhow::Result<Sender> {
        let socket = self.source.enter(|| UdpSocket::bind("198.51.100.2:0"))?;
        Ok(Sender { sent: 0, socket, order: order(self.instances), next: 0 })
    }

    /// Packets that arrived.
    pub(crate) fn arrived(&self) -> anyhow::Result<u64> {
        arrived(&self.sink)
    }
}

impl Sender {
    /// Sends `packets` to the destinations in random order and returns the time of each, nanoseconds.
    ///
    /// Each is forwarded and arrives before the call that sends it returns, on the same CPU.
    pub(crate) fn time_ns(&mut self, packets: u32) -> anyhow::Result<f64> {
        let payload = [0; PAYLOAD_BYTES];
        let start = Instant::now();
        for _ in 0..packets {
            self.next = (self.next + 1) % self.order.len();
            self.socket.send_to(&payload, self.order[self.next])?;
        }
        self.sent += u64::from(packets);
        Ok(start.elapsed().as_nanos() as f64 / f64::from(packets))
    }
}

/// Packets that arrived at the devices of a namespace.
pub(crate) fn arrived(at: &Namespace) -> anyhow::Result<u64> {
    let text = at.enter(|| fs::read_to_string("/proc/thread-self/net/dev"))?;
    let devices = text.lines().filter_map(|line| line.split_once(':'));
    let packets = devices.filter(|(name, _)| name.trim() != "lo").map(|(_, fields)| {
        fields.split_whitespace().nth(1).context("a count")?.parse::<u64>().map_err(Error::new)
    });
    packets.sum()
}

/// Address of a destination.
pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits((10 << 24) + number)
}

/// Runs the lines of `text` with `ip` or `tc` in one process.
pub(crate) fn batch(node: &Namespace, program: &str, text: &str) -> anyhow::Result<()> {
    let file = NamedTempFile::new()?;
    fs::write(file.path(), text).context("a batch file")?;
    node.run(&format!("{program} -batch {}", file.path().display()));
    Ok(())
}

/// What `ip` makes at the router and in the namespace `sink`.
fn destinations(layout: Layout, instances: u32, sink: &str) -> [String; 2] {
    let (mut at_node, mut at_sink) = (String::new(), String::new());
    let devices = if layout == Layout::Shared { 1 } else { instances };
    for number in 0..devices {
        let _ = write!(
            at_node,
            "link add inst{number} type veth peer name eth{number} netns {sink}\nlink set inst{number} up\n"
        );
        let _ = writeln!(at_sink, "link set eth{number} up");
    }
    if layout == Layout::Shared {
        let gateway = "192.0.2.2";
        let _ = write!(
            at_node,
            "addr add 192.0.2.1/24 dev inst0\nneigh add {gateway} lladdr {NOBODY} dev inst0 nud permanent\n\
             route add 10.0.0.0/8 via {gateway}\n"
        );
        return [at_node, at_sink];
    }
    for number in 0..instances {
        let address = address(number);
        let _ = write!(
            at_node,
            "route add {address}/32 dev inst{number}\n\
             neigh add {address} lladdr {NOBODY} dev inst{number} nud permanent\n"
        );
    }
    [at_node, at_sink]
}

/// Destinations in random order, each as often as any other.
fn order(instances: u32) -> Vec<SocketAddr> {
    let mut order: Vec<u32> = (0..instances).cycle().take(instances.max(1024) as usize).collect();
    let mut random = 1_u64;
    for place in (1..order.len()).rev() {
        // Knuth's MMIX generator.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(place, ((random >> 32) as usize) % (place + 1));
    }
    order.into_iter().map(|number| SocketAddr::from((address(number), 9))).collect()
}
