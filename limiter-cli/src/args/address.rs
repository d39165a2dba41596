//! The grammar of addresses for plans.

use std::net::Ipv4Addr;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::value;

#[derive(Debug, Subcommand)]
pub(crate) enum AddressCommand {
    /// List addresses
    List {
        /// In this region
        #[arg(long)]
        region: Option<String>,
        /// In this state
        #[arg(long, value_parser = ["free", "bound", "quarantined"])]
        state: Option<String>,
    },
    /// Show an address
    Show {
        /// The address
        #[arg(value_parser = value::ipv4)]
        address: Ipv4Addr,
    },
    /// List who had an address when, oldest first, also of one that was removed
    Uses {
        /// The address
        #[arg(value_parser = value::ipv4)]
        address: Ipv4Addr,
        /// Only who had it then: a moment such as 2026-03-31T12:00:00Z, or 2h for two hours ago
        #[arg(long, value_parser = value::moment, value_name = "MOMENT")]
        at: Option<Timestamp>,
    },
    /// Make addresses available to plans; plans of the region that have none get one each
    Import(ChangeArgs),
    /// Take addresses that no plan has away
    Remove(ChangeArgs),
}

/// Which addresses.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// 198.51.100.0/28 (without its first and last), 198.51.100.8-198.51.100.20 (with both), or one address
    #[arg(required = true, value_name = "RANGE")]
    pub(crate) ranges: Vec<String>,
    /// Their region [default: `default`]
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// Say what would change, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
