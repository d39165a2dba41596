//! A plan's life through the API: bought, associated, resized, dissociated, renewed, expired, released.

use jiff::SignedDuration;
use limiter_control::store::Ack;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_plan_is_in_use_when_its_node_acknowledged() {
    let world = World::new().await;
    let network = world.network(1).await;
    world.agent_applies().await;
    let plan = world.payg(Some(&network)).await;
    assert_eq!(world.label(&plan).await, "Creating");
    let state = world.agent_applies().await;
    assert_eq!(state["networks"][0]["up"], "20Mbps");
    assert_eq!(state["networks"][0]["plan"], plan);
    assert_eq!(world.label(&plan).await, "In Use");
    let resized =
        world.acme_post(&format!("/plans/{plan}/resize"), json!({"peak_bps": 50_000_000})).await.good();
    assert_eq!(
        (&resized.body["label"], &resized.body["applied_peak_bps"]),
        (&json!("In Use"), &json!(20_000_000))
    );
    world.agent_applies().await;
    let plan_now = world.acme_get(&format!("/plans/{plan}")).await.good();
    assert_eq!(plan_now.body["applied_peak_bps"], 50_000_000);
}

#[tokio::test]
async fn dissociation_purges_rules_and_the_network_is_basic_again() {
    let world = World::new().await;
    let (one, two) = (world.network(1).await, world.network(2).await);
    let instance = world.instance(&one, 1, 2).await;
    let plan = world.payg(Some(&one)).await;
    world.agent_applies().await;
    let rule = json!({
        "plan": plan, "name": "slow", "up_bps": 2_000_000, "down_bps": 1_000_000, "instances": [instance],
    });
    world.acme_post("/rules", rule).await.good();
    let state = world.agent_applies().await;
    assert_eq!(state["rules"][0]["up"], "2Mbps");
    let changing = world.acme_post(&format!("/plans/{plan}/dissociate"), json!({})).await.good();
    assert_eq!(changing.text("label"), "Changing");
    let page = world.acme_get(&format!("/rules?plan={plan}")).await.good();
    assert_eq!(page.body["items"], json!([]));
    // The network is not free before its node let go.
    let other = world.payg(None).await;
    let early = world.acme_post(&format!("/plans/{other}/associate"), json!({"network": one})).await;
    early.refused(409, "NetworkHasPlan");
    let state = world.agent_applies().await;
    assert_eq!(state["networks"].as_array().map(Vec::len), Some(2));
    assert!(state["networks"].as_array().expect("networks").iter().all(|it| it["up"] == "5Mbps"));
    assert_eq!(world.label(&plan).await, "Not Associated");
    world.acme_post(&format!("/plans/{plan}/associate"), json!({"network": two})).await.good();
    assert_eq!(world.label(&plan).await, "Changing");
    world.agent_applies().await;
    assert_eq!(world.label(&plan).await, "In Use");
    let page = world.acme_get(&format!("/rules?plan={plan}")).await.good();
    assert_eq!(page.body["items"], json!([]), "rules came back");
    let instance = world.acme_get(&format!("/instances/{instance}")).await.good();
    assert_eq!(instance.body["rule"], json!(null));
}

