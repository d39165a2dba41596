//! What is sent: malformed, hostile, repeated and stale calls change nothing.

use axum::body::Body;
use axum::http::{Request, header};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::{Answer, World};

async fn raw(world: &World, kind: &str, body: impl Into<Body>) -> Answer {
    let request = Request::builder()
        .method("POST")
        .uri("/v1/networks")
        .header(header::AUTHORIZATION, format!("Bearer {}", world.acme.1))
        .header(header::CONTENT_TYPE, kind);
    world.send(request.body(body.into()).expect("a request")).await
}

#[tokio::test]
async fn bodies_that_are_no_input_are_refused_and_change_nothing() {
    let world = World::new().await;
    let before = world.get("/status", None).await.good().body["revision"].clone();
    raw(&world, "text/plain", "{}").await.refused(415, "UnsupportedMediaType");
    raw(&world, "application/json", "{").await.refused(400, "InvalidParameter");
    raw(&world, "application/json", "{} {}").await.refused(400, "MissingParameter");
    raw(&world, "application/json", b"{\"name\": \"\xff\"}".to_vec()).await.refused(400, "InvalidParameter");
    raw(&world, "application/json", " ".repeat((1 << 20) + 1)).await.refused(413, "BodyTooLarge");
    let deep = "[".repeat(100_000);
    raw(&world, "application/json", deep).await.refused(400, "InvalidParameter");
    for (body, field) in [
        (json!({"name": "n", "prefixes": ["10.0.0.0/24"], "colour": "red"}), "colour"),
        (json!({"name": 7, "prefixes": []}), "name"),
        (json!({"name": "n", "prefixes": [1]}), "prefixes[0]"),
        (json!({"name": "n".repeat(65), "prefixes": ["10.0.0.0/24"]}), "name"),
        (json!({"name": "a\u{0}b", "prefixes": ["10.0.0.0/24"]}), "name"),
    ] {
        let answer = raw(&world, "application/json", body.to_string()).await.refused(400, "InvalidParameter");
        assert_eq!(answer.text("field"), field);
    }
    for peak in [json!(-1), json!(1.5), json!("5Mbps"), json!(u64::MAX), json!(1e300)] {
        let plan = json!({"pay": "pay_as_you_go", "peak_bps": peak});
        assert_eq!(world.acme_post("/plans", plan).await.status, 400);
    }
    let after = world.get("/status", None).await.good().body["revision"].clone();
    assert_eq!(before, after, "something was committed");
}

#[tokio::test]
async fn unknown_paths_methods_and_queries_are_refused() {
    let world = World::new().await;
    world.get("/nothing", None).await.refused(404, "NoSuchRoute");
    world.call("PUT", "/networks", None, Some(json!({}))).await.refused(405, "NoSuchMethod");
    let answer = world.acme_get("/networks?colour=red").await.refused(400, "InvalidParameter");
    assert_eq!(answer.text("field"), "colour");
    world.acme_get("/networks?limit=0").await.refused(400, "InvalidParameter");
    world.acme_get("/networks?limit=101").await.refused(400, "InvalidParameter");
    world.acme_get("/networks?limit=x").await.refused(400, "InvalidParameter");
    world.acme_get("/networks?after=nonsense").await.refused(400, "InvalidParameter");
}

#[tokio::test]
async fn a_repeated_call_has_no_second_effect() {
    let world = World::new().await;
    let call = async |key: &str, name: &str| {
        let request = Request::builder()
            .method("POST")
            .uri("/v1/networks")
            .header(header::AUTHORIZATION, format!("Bearer {}", world.acme.1))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", key);
        let body = json!({"name": name, "prefixes": ["10.1.0.0/24"]}).to_string();
        world.send(request.body(Body::from(body)).expect("a request")).await
    };
    let first = call("k1", "one").await.good();
    let again = call("k1", "one").await.good();
    assert_eq!(first.body, again.body);
    call("k1", "two").await.refused(409, "IdempotentParameterMismatch");
    call("", "two").await.refused(400, "InvalidParameter");
    // A refused call is not kept: corrected, it may use its key again.
    call("k2", "one").await.refused(409, "AddressConflict");
    let page = world.acme_get("/networks").await.good();
    assert_eq!(page.body["items"].as_array().map(Vec::len), Some(1));
    // Answers are kept for 90 days.
    world.pass(SignedDuration::from_hours(89 * 24)).await;
    world.app.forget_ended().await.expect("forgotten");
    call("k1", "one").await.good();
    world.pass(SignedDuration::from_hours(2 * 24)).await;
    world.app.forget_ended().await.expect("forgotten");
    call("k1", "one").await.refused(409, "AddressConflict");
}

#[tokio::test]
async fn a_stale_version_is_refused() {
    let world = World::new().await;
    let network = world.network(1).await;
    let change = async |version: &str, internet: &str| {
        let request = Request::builder()
            .method("PATCH")
            .uri(format!("/v1/networks/{network}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", world.acme.1))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::IF_MATCH, version);
        world
            .send(request.body(Body::from(json!({"internet": internet}).to_string())).expect("a request"))
            .await
    };
    change("\"1\"", "deny").await.good();
    change("\"1\"", "allow").await.refused(409, "VersionConflict");
    change("\"2\"", "allow").await.good();
    change("x", "allow").await.refused(400, "InvalidParameter");
    let plan = world.payg(None).await;
    let resize = async |version: u64, peak_bps: u64| {
        let request = Request::builder()
            .method("POST")
            .uri(format!("/v1/plans/{plan}/resize"))
            .header(header::AUTHORIZATION, format!("Bearer {}", world.acme.1))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::IF_MATCH, version.to_string());
        let body = json!({"peak_bps": peak_bps}).to_string();
        world.send(request.body(Body::from(body)).expect("a request")).await
    };
    resize(1, 30_000_000).await.good();
    resize(1, 40_000_000).await.refused(409, "VersionConflict");
    resize(2, 40_000_000).await.good();
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let world = World::new().await;
    for number in 1..=7 {
        world.network(number).await;
    }
    let (mut names, mut path) = (Vec::new(), "/networks?limit=3".to_owned());
    loop {
        let page = world.acme_get(&path).await.good();
        let items = page.body["items"].as_array().expect("items").clone();
        assert!(items.len() <= 3);
        names.extend(items.iter().map(|item| item["name"].as_str().expect("name").to_owned()));
        let Value::String(next) = &page.body["next"] else { break };
        path = format!("/networks?limit=3&after={next}");
    }
    names.sort();
    assert_eq!(names, (1..=7).map(|number| format!("net{number}")).collect::<Vec<_>>());
}
