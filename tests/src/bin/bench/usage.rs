//! What nodes report, stored on either engine: rows a second, bytes on disk, and how long a graph takes.

use std::time::Instant;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use limiter_agent::command::table::Column;
use limiter_api::client::Client;
use limiter_api::series::{TopQuery, UsageQuery};
use limiter_api::usage::{BUCKET_S, InstanceUsage, Measured, NetworkUsage, UsageBatch};
use limiter_control::store::{Carried, Store};
use limiter_domain::usage::hour_of;
use limiter_tests::control::Control;
use limiter_tests::fill::Fill;
use limiter_tests::played::Played;
use limiter_tests::postgres::Postgres;
use limiter_tests::random::Random;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::report::Report;
use crate::rounds::Spread;

/// Instances of each network.
const OF_NETWORK: u32 = 10;

/// How much is reported.
struct Size {
    instances: u32,
    minutes: i64,
}

/// What one engine took.
struct Found {
    engine: &'static str,
    rows: usize,
    batch_ms: Spread,
    bytes: u64,
    graph_ms: Spread,
    top_ms: Spread,
}

/// Measures both engines.
pub(crate) fn run(quick: bool) -> anyhow::Result<Report> {
    let size =
        if quick { Size { instances: 200, minutes: 3 } } else { Size { instances: 10_000, minutes: 60 } };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = Report::new("usage", quick);
    report.say(&format!(
        "One node reports {} minutes of {} instances in {} networks, all with traffic in both directions: a batch a \
         minute,\nmedians (quartiles). Bytes are what the database grew by, as for a day of such hours. A graph is an \
         hour of a plan by\nminutes, a list the ten busiest instances of a network.",
        size.minutes,
        size.instances,
        size.instances / OF_NETWORK
    ));
    let server = Postgres::start();
    let sqlite = Control::stopped_in(&std::env::temp_dir());
    let postgres = Control::stopped_at(&server.database("usage"));
    let sqlite_bytes = |control: &Control| Ok(std::fs::metadata(control.database_path())?.len());
    let postgres_bytes =
        |_: &Control| Ok(server.sql("usage", "SELECT pg_database_size('usage')").trim().parse::<u64>()?);
    let found = [
        measure(&runtime, "SQLite", sqlite, &size, sqlite_bytes)?,
        measure(&runtime, "PostgreSQL", postgres, &size, postgres_bytes)?,
    ];
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    for it in &found {
        let per_second = it.rows as f64 / it.batch_ms.median * 1e3;
        let hours = size.minutes as f64 / 60.0;
        let per_instance_and_day = it.bytes as f64 / f64::from(size.instances) / hours * 24.0;
        rows.push([
            it.engine.to_owned(),
            it.rows.to_string(),
            it.batch_ms.cell(0),
            format!("{per_second:.0}"),
            format!("{:.1}", per_instance_and_day / 1024.0),
            it.graph_ms.cell(1),
            it.top_ms.cell(1),
        ]);
        json.push(json!({
            "engine": it.engine, "rows": it.rows, "batch_ms": it.batch_ms.json(), "rows_per_second": per_second,
            "bytes_per_instance_and_day": per_instance_and_day, "graph_ms": it.graph_ms.json(),
            "top_ms": it.top_ms.json(),
        }));
    }
    let columns = [
        Column::Text("engine"),
        Column::Number("rows"),
        Column::Number("batch, ms"),
        Column::Number("rows/s"),
        Column::Number("KiB a day"),
        Column::Number("graph, ms"),
        Column::Number("list, ms"),
    ];
    report.table("usage", columns, &rows, json);
    Ok(report)
}

