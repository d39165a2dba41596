//! The control plane with as much as a deployment has: memory, start, states, changes, a node that fails, a
//! thousand agents.

mod agents;
mod failover;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;
use limiter_agent::command::table::Column;
use limiter_api::client::Client;
use limiter_api::params::Resize;
use limiter_api::setup::Apply;
use limiter_control::store::Store;
use limiter_state::Rate;
use limiter_tests::control::Control;
use limiter_tests::fill::Fill;
use limiter_tests::played::Played;
use serde_json::{Value, json};

use crate::report::{Report, Target};
use crate::rounds::Spread;

/// Instances of each network.
const OF_NETWORK: u32 = 10;

/// Name of the account that has everything.
const ACCOUNT: &str = "acme";

/// How large it is.
struct Size {
    /// Instances of each of the three nodes.
    nodes: [u32; 3],
    agents: usize,
    resizes: usize,
    idle: Duration,
}

/// A table of figures, each a line.
#[derive(Default)]
struct Lines {
    rows: Vec<[String; 3]>,
    json: Vec<Value>,
    targets: Vec<Target>,
}

/// Measures everything.
pub(crate) fn run(quick: bool) -> anyhow::Result<Report> {
    let size = if quick {
        Size { nodes: [100, 500, 1_000], agents: 20, resizes: 10, idle: Duration::from_secs(1) }
    } else {
        Size { nodes: [1_000, 10_000, 100_000], agents: 1_000, resizes: 200, idle: Duration::from_secs(20) }
    };
    let mut report = Report::new("control", quick);
    let mut lines = Lines::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut control = Control::stopped_in(&std::env::temp_dir());
    control.doors(&["--listen", "127.0.0.1:0"]);
    let world = runtime.block_on(furnish(&control, &size))?;
    start(&mut control, &size, &mut lines)?;
    let client = Client::new(control.endpoint(), None)?;
    runtime.block_on(states(&control, &world, &mut lines))?;
    runtime.block_on(resizes(&control, &client, &world, &size, &mut lines))?;
    runtime.block_on(rules(&client, &size, &mut lines))?;
    runtime.block_on(failover::run(&client, &mut lines))?;
    memory(&control, "after all of it", None, &mut lines)?;
    drop(client);
    drop(control);
    agents::run(&runtime, size.agents, &mut lines)?;
    report.say(&format!(
        "One control plane on SQLite, with {} plans and {} instances:",
        size.nodes[2] / OF_NETWORK,
        size.nodes[2]
    ));
    let columns = [Column::Text("what"), Column::Text("of"), Column::Number("found")];
    report.table("control", columns, &lines.rows, lines.json);
    report.targets(&lines.targets);
    Ok(report)
}

/// What was written before the control plane started.
struct World {
    /// Secrets of the agents whose nodes carry the first, the first two and all zones.
    agents: Vec<(u32, String)>,
    /// A plan of the first zone.
    plan: String,
    /// The agent of its node alone.
    small: String,
}

async fn furnish(control: &Control, size: &Size) -> anyhow::Result<World> {
    let store = Store::open(control.database(), Timestamp::now()).await?;
    let mut fill = Fill::new(&store, ACCOUNT, OF_NETWORK).await?;
    let [first, second, all] = size.nodes.map(|instances| instances / OF_NETWORK);
    // The plan that is resized has a region of its own, so that it waits for one node alone.
    let plans = fill.networks(&store, ("small", "a"), 0..first, None).await?;
    let small = fill.nodes(&store, "small", &["a"], 1).await?.remove(0).1;
    fill.networks(&store, ("default", "b"), first..second, None).await?;
    fill.networks(&store, ("default", "c"), second..all, None).await?;
    let mut agents = vec![(size.nodes[0], small.clone())];
    for (instances, zones) in
        [(size.nodes[1] - size.nodes[0], &["b"][..]), (size.nodes[2] - size.nodes[0], &["b", "c"])]
    {
        agents.push((instances, fill.nodes(&store, "default", zones, 1).await?.remove(0).1));
    }
    Ok(World { agents, plan: plans[0].to_string(), small })
}

