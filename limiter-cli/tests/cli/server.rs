//! A control plane that knows a few routes and answers from memory.

mod egress;
mod money;
mod usage;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use limiter_api::Problem;
use limiter_api::money::{NewNote, NewPriceBook};
use limiter_api::params::{
    Associate, End, InstanceQuery, MoveInstance, NetworkChange, NetworkQuery, NewNetwork, NewPlan, PlanQuery,
    Resize, RuleQuery, SignIn,
};
use limiter_api::setup::{Applied, Apply, Setup, SetupChange};
use limiter_api::views::{
    Account, Address, AddressUse, Event, Instance, Me, Network, Node, NodeLag, Outcome, Page, Plan, Refused,
    Rule, Secret, StatusView,
};
use serde_json::json;
use tempfile::TempDir;

pub(crate) use egress::{address, address_use, node};

pub(crate) const TOKEN: &str = "top-secret-token";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const SESSION: &str = "session-secret";

/// Items on a page.
const PAGE: usize = 2;

/// A control plane on a port, or behind a socket.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) world: World,
    _folder: Option<TempDir>,
}

#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<Inside>>);

#[derive(Default)]
pub(crate) struct Inside {
    pub(crate) networks: Vec<Network>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) uses: Vec<AddressUse>,
    /// Plans that get an address with the next import.
    pub(crate) plans_without: u64,
    /// Looks at a network until a node lets go of its address, and looks at a node until it takes one.
    pub(crate) moves_in: (u32, u32),
    pub(crate) rules: Vec<Rule>,
    pub(crate) plans: BTreeMap<String, Plan>,
    /// Looks that are needed until a plan is over.
    pub(crate) looks_left: u32,
    /// Looks that are answered by 503 first, and whether it says that it may go later.
    pub(crate) busy: (u32, bool),
    /// What has become of a plan then.
    pub(crate) then: Option<Plan>,
    /// Setups that were put in force.
    pub(crate) applied: Vec<Setup>,
    /// What a setup changes.
    pub(crate) changes: Vec<SetupChange>,
    /// Plans that the first apply waits for.
    pub(crate) waits_for: Vec<String>,
    /// What the apply after that changes.
    pub(crate) changes_later: Vec<SetupChange>,
    /// `METHOD PATH` of each call.
    pub(crate) calls: Vec<String>,
    /// Headers of the last call.
    pub(crate) headers: HeaderMap,
    /// Nodes are not for the caller.
    pub(crate) hides_nodes: bool,
    /// Things have prices.
    pub(crate) priced: bool,
    /// The amounts that orders and new peaks were to cost.
    pub(crate) expected: Vec<Option<i64>>,
    /// Price books that were asked for, dry runs too.
    pub(crate) books: Vec<NewPriceBook>,
    /// What was written into accounts.
    pub(crate) notes: Vec<NewNote>,
    /// Any token is refused.
    pub(crate) is_closed: bool,
}

impl World {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().expect("no test panicked here")
    }

    pub(crate) fn called(&self, call: &str) -> bool {
        self.lock().calls.iter().any(|one| one == call)
    }
}

impl Server {
    /// On a free port of the loopback interface; asks for a token.
    pub(crate) fn tcp() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("not blocking");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let world = World::default();
        let router = router(world.clone(), true);
        serve(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, router).await.expect("serving");
        });
        Self { url, world, _folder: None }
    }

    /// Behind a socket; asks for nothing.
    pub(crate) fn unix() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("control.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        listener.set_nonblocking(true).expect("not blocking");
        let world = World::default();
        let router = router(world.clone(), false);
        serve(async move {
            let listener = tokio::net::UnixListener::from_std(listener).expect("a listener");
            axum::serve(listener, router).await.expect("serving");
        });
        Self { url: format!("unix:{}", path.display()), world, _folder: Some(folder) }
    }
}

fn serve(service: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    std::thread::spawn(move || runtime.block_on(service));
}

pub(crate) fn network(number: usize) -> Network {
    Network {
        id: format!("net-{number}"),
        account: "acc-1".into(),
        name: format!("office-{number}"),
        external_id: None,
        region: "default".into(),
        zone: "default".into(),
        kind: "shared".into(),
        basic_bps: Some(5_000_000),
        prefixes: vec![format!("10.{number}.0.0/24")],
        nodes: None,
        egress: "none".into(),
        address: None,
        egress_node: None,
        egress_leaving: None,
        internet: "allow".into(),
        unknown_sources: "drop".into(),
        observe: false,
        default_rule: None,
        status: "active".into(),
        mode: "basic".into(),
        rate_bps: Some(5_000_000),
        plan: None,
        instances: 0,
        created_at: "2026-03-31T12:00:00Z".parse().expect("a moment"),
        version: 1,
    }
}

