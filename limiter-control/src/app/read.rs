//! Finding what a call names, within what the caller reaches, and listing.

use std::collections::HashSet;
use std::str::FromStr;

use ipnet::IpNet;
use limiter_api::LIST_MAX;
use limiter_api::views;
use limiter_domain::claims::Claims;
use limiter_domain::{Account, AccountId, Code, Instance, Network, Node, Plan, Rule, Status};

use super::error::{refuse, refuse_field};
use super::{AppError, Reach};
use crate::store::{Page, Paging, Tx};

/// An account by its id or name.
pub(super) async fn account(tx: &Tx, reach: &Reach, text: &str) -> Result<Account, AppError> {
    let found = match AccountId::from_str(text) {
        Ok(id) => tx.account(&id).await?,
        Err(_) => tx.account_by_name(text).await?,
    };
    let found = found.filter(|account| reach.has(&account.id));
    found.ok_or_else(|| missing(Code::AccountNotFound, "account", text))
}

/// The account that a call is for: the caller's own, or the one that an operator names.
pub(super) async fn whose(tx: &Tx, reach: &Reach, named: Option<&str>) -> Result<AccountId, AppError> {
    match (reach, named) {
        (_, Some(text)) => Ok(account(tx, reach, text).await?.id),
        (Reach::Account(own), None) => Ok(own.clone()),
        (Reach::All, None) => Err(refuse_field(
            Code::MissingParameter,
            "account",
            "name the account that it is for, by id or name",
        )),
    }
}

/// The account that a list is of: the caller's own, or the one that an operator may name.
pub(super) async fn listed(
    tx: &Tx,
    reach: &Reach,
    named: Option<&str>,
) -> Result<Option<AccountId>, AppError> {
    match (reach, named) {
        (Reach::All, None) => Ok(None),
        _ => whose(tx, reach, named).await.map(Some),
    }
}

/// A node by its id or name.
pub(super) async fn node(tx: &Tx, text: &str) -> Result<Node, AppError> {
    let found = match text.parse() {
        Ok(id) => tx.node(&id).await?,
        Err(_) => tx.node_by_name(text).await?,
    };
    found.ok_or_else(|| missing(Code::NodeNotFound, "node", text))
}

/// A network.
pub(super) async fn network(tx: &Tx, reach: &Reach, id: &str) -> Result<Network, AppError> {
    let found = match id.parse() {
        Ok(id) => tx.network(&id).await?,
        Err(_) => None,
    };
    let found = found.filter(|network| reach.has(&network.account));
    found.ok_or_else(|| missing(Code::NetworkNotFound, "network", id))
}

/// An instance.
pub(super) async fn instance(tx: &Tx, reach: &Reach, id: &str) -> Result<Instance, AppError> {
    let found = match id.parse() {
        Ok(id) => tx.instance(&id).await?,
        Err(_) => None,
    };
    let found = found.filter(|instance| reach.has(&instance.account));
    found.ok_or_else(|| missing(Code::InstanceNotFound, "instance", id))
}

/// A plan that was not released.
pub(super) async fn plan(tx: &Tx, reach: &Reach, id: &str) -> Result<Plan, AppError> {
    let found = plan_or_released(tx, reach, id).await?;
    if found.status == Status::Released {
        return Err(missing(Code::PlanNotFound, "plan", id));
    }
    Ok(found)
}

/// A plan, also one that was released: it is kept for bills.
pub(super) async fn plan_or_released(tx: &Tx, reach: &Reach, id: &str) -> Result<Plan, AppError> {
    let found = match id.parse() {
        Ok(id) => tx.plan(&id).await?,
        Err(_) => None,
    };
    let found = found.filter(|plan| reach.has(&plan.account));
    found.ok_or_else(|| missing(Code::PlanNotFound, "plan", id))
}

/// A rule.
pub(super) async fn rule(tx: &Tx, reach: &Reach, id: &str) -> Result<Rule, AppError> {
    let found = match id.parse() {
        Ok(id) => tx.rule(&id).await?,
        Err(_) => None,
    };
    let found = found.filter(|rule| reach.has(&rule.account));
    found.ok_or_else(|| missing(Code::RuleNotFound, "rule", id))
}

/// It is not there, or not the caller's: both are answered alike.
pub(super) fn missing(code: Code, what: &str, text: &str) -> AppError {
    refuse(code, absent(what, text))
}

pub(super) fn absent(what: &str, text: &str) -> String {
    format!("there is no {what} {text:?} here; list them to see what there is")
}

/// Which part of a list.
pub(super) fn paging(after: Option<&str>, limit: Option<usize>) -> Result<Paging, AppError> {
    let limit = limit.unwrap_or(LIST_MAX);
    if !(1..=LIST_MAX).contains(&limit) {
        let message = format!("{limit} is no length of a page; ask for 1 to {LIST_MAX}");
        return Err(refuse_field(Code::InvalidParameter, "limit", message));
    }
    let after = after.map(|text| {
        text.parse()
            .map_err(|error| refuse_field(Code::InvalidParameter, "after", format!("{text:?} {error}")))
    });
    Ok(Paging { after: after.transpose()?, limit })
}

/// A page as the API shows it.
pub(super) fn page<T, V>(page: Page<T>, view: impl Fn(T) -> V) -> views::Page<V> {
    views::Page {
        next: page.next.map(|cursor| cursor.to_string()),
        items: page.items.into_iter().map(view).collect(),
    }
}

/// Who has which prefix.
pub(super) fn claims<Owner: Clone + PartialEq>(owned: Vec<(Owner, Vec<IpNet>)>) -> Claims<Owner> {
    let each = |(owner, nets): (Owner, Vec<IpNet>)| nets.into_iter().map(move |net| (net, owner.clone()));
    owned.into_iter().flat_map(each).collect()
}

/// One of a few words.
pub(super) fn word<T: Copy>(
    field: &str,
    text: &str,
    all: &[T],
    code: impl Fn(T) -> &'static str,
) -> Result<T, AppError> {
    all.iter().copied().find(|value| code(*value) == text).ok_or_else(|| {
        let known: Vec<_> = all.iter().map(|value| code(*value)).collect();
        let message = format!("{text:?} is not known; write {}", known.join(", "));
        refuse_field(Code::InvalidParameter, field, message)
    })
}

/// At least one id, and no more than a call takes.
pub(super) fn few(field: &str, ids: &[String], most: usize) -> Result<(), AppError> {
    match ids.len() {
        0 => Err(refuse_field(Code::MissingParameter, field, "name at least one")),
        len if len > most => Err(refuse_field(
            Code::TooManyIds,
            field,
            format!("{len} are too many; name at most {most} in a call"),
        )),
        _ => unlike(field, ids),
    }
}

/// The same id twice would be worked twice.
fn unlike(field: &str, ids: &[String]) -> Result<(), AppError> {
    let mut seen = HashSet::with_capacity(ids.len());
    match ids.iter().position(|id| !seen.insert(id)) {
        None => Ok(()),
        Some(index) => {
            let message = format!("{:?} is named twice; name it once", ids[index]);
            Err(refuse_field(Code::InvalidParameter, &format!("{field}[{index}]"), message))
        }
    }
}
