//! Who owns which prefix, so that nobody else gets it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use limiter_state::address::{self, AddressError};

use crate::{Code, Refusal, text};

/// Disjoint prefixes with the owner of each. It need hold only those that could overlap what is asked.
#[derive(Clone, Debug)]
pub struct Claims<Owner>(BTreeMap<Key, (IpNet, Owner)>);

/// By family, first address and length.
type Key = (bool, u128, u8);

impl<Owner> Default for Claims<Owner> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<Owner: PartialEq> Claims<Owner> {
    /// Notes that `owner` has `net`, which overlaps nothing here.
    pub fn insert(&mut self, net: IpNet, owner: Owner) {
        self.0.insert(key(&net), (net, owner));
    }

    /// Forgets who has `net`.
    pub fn remove(&mut self, net: &IpNet) {
        self.0.remove(&key(net));
    }

    /// The first prefix that overlaps `net` and is not of `owner`.
    pub fn conflict(&self, net: &IpNet, owner: Option<&Owner>) -> Option<&(IpNet, Owner)> {
        let foreign = |claim: &&(IpNet, Owner)| owner != Some(&claim.1);
        let around = self.0.range(..key(net)).next_back().map(|(_, claim)| claim);
        let around = around.filter(|(outer, _)| outer.contains(net)).filter(foreign);
        let inside = self.0.range(key(net)..).map(|(_, claim)| claim);
        around.or_else(|| inside.take_while(|(inner, _)| net.contains(inner)).find(foreign))
    }
}

impl<Owner: PartialEq> FromIterator<(IpNet, Owner)> for Claims<Owner> {
    fn from_iter<I: IntoIterator<Item = (IpNet, Owner)>>(claims: I) -> Self {
        let mut all = Self::default();
        for (net, owner) in claims {
            all.insert(net, owner);
        }
        all
    }
}

/// Longest list of prefixes or addresses of one network or instance.
pub const LIST_MAX: usize = 1000;

/// Reads the list `field`, each element by `parse`: at least one, disjoint, in the order of addresses.
pub(crate) fn read(
    texts: &[String],
    field: &str,
    parse: impl Fn(&str) -> Result<IpNet, AddressError>,
) -> Result<Vec<IpNet>, Refusal> {
    if texts.is_empty() {
        let message = format!("the list `{field}` is empty; write at least one");
        return Err(Refusal::new(Code::MissingParameter, message).at(field));
    }
    at_most(texts.len(), LIST_MAX, field)?;
    let mut seen = Claims::default();
    for (index, text) in texts.iter().enumerate() {
        let at = || format!("{field}[{index}]");
        let shown = text::shortened(text);
        let net = parse(text)
            .map_err(|error| Refusal::new(Code::InvalidParameter, format!("{shown:?} {error}")).at(at()))?;
        if let Some((other, ())) = seen.conflict(&net, None) {
            let message =
                format!("{shown:?} overlaps {} of the same list; write one of them", address::show(*other));
            return Err(Refusal::new(Code::AddressConflict, message).at(at()));
        }
        seen.insert(net, ());
    }
    Ok(seen.0.into_values().map(|(net, ())| net).collect())
}

/// Refuses a list of more than `most` elements.
pub fn at_most(count: usize, most: usize, field: &str) -> Result<(), Refusal> {
    if count <= most {
        return Ok(());
    }
    let message = format!("the list `{field}` has {count} elements; write at most {most}");
    Err(Refusal::new(Code::TooManyIds, message).at(field))
}

/// The element that `net` was read from.
pub(crate) fn field_of(
    net: &IpNet,
    texts: &[String],
    field: &str,
    parse: impl Fn(&str) -> Result<IpNet, AddressError>,
) -> String {
    let index = texts.iter().position(|text| parse(text).as_ref() == Ok(net)).unwrap_or_default();
    format!("{field}[{index}]")
}

fn key(net: &IpNet) -> Key {
    match net.addr() {
        IpAddr::V4(v4) => (false, u32::from(v4).into(), net.prefix_len()),
        IpAddr::V6(v6) => (true, v6.into(), net.prefix_len()),
    }
}
