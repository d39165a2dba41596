//! What metering takes: the reading of each second, and the transaction of each 10 s.

use std::sync::Arc;
use std::time::Instant;

use limiter_agent::clock;
use limiter_agent::command::table::Column;
use limiter_agent::dataplane::Sizes;
use limiter_agent::metering::recorder::{Moment, Origin, Recorder};
use limiter_agent::metering::scan::seen;
use limiter_agent::metering::store::Store;
use limiter_agent::metering::subject::{Subject, Subjects};
use limiter_agent::metering::tracked::Seen;
use limiter_tests::program::Fixture;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::report::{Report, Target};
use crate::rounds::Spread;

/// Instances of each network.
const OF_NETWORK: u32 = 200;
/// Readings of each round: two minutes of them.
const SECONDS: u64 = 120;

/// Milliseconds of each step, and of CPU time.
#[derive(Default)]
struct Figures {
    claim: f64,
    read_idle: f64,
    read_busy: f64,
    keep_idle: f64,
    keep_busy: f64,
    minute_busy: f64,
    idle_percent: f64,
    file_mib: f64,
}

/// Measures readings and transactions.
pub(crate) fn run(quick: bool) -> anyhow::Result<Report> {
    let sizes: &[u32] = if quick { &[1_000] } else { &[1_000, 10_000, 100_000] };
    let rounds = if quick { 1 } else { 3 };
    let mut report = Report::new("meter", quick);
    report.say(
        "Metering, in ms: claim makes all new slots durable; a reading each second and a transaction each 10 s, \
         while\nnothing happens and while every meter counts; minute is the transaction that closes one, with its \
         batches.",
    );
    let columns = [
        Column::Number("instances"),
        Column::Number("claim"),
        Column::Number("reading, idle"),
        Column::Number("reading, busy"),
        Column::Number("10 s, idle"),
        Column::Number("10 s, busy"),
        Column::Number("minute, busy"),
        Column::Number("idle CPU, %"),
        Column::Number("file, MiB"),
    ];
    let (mut rows, mut json, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for &size in sizes {
        let samples: Vec<Figures> = (0..rounds).map(|_| figures(size)).collect::<Result<_, _>>()?;
        let of = |figure: fn(&Figures) -> f64| Spread::of(samples.iter().map(figure));
        let figures = [
            of(|figures| figures.claim),
            of(|figures| figures.read_idle),
            of(|figures| figures.read_busy),
            of(|figures| figures.keep_idle),
            of(|figures| figures.keep_busy),
            of(|figures| figures.minute_busy),
            of(|figures| figures.idle_percent),
            of(|figures| figures.file_mib),
        ];
        if size == 100_000 {
            let what = "metering of 100,000 instances, % of a CPU when idle".to_owned();
            targets.push(Target { what, limit: 1.0, found: figures[6].median });
        }
        let [claim, read_idle, read_busy, keep_idle, keep_busy, minute, idle, file] =
            figures.map(Spread::json);
        json.push(json!({
            "instances": size, "claim_ms": claim, "read_idle_ms": read_idle, "read_busy_ms": read_busy,
            "keep_idle_ms": keep_idle, "keep_busy_ms": keep_busy, "minute_busy_ms": minute,
            "idle_cpu_percent": idle, "file_mib": file,
        }));
        let mut cells = figures.map(|figure| figure.cell(2)).into_iter();
        rows.push(std::array::from_fn(|place| match place {
            0 => size.to_string(),
            _ => cells.next().unwrap_or_default(),
        }));
    }
    report.table("metering", columns, &rows, json);
    report.targets(&targets);
    Ok(report)
}

fn figures(instances: u32) -> anyhow::Result<Figures> {
    let networks = instances.div_ceil(OF_NETWORK);
    let slots = 1 + instances + networks;
    let fixture = Fixture::new(Sizes { slots, addresses: 1, prefixes: 64, zones: 4 });
    let subjects: Vec<Subject> = (0..instances + networks).map(subject).collect();
    for (slot, subject) in (1..).zip(&subjects) {
        let (entity, kind) = subject.key();
        fixture.maps.meters().claim(slot, entity, kind);
    }
    let subjects: Subjects = subjects.into_iter().collect();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("usage.redb");
    let (mut store, _) = Store::open(&file, &format!("{:032x}", clock::chance()))?;
    // The first reading is at a whole hour, so that minutes end with the readings.
    let mut now = Moment { wall_ms: 1_789_999_200_000, boot_ms: 1000 };
    let mut recorder = Recorder::new(Origin { epoch: 1, boot_id: String::new() }, now);
    let mut found = Figures::default();
    let read = |recorder: &mut Recorder, now: Moment, busy: u64| {
        let add = |mut seen: Seen| {
            for counts in &mut seen.counts {
                counts.passed_bytes += busy * 125_000;
            }
            seen
        };
        recorder.read(now, seen(fixture.maps.meters()).map(add), &subjects);
    };
    let start = Instant::now();
    read(&mut recorder, now, 0);
    store.keep(&mut recorder)?;
    found.claim = ms(start);
    let idle_cpu = cpu_ms();
    (found.read_idle, found.keep_idle, _) =
        minutes(&mut store, &mut recorder, &mut now, |recorder, now, _| {
            read(recorder, now, 0);
        })?;
    found.idle_percent = (cpu_ms() - idle_cpu) / (SECONDS as f64 * 1000.0) * 100.0;
    (found.read_busy, found.keep_busy, found.minute_busy) =
        minutes(&mut store, &mut recorder, &mut now, |recorder, now, second| read(recorder, now, second))?;
    found.file_mib = std::fs::metadata(&file)?.len() as f64 / f64::from(1 << 20);
    Ok(found)
}

/// Two minutes of readings; gives the medians of a reading, of a transaction, and of one that closes a minute.
fn minutes(
    store: &mut Store,
    recorder: &mut Recorder,
    now: &mut Moment,
    read: impl Fn(&mut Recorder, Moment, u64),
) -> anyhow::Result<(f64, f64, f64)> {
    let (mut readings, mut kept, mut minutes) = (Vec::new(), Vec::new(), Vec::new());
    for second in 1..=SECONDS {
        *now = Moment { wall_ms: now.wall_ms + 1000, boot_ms: now.boot_ms + 1000 };
        let start = Instant::now();
        read(recorder, *now, second);
        readings.push(ms(start));
        if second % 10 == 0 {
            let start = Instant::now();
            store.keep(recorder)?;
            if second % 60 == 0 { &mut minutes } else { &mut kept }.push(ms(start));
        }
    }
    let median = |figures: Vec<f64>| Spread::of(figures).median;
    Ok((median(readings), median(kept), median(minutes)))
}

fn subject(number: u32) -> Subject {
    let network = |number: u32| Arc::from(format!("net-{number:020}"));
    match number.checked_rem(OF_NETWORK + 1) {
        Some(0) => Subject::Network {
            id: network(number / (OF_NETWORK + 1)),
            plan: Some("plan-00000000000000000001".into()),
        },
        _ => Subject::Instance {
            id: format!("inst-{number:020}").into(),
            network: network(number / (OF_NETWORK + 1)),
        },
    }
}

fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
