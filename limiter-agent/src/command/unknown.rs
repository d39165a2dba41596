//! Sources seen that are no known instance: listed, and found by their address.

use std::collections::HashMap;
use std::net::IpAddr;

use anyhow::Context as _;
use limiter_common::key::AddressKey;
use limiter_common::meter::Owner;
use limiter_common::node::Unknown;
use serde::Serialize;

use super::show;
use super::table::Column;
use crate::clock;
use crate::dataplane::Maps;
use crate::desired::{self, Desired};
use crate::place::Place;
use crate::reconcile::entity;

/// Prints them, the last one seen first.
pub fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let maps = open(place)?;
    let names = Names::of(place, &maps)?;
    let now_ns = clock::monotonic_ns();
    let rows: Vec<Row> =
        seen(&maps)?.into_iter().map(|(key, source)| names.row(key, &source, now_ns)).collect();
    let columns = [
        Column::Text("address"),
        Column::Text("zone"),
        Column::Text("network"),
        Column::Text("interface"),
        Column::Number("packets"),
        Column::Number("last seen"),
    ];
    show::list(json, &rows, columns, |row| {
        [
            row.address.to_string(),
            row.zone.clone().unwrap_or_else(|| "?".into()),
            row.network.clone().unwrap_or_else(|| "none".into()),
            row.interface.clone().unwrap_or_else(|| "gone".into()),
            row.packets.to_string(),
            format!("{} s ago", row.seen_ago_ms / 1000),
        ]
    })
}

/// One source, in one zone or in several.
pub struct Source {
    address: IpAddr,
    keys: Vec<AddressKey>,
    zones: Vec<String>,
}

impl Source {
    /// Looks for `address` among the sources seen; one that was not seen has no zone.
    pub fn find(place: &Place, address: IpAddr) -> anyhow::Result<Self> {
        let Some(maps) = Maps::open(&place.pins)? else {
            return Ok(Self { address, keys: Vec::new(), zones: Vec::new() });
        };
        let names = Names::of(place, &maps)?;
        let keys = seen(&maps)?.into_iter().map(|(key, _)| key).filter(|key| show::address(*key) == address);
        let keys: Vec<AddressKey> = keys.collect();
        let zones = keys.iter().filter_map(|key| names.zones.get(&key.zone)).cloned().collect();
        Ok(Self { address, keys, zones })
    }

    /// Name of the network it belongs to: `asked`, or the one whose prefix holds it in the zone in
    /// which it was seen.
    pub fn network(&self, state: &Desired, asked: Option<&str>) -> anyhow::Result<String> {
        if let Some(name) = asked {
            return Ok(name.to_owned());
        }
        let address = self.address;
        let holds = |network: &&desired::Network| network.prefixes.iter().any(|net| net.contains(&address));
        let all: Vec<&desired::Network> = state.networks.iter().filter(holds).collect();
        let is_seen = |network: &desired::Network| self.zones.contains(&state.zones[network.zone].name);
        let seen: Vec<&desired::Network> = all.iter().copied().filter(|network| is_seen(network)).collect();
        match if seen.is_empty() { &all[..] } else { &seen[..] } {
            [] => anyhow::bail!("{address} is in no network's prefix; `network list` shows them"),
            [network] => Ok(network.name.to_string()),
            [one, other, ..] => anyhow::bail!(
                "{address} is in {} and {}, of different zones; say which with --network",
                one.name,
                other.name
            ),
        }
    }

    /// Takes it off the listing.
    pub fn forget(&self, place: &Place) -> anyhow::Result<()> {
        if let Some(maps) = Maps::open(&place.pins)? {
            self.keys.iter().for_each(|key| maps.forget_unknown(*key));
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Serialize)]
struct Row {
    address: IpAddr,
    zone: Option<String>,
    network: Option<String>,
    interface: Option<String>,
    packets: u64,
    seen_ago_ms: u64,
}

/// Names behind the numbers in the maps, as far as the state last put in force has them.
#[derive(Default)]
struct Names {
    zones: HashMap<u32, String>,
    networks: HashMap<u32, String>,
}

impl Names {
    fn of(place: &Place, maps: &Maps) -> anyhow::Result<Self> {
        let Ok(state) = desired::load(&place.applied()) else { return Ok(Self::default()) };
        let zones: HashMap<u64, &str> =
            state.zones.iter().map(|zone| (entity::hash("zone", &zone.name), zone.name.as_str())).collect();
        let networks: HashMap<u64, &str> = state
            .networks
            .iter()
            .map(|network| (entity::hash("network", &network.id), &*network.name))
            .collect();
        let numbered = (0_u32..).zip(maps.zones()?);
        let meters = maps.meters();
        let owners = (1..meters.slots()).map(|slot| (slot, meters.owner(slot)));
        let owners = owners.filter(|(_, owner)| owner.kind == Owner::NETWORK);
        let name = |names: &HashMap<u64, &str>, hash| names.get(&hash).map(|name| (*name).to_owned());
        Ok(Self {
            zones: numbered.filter_map(|(number, zone)| Some((number, name(&zones, zone.entity)?))).collect(),
            networks: owners
                .filter_map(|(slot, owner)| Some((slot, name(&networks, owner.entity)?)))
                .collect(),
        })
    }

