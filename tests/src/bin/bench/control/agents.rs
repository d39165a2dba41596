//! A fleet of agents that wait for news over loopback, and one change that concerns all of them.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;
use limiter_api::client::{Client, Endpoint};
use limiter_api::params::{NewAccount, Resize};
use limiter_control::store::Store;
use limiter_tests::control::Control;
use limiter_tests::fill::Fill;
use limiter_tests::played::Played;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use super::OF_NETWORK;
use super::{Lines, cpu, memory};

/// Changes that are measured.
const CHANGES: u64 = 3;

/// Networks of each node alone; one more is carried by all.
const OF_NODE: u32 = 10;

/// Something that reaches nobody has failed after this time.
const PATIENCE: Duration = Duration::from_mins(2);

/// Measures how long one change takes to reach `count` agents and to be acknowledged by all of them.
pub(super) fn run(runtime: &Runtime, count: usize, lines: &mut Lines) -> anyhow::Result<()> {
    let mut control = Control::stopped_in(&std::env::temp_dir());
    control.doors(&["--listen", "127.0.0.1:0"]);
    let (plan, secrets) = runtime.block_on(furnish(&control, count))?;
    control.launch();
    runtime.block_on(measure(&control, &plan, secrets, lines))
}

async fn furnish(control: &Control, count: usize) -> anyhow::Result<(String, Vec<String>)> {
    let store = Store::open(control.database(), Timestamp::now()).await?;
    let mut fill = Fill::new(&store, "fleet", OF_NETWORK).await?;
    let nodes = fill.nodes(&store, "default", &["a"], count).await?;
    let ids: Vec<_> = nodes.iter().map(|(id, _)| id.clone()).collect();
    let shared = fill.networks(&store, ("default", "a"), 0..1, None).await?;
    let own = 1..1 + OF_NODE * u32::try_from(count)?;
    fill.networks(&store, ("default", "a"), own, Some(&ids)).await?;
    let plan = shared.first().context("a plan")?.to_string();
    Ok((plan, nodes.into_iter().map(|(_, secret)| secret).collect()))
}

async fn measure(
    control: &Control,
    plan: &str,
    secrets: Vec<String>,
    lines: &mut Lines,
) -> anyhow::Result<()> {
    let of = format!("{} agents, {} instances each", secrets.len(), (OF_NODE + 1) * OF_NETWORK);
    let endpoint: Endpoint = format!("http://{}", control.address()).parse()?;
    let (told, mut heard) = mpsc::unbounded_channel();
    let (_alive, stop) = watch::channel(());
    let before = cpu(control)?;
    let start = Instant::now();
    let count = secrets.len();
    for secret in secrets {
        tokio::spawn(follow(Played::new(endpoint.clone(), &secret), told.clone(), stop.clone()));
    }
    all(&mut heard, count).await?;
    lines.add("first state of all, seconds", &of, start.elapsed().as_secs_f64());
    lines.add("CPU for it, seconds", &of, cpu(control)?.saturating_sub(before).as_secs_f64());
    let client = Client::new(control.endpoint(), None)?;
    unconcerned(control, &client, &of, lines).await?;
    for change in 0..CHANGES {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = cpu(control)?;
        let start = Instant::now();
        let resize = Resize { peak_bps: 100_000_000 + change * 1_000, expected_amount_micro: None };
        client.resize_plan(plan, &resize).await?;
        let (delivered, acknowledged) = all(&mut heard, count).await?;
        let number = format!("{of}, change {}", change + 1);
        lines.add("one change delivered to all, seconds", &number, (delivered - start).as_secs_f64());
        lines.add("and acknowledged by all, seconds", &number, (acknowledged - start).as_secs_f64());
        lines.add("CPU for it, seconds", &number, cpu(control)?.saturating_sub(before).as_secs_f64());
        let found = client.plan(plan).await?;
        anyhow::ensure!(found.applied_peak_bps == resize.peak_bps, "not in force: {found:?}");
    }
    memory(control, &of, None, lines)
}

/// Changes that concern no node wake every agent all the same.
async fn unconcerned(control: &Control, client: &Client, of: &str, lines: &mut Lines) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = cpu(control)?;
    for number in 0..10 {
        client.create_account(&NewAccount { name: format!("account {number}") }).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    lines.add(
        "CPU of ten changes that concern no node, seconds",
        of,
        cpu(control)?.saturating_sub(before).as_secs_f64(),
    );
    Ok(())
}

/// Takes every state, says when, and acknowledges it.
async fn follow(
    mut agent: Played,
    told: mpsc::UnboundedSender<(Instant, Instant)>,
    mut stop: watch::Receiver<()>,
) -> anyhow::Result<()> {
    loop {
        let fetched = tokio::select! {
            biased;
            _ = stop.changed() => return Ok(()),
            fetched = agent.fetch(60) => fetched,
        };
        match fetched {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                eprintln!("an agent: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        }
        let delivered = Instant::now();
        while let Err(error) = agent.acknowledge().await {
            eprintln!("an agent: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        told.send((delivered, Instant::now()))?;
    }
}

/// When the last of `count` agents had its state, and when the last acknowledgement was answered.
async fn all(
    heard: &mut mpsc::UnboundedReceiver<(Instant, Instant)>,
    count: usize,
) -> anyhow::Result<(Instant, Instant)> {
    let mut last: Option<(Instant, Instant)> = None;
    for number in 0..count {
        let one = tokio::time::timeout(PATIENCE, heard.recv()).await;
        let one = one.with_context(|| format!("{number} of {count} agents have it"))?.context("no agent")?;
        last = Some(last.map_or(one, |last| (last.0.max(one.0), last.1.max(one.1))));
    }
    last.context("no agent")
}
