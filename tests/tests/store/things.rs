//! Things to put into a store: the one of a number is always the same.

use std::sync::Arc;

use jiff::Timestamp;
use limiter_control::store::{Store, Write};
use limiter_domain::price::Amount;
use limiter_domain::{
    Account, AccountId, Business, Charge, Event, EventKind, Instance, InstanceId, Network, NetworkEgress,
    NetworkId, NetworkKind, NetworkStatus, Node, NodeId, NodeInterface, Pay, Plan, PlanId, Role, Rule,
    RuleId, Status, Token, TokenId, User, UserId,
};
use limiter_state::{Access, EgressAddresses, Mode, Policy, Rate, UnknownSources};

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("an instant")
}

pub(crate) fn rate(bps: u64) -> Rate {
    Rate::new(bps).expect("a rate")
}

pub(crate) fn name(word: &str, number: u64) -> Arc<str> {
    format!("{word}-{number}").into()
}

pub(crate) fn account(number: u64) -> Account {
    Account {
        id: AccountId::of_random(number.into()),
        name: name("account", number),
        enabled: true,
        created_at: at(0),
        version: 1,
    }
}

pub(crate) fn user(number: u64) -> User {
    User {
        id: UserId::of_random(number.into()),
        name: name("user", number),
        account: None,
        role: Role::Operator,
        password_hash: "$argon2id$".into(),
        enabled: true,
        created_at: at(0),
        version: 1,
    }
}

pub(crate) fn token(number: u64) -> Token {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    Token {
        id: TokenId::of_random(number.into()),
        name: "token".into(),
        account: None,
        node: None,
        user: None,
        role: Role::Operator,
        hash,
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
    }
}

pub(crate) fn node(number: u64) -> Node {
    Node {
        id: NodeId::of_random(number.into()),
        name: name("node", number),
        region: "north".into(),
        uplinks: Vec::new(),
        interfaces: Vec::new(),
        shared_address: None,
        former_addresses: Vec::new(),
        egress_addresses: EgressAddresses::Assign,
        drained: false,
        fenced: false,
        bypass: false,
        acked_revision: 0,
        acked_at: None,
        problem: None,
        seen_at: None,
        agent_version: None,
        revision: 1,
        created_at: at(0),
        version: 1,
    }
}

/// A node with an interface for each zone.
pub(crate) fn node_of(number: u64, zones: &[&str]) -> Node {
    let interface = |zone: &&str| NodeInterface {
        pattern: format!("{zone}*"),
        zone: (*zone).into(),
        mode: Mode::Auto,
        observe: false,
        foreign_sources: Policy::Drop,
    };
    Node { interfaces: zones.iter().map(interface).collect(), ..node(number) }
}

pub(crate) fn network(number: u64, account: &Account) -> Network {
    Network {
        id: NetworkId::of_random(number.into()),
        account: account.id.clone(),
        name: name("network", number),
        external_id: None,
        region: "north".into(),
        zone: "default".into(),
        kind: NetworkKind::Vpc,
        prefixes: vec!["10.0.0.0/16".parse().expect("a prefix")],
        nodes: None,
        egress: NetworkEgress::None,
        internet: Access::Allow,
        unknown_sources: UnknownSources::Drop,
        observe: false,
        default_rule: None,
        status: NetworkStatus::Active,
        revision: 1,
        created_at: at(0),
        version: 1,
    }
}

pub(crate) fn instance(number: u64, network: &Network) -> Instance {
    let [.., a, b, c] = number.to_be_bytes();
    Instance {
        id: InstanceId::of_random(number.into()),
        account: network.account.clone(),
        network: network.id.clone(),
        name: name("instance", number),
        external_id: None,
        addresses: vec![format!("10.{a}.{b}.{c}/32").parse().expect("an address")],
        internet: Access::Allow,
        rule: None,
        revision: 1,
        created_at: at(0),
        version: 1,
    }
}

pub(crate) fn plan(number: u64, account: &Account) -> Plan {
    Plan {
        id: PlanId::of_random(number.into()),
        account: account.id.clone(),
        external_id: None,
        region: "north".into(),
        pay: Pay::PostPaid,
        charge: Charge::ByBandwidth,
        peak: rate(20_000_000),
        applied_peak: rate(20_000_000),
        status: Status::NotAssociated,
        business: Business::Normal,
        reason: None,
        network: None,
        egress: None,
        operation: None,
        generation: 1,
        created_at: at(0),
        provisioned_at: None,
        expires_at: None,
        anchor_day: None,
        duration: None,
        auto_renew: false,
        release_at: None,
        prepaid: Amount::ZERO,
        slices: Vec::new(),
        ticked_at: at(0),
        version: 1,
    }
}

pub(crate) fn rule(number: u64, plan: &Plan) -> Rule {
    Rule {
        id: RuleId::of_random(number.into()),
        account: plan.account.clone(),
        plan: plan.id.clone(),
        name: name("rule", number),
        up: rate(1_000_000),
        down: rate(2_000_000),
        revision: 1,
        created_at: at(0),
        version: 1,
    }
}

pub(crate) fn event(number: u64) -> Event {
    Event {
        revision: 0,
        at: at(i64::try_from(number).expect("a small number")),
        account: None,
        actor: "local".into(),
        request_id: "request".into(),
        kind: EventKind::PlanCreated,
        subject: name("subject", number),
        detail: "".into(),
    }
}

/// An account, a network of it and a plan that holds the network; all are there.
pub(crate) struct Basis {
    pub(crate) account: Account,
    pub(crate) network: Network,
    pub(crate) plan: Plan,
}

/// Puts a [`Basis`] of number 1.
pub(crate) async fn basis(store: &Store) -> Basis {
    let account = account(1);
    let network = network(1, &account);
    let plan = Plan { network: Some(network.id.clone()), status: Status::InUse, ..plan(1, &account) };
    let write = store.write().await.expect("a transaction");
    write.put_account(&account).await.expect("put");
    write.put_network(&network).await.expect("put");
    write.put_plan(&plan, None).await.expect("put");
    write.commit().await.expect("commit");
    Basis { account, network, plan }
}

/// Commits what `body` writes.
pub(crate) async fn commit(store: &Store, body: impl AsyncFnOnce(&Write)) -> u64 {
    let write = store.write().await.expect("a transaction");
    body(&write).await;
    write.commit().await.expect("commit")
}
