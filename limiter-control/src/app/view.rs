//! Entities as the API shows them.

use jiff::Timestamp;
use limiter_api::views;
use limiter_domain::{
    Account, Address, AddressState, AddressUse, Business, Charge, Event, Instance, Network, NetworkEgress,
    NetworkKind, NetworkMode, NetworkStatus, Node, NodeInterface, OperationKind, Pay, Plan, Rule, Status,
    Token, User,
};
use limiter_state::address::show as show_address;
use limiter_state::{Access, EgressAddresses, Mode, Policy, UnknownSources};

use super::caller::role_code;

pub(super) fn account(account: &Account) -> views::Account {
    views::Account {
        id: account.id.to_string(),
        name: account.name.to_string(),
        enabled: account.enabled,
        created_at: account.created_at,
        version: account.version,
    }
}

pub(super) fn user(user: &User) -> views::User {
    views::User {
        id: user.id.to_string(),
        name: user.name.to_string(),
        account: user.account.as_ref().map(ToString::to_string),
        role: role_code(user.role).to_owned(),
        enabled: user.enabled,
        created_at: user.created_at,
        version: user.version,
    }
}

/// A token, with the names of its account and node.
pub(super) fn token(token: &Token, account: Option<&str>, node: Option<&str>) -> views::Token {
    views::Token {
        id: token.id.to_string(),
        name: token.name.to_string(),
        role: role_code(token.role).to_owned(),
        account: token.account.as_ref().map(ToString::to_string),
        account_name: account.map(str::to_owned),
        node: token.node.as_ref().map(ToString::to_string),
        node_name: node.map(str::to_owned),
        created_at: token.created_at,
        expires_at: token.expires_at,
    }
}

pub(super) fn node(node: &Node, wanted_revision: u64, addresses: u64) -> views::Node {
    views::Node {
        id: node.id.to_string(),
        name: node.name.to_string(),
        region: node.region.to_string(),
        uplinks: node.uplinks.clone(),
        interfaces: node.interfaces.iter().map(interface).collect(),
        fenced: node.fenced,
        bypass: node.bypass,
        shared_address: node.shared_address.map(|address| address.to_string()),
        egress_addresses: egress_addresses(node.egress_addresses).to_owned(),
        drained: node.drained,
        addresses,
        acked_revision: node.acked_revision,
        wanted_revision,
        acked_at: node.acked_at,
        problem: node.problem.as_deref().map(str::to_owned),
        seen_at: node.seen_at,
        agent_version: node.agent_version.as_deref().map(str::to_owned),
        created_at: node.created_at,
        version: node.version,
    }
}

fn interface(interface: &NodeInterface) -> views::NodeInterface {
    views::NodeInterface {
        pattern: interface.pattern.clone(),
        zone: interface.zone.to_string(),
        mode: mode_code(interface.mode).to_owned(),
        observe: interface.observe,
        foreign_sources: policy_code(interface.foreign_sources).to_owned(),
    }
}

pub(super) const fn mode_code(mode: Mode) -> &'static str {
    match mode {
        Mode::Auto => "auto",
        Mode::Shape => "shape",
        Mode::Police => "police",
    }
}

pub(super) const fn policy_code(policy: Policy) -> &'static str {
    match policy {
        Policy::Drop => "drop",
        Policy::Pass => "pass",
    }
}

