//! `instance`: instances in the state file, and sources seen that are none.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::edit::WriteArgs;
use super::table::Column;
use super::{show, unknown};
use crate::clock;
use crate::desired::edit::{InstanceEdit, LimitEdit};
use crate::desired::{self, Access, Rate, edit};
use crate::place::Place;

/// What to do with instances.
#[derive(Debug, Subcommand)]
pub enum InstanceCommand {
    /// Add an instance to its network.
    Add(InstanceArgs),
    /// Change an instance; what is not given stays.
    Set(InstanceArgs),
    /// Make a source that was seen an instance of the network whose prefix holds it.
    Adopt {
        /// Its address, as `instance list --unknown` shows it.
        address: IpAddr,
        /// Its name; the address where none is given.
        #[arg(long)]
        name: Option<String>,
        /// The network, where zones share its address.
        #[arg(long)]
        network: Option<String>,
        /// Its limits.
        #[command(flatten)]
        limits: LimitArgs,
        /// How to write.
        #[command(flatten)]
        write: WriteArgs,
    },
    /// Remove an instance.
    Remove {
        /// NETWORK/NAME.
        instance: String,
        /// How to write.
        #[command(flatten)]
        write: WriteArgs,
    },
    /// List the instances.
    List {
        /// Only those of this network.
        #[arg(long)]
        network: Option<String>,
        /// Sources seen that are no known instance instead.
        #[arg(long, conflicts_with = "network")]
        unknown: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// An instance as it shall be.
#[derive(Args, Debug)]
pub struct InstanceArgs {
    /// NETWORK/NAME.
    instance: String,
    /// An address or prefix; give all of them.
    #[arg(long = "address")]
    addresses: Option<Vec<String>>,
    /// Its limits.
    #[command(flatten)]
    limits: LimitArgs,
    /// How to write.
    #[command(flatten)]
    write: WriteArgs,
}

/// What an instance may use.
#[derive(Args, Debug)]
pub struct LimitArgs {
    /// Instance to Internet: a rate such as 2Mbps, or `unlimited`.
    #[arg(long, value_name = "RATE", conflicts_with = "rule")]
    up: Option<LimitEdit>,
    /// Internet to instance.
    #[arg(long, value_name = "RATE", conflicts_with = "rule")]
    down: Option<LimitEdit>,
    /// A named limit instead.
    #[arg(long)]
    rule: Option<String>,
    /// Whether it reaches the Internet.
    #[arg(long, value_enum)]
    internet: Option<Access>,
}

impl LimitArgs {
    fn edit(self, addresses: Option<Vec<String>>) -> InstanceEdit {
        InstanceEdit { addresses, up: self.up, down: self.down, rule: self.rule, internet: self.internet }
    }
}

#[derive(Serialize)]
struct Row {
    instance: String,
    addresses: Vec<String>,
    up_bps: Option<u64>,
    down_bps: Option<u64>,
    limit_from: String,
    internet: Access,
}

/// Carries it out.
pub fn run(command: InstanceCommand, place: &Place) -> anyhow::Result<()> {
    match command {
        InstanceCommand::Add(InstanceArgs { instance, addresses, limits, write }) => {
            write.update(place, |state| edit::add_instance(state, &instance, limits.edit(addresses)))
        }
        InstanceCommand::Set(InstanceArgs { instance, addresses, limits, write }) => {
            write.update(place, |state| edit::set_instance(state, &instance, limits.edit(addresses)))
        }
        InstanceCommand::Adopt { address, name, network, limits, write } => {
            let name = name.unwrap_or_else(|| address.to_string());
            let source = unknown::Source::find(place, address)?;
            let network = source.network(&desired::load(&place.state_file)?, network.as_deref())?;
            let change = limits.edit(Some(vec![address.to_string()]));
            write.update(place, |state| edit::add_instance(state, &format!("{network}/{name}"), change))?;
            if write.dry_run { Ok(()) } else { source.forget(place) }
        }
        InstanceCommand::Remove { instance, write } => {
            write.update(place, |state| edit::remove_instance(state, &instance))
        }
        InstanceCommand::List { unknown: true, json, .. } => unknown::list(place, json),
        InstanceCommand::List { network, json, .. } => list(place, network.as_deref(), json),
    }
}

fn list(place: &Place, network: Option<&str>, json: bool) -> anyhow::Result<()> {
    let state = desired::load(&place.state_file)?;
    let state = state.at(clock::wall());
    if let Some(name) = network.filter(|name| !state.networks.iter().any(|network| &*network.name == *name)) {
        anyhow::bail!("{}: there is no network {name:?}", place.state_file.display());
    }
    let networks = state.networks.iter().filter(|known| network.is_none_or(|name| &*known.name == name));
    let rows = networks.flat_map(|network| {
        state.instances[network.instances.clone()].iter().map(|instance| Row {
            instance: format!("{}/{}", network.name, instance.name),
            addresses: instance.addresses.iter().map(|net| desired::show_address(*net)).collect(),
            up_bps: instance.limits.up.map(Rate::bps),
            down_bps: instance.limits.down.map(Rate::bps),
            limit_from: show::source(&instance.limits.source),
            internet: instance.internet,
        })
    });
    let columns = [
        Column::Text("instance"),
        Column::Text("addresses"),
        Column::Number("up"),
        Column::Number("down"),
        Column::Text("limit from"),
        Column::Text("note"),
    ];
    show::list(json, &rows.collect::<Vec<_>>(), columns, |row| {
        [
            row.instance.clone(),
            row.addresses.join(" "),
            show::limit(row.up_bps),
            show::limit(row.down_bps),
            row.limit_from.clone(),
            if row.internet == Access::Deny { "no Internet".into() } else { String::new() },
        ]
    })
}
