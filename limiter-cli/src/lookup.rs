//! Objects by id or by a name that is unique where it is said.

use std::collections::{BTreeSet, HashMap};

use limiter_api::client::{Client, ClientError, all_pages};
use limiter_api::params::{InstanceQuery, NetworkQuery, Paging, PlanQuery, RuleQuery};
use limiter_api::views::{Instance, Network, Plan, Rule, Token, User};

use crate::failure::Failure;

/// Finds what a person names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup<'a> {
    /// The control plane.
    pub(crate) client: &'a Client,
    /// Only in this account.
    pub(crate) account: Option<&'a str>,
}

impl Lookup<'_> {
    /// A network by id or name.
    pub(crate) async fn network(self, text: &str) -> Result<Network, Failure> {
        if let Some(network) = found(self.client.network(text).await)? {
            return Ok(network);
        }
        let query =
            NetworkQuery { account: self.account(), name: Some(text.to_owned()), ..NetworkQuery::default() };
        let all = all_pages(query, async |query| self.client.networks(query).await).await?;
        let named = all.into_iter().filter(|network| network.name == text).collect();
        only(named, "network", text, |network| &network.id)
    }

    /// The id of a network, where one is named.
    pub(crate) async fn network_id(self, text: Option<&str>) -> Result<Option<String>, Failure> {
        match text {
            Some(text) => Ok(Some(self.network(text).await?.id)),
            None => Ok(None),
        }
    }

    /// An instance by id, as NETWORK/NAME, or by name where that is unique.
    pub(crate) async fn instance(self, text: &str) -> Result<Instance, Failure> {
        if let Some(instance) = found(self.client.instance(text).await)? {
            return Ok(instance);
        }
        match text.split_once('/') {
            Some((network, name)) => {
                let network = self.network(network).await?;
                self.instance_named(Some(&network.id), name).await
            }
            None => self.instance_named(None, text).await,
        }
    }

    /// An instance of one network, by name or id.
    pub(crate) async fn instance_of(self, network: &str, text: &str) -> Result<Instance, Failure> {
        match self.instance_named(Some(network), text).await {
            Err(Failure::NotFound(_)) => self.instance(text).await,
            other => other,
        }
    }

    async fn instance_named(self, network: Option<&str>, name: &str) -> Result<Instance, Failure> {
        let query = InstanceQuery {
            account: self.account(),
            network: network.map(str::to_owned),
            name: Some(name.to_owned()),
            ..InstanceQuery::default()
        };
        let all = all_pages(query, async |query| self.client.instances(query).await).await?;
        let named = all.into_iter().filter(|instance| instance.name == name).collect();
        only(named, "instance", name, |instance| &instance.id)
    }

    /// A plan by id, by external id, or by its network's name or id.
    pub(crate) async fn plan(self, text: &str) -> Result<Plan, Failure> {
        if let Some(plan) = found(self.client.plan(text).await)? {
            return Ok(plan);
        }
        let query = PlanQuery { account: self.account(), ..PlanQuery::default() };
        let all = all_pages(query, async |query| self.client.plans(query).await).await?;
        let named = all.into_iter().filter(|plan| {
            [&plan.external_id, &plan.network_name, &plan.network].iter().any(|n| n.as_deref() == Some(text))
        });
        only(named.collect(), "plan", text, |plan| &plan.id)
    }

    /// The id of a plan as [`Lookup::plan`] finds it, or as it is written: plans that were released are not listed.
    pub(crate) async fn plan_ever(self, text: &str) -> Result<String, Failure> {
        match self.plan(text).await {
            Ok(plan) => Ok(plan.id),
            Err(Failure::NotFound(_)) if text.starts_with(PLAN_PREFIX) => Ok(text.to_owned()),
            Err(failure) => Err(failure),
        }
    }

    /// A rule by id or as PLAN/NAME.
    pub(crate) async fn rule(self, text: &str) -> Result<Rule, Failure> {
        if let Some(rule) = found(self.client.rule(text).await)? {
            return Ok(rule);
        }
        let Some((plan, name)) = text.split_once('/') else {
            return Err(Failure::NotFound(format!(
                "there is no rule with the id `{text}`; name it PLAN/NAME, for example office/web"
            )));
        };
        let plan = self.plan(plan).await?;
        let query = RuleQuery { plan: Some(plan.id), name: Some(name.to_owned()), ..RuleQuery::default() };
        let all = all_pages(query, async |query| self.client.rules(query).await).await?;
        only(all.into_iter().filter(|rule| rule.name == name).collect(), "rule", text, |rule| &rule.id)
    }

    /// A user by id or name.
    pub(crate) async fn user(self, text: &str) -> Result<User, Failure> {
        if let Some(user) = found(self.client.user(text).await)? {
            return Ok(user);
        }
        let all = all_pages(Paging::default(), async |paging| self.client.users(paging).await).await?;
        only(all.into_iter().filter(|user| user.name == text).collect(), "user", text, |user| &user.id)
    }

    /// A token by id or name.
    pub(crate) async fn token(self, text: &str) -> Result<Token, Failure> {
        let all = all_pages(Paging::default(), async |paging| self.client.tokens(paging).await).await?;
        if let Some(token) = all.iter().find(|token| token.id == text) {
            return Ok(token.clone());
        }
        only(all.into_iter().filter(|token| token.name == text).collect(), "token", text, |token| &token.id)
    }

    fn account(self) -> Option<String> {
        self.account.map(str::to_owned)
    }
}