pub(super) fn network(network: &Network, plan: Option<&Plan>, instances: u64) -> views::Network {
    let (mode, rate) = match limiter_domain::mode::mode(network, plan) {
        NetworkMode::Premium { peak, .. } => ("premium", Some(peak)),
        NetworkMode::Basic { rate } => ("basic", Some(rate)),
        NetworkMode::Offline => ("offline", None),
    };
    let (kind, basic) = match network.kind {
        NetworkKind::Shared { basic } => ("shared", Some(basic)),
        NetworkKind::Vpc => ("vpc", None),
    };
    let egress = plan.and_then(|plan| plan.egress.as_ref());
    let egress = egress.filter(|_| network.egress == NetworkEgress::Exclusive);
    views::Network {
        id: network.id.to_string(),
        account: network.account.to_string(),
        name: network.name.to_string(),
        external_id: network.external_id.as_deref().map(str::to_owned),
        region: network.region.to_string(),
        zone: network.zone.to_string(),
        kind: kind.to_owned(),
        basic_bps: basic.map(limiter_state::Rate::bps),
        prefixes: network.prefixes.iter().map(ToString::to_string).collect(),
        nodes: network.nodes.as_ref().map(|nodes| nodes.iter().map(ToString::to_string).collect()),
        egress: egress_code(network.egress).to_owned(),
        address: egress.map(|it| it.address.to_string()),
        egress_node: egress.and_then(|it| it.node.as_ref()).map(ToString::to_string),
        egress_leaving: egress.and_then(|it| it.leaving.as_ref()).map(ToString::to_string),
        internet: access(network.internet).to_owned(),
        unknown_sources: unknown_sources(network.unknown_sources).to_owned(),
        observe: network.observe,
        default_rule: network.default_rule.as_ref().map(ToString::to_string),
        status: match network.status {
            NetworkStatus::Active => "active",
            NetworkStatus::Deleting => "deleting",
        }
        .to_owned(),
        mode: mode.to_owned(),
        rate_bps: rate.map(limiter_state::Rate::bps),
        plan: plan.map(|plan| plan.id.to_string()),
        instances,
        created_at: network.created_at,
        version: network.version,
    }
}

pub(super) fn unknown_sources(sources: UnknownSources) -> &'static str {
    match sources {
        UnknownSources::Drop => "drop",
        UnknownSources::Budget => "budget",
    }
}

pub(super) fn access(access: Access) -> &'static str {
    match access {
        Access::Allow => "allow",
        Access::Deny => "deny",
    }
}

pub(super) fn instance(instance: &Instance) -> views::Instance {
    views::Instance {
        id: instance.id.to_string(),
        account: instance.account.to_string(),
        network: instance.network.to_string(),
        name: instance.name.to_string(),
        external_id: instance.external_id.as_deref().map(str::to_owned),
        addresses: instance.addresses.iter().map(|&net| show_address(net)).collect(),
        internet: access(instance.internet).to_owned(),
        rule: instance.rule.as_ref().map(ToString::to_string),
        created_at: instance.created_at,
        version: instance.version,
    }
}

pub(super) fn plan(plan: &Plan, network_name: Option<&str>, rules: u64) -> views::Plan {
    views::Plan {
        id: plan.id.to_string(),
        account: plan.account.to_string(),
        external_id: plan.external_id.as_deref().map(str::to_owned),
        region: plan.region.to_string(),
        pay: pay_code(plan.pay).to_owned(),
        charge: charge_code(plan.charge).to_owned(),
        peak_bps: plan.peak.bps(),
        applied_peak_bps: plan.applied_peak.bps(),
        status: status_code(plan.status).to_owned(),
        business: match plan.business {
            Business::Normal => "normal",
            Business::Expired => "expired",
            Business::Overdue => "overdue",
        }
        .to_owned(),
        label: label(plan.status, plan.business).to_owned(),
        operation: plan.operation.as_ref().map(|operation| operation_code(operation.kind).to_owned()),
        reason: plan.reason.as_deref().map(str::to_owned),
        network: plan.network.as_ref().map(ToString::to_string),
        network_name: network_name.map(str::to_owned),
        addresses: plan.egress.iter().map(|egress| egress.address.to_string()).collect(),
        created_at: plan.created_at,
        provisioned_at: plan.provisioned_at,
        expires_at: plan.expires_at,
        duration: plan.duration.map(|duration| duration.code().to_owned()),
        auto_renew: plan.auto_renew,
        release_at: plan.release_at,
        rules,
        version: plan.version,
    }
}

pub(super) const EGRESSES: [NetworkEgress; 3] =
    [NetworkEgress::None, NetworkEgress::Shared, NetworkEgress::Exclusive];

pub(super) const fn egress_code(egress: NetworkEgress) -> &'static str {
    match egress {
        NetworkEgress::None => "none",
        NetworkEgress::Shared => "shared",
        NetworkEgress::Exclusive => "exclusive",
    }
}

