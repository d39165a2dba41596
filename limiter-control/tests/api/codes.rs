//! Every code that can be reached, once each, with the field that it names.

use std::collections::BTreeSet;

use limiter_domain::{Code, Settings};
use serde_json::{Value, json};

use crate::world::World;

/// Codes that wait for money, or that [`crate::matrix`] shows.
const ELSEWHERE: [Code; 15] = [
    Code::PlanFinancialLocked,
    Code::AssociationNotSupport,
    Code::DissociationNotSupport,
    Code::ModificationNotSupport,
    Code::DeletionNotSupport,
    Code::RenewalNotSupport,
    Code::RuleNotSupport,
    Code::PlanAlreadyAssociated,
    Code::PlanNotAssociated,
    Code::PlanAssociated,
    Code::PlanExpired,
    Code::PayTypeNotSupported,
    Code::PlanNotFound,
    Code::NetworkNotFound,
    Code::RuleNotFound,
];

/// A world with a plan in use, a rule, and what is needed to run into every refusal.
struct Scene {
    world: World,
    network: String,
    plan: String,
    instance: String,
    rule: String,
}

async fn scene() -> Scene {
    let settings = Settings {
        plans_per_account_and_region: 3,
        rules_per_plan: 2,
        instances_per_rule: 1,
        agreement_version: Some("2026-01".into()),
        ..Settings::default()
    };
    let world = World::with(settings).await;
    let network = world.network(1).await;
    let instance = world.instance(&network, 1, 2).await;
    let plan = plan_of(&json!({"network": network}));
    let plan = world.acme_post("/plans", plan).await.good().text("id");
    world.agent_applies().await;
    let rule = json!({"plan": plan, "name": "one", "up_bps": 1_000_000, "down_bps": 1_000_000, "instances": [instance]});
    let rule = world.acme_post("/rules", rule).await.good().text("id");
    Scene { world, network, plan, instance, rule }
}

/// A good order with other fields.
fn plan_of(other: &Value) -> Value {
    let mut plan = json!({"pay": "pay_as_you_go", "peak_bps": 20_000_000, "agreement_version": "2026-01"});
    let fields = plan.as_object_mut().expect("an object");
    fields.extend(other.as_object().expect("an object").clone());
    plan
}

/// A call that is refused: method, path, body, code, field.
type Case = (&'static str, String, Value, Code, &'static str);

fn orders() -> Vec<Case> {
    let order = |other: Value, code: Code, field: &'static str| {
        ("POST", "/plans".to_owned(), plan_of(&other), code, field)
    };
    vec![
        order(json!({"peak_bps": 1_999_999}), Code::InvalidBandwidth, "peak_bps"),
        order(json!({"charge": "traffic", "peak_bps": 201_000_000}), Code::InvalidBandwidth, "peak_bps"),
        order(
            json!({"pay": "subscription", "duration": "1m", "charge": "traffic"}),
            Code::InvalidChargeType,
            "charge",
        ),
        order(json!({"duration": "1m"}), Code::InvalidPeriod, "duration"),
        order(json!({"pay": "subscription"}), Code::InvalidPeriod, "duration"),
        order(json!({"pay": "subscription", "duration": "4m"}), Code::InvalidPeriod, "duration"),
        order(
            json!({"pay": "subscription", "duration": "1w", "auto_renew": true}),
            Code::AutoRenewNotSupported,
            "auto_renew",
        ),
        order(json!({"auto_renew": true}), Code::AutoRenewNotSupported, "auto_renew"),
        order(json!({"agreement_version": null}), Code::AgreementNotAccepted, "agreement_version"),
        order(json!({"pay": "later"}), Code::InvalidParameter, "pay"),
        order(json!({"expected_amount_micro": 5}), Code::QuoteChanged, "expected_amount"),
    ]
}