#[tokio::test]
async fn a_subscription_expires_is_kept_and_released_by_the_clock() {
    let world = World::new().await;
    let network = world.network(1).await;
    let plan = world.subscription("1m", Some(&network)).await;
    world.agent_applies().await;
    let bought = world.acme_get(&format!("/plans/{plan}")).await.good();
    assert_eq!(bought.body["expires_at"], "2026-12-24T00:00:00Z");
    world.at("2026-12-24T00:00:00Z").await;
    assert_eq!(world.label(&plan).await, "Expired");
    let state = world.agent_applies().await;
    assert_eq!(state["networks"][0]["up"], "5Mbps");
    let kept = world.acme_get(&format!("/plans/{plan}")).await.good();
    assert_eq!(kept.body["release_at"], "2026-12-31T00:00:00Z");
    world.at("2026-12-27T09:00:00Z").await;
    let renewed = world.acme_post("/plans/renew", json!({"plans": [plan], "duration": "1m"})).await.good();
    assert_eq!(renewed.body, json!([{"id": plan}]));
    world.agent_applies().await;
    let again = world.acme_get(&format!("/plans/{plan}")).await.good();
    assert_eq!(
        (again.text("label"), again.text("expires_at")),
        ("In Use".into(), "2027-01-28T00:00:00Z".into())
    );
    world.at("2027-02-04T00:00:00Z").await;
    world.agent_applies().await;
    world.acme_get(&format!("/plans/{plan}")).await.refused(404, "PlanNotFound");
    let events = world.acme_get(&format!("/events?subject={plan}")).await.good();
    let kinds: Vec<_> =
        events.body["items"].as_array().expect("events").iter().map(|it| it["kind"].clone()).collect();
    for kind in [
        "plan.created",
        "plan.in_use",
        "plan.expiring",
        "plan.expired",
        "plan.renewed",
        "plan.releasing",
        "plan.released",
    ] {
        assert!(kinds.contains(&json!(kind)), "{kind} is not among {kinds:?}");
    }
}

#[tokio::test]
async fn missed_instants_are_worked_in_order_and_once() {
    let world = World::new().await;
    let plan = world.subscription("1m", None).await;
    world.at("2027-03-01T00:00:00Z").await;
    world.pass(SignedDuration::ZERO).await;
    let events = world.get(&format!("/events?subject={plan}"), None).await.good();
    let told: Vec<_> = events.body["items"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| (event["kind"].as_str().expect("kind"), event["at"].as_str().expect("at")))
        .collect();
    let expected = [
        ("plan.created", "2026-11-23T10:15:00Z"),
        ("plan.not_associated", "2026-11-23T10:15:00Z"),
        ("plan.expiring", "2026-12-17T00:00:00Z"),
        ("plan.expiring", "2026-12-21T00:00:00Z"),
        ("plan.expiring", "2026-12-23T00:00:00Z"),
        ("plan.expired", "2026-12-24T00:00:00Z"),
        ("plan.releasing", "2026-12-31T00:00:00Z"),
    ];
    assert_eq!(told[..expected.len()], expected);
}

#[tokio::test]
async fn a_dead_node_traps_nobody() {
    let world = World::new().await;
    let network = world.network(1).await;
    let plan = world.payg(Some(&network)).await;
    world.agent_applies().await;
    // The node is silent from here on.
    world.acme_post(&format!("/plans/{plan}/dissociate"), json!({})).await.good();
    world.pass(SignedDuration::from_hours(24)).await;
    assert_eq!(world.label(&plan).await, "Changing");
    let told = world.get(&format!("/events?subject={plan}&kind=plan.waiting"), None).await.good();
    assert_eq!(told.body["items"].as_array().map(Vec::len), Some(1), "operators are told once");
    let ended = world.acme_post("/plans/delete", json!({"plans": [plan], "force": true})).await.good();
    assert_eq!(ended.body, json!([{"id": plan}]));
    assert_eq!(world.label(&plan).await, "Releasing");
    world.call("PATCH", "/nodes/edge-1", None, Some(json!({"fenced": true}))).await.good();
    world.acme_get(&format!("/plans/{plan}")).await.refused(404, "PlanNotFound");
    let network = world.acme_get(&format!("/networks/{network}")).await.good();
    assert_eq!(network.body["plan"], json!(null));
    let refused = json!({"pay": "pay_as_you_go", "peak_bps": 20_000_000, "network": network.text("id")});
    world.acme_post("/plans", refused).await.refused(409, "NetworkHasNoNode");
}

