//! How long a state takes to be in force, and the memory that it takes.

use std::fmt::Write as _;
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use aya::maps::MapData;
use limiter_agent::command::table::Column;
use limiter_agent::dataplane::{Maps, Programs, Sizes};
use limiter_agent::egress::Gate;
use limiter_agent::netlink::Netlink;
use limiter_agent::reconcile::observe::observe;
use limiter_agent::reconcile::plan::plan;
use limiter_agent::reconcile::undo::Undo;
use limiter_agent::reconcile::{Node, reconcile};
use limiter_agent::sizing;
use limiter_agent::state::Source;
use limiter_common::LAYOUT_VERSION;
use limiter_common::cost::per_byte;
use limiter_common::meter::Direction;
use limiter_tests::agent::Agent;
use limiter_tests::netns::Namespace;
use limiter_tests::program::Fixture;
use serde_json::json;

use crate::report::{Report, Target};
use crate::rounds::Spread;

/// Instances of each network.
const OF_NETWORK: u32 = 200;
/// A rate that one instance gets; no other has it.
const CHANGED_BPS: u64 = 123_456_000;

/// Measures times and memory.
pub(crate) fn run(quick: bool) -> anyhow::Result<Report> {
    let sizes: &[u32] = if quick { &[1_000] } else { &[1_000, 10_000, 100_000] };
    let rounds = if quick { 1 } else { 5 };
    let mut report = Report::new("apply", quick);
    let mut targets = phases(&mut report, sizes, rounds)?;
    targets.extend(agents(&mut report, sizes, Duration::from_secs(if quick { 2 } else { 35 }))?);
    targets.extend(memory(&mut report, if quick { &[1_000] } else { &[1_000, 10_000, 100_000, 1_000_000] })?);
    report.targets(&targets);
    Ok(report)
}

/// Milliseconds of each step, in the process of the bench.
#[derive(Default)]
struct Steps {
    read: f64,
    load: f64,
    observe: f64,
    plan: f64,
    reconcile: f64,
    unchanged: f64,
    changed: f64,
}

fn phases(report: &mut Report, sizes: &[u32], rounds: usize) -> anyhow::Result<Vec<Target>> {
    report.say(&format!(
        "Steps of a state in force, from nothing, in ms: medians (quartiles) of {rounds} rounds. reconcile holds \
         observe and plan,\napplying, and the round that finds nothing left; unchanged is a round without a \
         change; one changed holds reading, too."
    ));
    let columns = [
        Column::Number("instances"),
        Column::Number("read, check"),
        Column::Number("load"),
        Column::Number("observe"),
        Column::Number("plan"),
        Column::Number("reconcile"),
        Column::Number("in all"),
        Column::Number("unchanged"),
        Column::Number("one changed"),
    ];
    let (mut rows, mut json, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for &size in sizes {
        let samples: Vec<Steps> = (0..rounds).map(|_| from_nothing(size)).collect::<Result<_, _>>()?;
        let of = |figure: fn(&Steps) -> f64| Spread::of(samples.iter().map(figure));
        let all = of(|steps| steps.read + steps.load + steps.reconcile);
        let figures = [
            of(|steps| steps.read),
            of(|steps| steps.load),
            of(|steps| steps.observe),
            of(|steps| steps.plan),
            of(|steps| steps.reconcile),
            all,
            of(|steps| steps.unchanged),
            of(|steps| steps.changed),
        ];
        let [read, load, observe, plan, reconcile, _, unchanged, changed] = figures.map(Spread::json);
        json.push(json!({
            "instances": size, "read_ms": read, "load_ms": load, "observe_ms": observe, "plan_ms": plan,
            "reconcile_ms": reconcile, "all_ms": all.json(), "unchanged_ms": unchanged, "changed_ms": changed,
        }));
        let mut cells = figures.map(|figure| figure.cell(1)).into_iter();
        rows.push(std::array::from_fn(|place| match place {
            0 => size.to_string(),
            _ => cells.next().unwrap_or_default(),
        }));
        if size == 100_000 {
            let what = "100,000 instances from nothing, seconds".to_owned();
            targets.push(Target { what, limit: 1.0, found: all.median / 1e3 });
        }
    }
    report.table("steps", columns, &rows, json);
    Ok(targets)
}

fn from_nothing(instances: u32) -> anyhow::Result<Steps> {
    let node = node();
    let folder = tempfile::tempdir()?;
    let pins = Path::new("/sys/fs/bpf").join(format!("limiter-bench-{}", std::process::id()));
    let result = node.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(steps(instances, folder.path(), &pins))
    });
    Maps::unpin(&pins)?;
    result
}

