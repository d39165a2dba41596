//! Every operation without rights, and things of other accounts.

use axum::body::Body;
use axum::http::{Request, header};
use limiter_control::http;
use serde_json::{Value, json};

use crate::world::World;

/// Operations that need nobody to be known: signing in.
const OPEN: [(&str, &str); 1] = [("post", "/v1/sessions")];

/// Every operation of the description, by method and path.
fn operations() -> Vec<(String, String)> {
    let document = serde_json::to_value(http::openapi()).expect("a document");
    let paths = document["paths"].as_object().expect("paths");
    let methods = |item: &Value| item.as_object().expect("an item").keys().cloned().collect::<Vec<_>>();
    let all = paths.iter().flat_map(|(path, item)| {
        methods(item).into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    });
    all.collect()
}

#[tokio::test]
async fn every_operation_is_refused_without_a_token_and_with_a_wrong_one() {
    let world = World::new().await;
    let operations = operations();
    assert!(operations.len() > 40, "{}", operations.len());
    for (method, path) in operations {
        if OPEN.contains(&(&*method, &*path)) {
            continue;
        }
        for token in ["Bearer nobody", "Basic eDp5", ""] {
            let uri = path.replace("{id}", "x").replace("{address}", "x");
            let request = Request::builder()
                .method(&*method.to_uppercase())
                .uri(uri)
                .header(header::AUTHORIZATION, token)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from("{}"))
                .expect("a request");
            let answer = world.send(request).await;
            assert_eq!(answer.status, 401, "{method} {path} with {token:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_viewer_changes_nothing_and_an_agent_reads_nothing() {
    let world = World::new().await;
    let viewer = json!({"name": "eye", "role": "viewer", "account": "acme"});
    let viewer = world.post("/tokens", None, viewer).await.good().text("secret");
    let agent = world.agent();
    let writes = ["/networks", "/instances", "/plans", "/rules", "/apply"];
    let bodies = [
        json!({"name": "n", "prefixes": ["10.9.0.0/24"]}),
        json!({"network": "x", "name": "i", "addresses": []}),
        json!({"pay": "pay_as_you_go", "peak_bps": 1}),
        json!({"plan": "x", "name": "r", "up_bps": 1, "down_bps": 1}),
        json!({"setup": {}}),
    ];
    for (path, body) in writes.into_iter().zip(bodies) {
        world.post(path, Some(&viewer), body.clone()).await.refused(403, "Forbidden");
        world.post(path, Some(agent), body).await.refused(403, "Forbidden");
    }
    for path in ["/networks", "/instances", "/plans", "/rules", "/events", "/status", "/export"] {
        world.get(path, Some(&viewer)).await.good();
        world.get(path, Some(agent)).await.refused(403, "Forbidden");
    }
    for path in ["/nodes", "/users", "/addresses", "/addresses/198.51.100.1/uses"] {
        world.get(path, Some(&viewer)).await.refused(403, "Forbidden");
        world.acme_get(path).await.refused(403, "Forbidden");
    }
    world.get("/agent/state", Some(&viewer)).await.refused(403, "Forbidden");
}

#[tokio::test]
async fn who_may_write_nothing_is_refused_before_the_body_is_read() {
    let world = World::new().await;
    let mut tokens = vec![world.agent().to_owned()];
    for (role, account) in [("viewer", Some("acme")), ("accountant", None)] {
        let token = json!({"name": role, "role": role, "account": account});
        tokens.push(world.post("/tokens", None, token).await.good().text("secret"));
    }
    for path in ["/networks", "/apply", "/rules/delete"] {
        for token in &tokens {
            let request = Request::builder()
                .method("POST")
                .uri(format!("/v1{path}"))
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .header(header::CONTENT_TYPE, "text/plain");
            let body = Body::from(" ".repeat((1 << 20) + 1));
            world.send(request.body(body).expect("a request")).await.refused(403, "Forbidden");
        }
    }
    let said = |token: &str| {
        let request = Request::builder().method("POST").uri("/v1/agent/ack");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        request.header(header::CONTENT_TYPE, "text/plain").body(Body::from("{}")).expect("a request")
    };
    world.send(said(&world.acme.1)).await.refused(403, "Forbidden");
    world.send(said(world.agent())).await.refused(415, "UnsupportedMediaType");
}

#[tokio::test]
async fn things_of_others_are_not_there() {
    let world = World::new().await;
    let network = world.network(1).await;
    let instance = world.instance(&network, 1, 2).await;
    let plan = world.payg(Some(&network)).await;
    world.agent_applies().await;
    let rule = json!({"plan": plan, "name": "slow", "up_bps": 1_000_000, "down_bps": 1_000_000});
    let rule = world.acme_post("/rules", rule).await.good().text("id");
    let stranger = Some(&*world.other.1);
    for (path, code) in [
        (format!("/networks/{network}"), "NetworkNotFound"),
        (format!("/instances/{instance}"), "InstanceNotFound"),
        (format!("/plans/{plan}"), "PlanNotFound"),
        (format!("/rules/{rule}"), "RuleNotFound"),
        (format!("/accounts/{}", world.acme.0), "AccountNotFound"),
    ] {
        world.get(&path, stranger).await.refused(404, code);
    }
    let plan_path = format!("/plans/{plan}");
    world.post(&format!("{plan_path}/dissociate"), stranger, json!({})).await.refused(404, "PlanNotFound");
    let resize = json!({"peak_bps": 30_000_000});
    world.post(&format!("{plan_path}/resize"), stranger, resize).await.refused(404, "PlanNotFound");
    let bind = json!({"bind": [instance]});
    world.post(&format!("/rules/{rule}/bindings"), stranger, bind).await.refused(404, "RuleNotFound");
    let ended = world.post("/plans/delete", stranger, json!({"plans": [plan], "force": true})).await.good();
    assert_eq!(ended.body[0]["refused"]["code"], "PlanNotFound");
    for path in ["/networks", "/instances", "/plans", "/rules"] {
        let page = world.get(path, stranger).await.good();
        assert_eq!(page.body["items"], json!([]), "{path}");
    }
    // Somebody else's plan is not taken by a network of one's own either.
    let mine = json!({"name": "mine", "prefixes": ["10.77.0.0/24"]});
    let mine = world.post("/networks", stranger, mine).await.good().text("id");
    world
        .acme_post(&format!("{plan_path}/associate"), json!({"network": mine}))
        .await
        .refused(404, "NetworkNotFound");
}

#[tokio::test]
async fn a_disabled_account_a_revoked_token_and_an_ended_one_are_refused() {
    let world = World::new().await;
    let path = format!("/accounts/{}", world.acme.0);
    world.call("PATCH", &path, None, Some(json!({"enabled": false}))).await.good();
    world.acme_get("/networks").await.refused(403, "Forbidden");
    world.call("PATCH", &path, None, Some(json!({"enabled": true}))).await.good();
    world.acme_get("/networks").await.good();
    let short = json!({"name": "short", "role": "operator", "expires_at": "2026-11-23T10:16:00Z"});
    let short = world.post("/tokens", None, short).await.good();
    world.get("/nodes", Some(&short.text("secret"))).await.good();
    world.at("2026-11-23T10:16:00Z").await;
    world.get("/nodes", Some(&short.text("secret"))).await.refused(401, "Unauthenticated");
    let token = world.post("/tokens", None, json!({"name": "t", "role": "operator"})).await.good();
    let rotated =
        world.call("POST", &format!("/tokens/{}/rotate", token.text("id")), None, None).await.good();
    world.get("/nodes", Some(&token.text("secret"))).await.refused(401, "Unauthenticated");
    world.get("/nodes", Some(&rotated.text("secret"))).await.good();
    world.call("DELETE", &format!("/tokens/{}", token.text("id")), None, None).await.good();
    world.get("/nodes", Some(&rotated.text("secret"))).await.refused(401, "Unauthenticated");
}

#[tokio::test]
async fn people_sign_in_and_out() {
    let world = World::new().await;
    let anna = json!({"name": "anna", "password": "correct horse", "role": "customer", "account": "acme"});
    let id = world.post("/users", None, anna).await.good().text("id");
    let sign_in = |password: &str| json!({"user": "anna", "password": password});
    world.post("/sessions", None, sign_in("wrong horse!")).await.refused(401, "Unauthenticated");
    let session = world.post("/sessions", None, sign_in("correct horse")).await.good().text("secret");
    let me = world.get("/me", Some(&session)).await.good();
    assert_eq!(me.body["actor"], "user anna");
    world.get("/networks", Some(&session)).await.good();
    world.call("DELETE", "/sessions/current", Some(&session), None).await.good();
    world.get("/me", Some(&session)).await.refused(401, "Unauthenticated");
    let session = world.post("/sessions", None, sign_in("correct horse")).await.good().text("secret");
    let path = format!("/users/{id}");
    world.call("PATCH", &path, None, Some(json!({"password": "another horse"}))).await.good();
    world.get("/me", Some(&session)).await.refused(401, "Unauthenticated");
    world.post("/sessions", None, sign_in("correct horse")).await.refused(401, "Unauthenticated");
    world.call("PATCH", &path, None, Some(json!({"enabled": false}))).await.good();
    world.post("/sessions", None, sign_in("another horse")).await.refused(401, "Unauthenticated");
}
