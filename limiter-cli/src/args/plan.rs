//! The grammar of plans.

use clap::{Args, Subcommand};
use limiter_state::Rate;

use super::{IfVersion, Switch, WaitArgs, value};

pub(super) const DURATIONS: [&str; 8] = ["1w", "1m", "2m", "3m", "6m", "1y", "2y", "3y"];

/// Plans are named by id, by external id, or by the network that they serve.
#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// List plans
    List {
        /// In this region
        #[arg(long)]
        region: Option<String>,
        /// With this status
        #[arg(long, value_parser = ["creating", "in_use", "not_associated", "changing", "releasing", "failed"])]
        status: Option<String>,
        /// Paid so
        #[arg(long, value_parser = ["subscription", "pay-as-you-go"])]
        pay: Option<String>,
        /// That holds this network, by id or name
        #[arg(long)]
        network: Option<String>,
    },
    /// Show a plan
    Show {
        /// Id, external id, or its network
        plan: String,
    },
    /// Order a plan
    Create {
        /// The peak for each direction
        #[arg(long, value_parser = value::rate, value_name = "RATE")]
        peak: Rate,
        /// The network to serve, by id or name
        #[arg(long)]
        network: Option<String>,
        /// How it is paid [default: subscription with --duration, else pay-as-you-go]
        #[arg(long, value_parser = ["subscription", "pay-as-you-go"])]
        pay: Option<String>,
        /// What is charged
        #[arg(long, value_parser = ["bandwidth", "traffic"])]
        charge: Option<String>,
        /// Duration of a subscription
        #[arg(long, value_parser = DURATIONS)]
        duration: Option<String>,
        /// Renew it by itself
        #[arg(long)]
        auto_renew: bool,
        /// Its region [default: the network's]
        #[arg(long)]
        region: Option<String>,
        /// Your own identity for it
        #[arg(long)]
        external_id: Option<String>,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Give a network the plan
    Associate {
        /// Id or external id
        plan: String,
        /// The network, by id or name
        #[arg(long)]
        network: String,
        #[command(flatten)]
        wait: WaitArgs,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Take the plan away from its network
    Dissociate {
        /// Id, external id, or its network
        plan: String,
        #[command(flatten)]
        wait: WaitArgs,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Change the peak
    Resize {
        /// Id, external id, or its network
        plan: String,
        /// The new peak for each direction
        #[arg(long, value_parser = value::rate, value_name = "RATE")]
        peak: Rate,
        #[command(flatten)]
        wait: WaitArgs,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Renew subscriptions
    Renew {
        /// Ids, external ids, or networks
        #[arg(required = true)]
        plans: Vec<String>,
        /// The duration
        #[arg(long, value_parser = DURATIONS)]
        duration: String,
        /// Also switch automatic renewal
        #[arg(long, value_enum)]
        auto_renew: Option<Switch>,
    },
    /// Switch automatic renewal
    AutoRenew {
        /// Id, external id, or its network
        plan: String,
        /// On or off
        switch: Switch,
        #[command(flatten)]
        version: IfVersion,
    },
    /// End subscriptions
    Unsubscribe(EndArgs),
    /// Delete plans that are paid as they go
    Delete(EndArgs),
}

#[derive(Debug, Args)]
pub(crate) struct EndArgs {
    /// Ids, external ids, or networks
    #[arg(required = true)]
    pub(crate) plans: Vec<String>,
    /// Also while a network uses it
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}