pub(super) const fn egress_addresses(addresses: EgressAddresses) -> &'static str {
    match addresses {
        EgressAddresses::Assign => "assign",
        EgressAddresses::Routed => "routed",
    }
}

pub(super) const ADDRESS_STATES: [AddressState; 3] =
    [AddressState::Free, AddressState::Bound, AddressState::Quarantined];

pub(super) const fn address_state(state: AddressState) -> &'static str {
    match state {
        AddressState::Free => "free",
        AddressState::Bound => "bound",
        AddressState::Quarantined => "quarantined",
    }
}

pub(super) fn address(address: &Address, now: Timestamp) -> views::Address {
    let state = address.state(now);
    views::Address {
        address: address.address.to_string(),
        region: address.region.to_string(),
        state: address_state(state).to_owned(),
        plan: address.plan.as_ref().map(ToString::to_string),
        rests_until: address.rests_until.filter(|_| state == AddressState::Quarantined),
    }
}

pub(super) fn address_use(used: &AddressUse) -> views::AddressUse {
    views::AddressUse {
        id: used.id.to_string(),
        address: used.address.to_string(),
        plan: used.plan.to_string(),
        account: used.account.to_string(),
        network: used.network.to_string(),
        node: used.node.to_string(),
        from: used.from,
        until: used.until,
    }
}

pub(super) const PAYS: [Pay; 2] = [Pay::PrePaid, Pay::PostPaid];
pub(super) const CHARGES: [Charge; 2] = [Charge::ByBandwidth, Charge::ByTraffic];
pub(super) const STATUSES: [Status; 6] = [
    Status::Creating,
    Status::InUse,
    Status::NotAssociated,
    Status::Changing,
    Status::Releasing,
    Status::Failed,
];

pub(super) const fn pay_code(pay: Pay) -> &'static str {
    match pay {
        Pay::PrePaid => "subscription",
        Pay::PostPaid => "pay_as_you_go",
    }
}

pub(super) const fn charge_code(charge: Charge) -> &'static str {
    match charge {
        Charge::ByBandwidth => "bandwidth",
        Charge::ByTraffic => "traffic",
    }
}

pub(super) const fn status_code(status: Status) -> &'static str {
    match status {
        Status::Creating => "creating",
        Status::InUse => "in_use",
        Status::NotAssociated => "not_associated",
        Status::Changing => "changing",
        Status::Releasing => "releasing",
        Status::Released => "released",
        Status::Failed => "failed",
    }
}

const fn operation_code(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Provision => "provision",
        OperationKind::Associate => "associate",
        OperationKind::Dissociate => "dissociate",
        OperationKind::Release => "release",
    }
}

/// What a person reads: a lost service is told before the place in life.
pub(super) const fn label(status: Status, business: Business) -> &'static str {
    match (status, business) {
        (Status::Creating, _) => "Creating",
        (Status::Releasing, _) => "Releasing",
        (Status::Released, _) => "Released",
        (Status::Failed, _) => "Failed",
        (_, Business::Expired) => "Expired",
        (_, Business::Overdue) => "Overdue",
        (Status::InUse, _) => "In Use",
        (Status::NotAssociated, _) => "Not Associated",
        (Status::Changing, _) => "Changing",
    }
}

pub(super) fn rule(rule: &Rule, instances: u64) -> views::Rule {
    views::Rule {
        id: rule.id.to_string(),
        account: rule.account.to_string(),
        plan: rule.plan.to_string(),
        name: rule.name.to_string(),
        up_bps: rule.up.bps(),
        down_bps: rule.down.bps(),
        instances,
        created_at: rule.created_at,
        version: rule.version,
    }
}

pub(super) fn event(event: &Event) -> views::Event {
    views::Event {
        revision: event.revision,
        at: event.at,
        account: event.account.as_ref().map(ToString::to_string),
        actor: event.actor.to_string(),
        request_id: event.request_id.to_string(),
        kind: event.kind.code().to_owned(),
        subject: event.subject.to_string(),
        detail: event.detail.to_string(),
    }
}
