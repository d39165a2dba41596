//! What limits cost on a forwarding path, beside other ways to limit.

use anyhow::ensure;
use limiter_agent::command::table::Column;
use limiter_tests::agent::Agent;
use serde_json::json;

use crate::path::{Layout, Path, Sender};
use crate::report::{Report, Target};
use crate::rivals::Rival;
use crate::rounds::{Spread, interleave, pin};

const SHARED: [Rival; 4] = [Rival::Nothing, Rival::Limiter, Rival::Htb, Rival::Nft];
const DEVICES: [Rival; 3] = [Rival::Nothing, Rival::Limiter, Rival::Tbf];

/// Measures and compares.
pub(crate) fn run(quick: bool) -> anyhow::Result<Report> {
    let sizes: &[(u32, &[Layout])] = if quick {
        &[(10, &[Layout::Shared, Layout::Devices])]
    } else {
        &[
            (10, &[Layout::Shared, Layout::Devices]),
            (100, &[Layout::Shared, Layout::Devices]),
            (1_000, &[Layout::Shared, Layout::Devices]),
            (10_000, &[Layout::Shared]),
        ]
    };
    let (rounds, packets) = if quick { (5, 500) } else { (61, 2_000) };
    let mut report = Report::new("forward", quick);
    report.say(&format!(
        "A packet from a sender through a router to a destination, all on one CPU: medians (quartiles) of \
         {rounds} interleaved\nrounds of {packets} packets of 100 B, destinations in random order. added = more \
         than the same path without limits,\nmeasured right after. shared: all behind one device; devices: each \
         behind its own (limiter: bound)."
    ));
    let mut found = Vec::new();
    for &(instances, layouts) in sizes {
        for &layout in layouts {
            found.extend(measure(layout, instances, rounds, packets)?);
        }
    }
    rows(&mut report, &found);
    report.targets(&targets(&found));
    Ok(report)
}

/// What was found of one rival.
struct Outcome {
    rival: Rival,
    layout: Layout,
    instances: u32,
    ns: Spread,
    added_ns: Spread,
    set_up_ms: f64,
}

/// A rival on a path of its own.
struct Contestant<'a> {
    rival: Rival,
    path: &'a Path,
    sender: Sender,
    set_up_ms: f64,
    agent: Option<Agent<'a>>,
}

fn measure(layout: Layout, instances: u32, rounds: usize, packets: u32) -> anyhow::Result<Vec<Outcome>> {
    let rivals = if layout == Layout::Shared { &SHARED[..] } else { &DEVICES[..] };
    let paths: Vec<Path> = rivals.iter().map(|_| Path::new(layout, instances)).collect::<Result<_, _>>()?;
    let mut contestants = Vec::new();
    for (&rival, path) in rivals.iter().zip(&paths) {
        let (set_up_ms, agent) = rival.set_up(path)?;
        contestants.push(Contestant { rival, path, sender: path.sender()?, set_up_ms, agent });
    }
    let mut bare = contestants.remove(0);
    let pinned = pin()?;
    let samples = interleave(&mut contestants, rounds, |contestant| {
        let ns = contestant.sender.time_ns(packets)?;
        Ok((ns, ns - bare.sender.time_ns(packets)?))
    })?;
    drop(pinned);
    for contestant in contestants.iter().chain([&bare]) {
        contestant.check()?;
    }
    let outcomes = contestants.iter().zip(samples).map(|(contestant, samples)| Outcome {
        rival: contestant.rival,
        layout,
        instances,
        ns: Spread::of(samples.iter().map(|(ns, _)| *ns)),
        added_ns: Spread::of(samples.iter().map(|(_, added)| *added)),
        set_up_ms: contestant.set_up_ms,
    });
    Ok(outcomes.collect())
}

impl Contestant<'_> {
    /// An error unless every packet went through the limits and arrived: what is lost would be cheap.
    fn check(&self) -> anyhow::Result<()> {
        let (sent, arrived) = (self.sender.sent, self.path.arrived()?);
        let counted = self.rival.counted(self.path, self.agent.as_ref()).unwrap_or(sent);
        let name = self.rival.name();
        ensure!(arrived == sent, "{name}: {arrived} of {sent} packets arrived");
        ensure!(counted == sent, "{name}: {counted} of {sent} packets went through the limits");
        Ok(())
    }
}

fn rows(report: &mut Report, found: &[Outcome]) {
    let columns = [
        Column::Text("limits"),
        Column::Text("layout"),
        Column::Number("instances"),
        Column::Number("ns a packet"),
        Column::Number("added, ns"),
        Column::Number("set-up, ms"),
    ];
    let layout = |layout| if layout == Layout::Shared { "shared" } else { "devices" };
    let rows: Vec<[String; 6]> = found
        .iter()
        .map(|outcome| {
            [
                outcome.rival.name().to_owned(),
                layout(outcome.layout).to_owned(),
                outcome.instances.to_string(),
                outcome.ns.cell(0),
                outcome.added_ns.cell(0),
                format!("{:.0}", outcome.set_up_ms),
            ]
        })
        .collect();
    let json = found.iter().map(|outcome| {
        json!({
            "limits": outcome.rival.name(), "layout": layout(outcome.layout), "instances": outcome.instances,
            "ns": outcome.ns.json(), "added_ns": outcome.added_ns.json(), "set_up_ms": outcome.set_up_ms,
        })
    });
    report.table("forward", columns, &rows, json.collect());
}

fn targets(found: &[Outcome]) -> Vec<Target> {
    let htb = found.iter().filter(|outcome| outcome.rival == Rival::Htb);
    let targets = htb.filter_map(|htb| {
        let ours = found.iter().find(|outcome| {
            (outcome.rival, outcome.layout, outcome.instances) == (Rival::Limiter, htb.layout, htb.instances)
        })?;
        Some(Target {
            what: format!("added at {} instances, / what HTB adds", htb.instances),
            limit: 0.25,
            found: ours.added_ns.median / htb.added_ns.median,
        })
    });
    targets.collect()
}
