//! A control plane with two accounts and a node whose agent the test plays.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use jiff::{SignedDuration, Timestamp};
use limiter_control::app::{App, Clock};
use limiter_control::http::{self, Local};
use limiter_control::store::Store;
use limiter_domain::Settings;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

/// When every test begins.
const START: &str = "2026-11-23T10:15:00Z";

/// A control plane in this process.
pub(crate) struct World {
    /// The application, for what is due.
    pub(crate) app: App,
    router: Router,
    now_us: Arc<AtomicI64>,
    agent: String,
    /// Account `acme` and a token of its customer.
    pub(crate) acme: (String, String),
    /// Account `other` and a token of its customer.
    pub(crate) other: (String, String),
    url: String,
    _folder: TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its content type; empty where it has none.
    pub(crate) kind: String,
    /// Its body; null where it has none.
    pub(crate) body: Value,
}

impl Answer {
    /// A text of the body.
    pub(crate) fn text(&self, field: &str) -> String {
        let text = self.body[field].as_str();
        text.unwrap_or_else(|| panic!("no text {field} in {self:?}")).to_owned()
    }

    /// Asserts success.
    pub(crate) fn good(self) -> Self {
        assert!((200..300).contains(&self.status), "{self:?}");
        self
    }

    /// Asserts that it is a problem with this status and code.
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        assert!(!self.text("detail").is_empty() && !self.text("request_id").is_empty(), "{self:?}");
        self
    }
}

impl World {
    /// A new one.
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    /// A new one with settings of its own.
    pub(crate) async fn with(settings: Settings) -> Self {
        let folder = TempDir::new().expect("a folder");
        let start: Timestamp = START.parse().expect("an instant");
        let now_us = Arc::new(AtomicI64::new(start.as_microsecond()));
        let url = format!("sqlite:{}", folder.path().join("limiter.db").display());
        let store = Store::open(&url, start).await.expect("a store");
        let clock = {
            let now_us = Arc::clone(&now_us);
            Clock::of(move || Timestamp::from_microsecond(now_us.load(Ordering::SeqCst)).expect("an instant"))
        };
        let app = App::new(store, settings, clock);
        let router = http::router(app.clone()).layer(axum::Extension(Local));
        let nobody = (String::new(), String::new());
        let mut world = Self {
            app,
            router,
            now_us,
            agent: String::new(),
            acme: nobody.clone(),
            other: nobody,
            url,
            _folder: folder,
        };
        world.acme = world.account("acme").await;
        world.other = world.account("other").await;
        let node = json!({"name": "edge-1", "interfaces": [{"match": "inst*"}]});
        world.post("/nodes", None, node).await.good();
        let token = json!({"name": "agent", "role": "agent", "node": "edge-1"});
        world.agent = world.post("/tokens", None, token).await.good().text("secret");
        world
    }

    async fn account(&self, name: &str) -> (String, String) {
        let id = self.post("/accounts", None, json!({"name": name})).await.good().text("id");
        let token = json!({"name": "test", "role": "customer", "account": id});
        (id, self.post("/tokens", None, token).await.good().text("secret"))
    }

    /// A call. Without a token it is the local operator's.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let request = Request::builder().method(method).uri(format!("/v1{path}"));
        let request = match token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        };
        let body = match body {
            Some(body) => Body::from(body.to_string()),
            None => Body::empty(),
        };
        self.send(request.header(header::CONTENT_TYPE, "application/json").body(body).expect("a request"))
            .await
    }

    /// Any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 26).await.expect("a body");
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, kind, body }
    }

    /// `POST` with a body.
    pub(crate) async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Answer {
        self.call("POST", path, token, Some(body)).await
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.call("GET", path, token, None).await
    }

    /// As the customer of `acme`.
    pub(crate) async fn acme_post(&self, path: &str, body: Value) -> Answer {
        self.post(path, Some(&self.acme.1), body).await
    }

    /// As the customer of `acme`.
    pub(crate) async fn acme_get(&self, path: &str) -> Answer {
        self.get(path, Some(&self.acme.1)).await
    }

    /// A network of `acme`; networks are told apart by `number`.
    pub(crate) async fn network(&self, number: u8) -> String {
        let network = json!({"name": format!("net{number}"), "prefixes": [format!("10.{number}.0.0/24")]});
        self.acme_post("/networks", network).await.good().text("id")
    }

    /// An instance of a network made by [`Self::network`].
    pub(crate) async fn instance(&self, network: &str, number: u8, host: u8) -> String {
        let instance = json!({
            "network": network,
            "name": format!("i{host}"),
            "addresses": [format!("10.{number}.0.{host}")],
        });
        self.acme_post("/instances", instance).await.good().text("id")
    }

    /// A plan of `acme` that is paid as it goes.
    pub(crate) async fn payg(&self, network: Option<&str>) -> String {
        let plan = json!({"pay": "pay_as_you_go", "peak_bps": 20_000_000, "network": network});
        self.acme_post("/plans", plan).await.good().text("id")
    }

    /// A subscription of `acme`.
    pub(crate) async fn subscription(&self, duration: &str, network: Option<&str>) -> String {
        let plan = json!({
            "pay": "subscription",
            "peak_bps": 20_000_000,
            "duration": duration,
            "network": network,
        });
        self.acme_post("/plans", plan).await.good().text("id")
    }

    /// What a person reads of a plan.
    pub(crate) async fn label(&self, plan: &str) -> String {
        self.acme_get(&format!("/plans/{plan}")).await.good().text("label")
    }

    /// The node's agent fetches its state and puts it in force; gives the state.
    pub(crate) async fn agent_applies(&self) -> Value {
        self.applies(&self.agent).await
    }

    /// As [`Self::agent_applies`], for any agent's token.
    pub(crate) async fn applies(&self, agent: &str) -> Value {
        let fetched = self.get("/agent/state?wait_s=0", Some(agent)).await.good();
        let revision = fetched.body["revision"].clone();
        let ack = json!({
            "incarnation": fetched.body["incarnation"],
            "revision": revision,
            "in_force_revision": revision,
        });
        self.post("/agent/ack", Some(agent), ack).await.good();
        fetched.body["state"].clone()
    }

    /// The secret of the node's agent.
    pub(crate) fn agent(&self) -> &str {
        &self.agent
    }

    /// Time passes, and what is due is worked.
    pub(crate) async fn pass(&self, time: SignedDuration) {
        self.advance(time);
        self.works().await;
    }

    /// Time passes, and nothing that is due is worked yet.
    pub(crate) fn advance(&self, time: SignedDuration) {
        self.now_us.fetch_add(i64::try_from(time.as_micros()).expect("a time"), Ordering::SeqCst);
    }

    /// Where the database is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    async fn works(&self) {
        let undone = self.app.work_due().await;
        assert!(undone.is_empty(), "{undone:?}");
    }

    /// Changes the database behind the back of the control plane.
    pub(crate) async fn meddle(&self, statement: &str) {
        let connection = sea_orm::Database::connect(&self.url).await.expect("a connection");
        connection.execute_unprepared(statement).await.expect("a statement");
    }

    /// It is `instant`, and nothing that is due is worked yet.
    pub(crate) fn later(&self, instant: &str) {
        let instant: Timestamp = instant.parse().expect("an instant");
        self.now_us.store(instant.as_microsecond(), Ordering::SeqCst);
    }

    /// It is `instant`, and what is due is worked.
    pub(crate) async fn at(&self, instant: &str) {
        self.later(instant);
        self.works().await;
    }
}
