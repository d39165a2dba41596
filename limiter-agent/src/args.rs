//! The command line of the agent, all of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::control::LinkArgs;
use crate::place::Place;

/// Holds instances and networks of this node to their limits.
#[derive(Debug, Parser)]
#[command(name = "limiter-agent", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// Name of this agent: its maps are in /sys/fs/bpf/NAME, its records in /var/lib/NAME.
    #[arg(long, global = true, default_value = "limiter", env = "LIMITER_NAME")]
    name: String,
    /// Folder for the agent's records instead of /var/lib/NAME.
    #[arg(long, global = true, env = "LIMITER_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// The state file that says what to limit.
    #[arg(long, global = true, default_value = "/etc/limiter/state.yaml", env = "LIMITER_STATE")]
    state: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Where this agent keeps things.
    pub fn place(&self) -> Place {
        Place::new(&self.name, self.state_dir.clone(), self.state.clone())
    }
}

/// What the agent can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put the state file in force and keep it so: on start, on change of the file, on SIGHUP.
    Run(RunArgs),
    /// Show what `run` would change now, and change nothing.
    Plan {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show every limit in force, where it comes from, and what passes and is refused.
    Status(crate::command::status::StatusArgs),
    /// Show what the kernel has, what is missing, and the remedy.
    Doctor {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take every trace of the limiter off this node. Limits end at once.
    Uninstall {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Let everything pass unmetered, or end that.
    Bypass {
        /// The switch.
        #[arg(value_enum)]
        switch: Switch,
    },
    /// Named limits in the state file.
    #[command(subcommand)]
    Rule(crate::command::rule::RuleCommand),
    /// Networks in the state file.
    #[command(subcommand)]
    Network(crate::command::network::NetworkCommand),
    /// Instances in the state file, and sources seen that are none.
    #[command(subcommand)]
    Instance(crate::command::instance::InstanceCommand),
}

/// How to run.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Loopback address for Prometheus metrics; `off` for none.
    #[arg(long, default_value = "127.0.0.1:9441", value_parser = metrics_address)]
    pub metrics: MetricsAddress,
    /// Where the state comes from.
    #[command(flatten)]
    pub link: LinkArgs,
}

/// Where metrics are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsAddress(pub Option<SocketAddr>);

fn metrics_address(text: &str) -> Result<MetricsAddress, String> {
    if text == "off" {
        return Ok(MetricsAddress(None));
    }
    let address: SocketAddr =
        text.parse().map_err(|_| "write ADDRESS:PORT or off, for example 127.0.0.1:9441".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(MetricsAddress(Some(address)));
    }
    Err(format!("{} is no loopback address: the agent listens on no public one", address.ip()))
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}