fn start(control: &mut Control, size: &Size, lines: &mut Lines) -> anyhow::Result<()> {
    let mut starts = Vec::new();
    for _ in 0..5 {
        control.kill();
        starts.push(control.launch().as_secs_f64() * 1e3);
    }
    let found = Spread::of(starts);
    lines.spread("start to ready, ms", "5 starts after a kill", found);
    lines.target("start to ready, ms", 2_000.0, found.median);
    let bytes = fs::metadata(control.database_path())?.len();
    lines.add("database, MiB", "", bytes as f64 / f64::from(1 << 20));
    std::thread::sleep(Duration::from_secs(1));
    memory(control, "idle", None, lines)?;
    let before = cpu(control)?;
    std::thread::sleep(size.idle);
    let percent = cpu(control)?.saturating_sub(before).as_secs_f64() / size.idle.as_secs_f64() * 100.0;
    lines.add("CPU, % of one", "idle", percent);
    Ok(())
}

/// What the agents of nodes of several sizes get, and how long that takes.
async fn states(control: &Control, world: &World, lines: &mut Lines) -> anyhow::Result<()> {
    for (instances, secret) in &world.agents {
        for encoding in ["gzip", "identity"] {
            let mut times = Vec::new();
            let mut bytes = 0;
            for _ in 0..3 {
                let http = control.endpoint().connector().no_gzip().build()?;
                let url = control.endpoint().url(&["agent", "state"])?;
                let start = Instant::now();
                let request = http.get(url).bearer_auth(secret).header("accept-encoding", encoding);
                bytes = request.send().await?.error_for_status()?.bytes().await?.len();
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            lines.spread("state fetch, ms", &format!("{instances} instances, {encoding}"), Spread::of(times));
            lines.add(
                "state fetch, KiB",
                &format!("{instances} instances, {encoding}"),
                bytes as f64 / 1024.0,
            );
        }
    }
    memory(control, "after the states", Some(150.0), lines)
}

/// One peak after another, with an agent that waits for each.
async fn resizes(
    control: &Control,
    client: &Client,
    world: &World,
    size: &Size,
    lines: &mut Lines,
) -> anyhow::Result<()> {
    let (sent, mut states) = tokio::sync::mpsc::unbounded_channel();
    let mut agent = Played::new(control.endpoint(), &world.small);
    agent.fetch(0).await?;
    agent.acknowledge().await?;
    let follower = tokio::spawn(async move {
        loop {
            if agent.fetch(60).await? {
                let delivered = Instant::now();
                let peak = agent.state().and_then(|state| state.networks.iter().find_map(changed));
                agent.acknowledge().await?;
                if sent.send((peak, delivered, Instant::now())).is_err() {
                    return anyhow::Ok(());
                }
            }
        }
    });
    let (mut answers, mut delivered, mut acknowledged) = (Vec::new(), Vec::new(), Vec::new());
    let ms = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1e3;
    for round in 0..size.resizes as u64 {
        // The agent waits again before the next change.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let peak_bps = 100_000_000 + round * 1_000;
        let start = Instant::now();
        client.resize_plan(&world.plan, &Resize { peak_bps, expected_amount_micro: None }).await?;
        let answered = Instant::now();
        let (peak, at, acked) = states.recv().await.context("the agent ended")?;
        anyhow::ensure!(peak == Some(peak_bps), "state of {peak:?}, not of {peak_bps}");
        answers.push(ms(start, answered));
        delivered.push(ms(answered, at));
        acknowledged.push(ms(answered, acked));
    }
    follower.abort();
    for (what, values) in [
        ("resize answered, ms", answers),
        ("then delivered, ms", delivered),
        ("then acknowledged, ms", acknowledged),
    ] {
        let of = format!("{} instances, {} resizes", size.nodes[0], size.resizes);
        lines.spread(what, &of, Spread::of(values.iter().copied()));
        let highest = percentile(values, 0.99);
        lines.add(what, "99 of 100", highest);
        if what.contains("delivered") {
            let median = lines.json[lines.json.len() - 2]["found"]["median"].as_f64().unwrap_or(f64::NAN);
            lines.target("from the answer to the state delivered, ms, median", 50.0, median);
            lines.target("from the answer to the state delivered, ms, 99 of 100", 50.0, highest);
        }
    }
    Ok(())
}

/// The peak of the network that is resized, which no other has.
fn changed(network: &limiter_state::NetworkSpec) -> Option<u64> {
    network.up.map(Rate::bps).filter(|bps| *bps >= 100_000_000)
}

/// Every rule is changed in one apply.
async fn rules(client: &Client, size: &Size, lines: &mut Lines) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut setup = client.export(Some(ACCOUNT)).await?;
    let rules: usize = setup.networks.iter().map(|network| network.rules.len()).sum();
    lines.add("export, seconds", &format!("{} instances", size.nodes[2]), start.elapsed().as_secs_f64());
    for network in &mut setup.networks {
        network.rules.iter_mut().try_for_each(|rule| Rate::new(3_000_000).map(|up| rule.up = up))?;
    }
    let whole = Apply { account: Some(ACCOUNT.to_owned()), setup: setup.clone(), ..Apply::default() };
    for network in &mut setup.networks {
        network.instances.clear();
        network.rules.iter_mut().try_for_each(|rule| Rate::new(2_500_000).map(|up| rule.up = up))?;
    }
    let alone = Apply { account: Some(ACCOUNT.to_owned()), setup, ..Apply::default() };
    for (apply, of) in [(whole, "the whole setup"), (alone, "rules alone")] {
        let start = Instant::now();
        let applied = client.apply(&apply).await?;
        let seconds = start.elapsed().as_secs_f64();
        anyhow::ensure!(applied.changes.len() == rules, "{} changes, not {rules}", applied.changes.len());
        lines.add("apply that changes every rule, seconds", &format!("{rules} rules, {of}"), seconds);
    }
    Ok(())
}

