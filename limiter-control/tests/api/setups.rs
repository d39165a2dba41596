//! Whole setups: applied, applied again, exported, pruned.

use std::pin::pin;
use std::time::Duration;

use limiter_domain::Settings;
use serde_json::{Value, json};

use crate::world::World;

fn setup(down: &str) -> Value {
    json!({"networks": [{
        "name": "office",
        "prefixes": ["10.5.0.0/24"],
        "plan": {"pay": "pay_as_you_go", "peak": "50Mbps"},
        "rules": [{"name": "slow", "up": "2Mbps", "down": down}],
        "instances": [
            {"name": "a", "addresses": ["10.5.0.2"], "rule": "slow"},
            {"name": "b", "addresses": ["10.5.0.3"]},
        ],
    }]})
}

async fn apply(world: &World, setup: Value, other: Value) -> Value {
    let mut body = json!({"setup": setup});
    body.as_object_mut().expect("an object").extend(other.as_object().expect("an object").clone());
    world.acme_post("/apply", body).await.good().body
}

#[tokio::test]
async fn a_setup_is_applied_and_then_there_is_nothing_to_do() {
    let world = World::new().await;
    let dry = apply(&world, setup("1Mbps"), json!({"dry_run": true})).await;
    assert_eq!(dry["changes"].as_array().map(Vec::len), Some(4), "{dry}");
    let page = world.acme_get("/networks").await.good();
    assert_eq!(page.body["items"], json!([]), "a dry run made something");
    let first = apply(&world, setup("1Mbps"), json!({})).await;
    assert_eq!(first["waits_for"].as_array().map(Vec::len), Some(1), "{first}");
    world.agent_applies().await;
    let second = apply(&world, setup("1Mbps"), json!({})).await;
    let kinds: Vec<_> = second["changes"].as_array().expect("changes").iter().map(|it| &it["kind"]).collect();
    assert_eq!(kinds, ["rule", "binding"], "{second}");
    let third = apply(&world, setup("1Mbps"), json!({})).await;
    assert_eq!(third, json!({"changes": []}));
    let changed = apply(&world, setup("3Mbps"), json!({})).await;
    assert_eq!(changed["changes"][0]["detail"], "down 1Mbps -> 3Mbps", "{changed}");
    let state = world.agent_applies().await;
    assert_eq!(state["rules"][0]["down"], "3Mbps");
}

#[tokio::test]
async fn what_is_exported_changes_nothing_when_it_is_applied() {
    let world = World::new().await;
    apply(&world, setup("1Mbps"), json!({})).await;
    world.agent_applies().await;
    apply(&world, setup("1Mbps"), json!({})).await;
    let exported = world.acme_get("/export").await.good().body;
    assert_eq!(exported["networks"][0]["instances"][0]["rule"], "slow");
    assert_eq!(apply(&world, exported, json!({"prune": true})).await, json!({"changes": []}));
}

#[tokio::test]
async fn what_is_not_named_goes_when_asked() {
    let world = World::new().await;
    apply(&world, setup("1Mbps"), json!({})).await;
    world.agent_applies().await;
    apply(&world, setup("1Mbps"), json!({})).await;
    let mut less = setup("1Mbps");
    less["networks"][0]["instances"] = json!([{"name": "c", "addresses": ["10.5.0.2"]}]);
    less["networks"][0]["rules"] = json!([]);
    let pruned = apply(&world, less, json!({"prune": true})).await;
    let done: Vec<_> = pruned["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|it| {
            format!("{} {}", it["action"].as_str().expect("action"), it["name"].as_str().expect("name"))
        })
        .collect();
    assert_eq!(done, ["delete office/a", "delete office/b", "create office/c", "delete office/slow"]);
}

#[tokio::test]
async fn one_wrong_place_leaves_everything_as_it_was() {
    let world = World::new().await;
    let mut wrong = setup("1Mbps");
    wrong["networks"][0]["instances"][1]["addresses"] = json!(["10.6.0.3"]);
    let answer = world.acme_post("/apply", json!({"setup": wrong})).await.refused(409, "AddressConflict");
    assert_eq!(answer.text("field"), "setup.networks[0].instances[1].addresses[0]");
    let page = world.acme_get("/networks").await.good();
    assert_eq!(page.body["items"], json!([]));
}

#[tokio::test]
async fn ten_thousand_rules_are_made_and_bound_in_one_call() {
    let world = World::with(Settings { plans_per_account_and_region: 100, ..Settings::default() }).await;
    let network = |number: usize| {
        let each = |host: usize| {
            json!({
                "name": format!("i{host}"),
                "addresses": [format!("10.{number}.0.{}", host + 2)],
                "rule": format!("r{host}"),
            })
        };
        let rule = |host: usize| json!({"name": format!("r{host}"), "up": "2Mbps", "down": "2Mbps"});
        json!({
            "name": format!("net{number}"),
            "prefixes": [format!("10.{number}.0.0/24")],
            "plan": {"pay": "pay_as_you_go", "peak": "50Mbps"},
            "rules": (0..100).map(rule).collect::<Vec<_>>(),
            "instances": (0..100).map(each).collect::<Vec<_>>(),
        })
    };
    let setup = json!({"networks": (0..100).map(network).collect::<Vec<_>>()});
    let first = apply(&world, setup.clone(), json!({})).await;
    assert_eq!(first["waits_for"].as_array().map(Vec::len), Some(100));
    world.agent_applies().await;
    let second = apply(&world, setup.clone(), json!({})).await;
    assert_eq!(second["changes"].as_array().map(Vec::len), Some(20_000));
    assert_eq!(apply(&world, setup, json!({"prune": true})).await, json!({"changes": []}));
    let state = world.agent_applies().await;
    assert_eq!(state["rules"].as_array().map(Vec::len), Some(10_000));
}

