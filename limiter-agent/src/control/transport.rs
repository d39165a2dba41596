//! The calls of an agent, bounded in time and size.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use limiter_api::Problem;
use limiter_api::agent::{AGENT_VERSION, AgentAck, StateQuery};
use limiter_api::client::{ClientError, Endpoint, bearer};
use limiter_api::usage::UsageTaken;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tokio::time::timeout;

use super::error::LinkError;
use crate::desired::{FILE_MAX_BYTES, OriginSpec};
use crate::line;

/// How long an answer may take beyond the wait it was asked for, and how long each further piece of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a whole answer may take, from its first piece.
const ANSWER: Duration = Duration::from_mins(5);
/// How long a batch may take to be sent and stored.
const HAND_OVER: Duration = Duration::from_mins(1);
/// Longest answer that is no state, bytes.
const PROBLEM_MAX_BYTES: usize = 64 << 10;
/// Longest code and field of a problem that are taken, characters.
const CODE_MAX_CHARS: usize = 100;
/// Code of a refused acknowledgement of a state that another database gave.
const ANOTHER_DATABASE: &str = "VersionConflict";
/// Longest token, bytes.
const TOKEN_MAX_BYTES: u64 = 4096;

/// A connection to one control plane.
pub(super) struct Transport {
    client: Client,
    endpoint: Endpoint,
    token_file: Option<PathBuf>,
}

impl Transport {
    /// Connects to nobody yet.
    pub(super) fn new(endpoint: Endpoint, token_file: Option<PathBuf>) -> Result<Self, LinkError> {
        let builder = endpoint.connector().tcp_keepalive(PATIENCE).user_agent("limiter-agent");
        let client =
            builder.build().map_err(|error| ClientError::transport(&endpoint.to_string(), &error))?;
        Ok(Self { client, endpoint, token_file })
    }

    /// The answer with a state that is newer than `has`; none where there is none for as long as `wait`.
    pub(super) async fn fetch(
        &self,
        has: Option<&OriginSpec>,
        wait: Duration,
    ) -> Result<Option<Vec<u8>>, LinkError> {
        let query = StateQuery {
            incarnation: has.map(|origin| origin.incarnation.clone()),
            revision: has.map_or(0, |origin| origin.revision),
            wait_s: wait.as_secs() as u16,
        };
        let request = self.request(Method::GET, "state")?.query(&query);
        let response = self.send(request, wait + PATIENCE).await?;
        match response.status() {
            StatusCode::OK => self.body(response, FILE_MAX_BYTES).await.map(Some),
            StatusCode::NO_CONTENT => Ok(None),
            _ => Err(self.refused(response).await?),
        }
    }

