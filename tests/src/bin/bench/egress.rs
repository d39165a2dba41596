//! How long egress addresses take: all of a node's from nothing, and a change of one.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use limiter_agent::command::table::Column;
use limiter_agent::dataplane::{Maps, Programs};
use limiter_agent::egress::Gate;
use limiter_agent::netlink::{Netfilter, Netlink};
use limiter_agent::reconcile::undo::Undo;
use limiter_agent::reconcile::{Node, reconcile};
use limiter_agent::sizing;
use limiter_agent::state::Source;
use limiter_common::meter::Direction;
use limiter_tests::netns::Namespace;
use limiter_tests::topology::{HOST_V4, Topology};
use serde_json::json;

use crate::report::{Report, Target};
use crate::rounds::Spread;
use crate::translate;

/// Networks for which a change of one has a target.
const FULL: u32 = 5_000;

/// Measures the times.
pub(crate) fn run(quick: bool) -> anyhow::Result<Report> {
    let sizes: &[u32] = if quick { &[50] } else { &[50, 500, FULL] };
    let rounds = if quick { 1 } else { 5 };
    let mut report = Report::new("egress", quick);
    report.say(&format!(
        "Networks with an exclusive address each, in ms: medians (quartiles) of {rounds} rounds. set-up is all of a \
         state from nothing:\nmeters, table, addresses on the uplink, announcements; unchanged is a round without a \
         change. One network gets another\naddress: in force, when its packets are marked for it; settled, when its \
         connections of before are forgotten, the address of\nbefore is gone and a round finds nothing left. \
         Reading comes before."
    ));
    let columns = [
        Column::Number("networks"),
        Column::Number("read, check"),
        Column::Number("set-up"),
        Column::Number("unchanged"),
        Column::Number("in force"),
        Column::Number("settled"),
    ];
    let (mut rows, mut json, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for &size in sizes {
        let samples: Vec<[f64; 5]> = (0..rounds).map(|_| from_nothing(size)).collect::<Result<_, _>>()?;
        let figures =
            [0, 1, 2, 3, 4].map(|step: usize| Spread::of(samples.iter().map(|sample| sample[step])));
        let [read, set_up, unchanged, in_force, settled] = figures.map(Spread::json);
        json.push(json!({
            "networks": size, "read_ms": read, "set_up_ms": set_up, "unchanged_ms": unchanged,
            "in_force_ms": in_force, "settled_ms": settled,
        }));
        if size == FULL {
            let what = "one of 5,000 networks has another address in force, ms".to_owned();
            targets.push(Target { what, limit: 20.0, found: figures[3].median });
        }
        let [read, set_up, unchanged, in_force, settled] = figures.map(|figure| figure.cell(1));
        rows.push([size.to_string(), read, set_up, unchanged, in_force, settled]);
    }
    report.table("egress", columns, &rows, json);
    targets.extend(switches(&mut report, quick, rounds)?);
    translate::run(&mut report, quick)?;
    report.targets(&targets);
    Ok(report)
}

/// A network changes its address while it has many connections.
fn switches(report: &mut Report, quick: bool, rounds: usize) -> anyhow::Result<Vec<Target>> {
    let connections: u16 = if quick { 100 } else { 10_000 };
    report.say(&format!(
        "A network with {connections} open connections changes its address beside one that keeps a shared one: ms \
         until nothing\nuses the address before, and nothing is left to do; reading comes before."
    ));
    let samples: Vec<[f64; 4]> =
        (0..rounds).map(|_| of_connections(connections)).collect::<Result<_, _>>()?;
    let names = ["shared to exclusive", "exclusive to shared", "shared to none", "none to shared"];
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    let mut slowest = 0.0_f64;
    for (place, name) in names.into_iter().enumerate() {
        let figure = Spread::of(samples.iter().map(|sample| sample[place]));
        slowest = slowest.max(figure.median);
        json.push(json!({ "switch": name, "connections": connections, "ms": figure.json() }));
        rows.push([name.to_owned(), figure.cell(1)]);
    }
    report.table("switch", [Column::Text("switch"), Column::Number("ms")], &rows, json);
    let what = "the slowest switch with 10,000 connections, ms".to_owned();
    Ok(if quick { Vec::new() } else { vec![Target { what, limit: 100.0, found: slowest }] })
}

fn of_connections(connections: u16) -> anyhow::Result<[f64; 4]> {
    let topology = Topology::new(&[1]);
    let folder = tempfile::tempdir()?;
    let pins = Path::new("/sys/fs/bpf").join(format!("limiter-bench-{}", std::process::id()));
    let result = topology.node.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(switch_times(&topology, connections, folder.path(), &pins))
    });
    Maps::unpin(&pins)?;
    result
}

