//! `doctor`: what the node has, what is missing, what leads around the limiter, and the remedy.

mod devices;
mod egress;
mod node;

use std::process::ExitCode;

use serde::Serialize;

use super::table::{self, Column, table};
use crate::dataplane::Maps;
use crate::desired::Desired;
use crate::netlink::Netlink;
use crate::place::Place;
use crate::reconcile::observe::{self, observe};
use crate::reconcile::observed::Observed;
use crate::{desired, sizing};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    what: String,
    verdict: Verdict,
    /// What it is good for, or what is wrong.
    note: String,
    /// What the operator can do.
    remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// The limiter works, but not fully or not on every path.
    Warning,
    /// The limiter does not work.
    Missing,
}

impl Finding {
    fn ok(what: impl Into<String>, note: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Ok, note: note.into(), remedy: None }
    }

    fn warning(what: impl Into<String>, note: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Warning, note: note.into(), remedy: Some(remedy.into()) }
    }

    fn missing(what: impl Into<String>, note: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Missing, ..Self::warning(what, note, remedy) }
    }
}

/// Prints what was found; the exit code tells whether something required is missing.
pub async fn run(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let findings = findings(place).await;
    let text = if json { serde_json::to_string_pretty(&findings)? + "\n" } else { text(&findings) };
    table::print(&text)?;
    let is_missing = findings.iter().any(|finding| finding.verdict == Verdict::Missing);
    Ok(if is_missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn findings(place: &Place) -> Vec<Finding> {
    let mut findings = vec![node::kernel()];
    findings.extend(node::features());
    findings.extend(node::capabilities());
    findings.push(node::fair_queue().await);
    findings.extend(node::forwarding());
    let state = desired::load(&place.state_file);
    findings.push(node::state_file(&state));
    findings.push(node::installed(place));
    findings.push(node::vhost_user());
    // Without a state the devices are judged by what is in force, if anything is.
    let in_force = || desired::load(&place.applied());
    if let Ok(state) = state.or_else(|_| in_force()) {
        match look(place, &state).await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(Finding::warning("devices", format!("{error:#}"), "run it as root")),
        }
    }
    findings
}

/// What the devices of the node show.
async fn look(place: &Place, state: &Desired) -> anyhow::Result<Vec<Finding>> {
    let mut netlink = Netlink::open()?;
    let observed: Observed = match Maps::open(&place.pins)? {
        Some(maps) => observe(&maps, None, &mut netlink).await?,
        None => observe::without_maps(sizing::sizes(state), &mut netlink).await?,
    };
    let mut findings = devices::findings(state, &observed, &mut netlink).await?;
    findings.extend(egress::findings(state, &observed));
    Ok(findings)
}

/// The findings, what is worst last, where the eye is; each remedy under its finding.
fn text(findings: &[Finding]) -> String {
    let mut findings: Vec<&Finding> = findings.iter().collect();
    findings.sort_by_key(|finding| finding.verdict);
    let rows = findings.iter().flat_map(|finding| {
        let verdict = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Missing => "MISSING",
        };
        let remedy =
            finding.remedy.iter().map(|remedy| [String::new(), String::new(), format!("-> {remedy}")]);
        [[verdict.to_owned(), finding.what.clone(), finding.note.clone()]].into_iter().chain(remedy)
    });
    let columns = [Column::Text("verdict"), Column::Text("what"), Column::Text("note")];
    table(columns, &rows.collect::<Vec<_>>(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Vec<Finding> {
        vec![
            Finding::missing("bpffs", "keeps the maps", "mount it"),
            Finding::ok("kernel", "6.12, at least 6.1"),
            Finding::warning("fq", "every direction is policed", "modprobe sch_fq"),
        ]
    }

    #[test]
    fn the_worst_comes_last_with_its_remedy() {
        let expected = "\
VERDICT  WHAT    NOTE
ok       kernel  6.12, at least 6.1
warning  fq      every direction is policed
                 -> modprobe sch_fq
MISSING  bpffs   keeps the maps
                 -> mount it
";
        assert_eq!(text(&found()), expected);
    }

    #[test]
    fn as_json() {
        let json = serde_json::to_value(&found()[1..]).expect("JSON");
        let expected = serde_json::json!([
            { "what": "kernel", "verdict": "ok", "note": "6.12, at least 6.1", "remedy": null },
            { "what": "fq", "verdict": "warning", "note": "every direction is policed", "remedy": "modprobe sch_fq" },
        ]);
        assert_eq!(json, expected);
    }
}
