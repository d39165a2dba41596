//! The instances of a network: all that a setup changes in them is decided first, then written at once.

use std::collections::{HashMap, HashSet};

use limiter_api::setup::{SetupInstance, SetupNetwork};
use limiter_domain::claims::Claims;
use limiter_domain::instance::{self, Facts, InstanceChange, NewInstance};
use limiter_domain::{Change, Instance, InstanceId, Network, RuleId};
use limiter_state::address::show as show_address;

use super::super::{AppError, network as networks};
use super::{Applying, difference, instances_by_name, same_list, within};

/// The instances of a network while a setup is applied.
pub(super) struct Members {
    /// Those that the setup names, in its order.
    pub(super) named: Vec<Member>,
    /// Those that stay as they are.
    rest: Vec<Instance>,
}

/// An instance that a setup names.
pub(super) struct Member {
    before: Option<Instance>,
    /// As it becomes.
    pub(super) now: Instance,
    is_changed: bool,
}

impl Members {
    /// How many instances are bound to each rule.
    pub(super) fn bound(&self) -> HashMap<RuleId, usize> {
        let mut bound = HashMap::new();
        let all = self.named.iter().map(|member| &member.now).chain(&self.rest);
        for rule in all.filter_map(|one| one.rule.as_ref()) {
            *bound.entry(rule.clone()).or_default() += 1;
        }
        bound
    }
}

impl Applying<'_> {
    /// Decides what the instances of a network become; those that go are gone afterwards.
    pub(super) async fn members(
        &mut self,
        wanted: &SetupNetwork,
        network: &Network,
    ) -> Result<Members, AppError> {
        let there = instances_by_name(&self.change.tx, network).await?;
        let (matched, mut rest) = matched(&wanted.instances, there);
        if self.prune {
            self.remove_surplus(network, std::mem::take(&mut rest)).await?;
        }
        let elsewhere = self.taken_ids(wanted, &matched).await?;
        let mut claims = claims(&wanted.instances, &matched, &rest);
        let names: HashSet<&str> = rest.iter().map(|one| &*one.name).collect();
        let mut named = Vec::with_capacity(matched.len());
        for (index, (setup, before)) in wanted.instances.iter().zip(matched).enumerate() {
            let facts = Facts {
                network,
                claims: &claims,
                name_taken: names.contains(&*setup.name),
                external_id_taken: setup.external_id.as_deref().is_some_and(|id| elsewhere.contains(id)),
            };
            let member = self.member(setup, before, facts);
            let member = member.map_err(|error| within(error, &format!("instances[{index}]")))?;
            for net in &member.now.addresses {
                claims.insert(*net, member.now.id.clone());
            }
            named.push(member);
        }
        Ok(Members { named, rest })
    }

    /// Writes what the instances of a network became.
    pub(super) async fn put_members(&mut self, members: Members) -> Result<(), AppError> {
        let changed: Vec<Member> = members.named.into_iter().filter(|member| member.is_changed).collect();
        self.part_with_names(&changed).await?;
        let raised = |member: Member| Instance { version: member.now.version + 1, ..member.now };
        let changed: Vec<Instance> = changed.into_iter().map(raised).collect();
        Ok(self.change.tx.put_instances(&changed).await?)
    }

    /// Notes what becomes of a member.
    pub(super) fn turn(&mut self, member: &mut Member, made: Change<Instance>) {
        if made.events.is_empty() {
            return;
        }
        member.is_changed = true;
        member.now = made.value;
        if made.reaches_nodes {
            self.change.touch(&member.now.network);
        }
        self.change.happened(Some(&member.now.account), member.now.id.as_str(), &made.events);
    }

    async fn remove_surplus(&mut self, network: &Network, surplus: Vec<Instance>) -> Result<(), AppError> {
        let ids: Vec<InstanceId> = surplus.iter().map(|one| one.id.clone()).collect();
        self.change.tx.remove_instances(&ids).await?;
        if !surplus.is_empty() {
            self.change.rebuild(&network.id);
        }
        for one in surplus {
            let events = instance::delete(&one, self.change.now);
            self.change.happened(Some(&one.account), one.id.as_str(), &events);
            self.note("delete", "instance", format!("{}/{}", network.name, one.name), String::new());
        }
        Ok(())
    }

    /// External ids of new instances that other instances of the account have.
    async fn taken_ids(
        &self,
        wanted: &SetupNetwork,
        matched: &[Option<Instance>],
    ) -> Result<HashSet<String>, AppError> {
        let new = wanted.instances.iter().zip(matched).filter(|(_, before)| before.is_none());
        let ids: Vec<&str> = new.filter_map(|(setup, _)| setup.external_id.as_deref()).collect();
        let taken = self.change.tx.instances_by_external_id(&self.account, &ids).await?;
        Ok(taken.iter().filter_map(|one| Some(one.external_id.as_ref()?.to_string())).collect())
    }

    fn member(
        &mut self,
        setup: &SetupInstance,
        before: Option<Instance>,
        facts: Facts<'_>,
    ) -> Result<Member, AppError> {
        let name = format!("{}/{}", facts.network.name, setup.name);
        let internet = networks::access(setup.internet.as_deref())?.unwrap_or_default();
        let (now, revision) = (self.change.now, self.change.revision());
        let Some(before) = before else {
            let new = NewInstance {
                name: setup.name.clone(),
                external_id: setup.external_id.clone(),
                addresses: setup.addresses.clone(),
                internet,
            };
            let made = instance::create(InstanceId::of_random(rand::random()), &new, facts, now, revision)?;
            let mut member = Member { before: None, now: made.value.clone(), is_changed: true };
            self.turn(&mut member, made);
            self.note("create", "instance", name, setup.addresses.join(", "));
            return Ok(member);
        };
        let change = InstanceChange {
            name: Some(setup.name.clone()).filter(|name| **name != *before.name),
            external_id: None,
            addresses: moves(&before, setup).then(|| setup.addresses.clone()),
            internet: Some(internet),
        };
        let made = instance::update(&before, &change, facts, now, revision)?;
        let mut member = Member { now: before.clone(), before: Some(before), is_changed: false };
        self.turn(&mut member, made);
        if let Some(before) = member.before.as_ref().filter(|before| **before != member.now) {
            self.note("update", "instance", name, difference::instance(before, &member.now));
        }
        Ok(member)
    }

    /// Takes the names away from those that give them to others, since no two may have one at any moment.
    async fn part_with_names(&self, changed: &[Member]) -> Result<(), AppError> {
        let named: HashSet<&str> = changed.iter().map(|member| &*member.now.name).collect();
        let gives = |member: &&Instance| named.contains(&*member.name);
        let renamed = changed
            .iter()
            .filter_map(|member| member.before.as_ref().filter(|before| before.name != member.now.name));
        // No name of a person's choice has a slash.
        let parked = |one: &Instance| Instance { name: format!("/{}", one.id).into(), ..one.clone() };
        let parked: Vec<Instance> = renamed.filter(gives).map(parked).collect();
        Ok(self.change.tx.put_instances(&parked).await?)
    }
}