#[tokio::test]
async fn two_setups_are_worked_at_once_and_the_third_waits() {
    let world = World::new().await;
    // While somebody writes, nobody else does.
    let writer = world.app.store().write().await.expect("the writer");
    let body = || json!({"setup": setup("1Mbps")});
    let mut two =
        pin!(async { tokio::join!(world.acme_post("/apply", body()), world.acme_post("/apply", body())) });
    let mut third = pin!(world.acme_get("/export"));
    tokio::select! {
        biased;
        answers = &mut two => panic!("applied beside another writer: {answers:?}"),
        answer = &mut third => panic!("not in turn: {answer:?}"),
        () = tokio::time::sleep(Duration::from_millis(300)) => {}
    }
    drop(writer);
    let ((first, second), third) = tokio::join!(two, third);
    for answer in [first, second, third] {
        answer.good();
    }
}

/// A region with addresses, and a network of `acme` that leaves through them.
async fn with_addresses() -> World {
    let world = World::new().await;
    let shared = json!({"shared_address": "203.0.113.1"});
    world.call("PATCH", "/nodes/edge-1", None, Some(shared)).await.good();
    world.post("/addresses/import", None, json!({"ranges": ["198.51.100.1-198.51.100.2"]})).await.good();
    apply(&world, setup("1Mbps"), json!({})).await;
    world.agent_applies().await;
    world
}

/// As the local operator, for `acme`.
async fn operate(world: &World, setup: Value) -> Value {
    let body = json!({"account": "acme", "setup": setup});
    world.post("/apply", None, body).await.good().body
}

async fn egress(world: &World) -> String {
    world.acme_get("/networks").await.good().body["items"][0]["egress"].to_string().replace('"', "")
}

#[tokio::test]
async fn an_operators_setup_says_what_networks_leave_through() {
    let world = with_addresses().await;
    assert_eq!(egress(&world).await, "exclusive", "the region's default");
    let mut wanted = setup("1Mbps");
    wanted["networks"][0]["egress"] = json!("none");
    let done = operate(&world, wanted.clone()).await;
    assert_eq!(done["changes"][0]["detail"], "egress exclusive -> none", "{done}");
    assert_eq!(world.agent_applies().await["networks"][0]["egress"], Value::Null, "routed");
    operate(&world, setup("1Mbps")).await;
    assert_eq!(egress(&world).await, "none", "what is not said stays");

    // Also where the region's default is another one, the same comes of what was exported.
    let exported = world.get("/export?account=acme", None).await.good().body;
    assert_eq!(exported["networks"][0]["egress"], "none");
    assert_eq!(operate(&world, exported.clone()).await, json!({"changes": []}));
    let mut copy = exported;
    copy["networks"][0]["prefixes"] = json!(["10.6.0.0/24"]);
    copy["networks"][0]["instances"] = json!([]);
    let body = json!({"account": "other", "setup": copy});
    world.post("/apply", None, body).await.good();
    let others = world.get("/networks?account=other", None).await.good();
    assert_eq!(others.body["items"][0]["egress"], "none");
    wanted["networks"][0]["egress"] = json!("mine");
    let body = json!({"account": "acme", "setup": wanted});
    let refused = world.post("/apply", None, body).await.refused(400, "InvalidParameter");
    assert_eq!(refused.text("field"), "setup.networks[0].egress");
}

#[tokio::test]
async fn a_customers_setup_changes_nothing_of_what_networks_leave_through() {
    let world = with_addresses().await;
    let exported = world.acme_get("/export").await.good().body;
    assert_eq!(exported["networks"][0]["egress"], Value::Null, "{exported}");
    assert_eq!(apply(&world, exported.clone(), json!({"prune": true})).await, json!({"changes": []}));
    let mut said = exported;
    said["networks"][0]["egress"] = json!("exclusive");
    assert_eq!(apply(&world, said.clone(), json!({})).await, json!({"changes": []}), "as it is");
    said["networks"][0]["egress"] = json!("none");
    world.acme_post("/apply", json!({"setup": said})).await.refused(403, "Forbidden");
    let new = json!({"networks": [{"name": "lab", "prefixes": ["10.6.0.0/24"], "egress": "exclusive"}]});
    world.acme_post("/apply", json!({"setup": new})).await.refused(403, "Forbidden");
    assert_eq!(egress(&world).await, "exclusive");
    assert_eq!(world.acme_get("/networks").await.good().body["items"].as_array().map(Vec::len), Some(1));
}
