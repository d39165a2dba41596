//! `doctor`: what the kernel has, what is missing, and the remedy.

use std::process::ExitCode;

use serde::Serialize;

use super::table::{Column, table};
use crate::dataplane::feature::{self, FEATURES};
use crate::desired;
use crate::netlink::Netlink;
use crate::place::Place;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    /// `ok`, `warning` or `missing`.
    verdict: &'static str,
    /// What it means, and what to do.
    note: String,
}

/// Prints the findings; fails where something required is missing.
pub async fn run(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let findings = findings(place).await;
    if json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        let rows: Vec<[String; 3]> =
            findings.iter().map(|f| [f.what.clone(), f.verdict.into(), f.note.clone()]).collect();
        let columns = [Column::Text("what"), Column::Text("verdict"), Column::Text("note")];
        print!("{}", table(columns, &rows, None));
    }
    let missing = findings.iter().any(|finding| finding.verdict == "missing");
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn findings(place: &Place) -> Vec<Finding> {
    let mut findings: Vec<Finding> = FEATURES.iter().map(of_feature).collect();
    findings.push(root());
    findings.push(fair_queue().await);
    findings.push(forwarding());
    findings.push(match desired::load(&place.state_file) {
        Ok((_, state)) => {
            let note = format!("{} networks, {} instances", state.networks.len(), state.instances.len());
            Finding { what: "state file".into(), verdict: "ok", note }
        }
        Err(error) => Finding { what: "state file".into(), verdict: "warning", note: error.to_string() },
    });
    findings
}

fn of_feature(feature: &feature::Feature) -> Finding {
    let what = feature.name.to_owned();
    if feature.is_there() {
        return Finding { what, verdict: "ok", note: feature.purpose.into() };
    }
    let verdict = if feature.required { "missing" } else { "warning" };
    Finding { what, verdict, note: format!("{}; remedy: {}", feature.purpose, feature.remedy) }
}

fn root() -> Finding {
    let what = "root".into();
    if rustix::process::geteuid().is_root() {
        return Finding { what, verdict: "ok", note: "may load programs and change devices".into() };
    }
    Finding { what, verdict: "missing", note: "remedy: run as root".into() }
}

async fn fair_queue() -> Finding {
    let has_fq = match Netlink::open() {
        Ok(mut netlink) => netlink.has_fq().await.unwrap_or(false),
        Err(_) => false,
    };
    let what = "fq".into();
    if has_fq {
        return Finding { what, verdict: "ok", note: "packets above a rate can wait: shaping".into() };
    }
    Finding {
        what,
        verdict: "warning",
        note: "every direction is policed; remedy: a kernel with sch_fq (CONFIG_NET_SCH_FQ), modprobe sch_fq"
            .into(),
    }
}

fn forwarding() -> Finding {
    let is_on = |path| std::fs::read_to_string(path).is_ok_and(|value: String| value.trim() == "1");
    let what = "forwarding".into();
    if is_on("/proc/sys/net/ipv4/ip_forward") {
        return Finding { what, verdict: "ok", note: "the node routes IPv4".into() };
    }
    Finding {
        what,
        verdict: "warning",
        note: "the node does not route IPv4 (fine for a bridge); remedy: sysctl -w net.ipv4.ip_forward=1"
            .into(),
    }
}
