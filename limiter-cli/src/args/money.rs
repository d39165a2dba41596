//! The grammar of prices, quotes, orders and bills.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use limiter_state::Rate;

use super::plan::DURATIONS;
use super::value;

#[derive(Debug, Subcommand)]
pub(crate) enum PriceCommand {
    /// List price books
    List,
    /// Show a price book
    Show {
        /// Its version [default: the one that holds now]
        #[arg(default_value = "now")]
        version: String,
    },
    /// Make the next price book; those that are there never change
    Create {
        /// The book, YAML or JSON; `-` for standard input
        #[arg(short, long)]
        file: PathBuf,
        /// Say what it would be, make nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// What an operation would cost now.
#[derive(Debug, Subcommand)]
pub(crate) enum QuoteCommand {
    /// What a plan would cost
    Plan {
        /// The peak for each direction
        #[arg(long, value_parser = value::rate, value_name = "RATE")]
        peak: Rate,
        /// Duration of a subscription [default: pay-as-you-go]
        #[arg(long, value_parser = DURATIONS)]
        duration: Option<String>,
        /// What is charged
        #[arg(long, value_parser = ["bandwidth", "traffic"])]
        charge: Option<String>,
    },
    /// What another peak would cost, or pay back
    Resize {
        /// Id, external id, or its network
        plan: String,
        /// The new peak for each direction
        #[arg(long, value_parser = value::rate, value_name = "RATE")]
        peak: Rate,
    },
    /// What a longer term would cost
    Renew {
        /// Id, external id, or its network
        plan: String,
        /// The duration
        #[arg(long, value_parser = DURATIONS)]
        duration: String,
    },
    /// What the end of a subscription would pay back
    Unsubscribe {
        /// Id, external id, or its network
        plan: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// List orders, oldest first
    List {
        /// For this plan, by id, also where it was released
        #[arg(long)]
        plan: Option<String>,
    },
    /// Show an order
    Show {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BillCommand {
    /// List statements, the last first
    List {
        /// The account, by id or name [default: your own, or --account]
        #[arg(value_name = "ACCOUNT")]
        of: Option<String>,
    },
    /// Show what a month cost, with everything that moved money in it
    Show(MonthArgs),
    /// List the hours of a month, each explained
    Lines {
        #[command(flatten)]
        month: MonthArgs,
        /// Of this plan, by id, also where it was released
        #[arg(long)]
        plan: Option<String>,
    },
}

/// A month of an account.
#[derive(Debug, Args)]
pub(crate) struct MonthArgs {
    /// The month: 2026-11, or `now`
    #[arg(value_parser = value::month)]
    pub(crate) month: String,
    /// The account, by id or name [default: your own, or --account]
    #[arg(value_name = "ACCOUNT")]
    pub(crate) of: Option<String>,
    /// As CSV
    #[arg(long, conflicts_with = "output")]
    pub(crate) csv: bool,
}

/// Who gets or gives how much, and why.
#[derive(Debug, Args)]
pub(crate) struct NoteArgs {
    /// Id or name
    pub(crate) account: String,
    /// How much, in whole cents: 100 or 99.95
    #[arg(value_parser = value::cents)]
    pub(crate) amount: i64,
    /// Why; it is in the ledger
    #[arg(long)]
    pub(crate) reason: String,
}
