//! What a packet costs that leaves through an egress address, beside other ways to translate.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use limiter_agent::command::table::Column;
use limiter_agent::netlink::Netfilter;
use limiter_tests::agent::Agent;
use limiter_tests::netns::Namespace;
use limiter_tests::topology::{HOST_V4, Topology};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::path::arrived;
use crate::report::Report;
use crate::rounds::{Spread, interleave, pin};

/// The address that the network leaves through.
const THROUGH: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// UDP payload of each packet.
const PAYLOAD_BYTES: usize = 72;
/// A MAC address that nobody has: what is sent there has arrived, and is dropped at once.
const NOBODY: &str = "02:00:00:00:00:99";

/// How the address comes into the packets. The limiter meters them in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Not at all.
    Routed,
    /// One rule of nftables for all that leaves.
    Rule,
    /// A rule that looks up the source among the prefixes of all networks.
    Prefixes,
    /// An egress address of each network.
    Egress,
}

const WAYS: [Way; 4] = [Way::Routed, Way::Rule, Way::Prefixes, Way::Egress];

struct Contestant<'a> {
    way: Way,
    topology: &'a Topology,
    socket: UdpSocket,
    /// Connections begun so far.
    begun: u32,
    sent: u64,
    _agent: Agent<'a>,
}

/// Measures packets of an open connection, and packets that begin one.
pub(crate) fn run(report: &mut Report, quick: bool) -> anyhow::Result<()> {
    let (networks, rounds, packets) = if quick { (5, 3, 200) } else { (5_000, 31, 1_000) };
    report.say(&format!(
        "A packet from an instance through the node to the Internet, all on one CPU, metered by the limiter: ns, \
         medians\n(quartiles) of {rounds} interleaved rounds of {packets} packets of 100 B, on a node with \
         {networks} networks. open: of one connection;\nnew: each begins another. rule: nftables translates all to \
         one address; prefixes: it looks up the source's."
    ));
    let topologies = WAYS.map(|_| Topology::new(&[1]));
    let contestants =
        WAYS.iter().zip(&topologies).map(|(&way, topology)| contestant(way, topology, networks));
    let mut contestants: Vec<Contestant<'_>> = contestants.collect::<Result<_, _>>()?;
    let pinned = pin()?;
    let samples = interleave(&mut contestants, rounds, |contestant| {
        Ok([contestant.time_ns(packets, false)?, contestant.time_ns(packets, true)?])
    })?;
    drop(pinned);
    contestants.iter().try_for_each(Contestant::check)?;
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    for (contestant, samples) in contestants.iter().zip(&samples) {
        let [open, new] = [0, 1].map(|which: usize| Spread::of(samples.iter().map(|sample| sample[which])));
        let name = contestant.way.name();
        json.push(json!({ "way": name, "networks": networks, "open_ns": open.json(), "new_ns": new.json() }));
        rows.push([name.to_owned(), open.cell(0), new.cell(0)]);
    }
    let columns = [Column::Text("way"), Column::Number("open, ns"), Column::Number("new, ns")];
    report.table("translate", columns, &rows, json);
    Ok(())
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Routed => "routed",
            Self::Rule => "SNAT, one rule",
            Self::Prefixes => "SNAT, map of prefixes",
            Self::Egress => "egress addresses",
        }
    }
}

fn contestant(way: Way, topology: &Topology, networks: u32) -> anyhow::Result<Contestant<'_>> {
    let node = &topology.node;
    node.ip(&format!("neigh replace {HOST_V4} lladdr {NOBODY} dev uplink nud permanent"));
    match way {
        Way::Routed | Way::Egress => {}
        Way::Rule => nft(node, &format!("snat to {THROUGH}"))?,
        Way::Prefixes => {
            let mut map = format!("10.10.0.0/24 : {THROUGH}");
            for (prefix, address) in others(networks) {
                _ = write!(map, ", {prefix} : {address}");
            }
            nft(node, &format!("snat to ip saddr map {{ {map} }}"))?;
        }
    }
    let agent = Agent::start(node, &state(way, networks));
    let socket = topology.instance(0, 0).namespace.enter(|| UdpSocket::bind("0.0.0.0:5000"))?;
    Ok(Contestant { way, topology, socket, begun: 0, sent: 0, _agent: agent })
}

/// Prefixes and addresses of the networks beside the one that sends.
fn others(networks: u32) -> impl Iterator<Item = (String, Ipv4Addr)> {
    (1..networks).map(|number| {
        let prefix = format!("10.{}.{}.0/24", 100 + number / 250, number % 250);
        (prefix, Ipv4Addr::from(0x6440_0000 + number))
    })
}

fn state(way: Way, networks: u32) -> String {
    let of = |name: u32, prefix: &str, host: &str, address: Ipv4Addr| {
        let egress =
            if way == Way::Egress { format!(", egress: {{exclusive: {address}}}") } else { String::new() };
        format!(
            "- {{name: n{name}, prefixes: [{prefix}], up: 100Gbps{egress}, instances: [{{name: a, addresses: [{host}]}}]}}\n"
        )
    };
    let mut text = "version: 1\ninterfaces: [{match: \"inst*\", mode: police}]\nnetworks:\n".to_owned();
    text += &of(0, "10.10.0.0/24", "10.10.0.2", THROUGH);
    for (number, (prefix, address)) in (1..).zip(others(networks)) {
        text += &of(number, &prefix, &prefix.replace("0/24", "2"), address);
    }
    text
}

fn nft(node: &Namespace, verdict: &str) -> anyhow::Result<()> {
    let file = NamedTempFile::new()?;
    let chain = format!("type nat hook postrouting priority srcnat\noifname uplink {verdict}");
    fs::write(file.path(), format!("table ip bench {{\nchain c {{\n{chain}\n}}\n}}\n"))?;
    node.run(&format!("nft -f {}", file.path().display()));
    Ok(())
}

impl Contestant<'_> {
    /// Time of each of `packets` packets, nanoseconds: each has arrived before the call that sends it returns.
    fn time_ns(&mut self, packets: u32, is_new: bool) -> anyhow::Result<f64> {
        let payload = [0; PAYLOAD_BYTES];
        let (first, each) = (self.begun, u32::from(is_new));
        let start = Instant::now();
        for packet in 0..packets {
            // The first port is the open connection's.
            let port = 1_000 + u16::try_from(each * (first + 1 + packet)).context("too many connections")?;
            self.socket.send_to(&payload, SocketAddr::from((HOST_V4, port)))?;
        }
        let time = start.elapsed();
        self.begun += each * packets;
        self.sent += u64::from(packets);
        Ok(time.as_nanos() as f64 / f64::from(packets))
    }

    /// An error unless every packet arrived, and every connection leaves as it should.
    fn check(&self) -> anyhow::Result<()> {
        let name = self.way.name();
        let arrived = arrived(&self.topology.host)?;
        ensure!(arrived >= self.sent, "{name}: {arrived} of {} packets arrived", self.sent);
        if self.way == Way::Routed {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let translated = self.topology.node.enter(|| {
            runtime.block_on(async { Netfilter::open()?.connections(Some(THROUGH), |_| true).await })
        })?;
        let connections = self.begun as usize + 1;
        ensure!(
            translated.len() == connections,
            "{name}: {} of {connections} connections leave through {THROUGH}",
            translated.len()
        );
        Ok(())
    }
}
