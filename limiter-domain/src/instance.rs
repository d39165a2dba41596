//! Instances: the machines that are limited.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use limiter_state::Access;
use limiter_state::address::{self, instance_address, unicast};

use crate::claims::{self, Claims};
use crate::network::ready;
use crate::{
    AccountId, Change, Code, EventKind, Happening, InstanceId, Network, NetworkId, Refusal, Revision, RuleId,
    text,
};

/// One limited machine, known by its addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Identity.
    pub id: InstanceId,
    /// Its owner, the same as its network's.
    pub account: AccountId,
    /// Its network.
    pub network: NetworkId,
    /// Its name, unique in the network.
    pub name: Arc<str>,
    /// The owner's own identity for it, unique in the account.
    pub external_id: Option<Arc<str>>,
    /// Addresses (as /32 and /128) and prefixes it owns; sorted, inside its network's prefixes, disjoint
    /// from those of every other instance of the network.
    pub addresses: Vec<IpNet>,
    /// Whether it reaches the Internet, where its network does.
    pub internet: Access,
    /// The one rule it is bound to, of the plan that its network has.
    pub rule: Option<RuleId>,
    /// Revision of the last change that nodes must know.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every write.
    pub version: u64,
}

/// What an instance is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct NewInstance {
    /// Its name.
    pub name: String,
    /// The owner's own identity for it.
    pub external_id: Option<String>,
    /// Addresses and prefixes it owns.
    pub addresses: Vec<String>,
    /// Whether it reaches the Internet.
    pub internet: Access,
}

/// What an instance becomes; [`None`]: as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstanceChange {
    /// Its name.
    pub name: Option<String>,
    /// The owner's own identity for it, or none.
    pub external_id: Option<Option<String>>,
    /// Addresses and prefixes it owns.
    pub addresses: Option<Vec<String>>,
    /// Whether it reaches the Internet.
    pub internet: Option<Access>,
}

/// What an instance depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its network.
    pub network: &'a Network,
    /// Addresses of the network's instances.
    pub claims: &'a Claims<InstanceId>,
    /// Another instance of the network has the name.
    pub name_taken: bool,
    /// Another instance of the account has the external id.
    pub external_id_taken: bool,
}

/// Makes an instance of a network. It has no rule.
///
/// Refused with `InvalidParameter`, `MissingParameter`, `TooManyIds`, `NetworkNotReady`, `AddressConflict`
/// and `NameDuplicate`.
pub fn create(
    id: InstanceId,
    new: &NewInstance,
    facts: Facts<'_>,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Instance>, Refusal> {
    let instance = Instance {
        id,
        account: facts.network.account.clone(),
        network: facts.network.id.clone(),
        name: text::name(&new.name, "name")?,
        external_id: text::external_id(new.external_id.as_deref())?,
        addresses: claims::read(&new.addresses, "addresses", instance_address)?,
        internet: new.internet,
        rule: None,
        revision,
        created_at: now,
        version: 0,
    };
    ready(facts.network)?;
    placed(&instance, &new.addresses, facts)?;
    text::free(facts.name_taken, "name", Some(&new.name))?;
    text::free(facts.external_id_taken, "external_id", new.external_id.as_deref())?;
    let detail = format!("{}, {}", instance.name, shown(&instance.addresses));
    let events = vec![Happening::new(now, EventKind::InstanceCreated, detail)];
    Ok(Change { value: instance, reaches_nodes: true, events })
}

/// Changes an instance. Refused as [`create`].
pub fn update(
    instance: &Instance,
    change: &InstanceChange,
    facts: Facts<'_>,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Instance>, Refusal> {
    let mut next = instance.clone();
    if let Some(name) = &change.name {
        next.name = text::name(name, "name")?;
    }
    if let Some(id) = &change.external_id {
        next.external_id = text::external_id(id.as_deref())?;
    }
    if let Some(addresses) = &change.addresses {
        next.addresses = claims::read(addresses, "addresses", instance_address)?;
    }
    next.internet = change.internet.unwrap_or(instance.internet);
    ready(facts.network)?;
    if let Some(addresses) = &change.addresses {
        placed(&next, addresses, facts)?;
    }
    text::free(facts.name_taken, "name", change.name.as_deref())?;
    let external_id = change.external_id.as_ref().and_then(Option::as_deref);
    text::free(facts.external_id_taken, "external_id", external_id)?;
    if next == *instance {
        return Ok(Change { value: next, reaches_nodes: false, events: Vec::new() });
    }
    let unseen = Instance { external_id: instance.external_id.clone(), ..next.clone() } == *instance;
    if !unseen {
        next.revision = revision;
    }
    let events = vec![Happening::new(now, EventKind::InstanceUpdated, differences(instance, &next))];
    Ok(Change { value: next, reaches_nodes: !unseen, events })
}