/// The instance that each of `wanted` means, and those that none means. External ids come first, so that a
/// name which one of them gives up is free.
fn matched(wanted: &[SetupInstance], there: Vec<Instance>) -> (Vec<Option<Instance>>, Vec<Instance>) {
    let mut rest: Vec<Option<Instance>> = there.into_iter().map(Some).collect();
    let by_id: HashMap<String, usize> = indexed(&rest, |one| one.external_id.as_deref());
    let id = |setup: &SetupInstance| setup.external_id.as_ref().and_then(|id| by_id.get(id).copied());
    let mut matched: Vec<Option<Instance>> =
        wanted.iter().map(|setup| id(setup).and_then(|place| rest[place].take())).collect();
    let by_name: HashMap<String, usize> = indexed(&rest, |one| Some(&*one.name));
    for (setup, found) in wanted.iter().zip(&mut matched) {
        if setup.external_id.is_none() {
            *found = by_name.get(&setup.name).and_then(|place| rest[*place].take());
        }
    }
    (matched, rest.into_iter().flatten().collect())
}

fn indexed(all: &[Option<Instance>], key: impl Fn(&Instance) -> Option<&str>) -> HashMap<String, usize> {
    let each = |(place, one): (usize, &Option<Instance>)| Some((key(one.as_ref()?)?.to_owned(), place));
    all.iter().enumerate().filter_map(each).collect()
}

/// Who keeps which address. What one gives up is free for the others, whatever their order.
fn claims(wanted: &[SetupInstance], matched: &[Option<Instance>], rest: &[Instance]) -> Claims<InstanceId> {
    let pairs = wanted.iter().zip(matched).filter_map(|(setup, one)| Some((setup, one.as_ref()?)));
    let kept = pairs.filter(|(setup, one)| !moves(one, setup)).map(|(_, one)| one);
    let addresses =
        |one: &Instance| one.addresses.iter().map(|net| (*net, one.id.clone())).collect::<Vec<_>>();
    kept.chain(rest).flat_map(addresses).collect()
}

fn moves(before: &Instance, setup: &SetupInstance) -> bool {
    let addresses: Vec<String> = before.addresses.iter().map(|net| show_address(*net)).collect();
    !same_list(&addresses, &setup.addresses)
}