#[tokio::test]
async fn an_association_that_no_node_acknowledges_is_given_up() {
    let world = World::new().await;
    let network = world.network(1).await;
    world.agent_applies().await;
    let plan = world.payg(None).await;
    world.acme_post(&format!("/plans/{plan}/associate"), json!({"network": network})).await.good();
    world.pass(SignedDuration::from_mins(10)).await;
    let plan_now = world.acme_get(&format!("/plans/{plan}")).await.good();
    assert_eq!(plan_now.text("reason"), "DataPlaneTimeout");
    // The slot is free only when the withdrawal was acknowledged.
    assert_eq!(plan_now.body["network"], json!(network));
    world.agent_applies().await;
    assert_eq!(world.label(&plan).await, "Not Associated");
}

#[tokio::test]
async fn an_acknowledgement_that_was_noted_before_still_completes() {
    let world = World::new().await;
    let network = world.network(1).await;
    let fetched = world.get("/agent/state?wait_s=0", Some(world.agent())).await.good();
    let plan = world.payg(Some(&network)).await;
    // As after a crash: the node's word is noted, and what it completes is not.
    let revision = world.get("/nodes/edge-1", None).await.good().body["wanted_revision"].clone();
    let node = world.get("/nodes/edge-1", None).await.good().text("id").parse().expect("an id");
    let noted =
        Ack { node, at: world.app.now(), revision: revision.as_u64().expect("a number"), problem: None };
    world.app.store().note_ack(&noted).await.expect("noted");
    assert_eq!(world.label(&plan).await, "Creating");
    let ack = json!({
        "incarnation": fetched.body["incarnation"], "revision": revision, "in_force_revision": revision,
    });
    world.post("/agent/ack", Some(world.agent()), ack).await.good();
    assert_eq!(world.label(&plan).await, "In Use");
}

#[tokio::test]
async fn the_next_control_plane_completes_what_was_acknowledged() {
    let world = World::new().await;
    let network = world.network(1).await;
    world.get("/agent/state?wait_s=0", Some(world.agent())).await.good();
    let plan = world.payg(Some(&network)).await;
    let node = world.get("/nodes/edge-1", None).await.good();
    let revision = node.body["wanted_revision"].as_u64().expect("a number");
    let node = node.text("id").parse().expect("an id");
    let noted = Ack { node, at: world.app.now(), revision, problem: None };
    world.app.store().note_ack(&noted).await.expect("noted");
    let undone = world.app.settle_all().await;
    assert!(undone.is_empty(), "{undone:?}");
    assert_eq!(world.label(&plan).await, "In Use");
}

#[tokio::test]
async fn a_plan_that_cannot_be_read_keeps_no_other_from_its_time() {
    let world = World::new().await;
    let broken = world.subscription("1w", None).await;
    let sound = world.subscription("1w", None).await;
    world.meddle(&format!("UPDATE plans SET slices = 'nonsense', due_us = 0 WHERE id = '{broken}'")).await;
    world.later("2026-12-01T00:00:01Z");
    let undone = world.app.work_due().await;
    assert_eq!(undone.len(), 1, "{undone:?}");
    assert!(undone[0].what.contains(&broken), "{undone:?}");
    assert_eq!(world.label(&sound).await, "Expired");
}

#[tokio::test]
async fn an_agent_cannot_acknowledge_what_is_not_there_or_of_another_database() {
    let world = World::new().await;
    let fetched = world.get("/agent/state?wait_s=0", Some(world.agent())).await.good();
    let ack = |incarnation: &serde_json::Value, in_force: u64| json!({"incarnation": incarnation, "revision": 1, "in_force_revision": in_force});
    let early =
        world.post("/agent/ack", Some(world.agent()), ack(&fetched.body["incarnation"], u64::MAX)).await;
    early.refused(409, "VersionConflict");
    let foreign = world.post("/agent/ack", Some(world.agent()), ack(&json!("another"), 1)).await;
    foreign.refused(409, "VersionConflict");
    let node = world.get("/nodes/edge-1", None).await.good();
    assert_eq!(node.body["acked_revision"], 0);
}