    fn row(&self, key: AddressKey, source: &Unknown, now_ns: u64) -> Row {
        Row {
            address: show::address(key),
            zone: self.zones.get(&key.zone).cloned(),
            network: self.networks.get(&source.network).cloned(),
            interface: device(source.ifindex),
            packets: source.packets,
            seen_ago_ms: now_ns.saturating_sub(source.seen_ns) / 1_000_000,
        }
    }
}

fn open(place: &Place) -> anyhow::Result<Maps> {
    let missing = || format!("the limiter is not installed here: no maps in {}", place.pins.display());
    Maps::open(&place.pins)?.with_context(missing)
}

/// Sources that still are no instance, the last one seen first.
fn seen(maps: &Maps) -> anyhow::Result<Vec<(AddressKey, Unknown)>> {
    let instances = maps.instances()?;
    let mut seen = maps.unknown()?;
    seen.retain(|(key, _)| !instances.contains_key(key));
    seen.sort_by_key(|(key, source)| (std::cmp::Reverse(source.seen_ns), *key));
    Ok(seen)
}

/// Name of a device of this network namespace.
fn device(ifindex: u32) -> Option<String> {
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::DGRAM, None).ok()?;
    rustix::net::netdevice::index_to_name(socket, ifindex).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::cover;

    fn state() -> Desired {
        let text = "version: 1
zones: [{name: lab}]
networks:
  - {name: guests, zone: lab, prefixes: [10.10.0.0/24]}
  - {name: office, prefixes: [10.10.0.0/24]}
  - {name: shop, prefixes: [10.20.0.0/24]}
";
        desired::parse(text.as_bytes()).expect("a good state").1
    }

    fn source(address: &str, zones: &[&str]) -> Source {
        let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
        Source { address: address.parse().expect("an address"), keys: Vec::new(), zones }
    }

    #[test]
    fn a_source_belongs_to_the_network_of_the_zone_where_it_was_seen() {
        let network =
            |source: Source, asked| source.network(&state(), asked).map_err(|error| error.to_string());
        assert_eq!(network(source("10.20.0.9", &[]), None), Ok("shop".into()));
        assert_eq!(network(source("10.10.0.9", &["lab"]), None), Ok("guests".into()));
        assert_eq!(network(source("10.10.0.9", &["default"]), None), Ok("office".into()));
        assert_eq!(network(source("10.10.0.9", &["default"]), Some("guests")), Ok("guests".into()));
        for zones in [&[][..], &["default", "lab"]] {
            assert_eq!(
                network(source("10.10.0.9", zones), None),
                Err("10.10.0.9 is in guests and office, of different zones; say which with --network".into())
            );
        }
        assert_eq!(
            network(source("10.30.0.9", &[]), None),
            Err("10.30.0.9 is in no network's prefix; `network list` shows them".into())
        );
    }

    #[test]
    fn numbers_become_names_where_they_are_known() {
        let names = Names {
            zones: HashMap::from([(1, "lab".to_owned())]),
            networks: HashMap::from([(4, "guests".to_owned())]),
        };
        let key = |zone| AddressKey::new(zone, cover::address("10.10.0.9".parse().expect("an address")));
        let source = Unknown { seen_ns: 1_000_000, packets: 7, ifindex: 1, network: 4 };
        let row = names.row(key(1), &source, 3_000_000_000);
        assert_eq!((row.zone.as_deref(), row.network.as_deref()), (Some("lab"), Some("guests")));
        assert_eq!((row.interface.as_deref(), row.seen_ago_ms), (Some("lo"), 2_999));
        let row = names.row(key(2), &Unknown { network: 0, ..source }, 0);
        assert_eq!((row.zone, row.network, row.seen_ago_ms), (None, None, 0));
    }
}
