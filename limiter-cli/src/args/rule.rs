//! The grammar of rules.

use clap::Subcommand;
use limiter_state::Rate;

use super::{IfVersion, value};

/// Rules are named PLAN/NAME or by id.
#[derive(Debug, Subcommand)]
pub(crate) enum RuleCommand {
    /// List rules
    List {
        /// Of this plan: id, external id, or its network
        #[arg(long)]
        plan: Option<String>,
        /// Whose name contains this
        #[arg(long)]
        name: Option<String>,
    },
    /// Show a rule
    Show {
        /// PLAN/NAME or id
        rule: String,
    },
    /// Make a rule
    Create {
        /// Its name, unique in the plan
        name: String,
        /// The plan: id, external id, or its network
        #[arg(long)]
        plan: String,
        /// Instance to Internet, for each instance
        #[arg(long, value_parser = value::rate, value_name = "RATE")]
        up: Rate,
        /// Internet to instance, for each instance
        #[arg(long, value_parser = value::rate, value_name = "RATE")]
        down: Rate,
        /// An instance to bind, by name or id; repeat for more
        #[arg(long = "instance", value_name = "INSTANCE")]
        instances: Vec<String>,
    },
    /// Change a rule
    Update {
        /// PLAN/NAME or id
        rule: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        /// Instance to Internet
        #[arg(long, value_parser = value::rate, value_name = "RATE")]
        up: Option<Rate>,
        /// Internet to instance
        #[arg(long, value_parser = value::rate, value_name = "RATE")]
        down: Option<Rate>,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Limit instances by the rule
    Bind {
        /// PLAN/NAME or id
        rule: String,
        /// Instances of the plan's network, by name or id
        #[arg(required = true)]
        instances: Vec<String>,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Limit instances no longer by the rule
    Unbind {
        /// PLAN/NAME or id
        rule: String,
        /// Instances of the plan's network, by name or id
        #[arg(required = true)]
        instances: Vec<String>,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Delete rules, all or none
    Delete {
        /// PLAN/NAME or ids
        #[arg(required = true)]
        rules: Vec<String>,
    },
}