fn memory(control: &Control, when: &str, target: Option<f64>, lines: &mut Lines) -> anyhow::Result<()> {
    let pid = control.pid().context("it runs")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |field: &str| -> anyhow::Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.and_then(|text| text.split_whitespace().next()?.parse().ok()).with_context(|| field.to_owned())
    };
    let (resident, most) = (kib("VmRSS")? * 1024.0 / 1e6, kib("VmHWM")? * 1024.0 / 1e6);
    lines.add("resident, MB", when, resident);
    lines.add("resident at most, MB", when, most);
    if let Some(limit) = target {
        lines.target("resident, MB", limit, resident);
    }
    Ok(())
}

/// CPU time of the control plane so far.
fn cpu(control: &Control) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", control.pid().context("it runs")?))?;
    let (_, fields) = stat.rsplit_once(')').context("a name in parentheses")?;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (share * values.len() as f64).ceil() as usize;
    values[place.clamp(1, values.len()) - 1]
}

impl Lines {
    fn add(&mut self, what: &str, of: &str, found: f64) {
        self.rows.push([what.to_owned(), of.to_owned(), format!("{found:.1}")]);
        self.json.push(json!({ "what": what, "of": of, "found": found }));
    }

    fn spread(&mut self, what: &str, of: &str, found: Spread) {
        self.rows.push([what.to_owned(), of.to_owned(), found.cell(1)]);
        self.json.push(json!({ "what": what, "of": of, "found": found.json() }));
    }

    fn target(&mut self, what: &str, limit: f64, found: f64) {
        self.targets.push(Target { what: what.to_owned(), limit, found });
    }
}