fn others(scene: &Scene) -> Vec<Case> {
    let Scene { network, plan, instance, rule, .. } = scene;
    let post = |path: &str, body: Value, code: Code, field: &'static str| {
        ("POST", path.to_owned(), body, code, field)
    };
    let unknown = "in-00000000000000000";
    vec![
        order_elsewhere(network),
        post("/plans", plan_of(&json!({"network": network})), Code::NetworkHasPlan, "network"),
        post("/networks", json!({"name": "net1", "prefixes": ["10.50.0.0/24"]}), Code::NameDuplicate, "name"),
        post(
            "/networks",
            json!({"name": "x", "prefixes": ["10.1.0.0/25"]}),
            Code::AddressConflict,
            "prefixes[0]",
        ),
        post("/networks", json!({"name": "x", "prefixes": []}), Code::MissingParameter, "prefixes"),
        post("/networks", json!({"prefixes": []}), Code::MissingParameter, "name"),
        post(
            "/networks",
            json!({"name": "x", "prefixes": ["300.0.0.0/8"]}),
            Code::InvalidParameter,
            "prefixes[0]",
        ),
        post(
            "/instances",
            json!({"network": network, "name": "i", "addresses": ["10.1.0.2"]}),
            Code::AddressConflict,
            "addresses[0]",
        ),
        post(
            "/instances",
            json!({"network": network, "name": "i", "addresses": ["10.9.0.2"]}),
            Code::AddressConflict,
            "addresses[0]",
        ),
        post(
            "/rules",
            json!({"plan": plan, "name": " ", "up_bps": 1_000_000, "down_bps": 1_000_000}),
            Code::InvalidRuleName,
            "name",
        ),
        post(
            "/rules",
            json!({"plan": plan, "name": "x", "down_bps": 1_000_000}),
            Code::InvalidRuleLimit,
            "up_bps",
        ),
        post(
            "/rules",
            json!({"plan": plan, "name": "x", "up_bps": 1_000_000, "down_bps": 2_000_000_000}),
            Code::InvalidRuleLimit,
            "down_bps",
        ),
        post(
            "/rules",
            json!({"plan": plan, "name": "one", "up_bps": 1_000_000, "down_bps": 1_000_000}),
            Code::RuleNameDuplicate,
            "name",
        ),
        post(
            "/rules",
            json!({"plan": plan, "name": "x", "up_bps": 1_000_000, "down_bps": 1_000_000, "instances": [instance]}),
            Code::InstanceAlreadyInRule,
            "instances[0]",
        ),
        post(
            &format!("/rules/{rule}/bindings"),
            json!({"bind": [unknown]}),
            Code::InstanceNotFound,
            "bind[0]",
        ),
        post(
            &format!("/rules/{rule}/bindings"),
            json!({"bind": vec![unknown; 101]}),
            Code::TooManyIds,
            "bind",
        ),
        post(
            &format!("/plans/{plan}/resize"),
            json!({"peak_bps": 20_000_000}),
            Code::ResizeNoChange,
            "peak_bps",
        ),
        ("DELETE", format!("/networks/{network}"), json!({}), Code::NetworkInUse, ""),
        (
            "PATCH",
            "/nodes/edge-1".to_owned(),
            json!({"uplinks": ["a b"]}),
            Code::InvalidParameter,
            "uplinks[0]",
        ),
        ("DELETE", "/nodes/edge-1".to_owned(), json!({}), Code::NodeInUse, ""),
        ("GET", "/nodes/edge-9".to_owned(), Value::Null, Code::NodeNotFound, ""),
        ("GET", "/accounts/nobody".to_owned(), Value::Null, Code::AccountNotFound, ""),
        ("GET", "/users/nobody".to_owned(), Value::Null, Code::UserNotFound, ""),
        ("DELETE", "/tokens/nothing".to_owned(), json!({}), Code::TokenNotFound, ""),
    ]
}

/// An order in another region than its network's.
fn order_elsewhere(network: &str) -> Case {
    let order = plan_of(&json!({"network": network, "region": "far"}));
    ("POST", "/plans".to_owned(), order, Code::RegionMismatch, "network")
}

#[tokio::test]
async fn each_code_names_its_condition_and_its_field() {
    let scene = scene().await;
    let mut seen: BTreeSet<&str> = ELSEWHERE.iter().map(|code| code.code()).collect();
    let mut wrong = Vec::new();
    for (method, path, body, code, field) in orders().into_iter().chain(others(&scene)) {
        // Orders and their like are the customer's, the rest is the operator's.
        let ours =
            ["/plans", "/networks", "/instances", "/rules"].iter().any(|start| path.starts_with(start));
        let token = ours.then_some(&*scene.world.acme.1);
        let body = Some(body).filter(|body| !body.is_null());
        let answer = scene.world.call(method, &path, token, body.clone()).await;
        let found = (answer.body["code"].as_str(), answer.body["field"].as_str().unwrap_or_default());
        if found != (Some(code.code()), field) || !(400..500).contains(&answer.status) {
            wrong.push(format!("{method} {path} {body:?}: {answer:?}, not {} of {field:?}", code.code()));
        }
        seen.insert(code.code());
    }
    assert_eq!(wrong, Vec::<String>::new(), "{}", wrong.join("\n"));
    seen.extend(quotas(&scene).await);
    seen.extend(rest(&scene).await);
    let all: BTreeSet<&str> = Code::ALL.iter().map(|code| code.code()).collect();
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&&str>::new(), "codes without a test");
}

