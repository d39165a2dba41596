//! Each operation of the control plane as a method.

use std::net::Ipv4Addr;

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::transport::{Call, LONG_TIMEOUT, Transport};
use super::{ClientError, Endpoint};
use crate::params::{
    AccountChange, AddressQuery, AddressRanges, AddressUseQuery, Associate, AutoRenew, Bindings, DeleteRules,
    End, EventQuery, InstanceChange, InstanceQuery, MoveEgress, MoveInstance, NetworkChange, NetworkQuery,
    NewAccount, NewInstance, NewNetwork, NewNode, NewPlan, NewRule, NewToken, NewUser, NodeChange, Paging,
    PlanQuery, Renew, Resize, RuleChange, RuleQuery, SignIn, UserChange,
};
use crate::series::{TopInstances, TopQuery, UsageQuery, UsageSeries};
use crate::setup::{Applied, Apply, Setup};
use crate::views::{
    Account, Address, AddressUse, AddressesChanged, Event, Instance, Me, Network, Node, Outcome, Page, Plan,
    Rule, Secret, StatusView, Token, User,
};

pub(super) type Answer<T> = Result<T, ClientError>;

/// A control plane and the right to call it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    version: Option<u64>,
}

impl Client {
    /// A client of `endpoint`. Without a token only the local socket and [`Client::sign_in`] answer.
    pub fn new(endpoint: Endpoint, token: Option<&str>) -> Answer<Self> {
        Transport::new(endpoint, token).map(|transport| Self { transport, version: None })
    }

    /// A client whose changes are refused unless what they change has this version; with [`None`] any.
    #[must_use]
    pub fn at_version(&self, version: Option<u64>) -> Self {
        Self { version, ..self.clone() }
    }

    /// The control plane that is called.
    pub fn endpoint(&self) -> &Endpoint {
        self.transport.endpoint()
    }

    /// Signs a user in; the secret is a session.
    pub async fn sign_in(&self, sign_in: &SignIn) -> Answer<Secret> {
        self.transport.call(Method::POST, &["sessions"]).body(sign_in).answer().await
    }

    /// Ends the session whose secret the client has.
    pub async fn sign_out(&self) -> Answer<()> {
        self.transport.call(Method::DELETE, &["sessions", "current"]).done().await
    }

    /// Who calls.
    pub async fn me(&self) -> Answer<Me> {
        self.get(&["me"]).await
    }

    /// The whole at a glance.
    pub async fn status(&self) -> Answer<StatusView> {
        self.get(&["status"]).await
    }

    /// Puts a whole setup in force, or says what that would change.
    pub async fn apply(&self, apply: &Apply) -> Answer<Applied> {
        let call = self.transport.call(Method::POST, &["apply"]).body(apply).timeout(LONG_TIMEOUT);
        call.once().answer().await
    }

    /// The setup of the caller's account, or of another one for operators.
    pub async fn export(&self, account: Option<&str>) -> Answer<Setup> {
        let call = self.transport.call(Method::GET, &["export"]).query(&[("account", account)]);
        call.timeout(LONG_TIMEOUT).answer().await
    }

    /// What happened.
    pub async fn events(&self, query: &EventQuery) -> Answer<Page<Event>> {
        self.list(&["events"], query).await
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Answer<T> {
        self.transport.call(Method::GET, path).answer().await
    }

    pub(super) async fn list<T: DeserializeOwned>(&self, path: &[&str], query: &impl Serialize) -> Answer<T> {
        self.transport.call(Method::GET, path).query(query).answer().await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Answer<T> {
        self.change(Method::POST, path).body(body).once().answer().await
    }

    pub(super) async fn patch<T: DeserializeOwned>(
        &self,
        path: &[&str],
        change: &impl Serialize,
    ) -> Answer<T> {
        self.change(Method::PATCH, path).body(change).once().answer().await
    }

    async fn delete(&self, path: &[&str]) -> Answer<()> {
        self.change(Method::DELETE, path).once().done().await
    }

    fn change(&self, method: Method, path: &[&str]) -> Call<'_> {
        self.transport.call(method, path).if_version(self.version)
    }
}

/// Accounts, people and tokens.
impl Client {
    /// Accounts; operators only.
    pub async fn accounts(&self, paging: &Paging) -> Answer<Page<Account>> {
        self.list(&["accounts"], paging).await
    }

    /// One account by id or name.
    pub async fn account(&self, id: &str) -> Answer<Account> {
        self.get(&["accounts", id]).await
    }

    /// Makes an account.
    pub async fn create_account(&self, new: &NewAccount) -> Answer<Account> {
        self.post(&["accounts"], new).await
    }

    /// Changes an account.
    pub async fn update_account(&self, id: &str, change: &AccountChange) -> Answer<Account> {
        self.patch(&["accounts", id], change).await
    }

