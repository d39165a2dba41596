//! The grammar of networks, instances and nodes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use limiter_api::views::NodeInterface;
use limiter_state::Rate;

use super::{IfVersion, WaitArgs, value};

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// List networks
    List {
        /// In this region
        #[arg(long)]
        region: Option<String>,
        /// In this zone
        #[arg(long)]
        zone: Option<String>,
        /// Whose name contains this
        #[arg(long)]
        name: Option<String>,
        /// Only those that no plan holds
        #[arg(long)]
        without_plan: bool,
    },
    /// Show a network
    Show {
        /// Id or name
        network: String,
    },
    /// Make a network
    Create {
        /// Its name, unique in the account
        name: String,
        /// A prefix its instances have their addresses from; repeat for more
        #[arg(long = "prefix", required = true, value_parser = value::prefix)]
        prefixes: Vec<String>,
        /// Its region
        #[arg(long)]
        region: Option<String>,
        /// Its zone
        #[arg(long)]
        zone: Option<String>,
        /// `shared` comes with basic bandwidth
        #[arg(long, value_parser = ["shared", "vpc"])]
        kind: Option<String>,
        /// Its basic rate; operators only
        #[arg(long, value_parser = value::rate, value_name = "RATE")]
        basic: Option<Rate>,
        /// A node that carries it, by id or name; repeat for more
        #[arg(long = "node", value_name = "NODE")]
        nodes: Vec<String>,
        /// Your own identity for it
        #[arg(long)]
        external_id: Option<String>,
        #[command(flatten)]
        policy: NetworkPolicy,
    },
    /// Change a network
    Update {
        /// Id or name
        network: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        /// All its prefixes, one an argument
        #[arg(long = "prefix", value_parser = value::prefix)]
        prefixes: Vec<String>,
        /// Its basic rate; operators only
        #[arg(long, value_parser = value::rate, value_name = "RATE")]
        basic: Option<Rate>,
        /// All nodes that carry it, by ids or names; operators only
        #[arg(long, value_delimiter = ',', value_name = "NODES", conflicts_with = "all_nodes")]
        nodes: Vec<String>,
        /// Every node of its region that serves its zone carries it; operators only
        #[arg(long)]
        all_nodes: bool,
        /// Rule of instances without one, as PLAN/NAME or id, or `none`
        #[arg(long, value_name = "RULE")]
        default_rule: Option<String>,
        #[command(flatten)]
        policy: NetworkPolicy,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Give the address that its plan has to another node; the one that has it lets go first; operators only
    MoveEgress {
        /// Id or name
        network: String,
        /// The node that is to use it, by id or name
        #[arg(long, value_name = "NODE")]
        node: String,
        #[command(flatten)]
        wait: WaitArgs,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Delete a network
    Delete {
        /// Id or name
        network: String,
        #[command(flatten)]
        version: IfVersion,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NetworkPolicy {
    /// What its IPv4 packets leave through: routing alone, the node's address, or its plan's; operators only
    #[arg(long, value_parser = ["none", "shared", "exclusive"])]
    pub(crate) egress: Option<String>,
    /// Internet access
    #[arg(long, value_parser = ["allow", "deny"])]
    pub(crate) internet: Option<String>,
    /// Sources that are no known instance
    #[arg(long, value_parser = ["drop", "budget"])]
    pub(crate) unknown_sources: Option<String>,
    /// Count what would be refused, refuse nothing
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "on", require_equals = true)]
    pub(crate) observe: Option<Switch>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum InstanceCommand {
    /// List instances
    List {
        /// Of this network, by id or name
        #[arg(long)]
        network: Option<String>,
        /// Bound to this rule, as PLAN/NAME or id
        #[arg(long)]
        rule: Option<String>,
        /// Only those bound to no rule
        #[arg(long, conflicts_with = "rule")]
        unbound: bool,
        /// Whose name contains this
        #[arg(long)]
        name: Option<String>,
    },
    /// Show an instance
    Show {
        /// NETWORK/NAME, a unique name, or id
        instance: String,
    },
    /// Make an instance
    Create {
        /// Its name, unique in the network
        name: String,
        /// Its network, by id or name
        #[arg(long)]
        network: String,
        /// An address or prefix it owns; repeat for more
        #[arg(long = "address", required = true, value_parser = value::address)]
        addresses: Vec<String>,
        /// Internet access
        #[arg(long, value_parser = ["allow", "deny"])]
        internet: Option<String>,
        /// Your own identity for it
        #[arg(long)]
        external_id: Option<String>,
    },
    /// Change an instance
    Update {
        /// NETWORK/NAME, a unique name, or id
        instance: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        /// All addresses and prefixes it owns, one an argument
        #[arg(long = "address", value_parser = value::address)]
        addresses: Vec<String>,
        /// Internet access
        #[arg(long, value_parser = ["allow", "deny"])]
        internet: Option<String>,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Move an instance to another network of its account; it leaves its rule
    Move {
        /// NETWORK/NAME, a unique name, or id
        instance: String,
        /// The network it goes to, by id or name
        #[arg(long, value_name = "NETWORK")]
        to: String,
        /// All addresses and prefixes it owns there, one an argument [default: those it has]
        #[arg(long = "address", value_parser = value::address)]
        addresses: Vec<String>,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Delete instances
    Delete {
        /// NETWORK/NAME, unique names, or ids
        #[arg(required = true)]
        instances: Vec<String>,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Make or change the instances of a CSV file, all or none
    Import(Import),
}

/// Columns: `name`, `addresses` (separated by spaces), and optionally `external_id`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file, `-` for standard input
    pub(crate) file: PathBuf,
    /// Their network, by id or name
    #[arg(long)]
    pub(crate) network: String,
    /// Show what would change, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List nodes
    List,
    /// Show a node
    Show {
        /// Id or name
        node: String,
    },
    /// Make a node
    Create {
        /// Its name
        name: String,
        /// Its region
        #[arg(long)]
        region: Option<String>,
        /// A device towards the Internet; repeat for more [default: those of the default routes]
        #[arg(long = "uplink", value_name = "DEVICE")]
        uplinks: Vec<String>,
        /// PATTERN[,zone=ZONE][,mode=MODE][,observe][,foreign-sources=drop|pass]; repeat for more
        #[arg(long = "interface", required = true, value_parser = value::interface)]
        interfaces: Vec<NodeInterface>,
        #[command(flatten)]
        egress: NodeEgress,
    },
    /// Change a node
    Update {
        /// Id or name
        node: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        /// All its uplinks, one an argument
        #[arg(long = "uplink", value_name = "DEVICE")]
        uplinks: Vec<String>,
        /// All its interfaces, one an argument
        #[arg(long = "interface", value_parser = value::interface)]
        interfaces: Vec<NodeInterface>,
        #[command(flatten)]
        egress: NodeEgress,
        /// It shares no address
        #[arg(long, conflicts_with = "shared_address")]
        no_shared_address: bool,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Delete a node
    Delete {
        /// Id or name
        node: String,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Give the addresses that plans have to other nodes of their networks, and take no new ones
    Drain {
        /// Id or name
        node: String,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Let a drained node have addresses again
    Undrain {
        /// Id or name
        node: String,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Declare a node dead, so that nothing waits for it
    Fence {
        /// Id or name
        node: String,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Take a fenced node back
    Unfence {
        /// Id or name
        node: String,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Let everything pass, unlimited and unmetered
    Bypass {
        /// Id or name
        node: String,
        /// On or off
        switch: Switch,
        #[command(flatten)]
        version: IfVersion,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NodeEgress {
    /// The address that networks without one of their own leave through, where they are translated
    #[arg(long, value_parser = value::egress_address, value_name = "ADDRESS")]
    pub(crate) shared_address: Option<String>,
    /// Who brings packets for egress addresses to it: its agent, on the uplink, or you, by routing
    #[arg(long, value_parser = ["assign", "routed"])]
    pub(crate) egress_addresses: Option<String>,
}