async fn steps(instances: u32, folder: &Path, pins: &Path) -> anyhow::Result<Steps> {
    let file = folder.join("state.yaml");
    fs::write(&file, state(instances, None))?;
    let mut steps = Steps::default();
    let source = timed(&mut steps.read, || Source::read(&file))?;
    let (programs, maps) = timed(&mut steps.load, || -> anyhow::Result<_> {
        let programs = Programs::load(pins, &sizing::sizes(&source.desired))?;
        Ok((programs, Maps::open(pins)?.context("the maps just pinned")?))
    })?;
    let mut node = Node {
        maps,
        programs,
        netlink: Netlink::open()?,
        gate: Gate::open(),
        undo: Undo::open(folder)?,
        metering: None,
        actions: 0,
    };
    let start = Instant::now();
    let observed = observe(&node.maps, Some(&node.programs), &mut node.netlink).await?;
    steps.observe = ms(start);
    drop(timed(&mut steps.plan, || plan(&source.desired, &observed))?);
    let start = Instant::now();
    reconcile(&mut node, &source.desired).await?;
    steps.reconcile = ms(start);
    let start = Instant::now();
    reconcile(&mut node, &source.desired).await?;
    steps.unchanged = ms(start);
    fs::write(&file, state(instances, Some(CHANGED_BPS)))?;
    let start = Instant::now();
    reconcile(&mut node, &Source::read(&file)?.desired).await?;
    steps.changed = ms(start);
    anyhow::ensure!(is_changed(&node.maps), "the changed limit is not in force");
    Ok(steps)
}

