//! `rule`: named limits in the state file.

use clap::Subcommand;
use serde::Serialize;

use super::edit::WriteArgs;
use super::show;
use super::table::Column;
use crate::desired::edit::LimitEdit;
use crate::desired::{self, Rate, edit};
use crate::place::Place;

/// What to do with named limits.
#[derive(Debug, Subcommand)]
pub enum RuleCommand {
    /// Make a rule or change it; what is not given stays.
    Set {
        /// Its name.
        name: String,
        /// Instance to Internet: a rate such as 2Mbps, or `unlimited`.
        #[arg(long, value_name = "RATE")]
        up: Option<LimitEdit>,
        /// Internet to instance.
        #[arg(long, value_name = "RATE")]
        down: Option<LimitEdit>,
        /// How to write.
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Remove a rule that nothing uses.
    Remove {
        /// Its name.
        name: String,
        /// How to write.
        #[command(flatten)]
        write: WriteArgs,
    },
    /// List the rules.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Row {
    rule: String,
    up_bps: Option<u64>,
    down_bps: Option<u64>,
}

/// Carries it out.
pub fn run(command: RuleCommand, place: &Place) -> anyhow::Result<()> {
    match command {
        RuleCommand::Set { name, up, down, write } => {
            write.update(place, |state| Ok(edit::set_rule(state, &name, up, down)))
        }
        RuleCommand::Remove { name, write } => write.update(place, |state| edit::remove_rule(state, &name)),
        RuleCommand::List { json } => list(place, json),
    }
}

fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let state = desired::load_state(&place.state_file)?;
    let rows = state.rules.into_iter().map(|rule| Row {
        rule: rule.name,
        up_bps: rule.up.map(Rate::bps),
        down_bps: rule.down.map(Rate::bps),
    });
    let columns = [Column::Text("rule"), Column::Number("up"), Column::Number("down")];
    show::list(json, &rows.collect::<Vec<_>>(), columns, |row| {
        [row.rule.clone(), show::limit(row.up_bps), show::limit(row.down_bps)]
    })
}