async fn switch_times(
    topology: &Topology,
    connections: u16,
    folder: &Path,
    pins: &Path,
) -> anyhow::Result<[f64; 4]> {
    let file = folder.join("state.yaml");
    let of_network = |egress: &str| {
        format!(
            "version: 1\ninterfaces: [{{match: \"inst*\"}}]\nnetworks:\n\
             - {{name: other, prefixes: [10.99.0.0/24], egress: {{shared: 198.51.100.8}}}}\n\
             - {{name: n, prefixes: [10.10.0.0/24], egress: {egress}, instances: [{{name: a, addresses: [10.10.0.2]}}]}}\n"
        )
    };
    let [shared, exclusive, none] =
        ["{shared: 198.51.100.8}", "{exclusive: 198.51.100.7}", "none"].map(of_network);
    fs::write(&file, &shared)?;
    let source = Source::read(&file)?;
    let programs = Programs::load(pins, &sizing::sizes(&source.desired))?;
    let maps = Maps::open(pins)?.context("the maps just pinned")?;
    let (netlink, gate, undo) = (Netlink::open()?, Gate::open(), Undo::open(folder)?);
    let mut node = Node { maps, programs, netlink, gate, undo, metering: None, actions: 0 };
    reconcile(&mut node, &source.desired).await?;
    let mut netfilter = Netfilter::open()?;
    let mut times = [0.0; 4];
    for (time, (state, before)) in times.iter_mut().zip([
        (&exclusive, Ipv4Addr::new(198, 51, 100, 8)),
        (&shared, Ipv4Addr::new(198, 51, 100, 7)),
        (&none, Ipv4Addr::new(198, 51, 100, 8)),
        (&shared, topology.instance(0, 0).v4),
    ]) {
        topology.instance(0, 0).namespace.enter(|| -> anyhow::Result<()> {
            let socket = UdpSocket::bind(("0.0.0.0", 5000))?;
            for port in 20_000..20_000 + connections {
                // Answers that nobody listens make some calls fail; the packet before was sent.
                while socket.send_to(b"open", (HOST_V4, port)).is_err() {}
            }
            Ok(())
        })?;
        let open = netfilter.connections(Some(before), |_| true).await?.len();
        anyhow::ensure!(open >= usize::from(connections), "only {open} connections leave through {before}");
        fs::write(&file, state)?;
        let source = Source::read(&file)?;
        let start = Instant::now();
        let settled = reconcile(&mut node, &source.desired).await?;
        *time = ms(start);
        anyhow::ensure!(settled.actions.is_empty(), "the switch is not in force: {:?}", settled.actions);
        let left =
            netfilter.connections(Some(before), |connection| connection.source.octets()[0] == 10).await?;
        anyhow::ensure!(left.is_empty(), "{} connections still leave through {before}", left.len());
    }
    Ok(times)
}

fn from_nothing(networks: u32) -> anyhow::Result<[f64; 5]> {
    let node = Namespace::new("bench");
    node.ip("link add uplink type veth peer name far");
    node.ip("link set uplink up");
    node.ip("link set far up");
    node.ip("addr add 192.0.2.1/24 dev uplink");
    node.ip("route add default via 192.0.2.2");
    let folder = tempfile::tempdir()?;
    let pins = Path::new("/sys/fs/bpf").join(format!("limiter-bench-{}", std::process::id()));
    let result = node.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(steps(networks, folder.path(), &pins))
    });
    Maps::unpin(&pins)?;
    result
}

async fn steps(networks: u32, folder: &Path, pins: &Path) -> anyhow::Result<[f64; 5]> {
    let file = folder.join("state.yaml");
    fs::write(&file, state(networks, 0))?;
    let start = Instant::now();
    let source = Source::read(&file)?;
    let read = ms(start);
    let programs = Programs::load(pins, &sizing::sizes(&source.desired))?;
    let maps = Maps::open(pins)?.context("the maps just pinned")?;
    let (netlink, gate, undo) = (Netlink::open()?, Gate::open(), Undo::open(folder)?);
    let mut node = Node { maps, programs, netlink, gate, undo, metering: None, actions: 0 };
    let start = Instant::now();
    reconcile(&mut node, &source.desired).await?;
    let set_up = ms(start);
    let start = Instant::now();
    reconcile(&mut node, &source.desired).await?;
    let unchanged = ms(start);
    fs::write(&file, state(networks, 1))?;
    let changed = Source::read(&file)?;
    let watched = Maps::open(pins)?.context("the maps just pinned")?;
    let before = marks(&watched);
    let watch = thread::spawn(move || {
        while marks(&watched) == before {
            thread::sleep(Duration::from_micros(100));
        }
        Instant::now()
    });
    let start = Instant::now();
    let settled = reconcile(&mut node, &changed.desired).await?;
    let done = ms(start);
    let in_force = watch.join().map_err(|_| anyhow::anyhow!("the watch of the marks"))?;
    let in_force = in_force.duration_since(start).as_secs_f64() * 1e3;
    anyhow::ensure!(settled.actions.is_empty(), "the change is not in force: {:?}", settled.actions);
    let addresses = node.netlink.addresses().await?;
    let ours = addresses.iter().filter(|address| address.is_ours).count();
    anyhow::ensure!(ours == networks as usize, "{ours} addresses are on the uplink");
    Ok([read, set_up, unchanged, in_force, done])
}

/// The numbers that networks mark their packets with.
fn marks(maps: &Maps) -> u64 {
    let meters = maps.meters();
    (0..meters.slots()).map(|slot| u64::from(meters.limit(slot, Direction::Up).control().egress())).sum()
}

/// Networks with an exclusive address each; the first has another one in another `version`.
fn state(networks: u32, version: u32) -> String {
    const POOL: u32 = 0x6440_0000;
    let mut text = "version: 1\ninterfaces:\n  - match: inst*\nnetworks:\n".to_owned();
    for number in 0..networks {
        let spare = if number == 0 { version * networks } else { 0 };
        let address = Ipv4Addr::from(POOL + 1 + number + spare);
        let [high, low] = [number / 250, number % 250];
        _ = writeln!(
            text,
            "  - name: n{number}\n    prefixes: [10.{high}.{low}.0/24]\n    up: 20Mbps\n    egress: {{exclusive: {address}}}\n    \
             instances:\n      - name: a\n        addresses: [10.{high}.{low}.2]"
        );
    }
    text
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