    /// Says what is in force.
    pub(super) async fn acknowledge(&self, ack: &AgentAck) -> Result<(), LinkError> {
        let response = self.send(self.request(Method::POST, "ack")?.json(ack), PATIENCE).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            _ => match self.refused(response).await? {
                LinkError::Call(ClientError::Refused(problem)) if problem.code == ANOTHER_DATABASE => {
                    Err(LinkError::Conflict)
                }
                error => Err(error),
            },
        }
    }

    /// Hands over a batch, JSON which is compressed where it `is_gzip`; gives what became of it.
    pub(super) async fn hand_over(&self, body: Vec<u8>, is_gzip: bool) -> Result<UsageTaken, LinkError> {
        let mut request = self.request(Method::POST, "usage")?.header(CONTENT_TYPE, "application/json");
        if is_gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        self.taken(request.body(body)).await
    }

    /// Up to which batch the control plane has a record.
    pub(super) async fn ask_taken(&self, record: &str) -> Result<UsageTaken, LinkError> {
        self.taken(self.request(Method::GET, "usage")?.query(&[("record", record)])).await
    }

    async fn taken(&self, request: RequestBuilder) -> Result<UsageTaken, LinkError> {
        let response = self.send(request, HAND_OVER).await?;
        match response.status() {
            StatusCode::OK => {
                let body = self.body(response, PROBLEM_MAX_BYTES).await?;
                serde_json::from_slice(&body).map_err(|error| self.unexpected(&error.to_string()))
            }
            _ => Err(self.refused(response).await?),
        }
    }

    /// The token is read for each call, so that a new one needs no restart.
    fn request(&self, method: Method, call: &str) -> Result<RequestBuilder, LinkError> {
        let url = self.endpoint.url(&["agent", call])?;
        let request = self.client.request(method, url).header(AGENT_VERSION, env!("CARGO_PKG_VERSION"));
        Ok(match &self.token_file {
            Some(file) => request.header(AUTHORIZATION, bearer(token(file)?.trim())?),
            None => request,
        })
    }

    async fn send(&self, request: RequestBuilder, patience: Duration) -> Result<Response, LinkError> {
        let sent = timeout(patience, request.send()).await;
        Ok(sent.map_err(|_| self.silent("answer", patience))?.map_err(|error| self.broken(&error))?)
    }

    async fn body(&self, response: Response, bytes_max: usize) -> Result<Vec<u8>, LinkError> {
        let read = timeout(ANSWER, self.pieces(response, bytes_max)).await;
        read.map_err(|_| self.silent("end of the answer", ANSWER))?
    }

    async fn pieces(&self, mut response: Response, bytes_max: usize) -> Result<Vec<u8>, LinkError> {
        let mut body = Vec::new();
        loop {
            let piece = timeout(PATIENCE, response.chunk()).await;
            let piece = piece.map_err(|_| self.silent("further piece of the answer", PATIENCE))?;
            let Some(piece) = piece.map_err(|error| self.broken(&error))? else { return Ok(body) };
            // Counted as it is unpacked, so that a small answer cannot become a large one.
            if body.len() + piece.len() > bytes_max {
                return Err(self.unexpected(&format!("more than {} KiB", bytes_max >> 10)));
            }
            body.extend_from_slice(&piece);
        }
    }

    /// What the control plane says about why.
    async fn refused(&self, response: Response) -> Result<LinkError, LinkError> {
        let status = response.status();
        let body = self.body(response, PROBLEM_MAX_BYTES).await?;
        Ok(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => ClientError::Refused(Box::new(shown(problem))).into(),
            Err(_) => self.unexpected(&format!("status {status}")),
        })
    }

    /// An answer that no control plane gives.
    pub(super) fn unexpected(&self, what: &str) -> LinkError {
        let what = line::of(what, line::CHARS_MAX);
        ClientError::Unexpected { url: self.endpoint.to_string(), what }.into()
    }

    fn broken(&self, error: &reqwest::Error) -> ClientError {
        ClientError::transport(&self.endpoint.to_string(), error)
    }

    fn silent(&self, what: &'static str, patience: Duration) -> LinkError {
        LinkError::Silent { url: self.endpoint.to_string(), what, seconds: patience.as_secs() }
    }
}

/// A problem as it can be shown: whoever answers may write anything into it.
fn shown(problem: Problem) -> Problem {
    Problem {
        code: line::of(&problem.code, CODE_MAX_CHARS),
        detail: line::of(&problem.detail, line::CHARS_MAX),
        field: problem.field.map(|field| line::of(&field, CODE_MAX_CHARS)),
        ..problem
    }
}

fn token(file: &Path) -> Result<String, LinkError> {
    let mut token = String::new();
    let read =
        std::fs::File::open(file).and_then(|file| file.take(TOKEN_MAX_BYTES).read_to_string(&mut token));
    match read {
        Ok(_) => Ok(token),
        Err(error) => Err(LinkError::File { file: file.to_owned(), what: "read for its token", error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_somebody_hostile_is_one_short_line() {
        let long = format!("\u{1b}[2J\nREADY=1{}", "\u{e9}".repeat(1 << 16));
        let problem = serde_json::json!({ "status": 403, "code": long.as_str(), "detail": long.as_str(), "field": long });
        let problem = shown(serde_json::from_value(problem).expect("a problem"));
        let error = LinkError::from(ClientError::Refused(Box::new(problem))).to_string();
        assert!(!error.contains(char::is_control) && error.chars().count() < 1300, "{error}");
        assert!(error.contains(" [2J READY=1"), "{error}");
    }
}
