//! What a bench found: tables for people, JSON for programs.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use limiter_agent::command::table::{Column, print, table, terminal};
use serde_json::{Value, json};

/// Where the figures go.
#[derive(Args)]
pub(crate) struct Output {
    /// JSON on standard output instead of tables, or into FILE beside them.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

/// Tables, and the same as JSON.
pub(crate) struct Report {
    bench: &'static str,
    text: String,
    fields: Value,
}

/// A promise and what was found.
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) limit: f64,
    pub(crate) found: f64,
}

impl Report {
    /// An empty report of a bench.
    pub(crate) fn new(bench: &'static str, quick: bool) -> Self {
        let system = rustix::system::uname();
        let kernel = system.release().to_string_lossy().into_owned();
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let text = format!("bench {bench} on Linux {kernel}, {cpus} CPUs\n");
        Self { bench, text, fields: json!({ "kernel": kernel, "cpus": cpus, "quick": quick }) }
    }

    /// A sentence above the next table.
    pub(crate) fn say(&mut self, text: &str) {
        self.text.push('\n');
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A table, with the same rows as JSON under `name`.
    pub(crate) fn table<const N: usize>(
        &mut self,
        name: &str,
        columns: [Column; N],
        rows: &[[String; N]],
        json: Vec<Value>,
    ) {
        self.text.push_str(&table(columns, rows, terminal().map(|(width, _)| width)));
        self.fields[name] = Value::Array(json);
    }

    /// The targets, each kept or missed: a figure of one run on one machine, so a missed one is no error.
    pub(crate) fn targets(&mut self, targets: &[Target]) {
        let columns =
            [Column::Text("target"), Column::Number("at most"), Column::Number("found"), Column::Text("")];
        let rows: Vec<[String; 4]> = targets
            .iter()
            .map(|target| {
                let verdict = if target.is_kept() { "kept" } else { "missed" };
                [
                    target.what.clone(),
                    target.limit.to_string(),
                    format!("{:.2}", target.found),
                    verdict.to_owned(),
                ]
            })
            .collect();
        let json = targets.iter().map(|target| {
            json!({ "target": target.what, "at_most": target.limit, "found": target.found, "kept": target.is_kept() })
        });
        self.text.push('\n');
        self.table("targets", columns, &rows, json.collect());
    }
}

impl Target {
    fn is_kept(&self) -> bool {
        self.found <= self.limit
    }
}

impl Output {
    pub(crate) fn show(&self, report: &Report) -> anyhow::Result<()> {
        let mut json = report.fields.clone();
        json["bench"] = report.bench.into();
        let mut json = serde_json::to_string_pretty(&json)?;
        let _ = writeln!(json);
        match &self.json {
            None => print(&report.text)?,
            Some(path) if path.as_os_str() == "-" => print(&json)?,
            Some(path) => {
                fs::write(path, json).with_context(|| format!("writing {}", path.display()))?;
                print(&report.text)?;
            }
        }
        Ok(())
    }
}
