//! `network`: networks in the state file.

use clap::{Args, Subcommand};

use super::show;
use crate::desired::edit::{LimitEdit, NetworkEdit};
use crate::desired::{self, Access, UnknownSources, edit};
use crate::place::Place;

/// What to do with networks.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Make a network or change it; what is not given stays.
    Set(SetArgs),
    /// Remove a network.
    Remove {
        /// Its name.
        name: String,
        /// Remove its instances with it.
        #[arg(long)]
        with_instances: bool,
        /// How to write.
        #[command(flatten)]
        write: show::WriteArgs,
    },
    /// List the networks.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A network as it shall be.
#[derive(Args, Debug)]
pub struct SetArgs {
    /// Its name.
    name: String,
    /// A prefix; give all of them.
    #[arg(long = "prefix")]
    prefixes: Option<Vec<String>>,
    /// Its zone.
    #[arg(long)]
    zone: Option<String>,
    /// All instances together to the Internet: a rate such as 5Mbps, or `unlimited`.
    #[arg(long)]
    up: Option<LimitEdit>,
    /// The Internet to all instances together.
    #[arg(long)]
    down: Option<LimitEdit>,
    /// Whether its instances reach the Internet.
    #[arg(long, value_enum)]
    internet: Option<Access>,
    /// Count what would be refused, refuse nothing.
    #[arg(long)]
    observe: Option<bool>,
    /// Sources inside its prefixes that are no known instance.
    #[arg(long, value_enum)]
    unknown_sources: Option<UnknownSources>,
    /// Rule of instances without limits of their own; an empty one for none.
    #[arg(long)]
    default_rule: Option<String>,
    /// How to write.
    #[command(flatten)]
    write: show::WriteArgs,
}

/// Carries it out.
pub fn run(command: NetworkCommand, place: &Place) -> anyhow::Result<()> {
    match command {
        NetworkCommand::Set(SetArgs {
            name,
            prefixes,
            zone,
            up,
            down,
            internet,
            observe,
            unknown_sources,
            default_rule,
            write,
        }) => {
            let change =
                NetworkEdit { prefixes, zone, up, down, internet, observe, unknown_sources, default_rule };
            write.update(place, |state| edit::set_network(state, &name, change))
        }
        NetworkCommand::Remove { name, with_instances, write } => {
            write.update(place, |state| edit::remove_network(state, &name, with_instances))
        }
        NetworkCommand::List { json } => {
            let (_, state) = desired::load(&place.state_file)?;
            let rows = state.networks.iter().map(|network| {
                let prefixes: Vec<String> = network.prefixes.iter().map(ToString::to_string).collect();
                let zone = &state.zones[network.zone].name;
                let (up, down) = (show::rate(network.limits.up), show::rate(network.limits.down));
                [
                    network.name.to_string(),
                    zone.clone(),
                    prefixes.join(" "),
                    up,
                    down,
                    network.instances.len().to_string(),
                ]
            });
            show::list(json, ["network", "zone", "prefixes", "up", "down", "instances"], rows)
        }
    }
}