/// The agent as a process: start, change, memory, and what it takes while nothing happens.
fn agents(report: &mut Report, sizes: &[u32], idle: Duration) -> anyhow::Result<Vec<Target>> {
    report.say(&format!(
        "The agent as a process: ms from its start to ready, and from writing the file to a changed limit in \
         force;\nits resident memory (anonymous, with the mapped meters, and the most it was); its CPU time over {} s without a \
         change.",
        idle.as_secs()
    ));
    let columns = [
        Column::Number("instances"),
        Column::Number("start, ms"),
        Column::Number("change, ms"),
        Column::Number("anonymous, MiB"),
        Column::Number("resident, MiB"),
        Column::Number("at most, MiB"),
        Column::Number("idle CPU, %"),
        Column::Number("kernel maps, MiB"),
    ];
    let (mut rows, mut json, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for &size in sizes {
        let node = node();
        let mut agent = Agent::stopped(&node, &state(size, None));
        let start = Instant::now();
        agent.launch();
        let start_ms = ms(start);
        let changed = state(size, Some(CHANGED_BPS));
        let change_ms = agent.change(&changed, is_changed).as_secs_f64() * 1e3;
        // What follows a change is not idleness.
        thread::sleep(Duration::from_secs(1));
        let pid = agent.pid().context("the agent runs")?;
        let before = agent.cpu_time();
        thread::sleep(idle);
        let idle_percent = agent.cpu_time().saturating_sub(before).as_secs_f64() / idle.as_secs_f64() * 100.0;
        let (anonymous, resident) = (memory_kib(pid, "RssAnon")?, memory_kib(pid, "VmRSS")?);
        let most = memory_kib(pid, "VmHWM")?;
        let maps_bytes: u64 = MAPS.iter().map(|name| map_bytes(&agent.pins(), name)).sum::<Result<_, _>>()?;
        if size == 100_000 {
            let target = |what: &str, limit, found| Target { what: what.to_owned(), limit, found };
            let resident_mb = resident as f64 * 1024.0 / 1e6;
            targets.push(target("the agent of 100,000 instances, MB resident", 100.0, resident_mb));
            targets.push(target("the agent of 100,000 instances, % of a CPU when idle", 1.0, idle_percent));
        }
        let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
        rows.push([
            size.to_string(),
            format!("{start_ms:.0}"),
            format!("{change_ms:.0}"),
            mib(anonymous),
            mib(resident),
            mib(most),
            format!("{idle_percent:.2}"),
            mib(maps_bytes / 1024),
        ]);
        json.push(json!({
            "instances": size, "start_ms": start_ms, "change_ms": change_ms, "anonymous_kib": anonymous,
            "resident_kib": resident, "most_resident_kib": most, "idle_cpu_percent": idle_percent, "kernel_maps_bytes": maps_bytes,
        }));
    }
    report.table("agent", columns, &rows, json);
    Ok(targets)
}

const MAPS: [&str; 9] =
    ["INSTANCES", "NETWORKS", "METERS", "OWNERS", "INTERFACES", "ZONES", "NODE", "REASONS", "UNKNOWN"];

/// Kernel memory of the maps that grow with instances.
fn memory(report: &mut Report, sizes: &[u32]) -> anyhow::Result<Vec<Target>> {
    report.say("Kernel memory, of maps that have room for just so many:");
    let columns = [
        Column::Number("instances"),
        Column::Number("B an instance"),
        Column::Number("B a further address"),
        Column::Number("fixed, KiB"),
    ];
    let (mut rows, mut json, mut worst) = (Vec::new(), Vec::new(), [0.0_f64; 2]);
    for &size in sizes {
        let bytes = |addresses| -> anyhow::Result<[u64; 2]> {
            let fixture = Fixture::new(Sizes { slots: 1 + size, addresses, prefixes: 64, zones: 4 });
            let of = |names: &[&str]| names.iter().map(|name| map_bytes(fixture.pins(), name)).sum();
            let all: anyhow::Result<u64> = of(&MAPS);
            let growing: anyhow::Result<u64> = of(&["INSTANCES", "METERS", "OWNERS"]);
            Ok([growing?, all?])
        };
        let ([one, all], [two, _]) = (bytes(size)?, bytes(2 * size)?);
        let (instance, further) = (one as f64 / f64::from(size), (two - one) as f64 / f64::from(size));
        worst = [worst[0].max(instance), worst[1].max(further)];
        let fixed = all - one;
        rows.push([
            size.to_string(),
            format!("{instance:.0}"),
            format!("{further:.0}"),
            (fixed / 1024).to_string(),
        ]);
        json.push(json!({
            "instances": size, "bytes_per_instance": instance, "bytes_per_further_address": further,
            "fixed_bytes": fixed,
        }));
    }
    report.table("memory", columns, &rows, json);
    let target = |what: &str, limit, found| Target { what: what.to_owned(), limit, found };
    Ok(vec![
        target("kernel memory, B an instance", 256.0, worst[0]),
        target("kernel memory, B a further address", 96.0, worst[1]),
    ])
}

/// What the kernel says a map takes.
fn map_bytes(pins: &Path, name: &str) -> anyhow::Result<u64> {
    let map = MapData::from_pin(pins.join(format!("v{LAYOUT_VERSION}")).join(name))?;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd()))?;
    let line = info.lines().find_map(|line| line.strip_prefix("memlock:"));
    line.and_then(|bytes| bytes.trim().parse().ok()).with_context(|| format!("the memory of {name}"))
}

fn memory_kib(pid: u32, field: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|text| text.split_whitespace().next()?.parse().ok()).with_context(|| field.to_owned())
}

/// A node with one interface for all instances.
fn node() -> Namespace {
    let node = Namespace::new("node");
    node.ip("link add inst0 type veth peer name peer0");
    node.ip("link set inst0 up");
    node
}

/// Networks with [`OF_NETWORK`] instances each; `changed_bps` is the limit of the first.
fn state(instances: u32, changed_bps: Option<u64>) -> String {
    let mut text = "version: 1\ninterfaces:\n  - match: inst0\nnetworks:\n".to_owned();
    for number in 0..instances {
        let (network, place) = (number / OF_NETWORK, number % OF_NETWORK);
        let prefix = format!("10.{}.{}", network / 256, network % 256);
        if place == 0 {
            let _ = write!(
                text,
                "  - name: net-{network}\n    prefixes: [{prefix}.0/24]\n    up: 1Gbps\n    down: 1Gbps\n    \
                 instances:\n"
            );
        }
        let up_bps = changed_bps.filter(|_| number == 0).unwrap_or(20_000_000);
        let _ = write!(
            text,
            "      - name: inst-{place}\n        addresses: [{prefix}.{}]\n        up: {up_bps}bps\n        \
             down: 20Mbps\n",
            place + 2
        );
    }
    text
}

fn is_changed(maps: &Maps) -> bool {
    let (meters, cost) = (maps.meters(), per_byte(CHANGED_BPS));
    (0..meters.slots()).any(|slot| meters.limit(slot, Direction::Up).cost_per_byte == cost)
}

fn timed<T>(into_ms: &mut f64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *into_ms = ms(start);
    result
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