pub(crate) fn instance(number: usize) -> Instance {
    Instance {
        id: format!("ins-{number}"),
        account: "acc-1".into(),
        network: "net-1".into(),
        name: format!("web-{number}"),
        external_id: None,
        addresses: vec![format!("10.1.0.{number}")],
        internet: "allow".into(),
        rule: Some("rule-1".into()),
        created_at: "2026-03-31T12:00:00Z".parse().expect("a moment"),
        version: 1,
    }
}

pub(crate) fn rule() -> Rule {
    Rule {
        id: "rule-1".into(),
        account: "acc-1".into(),
        plan: "plan-1".into(),
        name: "slow".into(),
        up_bps: 2_000_000,
        down_bps: 3_000_000,
        instances: 2,
        created_at: "2026-03-31T12:00:00Z".parse().expect("a moment"),
        version: 1,
    }
}

pub(crate) fn plan(id: &str) -> Plan {
    Plan {
        id: id.into(),
        account: "acc-1".into(),
        external_id: None,
        region: "default".into(),
        pay: "pay_as_you_go".into(),
        charge: "bandwidth".into(),
        peak_bps: 20_000_000,
        applied_peak_bps: 20_000_000,
        status: "in_use".into(),
        business: "normal".into(),
        label: "In Use".into(),
        operation: None,
        reason: None,
        network: Some("net-1".into()),
        network_name: Some("office-1".into()),
        addresses: vec![],
        created_at: "2026-03-31T12:00:00Z".parse().expect("a moment"),
        provisioned_at: None,
        expires_at: None,
        duration: None,
        auto_renew: false,
        release_at: None,
        rules: 2,
        version: 1,
    }
}

fn router(world: World, with_token: bool) -> Router {
    let inner = Router::new()
        .route("/sessions", post(sign_in))
        .route("/sessions/current", axum::routing::delete(async || StatusCode::NO_CONTENT))
        .route("/me", get(me))
        .route("/status", get(status))
        .route("/networks", get(networks).post(create_network))
        .route("/networks/{id}", get(one_network).patch(change_network).delete(delete_network))
        .route("/instances", get(instances))
        .route("/instances/{id}", get(one_instance))
        .route("/instances/{id}/move", post(move_instance))
        .route("/rules", get(rules))
        .route("/rules/{id}", get(one_rule))
        .route("/plans", get(plans).post(create_plan))
        .route("/plans/{id}", get(one_plan))
        .route("/plans/{id}/dissociate", post(change_plan))
        .route("/plans/{id}/associate", post(associate))
        .route("/plans/{id}/resize", post(resize))
        .route("/plans/delete", post(delete_plans))
        .route("/events", get(events))
        .route("/accounts", get(async || "this is not JSON"))
        .route("/accounts/{id}", get(one_account))
        .route("/apply", post(apply))
        .route("/export", get(export))
        .merge(egress::routes())
        .merge(usage::routes())
        .merge(money::routes())
        .with_state(world.clone())
        .layer(middleware::from_fn_with_state((world, with_token), guard));
    Router::new().nest("/v1", inner)
}

async fn guard(State((world, asks)): State<(World, bool)>, request: Request<Body>, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    {
        let mut world = world.lock();
        world.calls.push(format!("{} /v1{path}", request.method()));
        world.headers = request.headers().clone();
        let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let known = [TOKEN, SESSION].map(|secret| format!("Bearer {secret}"));
        let may = !world.is_closed && known.iter().any(|known| Some(known.as_str()) == given);
        if asks && !may && !path.ends_with("/sessions") {
            return problem(401, "Unauthenticated", "no such token", None);
        }
    }
    next.run(request).await
}

fn problem(status: u16, code: &str, detail: &str, field: Option<&str>) -> Response {
    let problem = Problem {
        status,
        code: code.into(),
        detail: detail.into(),
        field: field.map(str::to_owned),
        retry: false,
        request_id: "req-1".into(),
    };
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", "application/problem+json")], Json(problem)).into_response()
}

fn not_found() -> Response {
    problem(404, "NotFound", "there is no such thing", None)
}

fn page<T: Clone>(all: &[T], after: Option<&str>) -> Json<Page<T>> {
    let from = after.map_or(0, |after| after.parse().expect("a number"));
    let to = (from + PAGE).min(all.len());
    Json(Page { items: all[from..to].to_vec(), next: (to < all.len()).then(|| to.to_string()) })
}