    /// People.
    pub async fn users(&self, paging: &Paging) -> Answer<Page<User>> {
        self.list(&["users"], paging).await
    }

    /// One user.
    pub async fn user(&self, id: &str) -> Answer<User> {
        self.get(&["users", id]).await
    }

    /// Makes a user.
    pub async fn create_user(&self, new: &NewUser) -> Answer<User> {
        self.post(&["users"], new).await
    }

    /// Changes a user.
    pub async fn update_user(&self, id: &str, change: &UserChange) -> Answer<User> {
        self.patch(&["users", id], change).await
    }

    /// Deletes a user.
    pub async fn delete_user(&self, id: &str) -> Answer<()> {
        self.delete(&["users", id]).await
    }

    /// Tokens, without their secrets.
    pub async fn tokens(&self, paging: &Paging) -> Answer<Page<Token>> {
        self.list(&["tokens"], paging).await
    }

    /// Makes a token. Not repeated after a lost answer: its secret is shown once.
    pub async fn create_token(&self, new: &NewToken) -> Answer<Secret> {
        self.transport.call(Method::POST, &["tokens"]).body(new).answer().await
    }

    /// Deletes a token.
    pub async fn delete_token(&self, id: &str) -> Answer<()> {
        self.delete(&["tokens", id]).await
    }

    /// Gives a token a new secret. Not repeated after a lost answer.
    pub async fn rotate_token(&self, id: &str) -> Answer<Secret> {
        self.transport.call(Method::POST, &["tokens", id, "rotate"]).answer().await
    }
}

/// Nodes, networks and instances.
impl Client {
    /// Nodes; operators only.
    pub async fn nodes(&self, paging: &Paging) -> Answer<Page<Node>> {
        self.list(&["nodes"], paging).await
    }

    /// One node by id or name.
    pub async fn node(&self, id: &str) -> Answer<Node> {
        self.get(&["nodes", id]).await
    }

    /// Makes a node.
    pub async fn create_node(&self, new: &NewNode) -> Answer<Node> {
        self.post(&["nodes"], new).await
    }

    /// Changes a node, also drains, fences or bypasses it.
    pub async fn update_node(&self, id: &str, change: &NodeChange) -> Answer<Node> {
        self.patch(&["nodes", id], change).await
    }

    /// Deletes a node.
    pub async fn delete_node(&self, id: &str) -> Answer<()> {
        self.delete(&["nodes", id]).await
    }

    /// Networks.
    pub async fn networks(&self, query: &NetworkQuery) -> Answer<Page<Network>> {
        self.list(&["networks"], query).await
    }

    /// One network.
    pub async fn network(&self, id: &str) -> Answer<Network> {
        self.get(&["networks", id]).await
    }

    /// Makes a network.
    pub async fn create_network(&self, new: &NewNetwork) -> Answer<Network> {
        self.post(&["networks"], new).await
    }

    /// Changes a network.
    pub async fn update_network(&self, id: &str, change: &NetworkChange) -> Answer<Network> {
        self.patch(&["networks", id], change).await
    }

    /// Deletes a network.
    pub async fn delete_network(&self, id: &str) -> Answer<()> {
        self.delete(&["networks", id]).await
    }

    /// Gives a network's own address to another node; the one that has it lets go first.
    pub async fn move_egress(&self, id: &str, to: &MoveEgress) -> Answer<Network> {
        self.post(&["networks", id, "move-egress"], to).await
    }

    /// Instances.
    pub async fn instances(&self, query: &InstanceQuery) -> Answer<Page<Instance>> {
        self.list(&["instances"], query).await
    }

    /// One instance.
    pub async fn instance(&self, id: &str) -> Answer<Instance> {
        self.get(&["instances", id]).await
    }

    /// Makes an instance.
    pub async fn create_instance(&self, new: &NewInstance) -> Answer<Instance> {
        self.post(&["instances"], new).await
    }

    /// Changes an instance.
    pub async fn update_instance(&self, id: &str, change: &InstanceChange) -> Answer<Instance> {
        self.patch(&["instances", id], change).await
    }

    /// Moves an instance to another network of its account.
    pub async fn move_instance(&self, id: &str, to: &MoveInstance) -> Answer<Instance> {
        self.post(&["instances", id, "move"], to).await
    }

    /// Deletes an instance.
    pub async fn delete_instance(&self, id: &str) -> Answer<()> {
        self.delete(&["instances", id]).await
    }
}

/// What passed.
impl Client {
    /// Of a plan, over all networks that it served.
    pub async fn plan_usage(&self, id: &str, query: &UsageQuery) -> Answer<UsageSeries> {
        self.list(&["plans", id, "usage"], query).await
    }

    /// Of a network.
    pub async fn network_usage(&self, id: &str, query: &UsageQuery) -> Answer<UsageSeries> {
        self.list(&["networks", id, "usage"], query).await
    }