/// What ids of plans begin with.
const PLAN_PREFIX: &str = "np-";

/// Most names that are asked for one list; with more the ids stay.
const NAMES_MAX: usize = 20;

/// The names of the few things that `ids` mean, for people; what has no name keeps its id.
pub(crate) async fn names<'a>(
    ids: impl Iterator<Item = &'a str>,
    name: impl AsyncFn(&str) -> Result<String, ClientError>,
) -> Result<HashMap<String, String>, Failure> {
    let ids: BTreeSet<_> = ids.collect();
    let mut names = HashMap::new();
    if ids.len() > NAMES_MAX {
        return Ok(names);
    }
    for id in ids {
        if let Some(name) = found(name(id).await)? {
            names.insert(id.to_owned(), name);
        }
    }
    Ok(names)
}

/// The name of a node; its id for customers, who may not see nodes.
pub(crate) async fn node_name(client: &Client, id: &str) -> Result<String, ClientError> {
    match client.node(id).await {
        Ok(node) => Ok(node.name),
        Err(error) if error.problem().is_some_and(|problem| problem.status == 403) => Ok(id.to_owned()),
        Err(error) => Err(error),
    }
}

/// Nothing, where the text is no id.
fn found<T>(answer: Result<T, ClientError>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.problem().is_some_and(|problem| matches!(problem.status, 400 | 404 | 422)) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The one object that has the name.
fn only<T>(named: Vec<T>, kind: &str, text: &str, id: impl Fn(&T) -> &String) -> Result<T, Failure> {
    let mut named = named.into_iter();
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::NotFound(format!(
            "there is no {kind} `{text}`; `limiter {kind} list` shows those that there are"
        ))),
        (Some(one), Some(two)) => {
            let ids: Vec<_> =
                [&one, &two].into_iter().chain(named.as_slice()).map(|o| id(o).as_str()).collect();
            Err(Failure::Usage(format!("several {kind}s are named `{text}`; say which: {}", ids.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_name_means_one_object() {
        let one = fixture::network();
        let two = Network { id: "net-2".into(), ..fixture::network() };
        assert_eq!(only(vec![one.clone()], "network", "office", |n| &n.id).expect("one").id, "net-1");
        let none = only(Vec::<Network>::new(), "network", "office", |n| &n.id).expect_err("none");
        assert_eq!(
            none.to_string(),
            "there is no network `office`; `limiter network list` shows those that there are"
        );
        let several = only(vec![one, two], "network", "office", |n| &n.id).expect_err("two");
        assert_eq!(several.to_string(), "several networks are named `office`; say which: net-1, net-2");
    }
}