async fn sign_in(Json(sign_in): Json<SignIn>) -> Response {
    if sign_in.password != PASSWORD {
        return problem(401, "WrongPassword", "user and password do not fit", None);
    }
    let secret = Secret { id: "s-1".into(), secret: SESSION.into(), expires_at: None };
    (StatusCode::CREATED, Json(secret)).into_response()
}

async fn me() -> Json<Me> {
    Json(Me { actor: "user alice".into(), role: "operator".into(), account: None })
}

async fn one_account(Path(id): Path<String>) -> Json<Account> {
    let created_at = "2026-03-31T12:00:00Z".parse().expect("a moment");
    Json(Account { id, name: "acme".into(), enabled: true, created_at, version: 1 })
}

async fn status() -> Json<StatusView> {
    Json(StatusView {
        version: "0.1.0".into(),
        incarnation: "i-1".into(),
        revision: 42,
        engine: "sqlite".into(),
        networks: 1,
        instances: 3,
        plans: [("In Use".to_owned(), 1)].into(),
        nodes: vec![NodeLag {
            name: "n1".into(),
            region: "default".into(),
            state: "behind".into(),
            seen_at: None,
        }],
    })
}

async fn networks(State(world): State<World>, Query(query): Query<NetworkQuery>) -> Json<Page<Network>> {
    let name = query.name.unwrap_or_default();
    let fits =
        |n: &&Network| n.name.contains(&name) && query.zone.as_ref().is_none_or(|zone| n.zone == *zone);
    let all: Vec<_> = world.lock().networks.iter().filter(fits).cloned().collect();
    page(&all, query.after.as_deref())
}

async fn one_network(State(world): State<World>, Path(id): Path<String>) -> Response {
    let mut world = world.lock();
    let looks_left = world.moves_in.0;
    let Some(network) = world.networks.iter_mut().find(|network| network.id == id) else {
        return not_found();
    };
    if looks_left == 0 {
        network.egress_leaving = None;
    }
    let network = network.clone();
    world.moves_in.0 = looks_left.saturating_sub(1);
    Json(network).into_response()
}

async fn create_network(State(world): State<World>, Json(new): Json<NewNetwork>) -> Response {
    let mut world = world.lock();
    if world.networks.iter().any(|network| network.name == new.name) {
        let detail = format!("`{}` is taken; choose another name", new.name);
        return problem(409, "NameTaken", &detail, Some("name"));
    }
    let mut made = network(world.networks.len() + 1);
    made.name = new.name;
    made.prefixes = new.prefixes;
    made.egress = new.egress.unwrap_or(made.egress);
    world.networks.push(made.clone());
    (StatusCode::CREATED, Json(made)).into_response()
}

async fn change_network(
    State(world): State<World>,
    Path(id): Path<String>,
    Json(change): Json<NetworkChange>,
) -> Response {
    let mut world = world.lock();
    let Some(network) = world.networks.iter_mut().find(|network| network.id == id) else {
        return not_found();
    };
    if let Some(nodes) = change.nodes {
        network.nodes = nodes;
    }
    if let Some(egress) = change.egress {
        network.egress = egress;
    }
    Json(network.clone()).into_response()
}

async fn one_instance(State(world): State<World>, Path(id): Path<String>) -> Response {
    let found = world.lock().instances.iter().find(|one| one.id == id).cloned();
    found.map_or_else(not_found, |one| Json(one).into_response())
}

async fn move_instance(
    State(world): State<World>,
    Path(id): Path<String>,
    Json(to): Json<MoveInstance>,
) -> Response {
    let mut world = world.lock();
    let Some(one) = world.instances.iter_mut().find(|one| one.id == id) else { return not_found() };
    one.network = to.network;
    one.rule = None;
    if let Some(addresses) = to.addresses {
        one.addresses = addresses;
    }
    Json(one.clone()).into_response()
}

async fn delete_network(State(world): State<World>, Path(id): Path<String>) -> Response {
    world.lock().networks.retain(|network| network.id != id);
    StatusCode::NO_CONTENT.into_response()
}

async fn instances(State(world): State<World>, Query(query): Query<InstanceQuery>) -> Json<Page<Instance>> {
    let fits = |one: &&Instance| query.bound.is_none_or(|bound| one.rule.is_some() == bound);
    let all: Vec<_> = world.lock().instances.iter().filter(fits).cloned().collect();
    page(&all, query.after.as_deref())
}

async fn rules(State(world): State<World>, Query(query): Query<RuleQuery>) -> Json<Page<Rule>> {
    page(&world.lock().rules, query.after.as_deref())
}

