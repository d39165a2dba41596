//! Calls as they go over the wire: any method, any idempotency key, JSON as it is.

use std::time::{Duration, Instant};

use limiter_api::IDEMPOTENCY_KEY;
use limiter_api::client::Endpoint;
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// A call that nobody answers is given up after this time.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A control plane that is started again answers within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause before a call is sent again.
const PAUSE: Duration = Duration::from_millis(3);

/// Somebody who calls.
#[derive(Clone)]
pub struct Wire {
    http: reqwest::Client,
    endpoint: Endpoint,
    token: Option<String>,
}

/// A call that can be sent any number of times.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The method.
    pub method: Method,
    /// Segments of the path behind `/v1`.
    pub path: Vec<String>,
    /// The input.
    pub body: Option<Value>,
    /// What the caller calls this call.
    pub key: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body; null where it has none.
    pub body: Value,
}

impl Sent {
    /// A call with this input.
    pub fn new(method: Method, path: &[&str], body: Option<Value>) -> Self {
        Self { method, path: path.iter().map(ToString::to_string).collect(), body, key: None }
    }

    /// The same with a key, so that it has one effect however often it is sent.
    #[must_use]
    pub fn once(self, key: String) -> Self {
        Self { key: Some(key), ..self }
    }
}

impl Answer {
    /// The code of a refusal, or nothing.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A text of the body.
    ///
    /// # Panics
    /// Where it has none.
    pub fn text(&self, field: &str) -> String {
        let text = self.body[field].as_str();
        text.unwrap_or_else(|| panic!("no text {field} in {self:?}")).to_owned()
    }
}

impl Wire {
    /// Somebody with a token, or the operator on a local socket.
    pub fn new(endpoint: Endpoint, token: Option<&str>) -> Self {
        let http = endpoint.connector().timeout(TIMEOUT).build().expect("a client");
        Self { http, endpoint, token: token.map(str::to_owned) }
    }

    /// Sends a call once; gives why there is no answer.
    pub async fn send(&self, call: &Sent) -> Result<Answer, reqwest::Error> {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        let mut request =
            self.http.request(call.method.clone(), self.endpoint.url(&path).expect("an address"));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = &call.key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let bytes = response.bytes().await?;
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    /// Sends a call until it is answered by somebody who can do it; gives the answer and how often it was sent.
    ///
    /// # Panics
    /// Where nobody answers in time.
    pub async fn insist(&self, call: &Sent) -> (Answer, u32) {
        let start = Instant::now();
        let mut times = 1;
        loop {
            let found = self.send(call).await;
            match found {
                Ok(answer) if !answer.status.is_server_error() => return (answer, times),
                failed => assert!(start.elapsed() < PATIENCE, "{call:?} has no answer: {failed:?}"),
            }
            times += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}