fn measure(
    runtime: &Runtime,
    engine: &'static str,
    mut control: Control,
    size: &Size,
    bytes: impl Fn(&Control) -> anyhow::Result<u64>,
) -> anyhow::Result<Found> {
    control.doors(&["--listen", "127.0.0.1:0"]);
    let (token, carried) = runtime.block_on(furnish(&control, size))?;
    control.launch();
    // All that is written is in the file of the database once it is closed.
    control.kill();
    runtime.block_on(settle(&control))?;
    let before = bytes(&control)?;
    control.launch();
    let agent = Played::new(control.endpoint(), &token);
    let from = hour_of(Timestamp::now()) - SignedDuration::from_hours(2);
    let mut random = Random::new(1);
    let (mut times, mut rows) = (Vec::new(), 0);
    for minute in 0..size.minutes {
        let batch = batch(&carried, &mut random, minute, from);
        rows = batch.networks.len() + batch.instances.len();
        let start = Instant::now();
        let taken = runtime.block_on(agent.report(&batch))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!((taken.through, taken.refused_rows) == (batch.sequence, 0), "{taken:?}");
    }
    let client = Client::new(control.endpoint(), None)?;
    let (graph_ms, top_ms) = runtime.block_on(look(&client, &carried, from, size.minutes))?;
    control.kill();
    runtime.block_on(settle(&control))?;
    let bytes = bytes(&control)?.saturating_sub(before);
    Ok(Found { engine, rows, batch_ms: Spread::of(times), bytes, graph_ms, top_ms })
}

async fn furnish(control: &Control, size: &Size) -> anyhow::Result<(String, Carried)> {
    let store = Store::open(control.database(), Timestamp::now()).await?;
    let mut fill = Fill::new(&store, "acme", OF_NETWORK).await?;
    fill.networks(&store, ("default", "a"), 0..size.instances / OF_NETWORK, None).await?;
    let (id, token) = fill.nodes(&store, "default", &["a"], 1).await?.remove(0);
    let tx = store.read().await?;
    let node = tx.node(&id).await?.context("the node")?;
    let carried = tx.carried_by(&node).await?;
    drop(tx);
    store.close().await;
    Ok((token, carried))
}

async fn settle(control: &Control) -> anyhow::Result<()> {
    Store::open(control.database(), Timestamp::now()).await?.close().await;
    Ok(())
}

fn batch(carried: &Carried, random: &mut Random, minute: i64, from: Timestamp) -> UsageBatch {
    let start = from + SignedDuration::from_secs(minute * BUCKET_S);
    let mut measured = || {
        let bytes = random.below(150_000_000) as u64;
        let refused_bytes = bytes / 50 * u64::from(random.chance(20));
        Measured {
            bytes,
            window_bytes_max: bytes / 4,
            refused_bytes,
            limited_s: u64::from(refused_bytes > 0) * 9,
        }
    };
    let networks = carried.networks.iter().map(|network| NetworkUsage {
        network: network.id.to_string(),
        plan: carried
            .plans
            .iter()
            .find(|plan| plan.network.as_ref() == Some(&network.id))
            .map(|plan| plan.id.to_string()),
        start,
        up: measured(),
        down: measured(),
        estimated: false,
    });
    let networks = networks.collect();
    let instances = carried.instances.iter().map(|instance| InstanceUsage {
        instance: instance.id.to_string(),
        network: instance.network.to_string(),
        start,
        up: measured(),
        down: measured(),
        estimated: false,
    });
    let sequence = minute.unsigned_abs() + 1;
    UsageBatch {
        record: format!("{:032x}", 7),
        sequence,
        oldest: sequence,
        complete_until: start + SignedDuration::from_secs(BUCKET_S),
        networks,
        instances: instances.collect(),
    }
}

/// Graphs of plans and lists of networks, in milliseconds.
async fn look(
    client: &Client,
    carried: &Carried,
    from: Timestamp,
    minutes: i64,
) -> anyhow::Result<(Spread, Spread)> {
    let (from, to) = (Some(from), Some(from + SignedDuration::from_hours(1)));
    let (mut graphs, mut lists) = (Vec::new(), Vec::new());
    for plan in carried.plans.iter().step_by(carried.plans.len().div_ceil(50)) {
        let query = UsageQuery { from, to, period_s: Some(60) };
        let start = Instant::now();
        let series = client.plan_usage(plan.id.as_str(), &query).await?;
        graphs.push(start.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(i64::try_from(series.points.len())? == minutes, "{} points", series.points.len());
        let network = plan.network.as_ref().context("its network")?;
        let start = Instant::now();
        let top = client.top_instances(network.as_str(), &TopQuery { from, to, limit: Some(10) }).await?;
        lists.push(start.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(top.instances.len() == OF_NETWORK as usize, "{top:?}");
    }
    Ok((Spread::of(graphs), Spread::of(lists)))
}
