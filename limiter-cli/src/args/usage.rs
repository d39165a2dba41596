//! The grammar of what passed.

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

use super::value;

#[derive(Debug, Subcommand)]
pub(crate) enum UsageCommand {
    /// Of a plan, over all networks that it served
    Plan(SeriesArgs),
    /// Of a network, with all plans and without
    Network(SeriesArgs),
    /// Of an instance
    Instance(SeriesArgs),
    /// The instances of a network with the most bytes, in whole hours
    Top {
        /// The network, by id or name
        network: String,
        #[command(flatten)]
        range: RangeArgs,
        /// How many, at most 100
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
        limit: u8,
    },
}

/// What it is that was held back.
#[derive(Debug, Subcommand)]
pub(crate) enum ExplainCommand {
    /// A plan, over all networks that it served
    Plan {
        /// The plan, by id or by its network
        name: String,
        #[command(flatten)]
        range: RangeArgs,
    },
    /// A network
    Network {
        /// The network, by id or name
        name: String,
        #[command(flatten)]
        range: RangeArgs,
    },
    /// An instance: by its rule, and by what all of its network may have
    Instance {
        /// The instance, by id or as NETWORK/NAME
        name: String,
        #[command(flatten)]
        range: RangeArgs,
    },
}

/// Which points of what.
#[derive(Debug, Args)]
pub(crate) struct SeriesArgs {
    /// Which one, by id or name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    /// Length of a point: 1m, 15m or 1h [default: the finest that fits]
    #[arg(long, value_parser = value::period, value_name = "TIME")]
    pub(crate) period: Option<u16>,
    /// Print comma-separated values, every number exact
    #[arg(long, conflicts_with = "output")]
    pub(crate) csv: bool,
}

/// When.
#[derive(Debug, Args)]
pub(crate) struct RangeArgs {
    /// The time up to now, such as 6h or 7d [default: 1h]
    #[arg(long, value_parser = value::last, value_name = "TIME", conflicts_with_all = ["from", "to"])]
    last: Option<SignedDuration>,
    /// Not before: 2026-03-31T12:00:00Z, 2026-03-31 (local), or 2h for two hours ago
    #[arg(long, value_parser = value::moment, value_name = "MOMENT")]
    from: Option<Timestamp>,
    /// Before [default: now]
    #[arg(long, value_parser = value::moment, value_name = "MOMENT")]
    to: Option<Timestamp>,
}

impl RangeArgs {
    /// The start and the end, where they are said.
    pub(crate) fn at(&self, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let start = self.last.map(|last| now.saturating_sub(last).unwrap_or(Timestamp::MIN));
        (start.or(self.from), self.to)
    }
}
