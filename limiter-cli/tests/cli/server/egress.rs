//! Addresses for plans, and the nodes that use them.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use limiter_api::params::{
    AddressQuery, AddressRanges, AddressUseQuery, MoveEgress, NewNode, NodeChange, Paging,
};
use limiter_api::views::{Address, AddressUse, AddressesChanged, Node, NodeInterface, Page};

use super::{World, not_found, page, problem};

pub(super) fn routes() -> Router<World> {
    Router::new()
        .route("/nodes", get(nodes).post(create_node))
        .route("/nodes/{id}", get(one_node).patch(change_node))
        .route("/networks/{id}/move-egress", post(move_egress))
        .route("/addresses", get(addresses))
        .route("/addresses/import", post(import))
        .route("/addresses/remove", post(remove))
        .route("/addresses/{address}", get(one_address))
        .route("/addresses/{address}/uses", get(uses))
}

pub(crate) fn node(number: usize) -> Node {
    Node {
        id: format!("node-{number}"),
        name: format!("n{number}"),
        region: "default".into(),
        uplinks: vec![],
        interfaces: vec![NodeInterface {
            pattern: "veth-*".into(),
            zone: "default".into(),
            mode: "auto".into(),
            observe: false,
            foreign_sources: "drop".into(),
        }],
        fenced: false,
        bypass: false,
        shared_address: None,
        egress_addresses: "assign".into(),
        drained: false,
        addresses: 0,
        acked_revision: 7,
        wanted_revision: 7,
        acked_at: None,
        problem: None,
        seen_at: Some("2026-03-31T12:00:00Z".parse().expect("a moment")),
        agent_version: Some("0.1.0".into()),
        created_at: "2026-03-31T12:00:00Z".parse().expect("a moment"),
        version: 1,
    }
}

/// `198.51.100.NUMBER`, which a plan may get.
pub(crate) fn address(number: usize) -> Address {
    Address {
        address: format!("198.51.100.{number}"),
        region: "default".into(),
        state: "free".into(),
        plan: None,
        rests_until: None,
    }
}

/// A use of `198.51.100.7` from `from` on.
pub(crate) fn address_use(from: &str, until: Option<&str>) -> AddressUse {
    AddressUse {
        id: "use-1".into(),
        address: "198.51.100.7".into(),
        plan: "plan-1".into(),
        account: "acc-1".into(),
        network: "net-1".into(),
        node: "node-1".into(),
        from: from.parse().expect("a moment"),
        until: until.map(|until| until.parse().expect("a moment")),
    }
}

async fn nodes(State(world): State<World>, Query(paging): Query<Paging>) -> Json<Page<Node>> {
    page(&world.lock().nodes, paging.after.as_deref())
}

async fn create_node(State(world): State<World>, Json(new): Json<NewNode>) -> Response {
    let mut world = world.lock();
    let made = Node {
        name: new.name,
        interfaces: new.interfaces,
        shared_address: new.shared_address,
        egress_addresses: new.egress_addresses.unwrap_or_else(|| "assign".into()),
        ..node(world.nodes.len() + 1)
    };
    world.nodes.push(made.clone());
    (StatusCode::CREATED, Json(made)).into_response()
}

async fn one_node(State(world): State<World>, Path(id): Path<String>) -> Response {
    let mut world = world.lock();
    if world.hides_nodes {
        return problem(403, "Forbidden", "user alice is customer and may not see nodes", None);
    }
    let looks_left = world.moves_in.1;
    let Some(node) = world.nodes.iter_mut().find(|node| node.id == id || node.name == id) else {
        return not_found();
    };
    let waits = node.acked_revision < node.wanted_revision;
    if waits && looks_left == 0 {
        node.acked_revision = node.wanted_revision;
    }
    let node = node.clone();
    world.moves_in.1 = looks_left.saturating_sub(u32::from(waits));
    Json(node).into_response()
}

