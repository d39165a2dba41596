//! `rule`: named limits in the state file.

use clap::Subcommand;

use super::show;
use crate::desired::{self, edit, edit::LimitEdit};
use crate::place::Place;

/// What to do with named limits.
#[derive(Debug, Subcommand)]
pub enum RuleCommand {
    /// Make a rule or change it; what is not given stays.
    Set {
        /// Its name.
        name: String,
        /// Instance to Internet: a rate such as 2Mbps, or `unlimited`.
        #[arg(long)]
        up: Option<LimitEdit>,
        /// Internet to instance.
        #[arg(long)]
        down: Option<LimitEdit>,
        /// How to write.
        #[command(flatten)]
        write: show::WriteArgs,
    },
    /// Remove a rule that nothing uses.
    Remove {
        /// Its name.
        name: String,
        /// How to write.
        #[command(flatten)]
        write: show::WriteArgs,
    },
    /// List the rules.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Carries it out.
pub fn run(command: RuleCommand, place: &Place) -> anyhow::Result<()> {
    match command {
        RuleCommand::Set { name, up, down, write } => {
            write.update(place, |state| Ok(edit::set_rule(state, &name, up, down)))
        }
        RuleCommand::Remove { name, write } => write.update(place, |state| edit::remove_rule(state, &name)),
        RuleCommand::List { json } => {
            let (_, state) = desired::load(&place.state_file)?;
            let rows = state
                .rules
                .iter()
                .map(|rule| [rule.name.to_string(), show::rate(rule.up), show::rate(rule.down)]);
            show::list(json, ["rule", "up", "down"], rows)
        }
    }
}
