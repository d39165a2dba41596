//! Addresses for plans.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use limiter_api::client::all_pages;
use limiter_api::params::{AddressQuery, AddressRanges, AddressUseQuery};
use limiter_api::views::{Address, AddressUse, AddressesChanged};

use super::Session;
use crate::args::{AddressCommand, ChangeArgs};
use crate::confirm;
use crate::failure::Failure;
use crate::lookup::{names, node_name};
use crate::output::text::{count, plain};
use crate::output::{Format, note, print};

pub(super) async fn run(session: &Session, command: AddressCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        AddressCommand::List { region, state } => {
            let query = AddressQuery { region, state, ..AddressQuery::default() };
            let mut addresses = all_pages(query, async |query| client.addresses(query).await).await?;
            if session.output.for_people() {
                name_plans(session, &mut addresses).await?;
            }
            session.output.list(
                &addresses,
                "no addresses; plans get one each after `limiter address import 198.51.100.0/28`",
            )
        }
        AddressCommand::Show { address } => {
            let mut address = [client.address(address).await?];
            if session.output.for_people() {
                name_plans(session, &mut address).await?;
            }
            session.output.one(&address[0])
        }
        AddressCommand::Uses { address, at } => uses(session, address, at).await,
        AddressCommand::Import(args) => change(session, args, Verb::Import).await,
        AddressCommand::Remove(args) => change(session, args, Verb::Remove).await,
    }
}

/// Writes the network of a plan, by which people name it, in place of its id.
async fn name_plans(session: &Session, addresses: &mut [Address]) -> Result<(), Failure> {
    let client = &session.client;
    let name = async |id: &str| Ok(client.plan(id).await?.network_name.unwrap_or_else(|| id.to_owned()));
    let ids = addresses.iter().filter_map(|address| address.plan.as_deref());
    let plans = names(ids, name).await?;
    for plan in addresses.iter_mut().filter_map(|address| address.plan.as_mut()) {
        if let Some(name) = plans.get(plan) {
            plan.clone_from(name);
        }
    }
    Ok(())
}

async fn uses(session: &Session, address: Ipv4Addr, at: Option<Timestamp>) -> Result<(), Failure> {
    let client = &session.client;
    let query = AddressUseQuery { at, ..AddressUseQuery::default() };
    let mut uses = all_pages(query, async |query| client.address_uses(address, query).await).await?;
    if session.output.for_people() {
        name_users(session, &mut uses).await?;
    }
    let then = if at.is_some() { " then; leave out --at to see who had it when" } else { "" };
    session.output.list(&uses, &format!("no network had {address}{then}"))
}

/// Writes names where a person would have to look up ids.
async fn name_users(session: &Session, uses: &mut [AddressUse]) -> Result<(), Failure> {
    let client = &session.client;
    let ids = uses.iter().map(|used| used.network.as_str());
    let networks = names(ids, async |id| Ok(client.network(id).await?.name)).await?;
    let ids = uses.iter().map(|used| used.account.as_str());
    let accounts = names(ids, async |id| Ok(client.account(id).await?.name)).await?;
    let nodes = names(uses.iter().map(|used| used.node.as_str()), async |id| node_name(client, id).await);
    let nodes = nodes.await?;
    for used in uses {
        for (id, names) in
            [(&mut used.network, &networks), (&mut used.account, &accounts), (&mut used.node, &nodes)]
        {
            if let Some(name) = names.get(id) {
                id.clone_from(name);
            }
        }
    }
    Ok(())
}

/// The two ways in which the addresses of a region change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Import,
    Remove,
}

/// Asks what would change first, and a person where it cannot be taken back.
async fn change(session: &Session, args: ChangeArgs, verb: Verb) -> Result<(), Failure> {
    let is_dry = args.dry_run;
    let mut ranges = AddressRanges { region: args.region, ranges: args.ranges, dry_run: true };
    let wanted = call(session, &ranges, verb).await?;
    if is_dry {
        return show(session, &wanted, &told(&wanted, verb, true));
    }
    match verb {
        Verb::Import if wanted.plans == 0 => {}
        Verb::Import => session.confirm.ask(&confirm::import_addresses(&wanted))?,
        Verb::Remove => session.confirm.ask(&confirm::remove_addresses(&wanted))?,
    }
    ranges.dry_run = false;
    let done = call(session, &ranges, verb).await?;
    if done != wanted {
        note("something changed meanwhile; what was done is not what was shown");
    }
    show(session, &done, &told(&done, verb, false))
}

async fn call(session: &Session, ranges: &AddressRanges, verb: Verb) -> Result<AddressesChanged, Failure> {
    Ok(match verb {
        Verb::Import => session.client.import_addresses(ranges).await?,
        Verb::Remove => session.client.remove_addresses(ranges).await?,
    })
}

fn show(session: &Session, changed: &AddressesChanged, sentence: &str) -> Result<(), Failure> {
    match session.output.format() {
        Format::Table if session.output.for_people() => print(&format!("{}\n", plain(sentence))),
        // Nothing of it has an id.
        _ if session.output.is_quiet() => Ok(()),
        _ => session.output.data(changed),
    }
}

fn told(changed: &AddressesChanged, verb: Verb, is_dry: bool) -> String {
    let AddressesChanged { region, addresses, plans } = changed;
    let addresses = count(*addresses, "address");
    let begin = match (verb, is_dry) {
        (Verb::Import, true) => format!("would import {addresses} into region {region}"),
        (Verb::Import, false) => format!("imported {addresses} into region {region}"),
        (Verb::Remove, true) => format!("would remove {addresses} from region {region}"),
        (Verb::Remove, false) => format!("removed {addresses} from region {region}"),
    };
    let plans = if *plans == 0 { String::new() } else { format!(", {plans} of them for plans without one") };
    format!("{begin}{plans}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_and_what_would_be() {
        let changed = |addresses, plans| AddressesChanged { region: "eu".into(), addresses, plans };
        for (verb, is_dry, addresses, plans, sentence) in [
            (
                Verb::Import,
                true,
                14,
                2,
                "would import 14 addresses into region eu, 2 of them for plans without one",
            ),
            (Verb::Import, false, 1, 0, "imported 1 address into region eu"),
            (Verb::Remove, true, 14, 0, "would remove 14 addresses from region eu"),
            (Verb::Remove, false, 1, 0, "removed 1 address from region eu"),
        ] {
            assert_eq!(told(&changed(addresses, plans), verb, is_dry), sentence);
        }
    }
}
