//! One call: the request, its repetition after a broken connection, the reading of its answer.

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, IF_MATCH};
use reqwest::{Method, RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ClientError, Endpoint};
use crate::{IDEMPOTENCY_KEY, Problem};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest that a whole setup may take.
pub(super) const LONG_TIMEOUT: Duration = Duration::from_mins(5);

/// Pauses before a call whose connection broke is repeated.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Longest answer that is read.
const ANSWER_MAX: usize = 256 << 20;

/// A connection to one control plane.
#[derive(Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    endpoint: Endpoint,
    token: Option<HeaderValue>,
}

/// A call that is not yet sent.
pub(super) struct Call<'a> {
    transport: &'a Transport,
    request: Result<RequestBuilder, ClientError>,
    repeat: Repeat,
}

/// After which failures a call is repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// After any broken connection: a second call has no second effect.
    Broken,
    /// Only where no connection came about.
    NotConnected,
}

impl Transport {
    pub(super) fn new(endpoint: Endpoint, token: Option<&str>) -> Result<Self, ClientError> {
        let builder =
            endpoint.connector().timeout(TIMEOUT).user_agent(concat!("limiter/", env!("CARGO_PKG_VERSION")));
        let http = builder.build().map_err(|error| ClientError::transport(&endpoint.to_string(), &error))?;
        let token = token.map(bearer).transpose()?;
        Ok(Self { http, endpoint, token })
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A call of `path`, a list of segments that are escaped.
    pub(super) fn call(&self, method: Method, path: &[&str]) -> Call<'_> {
        let idempotent = matches!(method, Method::GET | Method::PUT);
        let request = self.url(path).map(|url| {
            let request = self.http.request(method, url);
            match &self.token {
                Some(token) => request.header(AUTHORIZATION, token),
                None => request,
            }
        });
        let repeat = if idempotent { Repeat::Broken } else { Repeat::NotConnected };
        Call { transport: self, request, repeat }
    }

    fn url(&self, path: &[&str]) -> Result<Url, ClientError> {
        if let Some(segment) = path.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
            return Err(ClientError::Unusable(format!("`{segment}` is no id or name")));
        }
        self.endpoint.url(path)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Call<'_> {
    pub(super) fn query(self, query: &impl Serialize) -> Self {
        self.with(|request| request.query(query))
    }

    pub(super) fn body(self, body: &impl Serialize) -> Self {
        self.with(|request| request.json(body))
    }

    pub(super) fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| request.timeout(timeout))
    }

    /// Refused unless the object still has this version.
    pub(super) fn if_version(self, version: Option<u64>) -> Self {
        match version {
            Some(version) => self.with(|request| request.header(IF_MATCH, format!("\"{version}\""))),
            None => self,
        }
    }

    /// With a key, so that it is done once however often it is sent.
    pub(super) fn once(mut self) -> Self {
        match random_key() {
            Ok(key) => {
                self.repeat = Repeat::Broken;
                self.with(|request| request.header(IDEMPOTENCY_KEY, key))
            }
            Err(error) => {
                self.request = self.request.and(Err(error));
                self
            }
        }
    }

    /// Sends it and reads the answer.
    pub(super) async fn answer<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let url = self.transport.endpoint.to_string();
        let body = self.send().await?;
        serde_json::from_slice(&body)
            .map_err(|error| ClientError::Unexpected { url, what: error.to_string() })
    }

    /// Sends it; the answer is empty.
    pub(super) async fn done(self) -> Result<(), ClientError> {
        self.send().await.map(drop)
    }

    fn with(mut self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        self.request = self.request.map(change);
        self
    }

    async fn send(self) -> Result<Vec<u8>, ClientError> {
        let url = self.transport.endpoint.to_string();
        let request = self.request?;
        let mut pauses = PAUSES.iter();
        loop {
            let unusable = || ClientError::Unusable("the call cannot be repeated".to_owned());
            let error = match attempt(&url, request.try_clone().ok_or_else(unusable)?).await {
                Err(Broken::Transport(error)) => error,
                Err(Broken::Answer(error)) => return Err(error),
                Ok(body) => return Ok(body),
            };
            let again = !error.is_timeout()
                && !error.is_builder()
                && (self.repeat == Repeat::Broken || error.is_connect());
            match pauses.next().filter(|_| again) {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Err(ClientError::transport(&url, &error)),
            }
        }
    }
}

enum Broken {
    Transport(reqwest::Error),
    Answer(ClientError),
}

async fn attempt(url: &str, request: RequestBuilder) -> Result<Vec<u8>, Broken> {
    let mut response = request.send().await.map_err(Broken::Transport)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Broken::Transport)? {
        if body.len() + chunk.len() > ANSWER_MAX {
            let what = format!("more than {} MiB", ANSWER_MAX >> 20);
            return Err(Broken::Answer(ClientError::Unexpected { url: url.to_owned(), what }));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(body);
    }
    Err(Broken::Answer(match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => ClientError::Refused(Box::new(problem)),
        Err(_) => ClientError::Unexpected { url: url.to_owned(), what: format!("status {status}") },
    }))
}

/// The header of a token; its value is never shown.
pub fn bearer(token: &str) -> Result<HeaderValue, ClientError> {
    let unusable = || ClientError::Unusable("the token is no single line of ASCII text".to_owned());
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable());
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| unusable())?;
    value.set_sensitive(true);
    Ok(value)
}

/// 32 hexadecimal digits.
fn random_key() -> Result<String, ClientError> {
    let mut bytes = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| ClientError::Unusable("no random numbers here".to_owned()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transport(token: Option<&str>) -> Result<Transport, ClientError> {
        Transport::new("http://127.0.0.1:9440".parse().expect("an endpoint"), token)
    }

    #[test]
    fn names_are_escaped_in_paths() {
        let transport = transport(None).expect("a transport");
        let url = transport.url(&["nodes", "a/b?c#d e\u{e9}"]).expect("a path");
        assert_eq!(url.as_str(), "http://127.0.0.1:9440/v1/nodes/a%2Fb%3Fc%23d%20e%C3%A9");
        for id in ["", ".", ".."] {
            assert!(matches!(transport.url(&["nodes", id]), Err(ClientError::Unusable(_))), "{id}");
        }
    }

    #[test]
    fn paths_follow_that_of_the_endpoint() {
        let endpoint = "https://control.example/limiter".parse().expect("an endpoint");
        let transport = Transport::new(endpoint, None).expect("a transport");
        let url = transport.url(&["me"]).expect("a path");
        assert_eq!(url.as_str(), "https://control.example/limiter/v1/me");
    }

    #[test]
    fn a_token_is_one_line_and_never_shown() {
        for token in ["", "two\nlines", "with space", "\u{e9}"] {
            assert!(matches!(transport(Some(token)), Err(ClientError::Unusable(_))), "{token}");
        }
        let shown = format!("{:?}", transport(Some("top-secret")).expect("a transport"));
        assert!(!shown.contains("top-secret"), "{shown}");
    }

    #[test]
    fn keys_differ() {
        let (one, two) = (random_key().expect("a key"), random_key().expect("a key"));
        assert_eq!(one.len(), 32);
        assert_ne!(one, two);
    }
}