async fn quotas(scene: &Scene) -> Vec<&'static str> {
    let Scene { world, network, plan, rule, .. } = scene;
    let free = || plan_of(&json!({}));
    world.acme_post("/plans", free()).await.good();
    world.acme_post("/plans", free()).await.good();
    world.acme_post("/plans", free()).await.refused(429, "QuotaExceeded.Plan");
    let another = world.instance(network, 1, 3).await;
    let bind = json!({"bind": [another]});
    world.acme_post(&format!("/rules/{rule}/bindings"), bind).await.refused(429, "QuotaExceeded.RuleBinding");
    let new = |name: &str| json!({"plan": plan, "name": name, "up_bps": 1_000_000, "down_bps": 1_000_000});
    world.acme_post("/rules", new("two")).await.good();
    world.acme_post("/rules", new("three")).await.refused(429, "QuotaExceeded.Rule");
    vec!["QuotaExceeded.Plan", "QuotaExceeded.RuleBinding", "QuotaExceeded.Rule"]
}

async fn rest(scene: &Scene) -> Vec<&'static str> {
    let Scene { world, rule, .. } = scene;
    let two = world.network(2).await;
    let stranger = world.instance(&two, 2, 2).await;
    let bind = json!({"bind": [stranger]});
    world.acme_post(&format!("/rules/{rule}/bindings"), bind).await.refused(409, "InstanceNotInNetwork");
    // A network that is being deleted until its node let go.
    let three = world.network(3).await;
    world.agent_applies().await;
    world.call("DELETE", &format!("/networks/{three}"), Some(&world.acme.1), None).await.good();
    let late = json!({"network": three, "name": "i", "addresses": ["10.3.0.2"]});
    world.acme_post("/instances", late).await.refused(409, "NetworkNotReady");
    world.agent_applies().await;
    world.acme_get(&format!("/networks/{three}")).await.refused(404, "NetworkNotFound");
    // A term that reaches too far.
    let free = world.acme_get("/plans").await.good();
    let ids: Vec<_> =
        free.body["items"].as_array().expect("plans").iter().map(|it| it["id"].clone()).collect();
    world.acme_post("/plans/delete", json!({"plans": [ids[1], ids[2]], "force": true})).await.good();
    let long = plan_of(&json!({"pay": "subscription", "duration": "3y"}));
    let long = world.acme_post("/plans", long).await.good().text("id");
    let renewed = world.acme_post("/plans/renew", json!({"plans": [long], "duration": "3y"})).await.good();
    assert_eq!(renewed.body[0]["refused"]["code"], "RenewalHorizonExceeded");
    // No node in that region.
    let far = json!({"name": "far", "region": "far", "prefixes": ["10.66.0.0/24"]});
    let far = world.acme_post("/networks", far).await.good().text("id");
    let order = plan_of(&json!({"network": far}));
    world.acme_post("/plans", order).await.refused(409, "NetworkHasNoNode");
    vec![
        "InstanceNotInNetwork",
        "NetworkNotReady",
        "RenewalHorizonExceeded",
        "NetworkHasNoNode",
        // Shown by `addresses`.
        "AddressNotFound",
        "AddressInUse",
        "NoAddressAvailable",
        "NodeHasNoSharedAddress",
        "NodeNotReady",
        "TooFewAddresses",
        // Shown by `usage`.
        "UsageConflict",
        "UsageOutOfOrder",
        // Shown by `prices` and `hours`.
        "AccountOverdue",
        "InsufficientBalance",
        "OrderNotFound",
        "PriceBookNotFound",
        // Shown by `input`.
        "IdempotentParameterMismatch",
        "VersionConflict",
    ]
}
