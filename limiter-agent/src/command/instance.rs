//! `instance`: instances in the state file, and sources seen that are none.

use std::net::IpAddr;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::show;
use crate::dataplane::Maps;
use crate::desired::edit::{InstanceEdit, LimitEdit};
use crate::desired::{self, Desired, edit};
use crate::place::Place;

/// What to do with instances.
#[derive(Debug, Subcommand)]
pub enum InstanceCommand {
    /// Add an instance to its network.
    Add(InstanceArgs),
    /// Change an instance; what is not given stays.
    Set(InstanceArgs),
    /// Make a source seen in a network's prefix an instance of it.
    Adopt {
        /// Its address, as `instance list --unknown` shows it.
        address: IpAddr,
        /// Its name; the address where none is given.
        #[arg(long)]
        name: Option<String>,
        /// Its limits.
        #[command(flatten)]
        limits: LimitArgs,
        /// How to write.
        #[command(flatten)]
        write: show::WriteArgs,
    },
    /// Remove an instance.
    Remove {
        /// NETWORK/NAME.
        instance: String,
        /// How to write.
        #[command(flatten)]
        write: show::WriteArgs,
    },
    /// List the instances.
    List {
        /// Sources seen that are no known instance instead.
        #[arg(long)]
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
    write: show::WriteArgs,
}

/// What an instance may use.
#[derive(Args, Debug)]
pub struct LimitArgs {
    /// Instance to Internet: a rate such as 2Mbps, or `unlimited`.
    #[arg(long, conflicts_with = "rule")]
    up: Option<LimitEdit>,
    /// Internet to instance.
    #[arg(long, conflicts_with = "rule")]
    down: Option<LimitEdit>,
    /// A named limit instead.
    #[arg(long)]
    rule: Option<String>,
}

impl LimitArgs {
    fn edit(self, addresses: Option<Vec<String>>) -> InstanceEdit {
        InstanceEdit { addresses, up: self.up, down: self.down, rule: self.rule, internet: None }
    }
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
        InstanceCommand::Adopt { address, name, limits, write } => {
            let (_, state) = desired::load(&place.state_file)?;
            let network = network_of(&state, address)?;
            let instance = format!("{network}/{}", name.unwrap_or_else(|| address.to_string()));
            let change = limits.edit(Some(vec![address.to_string()]));
            write.update(place, |state| edit::add_instance(state, &instance, change))?;
            forget(place, address)
        }
        InstanceCommand::Remove { instance, write } => {
            write.update(place, |state| edit::remove_instance(state, &instance))
        }
        InstanceCommand::List { unknown: true, json } => list_unknown(place, json),
        InstanceCommand::List { unknown: false, json } => {
            let (_, state) = desired::load(&place.state_file)?;
            let rows = state.instances.iter().map(|instance| {
                let network = &state.networks[instance.network].name;
                let addresses: Vec<String> =
                    instance.addresses.iter().map(|net| desired::show_address(*net)).collect();
                let (up, down) = (show::rate(instance.limits.up), show::rate(instance.limits.down));
                [
                    format!("{network}/{}", instance.name),
                    addresses.join(" "),
                    up,
                    down,
                    show::source(&instance.limits.source),
                ]
            });
            show::list(json, ["instance", "addresses", "up", "down", "limit from"], rows)
        }
    }
}

/// Name of the one network whose prefixes hold the address.
fn network_of(state: &Desired, address: IpAddr) -> anyhow::Result<String> {
    let holds = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
    let mut networks = state.networks.iter().filter(|network| holds(&network.prefixes));
    let network = networks
        .next()
        .with_context(|| format!("{address} is in no network's prefix; see `network list`"))?;
    match networks.next() {
        None => Ok(network.name.to_string()),
        Some(other) => anyhow::bail!(
            "{address} is in {} and {}, of different zones; use `instance add NETWORK/NAME --address {address}`",
            network.name,
            other.name
        ),
    }
}

fn forget(place: &Place, address: IpAddr) -> anyhow::Result<()> {
    let Some(maps) = Maps::open(&place.pins)? else { return Ok(()) };
    for (key, _) in maps.unknown()? {
        if show::address(key) == address {
            maps.forget_unknown(key);
        }
    }
    Ok(())
}

/// Sources inside a network's prefix that are no instance of it, and such outside every network.
fn list_unknown(place: &Place, json: bool) -> anyhow::Result<()> {
    let maps = Maps::open(&place.pins)?.context("the limiter is not installed here")?;
    let now_ns = show::monotonic_ns();
    let mut unknown = maps.unknown()?;
    unknown.sort_by_key(|(_, source)| std::cmp::Reverse(source.seen_ns));
    let rows = unknown.into_iter().map(|(key, source)| {
        let address = show::address(key);
        let kind = if source.network == 0 { "outside every network" } else { "inside a network" };
        let seen_s = now_ns.saturating_sub(source.seen_ns) / 1_000_000_000;
        [
            address.to_string(),
            kind.into(),
            source.ifindex.to_string(),
            source.packets.to_string(),
            seen_s.to_string(),
        ]
    });
    show::list(json, ["address", "where", "ifindex", "packets", "seen_s_ago"], rows)
}
