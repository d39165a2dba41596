//! `network`: networks in the state file.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::edit::WriteArgs;
use super::show;
use super::table::Column;
use crate::desired::edit::{LimitEdit, NetworkEdit};
use crate::desired::{self, Access, DEFAULT_ZONE, NetworkSpec, Rate, UnknownSources, edit};
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
        write: WriteArgs,
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
    #[arg(long, value_name = "RATE")]
    up: Option<LimitEdit>,
    /// The Internet to all instances together.
    #[arg(long, value_name = "RATE")]
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
    #[arg(long, value_name = "RULE")]
    default_rule: Option<String>,
    /// How to write.
    #[command(flatten)]
    write: WriteArgs,
}

#[derive(Serialize)]
struct Row {
    network: String,
    zone: String,
    prefixes: Vec<String>,
    up_bps: Option<u64>,
    down_bps: Option<u64>,
    default_rule: Option<String>,
    internet: Access,
    observe: bool,
    unknown_sources: UnknownSources,
    instances: usize,
}

/// Carries it out.
pub fn run(command: NetworkCommand, place: &Place) -> anyhow::Result<()> {
    match command {
        NetworkCommand::Set(args) => set(args, place),
        NetworkCommand::Remove { name, with_instances, write } => {
            write.update(place, |state| edit::remove_network(state, &name, with_instances))
        }
        NetworkCommand::List { json } => list(place, json),
    }
}

fn set(args: SetArgs, place: &Place) -> anyhow::Result<()> {
    let SetArgs { name, prefixes, zone, up, down, internet, observe, unknown_sources, default_rule, write } =
        args;
    let change = NetworkEdit { prefixes, zone, up, down, internet, observe, unknown_sources, default_rule };
    write.update(place, |state| edit::set_network(state, &name, change))
}

fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let state = desired::load_state(&place.state_file)?;
    let rows: Vec<Row> = state.networks.into_iter().map(row).collect();
    let columns = [
        Column::Text("network"),
        Column::Text("zone"),
        Column::Text("prefixes"),
        Column::Number("up"),
        Column::Number("down"),
        Column::Text("default rule"),
        Column::Number("instances"),
        Column::Text("note"),
    ];
    show::list(json, &rows, columns, |row| {
        [
            row.network.clone(),
            row.zone.clone(),
            row.prefixes.join(" "),
            show::limit(row.up_bps),
            show::limit(row.down_bps),
            row.default_rule.clone().unwrap_or_default(),
            row.instances.to_string(),
            note(row),
        ]
    })
}

fn row(network: NetworkSpec) -> Row {
    Row {
        network: network.name,
        zone: network.zone.unwrap_or_else(|| DEFAULT_ZONE.to_owned()),
        prefixes: network.prefixes,
        up_bps: network.up.map(Rate::bps),
        down_bps: network.down.map(Rate::bps),
        default_rule: network.default_rule,
        internet: network.internet,
        observe: network.observe,
        unknown_sources: network.unknown_sources,
        instances: network.instances.len(),
    }
}

fn note(row: &Row) -> String {
    let notes = [
        (row.internet == Access::Deny, "no Internet"),
        (row.observe, "observed only"),
        (row.unknown_sources == UnknownSources::Budget, "holds unknown sources"),
    ];
    let notes: Vec<&str> = notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note).collect();
    notes.join(", ")
}