    /// Of an instance.
    pub async fn instance_usage(&self, id: &str, query: &UsageQuery) -> Answer<UsageSeries> {
        self.list(&["instances", id, "usage"], query).await
    }

    /// The busiest instances of a network.
    pub async fn top_instances(&self, network: &str, query: &TopQuery) -> Answer<TopInstances> {
        self.list(&["networks", network, "usage", "top"], query).await
    }
}

/// Addresses for plans; operators only.
impl Client {
    /// Addresses.
    pub async fn addresses(&self, query: &AddressQuery) -> Answer<Page<Address>> {
        self.list(&["addresses"], query).await
    }

    /// One address.
    pub async fn address(&self, address: Ipv4Addr) -> Answer<Address> {
        self.get(&["addresses", &address.to_string()]).await
    }

    /// Who had an address when, oldest first; also one that was removed since.
    pub async fn address_uses(&self, address: Ipv4Addr, query: &AddressUseQuery) -> Answer<Page<AddressUse>> {
        self.list(&["addresses", &address.to_string(), "uses"], query).await
    }

    /// Makes addresses available to the plans of a region, or says what that would change.
    pub async fn import_addresses(&self, ranges: &AddressRanges) -> Answer<AddressesChanged> {
        self.change_addresses("import", ranges).await
    }

    /// Takes addresses that no plan has away from a region, or says what that would change.
    pub async fn remove_addresses(&self, ranges: &AddressRanges) -> Answer<AddressesChanged> {
        self.change_addresses("remove", ranges).await
    }

    async fn change_addresses(&self, verb: &str, ranges: &AddressRanges) -> Answer<AddressesChanged> {
        let call = self.transport.call(Method::POST, &["addresses", verb]).body(ranges);
        call.timeout(LONG_TIMEOUT).once().answer().await
    }
}

/// Plans and rules.
impl Client {
    /// Plans.
    pub async fn plans(&self, query: &PlanQuery) -> Answer<Page<Plan>> {
        self.list(&["plans"], query).await
    }

    /// One plan.
    pub async fn plan(&self, id: &str) -> Answer<Plan> {
        self.get(&["plans", id]).await
    }

    /// Orders a plan.
    pub async fn create_plan(&self, new: &NewPlan) -> Answer<Plan> {
        self.post(&["plans"], new).await
    }

    /// Gives a network the plan.
    pub async fn associate_plan(&self, id: &str, associate: &Associate) -> Answer<Plan> {
        self.post(&["plans", id, "associate"], associate).await
    }

    /// Takes the plan away from its network and purges its rules.
    pub async fn dissociate_plan(&self, id: &str) -> Answer<Plan> {
        self.change(Method::POST, &["plans", id, "dissociate"]).once().answer().await
    }

    /// Changes the peak.
    pub async fn resize_plan(&self, id: &str, resize: &Resize) -> Answer<Plan> {
        self.post(&["plans", id, "resize"], resize).await
    }

    /// Switches automatic renewal.
    pub async fn auto_renew_plan(&self, id: &str, auto_renew: &AutoRenew) -> Answer<Plan> {
        self.change(Method::PUT, &["plans", id, "auto-renew"]).body(auto_renew).answer().await
    }

    /// Renews subscriptions; each has its own outcome.
    pub async fn renew_plans(&self, renew: &Renew) -> Answer<Vec<Outcome>> {
        self.post(&["plans", "renew"], renew).await
    }

    /// Ends subscriptions; each has its own outcome.
    pub async fn unsubscribe_plans(&self, end: &End) -> Answer<Vec<Outcome>> {
        self.post(&["plans", "unsubscribe"], end).await
    }

    /// Deletes plans that are paid as they go; each has its own outcome.
    pub async fn delete_plans(&self, end: &End) -> Answer<Vec<Outcome>> {
        self.post(&["plans", "delete"], end).await
    }

    /// Rules.
    pub async fn rules(&self, query: &RuleQuery) -> Answer<Page<Rule>> {
        self.list(&["rules"], query).await
    }

    /// One rule.
    pub async fn rule(&self, id: &str) -> Answer<Rule> {
        self.get(&["rules", id]).await
    }

    /// Makes a rule.
    pub async fn create_rule(&self, new: &NewRule) -> Answer<Rule> {
        self.post(&["rules"], new).await
    }

    /// Changes a rule.
    pub async fn update_rule(&self, id: &str, change: &RuleChange) -> Answer<Rule> {
        self.patch(&["rules", id], change).await
    }

    /// Changes which instances a rule limits.
    pub async fn bind_rule(&self, id: &str, bindings: &Bindings) -> Answer<Rule> {
        self.post(&["rules", id, "bindings"], bindings).await
    }

    /// Deletes rules; all or none.
    pub async fn delete_rules(&self, delete: &DeleteRules) -> Answer<()> {
        self.change(Method::POST, &["rules", "delete"]).body(delete).once().done().await
    }
}