async fn one_rule(State(world): State<World>, Path(id): Path<String>) -> Response {
    let found = world.lock().rules.iter().find(|rule| rule.id == id).cloned();
    found.map_or_else(not_found, |rule| Json(rule).into_response())
}

async fn plans(State(world): State<World>, Query(query): Query<PlanQuery>) -> Json<Page<Plan>> {
    let all: Vec<_> = world.lock().plans.values().cloned().collect();
    page(&all, query.after.as_deref())
}

async fn one_plan(State(world): State<World>, Path(id): Path<String>) -> Response {
    let mut world = world.lock();
    if world.busy.0 > 0 {
        world.busy.0 -= 1;
        let problem = Problem {
            status: 503,
            code: "DatabaseUnavailable".into(),
            detail: "the database is busy".into(),
            field: None,
            retry: world.busy.1,
            request_id: "req-1".into(),
        };
        return (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response();
    }
    if world.looks_left > 0 {
        world.looks_left -= 1;
    } else if let Some(then) = world.then.take() {
        world.plans.insert(then.id.clone(), then);
    }
    world.plans.get(&id).cloned().map_or_else(not_found, |plan| Json(plan).into_response())
}

async fn create_plan(State(world): State<World>, Json(new): Json<NewPlan>) -> Response {
    let made = Plan {
        pay: new.pay,
        peak_bps: new.peak_bps,
        applied_peak_bps: 0,
        status: "creating".into(),
        label: "Creating".into(),
        operation: Some("provision".into()),
        ..plan("plan-1")
    };
    let mut world = world.lock();
    world.expected.push(new.expected_amount_micro);
    world.plans.insert(made.id.clone(), made.clone());
    (StatusCode::CREATED, Json(made)).into_response()
}

/// Begins a change that ends as the test says.
async fn change_plan(State(world): State<World>, Path(id): Path<String>) -> Response {
    let mut world = world.lock();
    let Some(plan) = world.plans.get_mut(&id) else { return not_found() };
    plan.status = "changing".into();
    plan.label = "Changing".into();
    plan.operation = Some("dissociate".into());
    Json(plan.clone()).into_response()
}

async fn associate(Json(associate): Json<Associate>) -> Response {
    let detail = format!("network {} has a plan; dissociate it first", associate.network);
    problem(409, "NetworkHasPlan", &detail, Some("network"))
}

async fn resize(State(world): State<World>, Path(id): Path<String>, Json(resize): Json<Resize>) -> Response {
    let mut world = world.lock();
    world.expected.push(resize.expected_amount_micro);
    let Some(plan) = world.plans.get_mut(&id) else { return not_found() };
    plan.peak_bps = resize.peak_bps;
    Json(plan.clone()).into_response()
}

async fn delete_plans(State(world): State<World>, Json(end): Json<End>) -> Json<Vec<Outcome>> {
    let mut world = world.lock();
    let outcome = |id: String| {
        let refused = match world.plans.get(&id) {
            Some(plan) if plan.network.is_some() && !end.force => Some(Refused {
                code: "PlanAssociated".into(),
                detail: "a network uses it; dissociate it first, or force".into(),
            }),
            _ => {
                world.plans.remove(&id);
                None
            }
        };
        Outcome { id, refused }
    };
    Json(end.plans.into_iter().map(outcome).collect())
}

async fn events() -> Json<Page<Event>> {
    let event = Event {
        revision: 7,
        at: "2026-03-31T12:00:00Z".parse().expect("a moment"),
        account: None,
        actor: "user alice".into(),
        request_id: "req-1".into(),
        kind: "network.created".into(),
        subject: "net-1".into(),
        detail: "name \u{1b}[31mred".into(),
    };
    Json(Page { items: vec![event], next: None })
}

async fn apply(State(world): State<World>, Json(apply): Json<Apply>) -> Json<Applied> {
    let mut world = world.lock();
    if apply.dry_run {
        return Json(Applied { changes: world.changes.clone(), ..Applied::default() });
    }
    world.applied.push(apply.setup);
    let waits_for = std::mem::take(&mut world.waits_for);
    let next = if waits_for.is_empty() { Vec::new() } else { std::mem::take(&mut world.changes_later) };
    let changes = std::mem::replace(&mut world.changes, next);
    Json(Applied { changes, revision: Some(43), waits_for })
}

async fn export() -> Response {
    let rate = |text: &str| json!({"name": "web", "up": text, "down": text});
    Json(json!({"networks": [
        {"name": "office", "prefixes": ["10.1.0.0/24"], "rules": [rate("2Mbps")]}
    ]}))
    .into_response()
}
