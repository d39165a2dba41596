//! The grammar of whole setups and of events.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{WaitArgs, value};

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The setup, YAML or JSON; `-` for standard input
    #[arg(short, long)]
    pub(crate) file: PathBuf,
    /// Also remove instances and rules of the named networks that the file does not name
    #[arg(long)]
    pub(crate) prune: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) setup: FileArgs,
    /// Show what would change, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    /// List what happened, oldest first
    List {
        /// Of this kind, or of all that begin so: `plan.in_use`, `plan.`
        #[arg(long)]
        kind: Option<String>,
        /// Of this network, instance, plan, rule or node, by id
        #[arg(long)]
        subject: Option<String>,
        /// Not before: a moment such as 2026-03-31, or 2h for two hours ago
        #[arg(long, default_value = "1d", value_parser = value::moment, value_name = "MOMENT")]
        from: Timestamp,
        /// Before this moment
        #[arg(long, value_parser = value::moment, value_name = "MOMENT")]
        to: Option<Timestamp>,
        /// Most events
        #[arg(long, default_value_t = 1000, value_name = "COUNT")]
        limit: usize,
    },
}