/// Moves an instance to the network of `facts`, with other `addresses` where they are given. It leaves its
/// rule, which is of a plan of the network it leaves.
///
/// Refused as [`create`], with `NetworkNotFound` for a network of another account, and with
/// `InvalidParameter` where it is in that network already.
pub fn relocate(
    instance: &Instance,
    addresses: Option<&[String]>,
    facts: Facts<'_>,
    now: Timestamp,
    revision: Revision,
) -> Result<Change<Instance>, Refusal> {
    let to = facts.network;
    if to.account != instance.account {
        return Err(Refusal::missing(Code::NetworkNotFound, "network", &to.id).at("network"));
    }
    if to.id == instance.network {
        let message = format!("instance {} is in network {} already; name another", instance.id, to.id);
        return Err(Refusal::new(Code::InvalidParameter, message).at("network"));
    }
    ready(to).map_err(|refusal| refusal.at("network"))?;
    let mut next = Instance { network: to.id.clone(), rule: None, revision, ..instance.clone() };
    let own: Vec<String> = instance.addresses.iter().map(|net| address::show(*net)).collect();
    let texts = addresses.unwrap_or(&own);
    next.addresses = claims::read(texts, "addresses", instance_address)?;
    placed(&next, texts, facts)?;
    text::free(facts.name_taken, "name", Some(&instance.name))?;
    let detail = format!("network {} -> {}, {}", instance.network, to.id, shown(&next.addresses));
    let mut events = Vec::new();
    if let Some(rule) = &instance.rule {
        events.push(Happening::new(now, EventKind::BindingRemoved, rule.to_string()));
    }
    events.push(Happening::new(now, EventKind::InstanceMoved, detail));
    Ok(Change { value: next, reaches_nodes: true, events })
}

/// What deleting an instance writes; it is always allowed, and its binding goes with it.
pub fn delete(instance: &Instance, now: Timestamp) -> Vec<Happening> {
    let detail = format!("{}, {}", instance.name, shown(&instance.addresses));
    vec![Happening::new(now, EventKind::InstanceDeleted, detail)]
}

fn placed(instance: &Instance, texts: &[String], facts: Facts<'_>) -> Result<(), Refusal> {
    let field = |net| claims::field_of(net, texts, "addresses", instance_address);
    for net in &instance.addresses {
        let address = address::show(*net);
        if address::containing(&facts.network.prefixes, net).is_none() {
            if let Err(error) = unicast(*net) {
                let message = format!("{address} {error}");
                return Err(Refusal::new(Code::InvalidParameter, message).at(field(net)));
            }
            let message = format!(
                "{address} is outside the prefixes of network {}: {}; write an address inside them",
                facts.network.id,
                shown(&facts.network.prefixes)
            );
            return Err(Refusal::new(Code::AddressConflict, message).at(field(net)));
        }
        if let Some((taken, owner)) = facts.claims.conflict(net, Some(&instance.id)) {
            let message = format!(
                "{address} overlaps {} of instance {owner}; an address has one owner, so choose another",
                address::show(*taken)
            );
            return Err(Refusal::new(Code::AddressConflict, message).at(field(net)));
        }
    }
    Ok(())
}

fn shown(nets: &[IpNet]) -> String {
    text::few(nets.iter().map(|net| address::show(*net)))
}

fn differences(before: &Instance, after: &Instance) -> String {
    let mut changed = Vec::new();
    if before.name != after.name {
        changed.push(format!("name {} -> {}", before.name, after.name));
    }
    if before.addresses != after.addresses {
        changed.push(format!("addresses {} -> {}", shown(&before.addresses), shown(&after.addresses)));
    }
    let mut note = |differs: bool, what: &str| changed.extend(differs.then(|| what.to_owned()));
    note(before.external_id != after.external_id, "external id");
    note(before.internet != after.internet, "internet access");
    changed.join(", ")
}
