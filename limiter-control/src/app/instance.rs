//! Instances.

use limiter_api::params::{InstanceChange, InstanceQuery, MoveInstance, NewInstance};
use limiter_api::views;
use limiter_domain::claims::Claims;
use limiter_domain::{Instance, InstanceId, Network, instance};

use super::change::{Begun, Call, Change};
use super::network::access;
use super::{App, AppError, Caller, Reach, read, view};
use crate::store::{InstanceFilter, Tx};

impl App {
    /// Lists instances.
    pub async fn instances(
        &self,
        caller: &Caller,
        query: &InstanceQuery,
    ) -> Result<views::Page<views::Instance>, AppError> {
        let reach = caller.reads()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let tx = self.store.read().await?;
        let filter = InstanceFilter {
            account: read::listed(&tx, &reach, query.account.as_deref()).await?,
            network: match query.network.as_deref() {
                Some(id) => Some(read::network(&tx, &reach, id).await?.id),
                None => None,
            },
            rule: match query.rule.as_deref() {
                Some(id) => Some(read::rule(&tx, &reach, id).await?.id),
                None => None,
            },
            bound: query.bound,
            name_contains: query.name.clone(),
        };
        let page = tx.instances(&filter, &paging).await?;
        Ok(read::page(page, |instance| view::instance(&instance)))
    }

    /// Shows an instance.
    pub async fn instance(&self, caller: &Caller, id: &str) -> Result<views::Instance, AppError> {
        let reach = caller.reads()?;
        let tx = self.store.read().await?;
        Ok(view::instance(&read::instance(&tx, &reach, id).await?))
    }

    /// Creates an instance.
    pub async fn create_instance(
        &self,
        call: &Call,
        input: NewInstance,
    ) -> Result<views::Instance, AppError> {
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let network = read::network(&change.tx, &reach, &input.network).await?;
        let claims = claims(&change.tx, &network).await?;
        let instance = add(&mut change, &network, &claims, input).await?;
        change.finish(view::instance(&instance)).await
    }

    /// Changes an instance.
    pub async fn change_instance(
        &self,
        call: &Call,
        id: &str,
        input: InstanceChange,
    ) -> Result<views::Instance, AppError> {
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let before = read::instance(&change.tx, &reach, id).await?;
        call.check_version(before.version)?;
        let network = read::network(&change.tx, &reach, before.network.as_str()).await?;
        let claims = match input.addresses {
            Some(_) => claims(&change.tx, &network).await?,
            None => Claims::default(),
        };
        let instance = alter(&mut change, &network, &claims, &before, input).await?;
        change.finish(view::instance(&instance)).await
    }

    /// Moves an instance to another network of its account.
    pub async fn move_instance(
        &self,
        call: &Call,
        id: &str,
        input: MoveInstance,
    ) -> Result<views::Instance, AppError> {
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let before = read::instance(&change.tx, &reach, id).await?;
        call.check_version(before.version)?;
        let own = Reach::Account(before.account.clone());
        let to =
            read::network(&change.tx, &own, &input.network).await.map_err(|error| at(error, "network"))?;
        let facts = instance::Facts {
            network: &to,
            claims: &claims(&change.tx, &to).await?,
            name_taken: change.tx.instance_by_name(&to.id, &before.name).await?.is_some(),
            external_id_taken: false,
        };
        let (now, revision) = (change.now, change.revision());
        let made = instance::relocate(&before, input.addresses.as_deref(), facts, now, revision)?;
        // What is left out of a network is told by telling the network.
        change.rebuild(&before.network);
        let instance = put(&mut change, made).await?;
        change.finish(view::instance(&instance)).await
    }

    /// Deletes an instance, and its binding with it.
    pub async fn remove_instance(&self, call: &Call, id: &str) -> Result<(), AppError> {
        let reach = call.caller.changes()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let instance = read::instance(&change.tx, &reach, id).await?;
        call.check_version(instance.version)?;
        remove(&mut change, &instance).await?;
        change.finish(()).await
    }
}

/// The error as one of an input field.
fn at(error: AppError, field: &str) -> AppError {
    match error {
        AppError::Refused(refusal) => AppError::Refused(refusal.at(field)),
        other => other,
    }
}

/// Who has which address in a network.
pub(super) async fn claims(tx: &Tx, network: &Network) -> Result<Claims<InstanceId>, AppError> {
    Ok(read::claims(tx.addresses_of_network(&network.id).await?))
}

/// Creates an instance as part of a change.
pub(super) async fn add(
    change: &mut Change,
    network: &Network,
    claims: &Claims<InstanceId>,
    input: NewInstance,
) -> Result<Instance, AppError> {
    let new = instance::NewInstance {
        name: input.name,
        external_id: input.external_id,
        addresses: input.addresses,
        internet: access(input.internet.as_deref())?.unwrap_or_default(),
    };
    let tx = &change.tx;
    let facts = instance::Facts {
        network,
        claims,
        name_taken: tx.instance_by_name(&network.id, &new.name).await?.is_some(),
        external_id_taken: match new.external_id.as_deref() {
            Some(id) => tx.instance_by_external_id(&network.account, id).await?.is_some(),
            None => false,
        },
    };
    let id = InstanceId::of_random(rand::random());
    let made = instance::create(id, &new, facts, change.now, change.revision())?;
    put(change, made).await
}

/// Changes an instance as part of a change.
pub(super) async fn alter(
    change: &mut Change,
    network: &Network,
    claims: &Claims<InstanceId>,
    before: &Instance,
    input: InstanceChange,
) -> Result<Instance, AppError> {
    let wanted = instance::InstanceChange {
        name: input.name.filter(|name| **name != *before.name),
        external_id: None,
        addresses: input.addresses,
        internet: access(input.internet.as_deref())?,
    };
    let facts = instance::Facts {
        network,
        claims,
        name_taken: match &wanted.name {
            Some(name) => change.tx.instance_by_name(&network.id, name).await?.is_some(),
            None => false,
        },
        external_id_taken: false,
    };
    let made = instance::update(before, &wanted, facts, change.now, change.revision())?;
    put(change, made).await
}

/// Deletes an instance as part of a change.
pub(super) async fn remove(change: &mut Change, instance: &Instance) -> Result<(), AppError> {
    let events = instance::delete(instance, change.now);
    change.tx.remove_instance(&instance.id).await?;
    // What is left out of a network is told by telling the network.
    change.rebuild(&instance.network);
    change.happened(Some(&instance.account), instance.id.as_str(), &events);
    Ok(())
}

/// Writes what an instance becomes.
pub(super) async fn put(
    change: &mut Change,
    made: limiter_domain::Change<Instance>,
) -> Result<Instance, AppError> {
    let mut instance = made.value;
    if made.events.is_empty() {
        return Ok(instance);
    }
    instance.version += 1;
    change.tx.put_instance(&instance).await?;
    if made.reaches_nodes {
        change.touch(&instance.network);
    }
    change.happened(Some(&instance.account), instance.id.as_str(), &made.events);
    Ok(instance)
}