async fn change_node(
    State(world): State<World>,
    Path(id): Path<String>,
    Json(change): Json<NodeChange>,
) -> Response {
    let mut world = world.lock();
    let Some(node) = world.nodes.iter_mut().find(|node| node.id == id || node.name == id) else {
        return not_found();
    };
    node.shared_address = change.shared_address.unwrap_or(node.shared_address.take());
    node.egress_addresses = change.egress_addresses.unwrap_or(node.egress_addresses.clone());
    node.drained = change.drained.unwrap_or(node.drained);
    Json(node.clone()).into_response()
}

async fn move_egress(
    State(world): State<World>,
    Path(id): Path<String>,
    Json(to): Json<MoveEgress>,
) -> Response {
    let mut world = world.lock();
    if let Some(node) = world.nodes.iter_mut().find(|node| node.id == to.node) {
        node.wanted_revision += 1;
    }
    let Some(network) = world.networks.iter_mut().find(|network| network.id == id) else {
        return not_found();
    };
    network.egress_leaving = network.egress_node.replace(to.node);
    Json(network.clone()).into_response()
}

async fn addresses(State(world): State<World>, Query(query): Query<AddressQuery>) -> Json<Page<Address>> {
    let fits = |one: &&Address| {
        query.state.as_ref().is_none_or(|state| one.state == *state)
            && query.region.as_ref().is_none_or(|region| one.region == *region)
    };
    let all: Vec<_> = world.lock().addresses.iter().filter(fits).cloned().collect();
    page(&all, query.after.as_deref())
}

async fn one_address(State(world): State<World>, Path(address): Path<String>) -> Response {
    let found = world.lock().addresses.iter().find(|one| one.address == address).cloned();
    found.map_or_else(
        || problem(404, "AddressNotFound", &format!("there is no address {address}"), None),
        |one| Json(one).into_response(),
    )
}

async fn uses(
    State(world): State<World>,
    Path(address): Path<String>,
    Query(query): Query<AddressUseQuery>,
) -> Json<Page<AddressUse>> {
    let fits = |one: &&AddressUse| {
        let lasted = |at| one.from <= at && one.until.is_none_or(|until| until >= at);
        one.address == address && query.at.is_none_or(lasted)
    };
    let all: Vec<_> = world.lock().uses.iter().filter(fits).cloned().collect();
    page(&all, query.after.as_deref())
}

/// Takes single addresses alone.
async fn import(State(world): State<World>, Json(input): Json<AddressRanges>) -> Response {
    let mut world = world.lock();
    let known = world.addresses.iter().find(|one| input.ranges.contains(&one.address));
    if let Some(known) = known {
        let detail = format!("{} was imported before; leave it out", known.address);
        return problem(409, "AddressConflict", &detail, Some("ranges[0]"));
    }
    let region = input.region.unwrap_or_else(|| "default".into());
    let plans = world.plans_without;
    let changed = AddressesChanged { region: region.clone(), addresses: input.ranges.len() as u64, plans };
    if !input.dry_run {
        let made = |address| Address { address, region: region.clone(), ..self::address(0) };
        world.addresses.extend(input.ranges.into_iter().map(made));
        world.plans_without = 0;
    }
    Json(changed).into_response()
}

async fn remove(State(world): State<World>, Json(input): Json<AddressRanges>) -> Response {
    let mut world = world.lock();
    let region = input.region.unwrap_or_else(|| "default".into());
    let is_named = |one: &Address| one.region == region && input.ranges.contains(&one.address);
    if let Some(bound) = world.addresses.iter().find(|one| is_named(one) && one.state == "bound") {
        let detail =
            format!("{} is the address of a plan; end the plan first, or leave it out", bound.address);
        return problem(409, "AddressInUse", &detail, Some("ranges"));
    }
    let addresses = world.addresses.iter().filter(|one| is_named(one)).count() as u64;
    if !input.dry_run {
        world.addresses.retain(|one| !is_named(one));
    }
    Json(AddressesChanged { region, addresses, plans: 0 }).into_response()
}
