//! What was sent: JSON bodies, queries and the headers of calls that change something.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use limiter_api::IDEMPOTENCY_KEY;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::problem::{BODY_TOO_LARGE, Error};
use crate::app::{App, Call, Caller};

/// Longest idempotency key.
const KEY_MAX_BYTES: usize = 64;

/// A call that changes something, with its input. Whoever may change nothing is refused before the input is
/// read.
pub(super) struct Changing<T>(pub(super) Call, pub(super) T);

/// What an agent says of its node.
pub(super) struct Said<T>(pub(super) Caller, pub(super) T);

/// Input of a call that nobody is known by yet.
pub(super) struct Posted<T>(pub(super) T);

/// A call that changes something and has no input.
pub(super) struct Bare(pub(super) Call);

/// What a list is asked for.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Changing<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let call = call(&mut parts, app).await?;
        call.caller.changes()?;
        let bytes = read(Request::from_parts(parts, body), app).await?;
        let input = json(&bytes)?;
        Ok(Self(Call { input_hash: Sha256::digest(&bytes).into(), ..call }, input))
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Said<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        caller.agent()?;
        let input = json(&read(Request::from_parts(parts, body), app).await?)?;
        Ok(Self(caller, input))
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Posted<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        json(&read(request, app).await?).map(Self)
    }
}

impl FromRequestParts<App> for Bare {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        call(parts, app).await.map(Self)
    }
}

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Error> {
        query(parts).map(Self)
    }
}

async fn call(parts: &mut Parts, app: &App) -> Result<Call, Error> {
    let caller = Caller::from_request_parts(parts, app).await?;
    let key = parts.headers.get(IDEMPOTENCY_KEY).map(|value| {
        let key = value.to_str().ok().filter(|key| (1..=KEY_MAX_BYTES).contains(&key.len()));
        key.map(Into::into)
            .ok_or_else(|| invalid(IDEMPOTENCY_KEY, "write 1 to 64 ASCII characters".to_owned()))
    });
    let version = parts.headers.get(header::IF_MATCH).map(|value| {
        let text = value.to_str().ok().map(|text| text.trim_matches('"'));
        let version = text.and_then(|text| text.parse().ok());
        version.ok_or_else(|| invalid("if-match", "write the version that was read, in quotes".to_owned()))
    });
    Ok(Call {
        caller,
        operation: format!("{} {}", parts.method, parts.uri.path()).into(),
        key: key.transpose()?,
        input_hash: [0; 32],
        expected_version: version.transpose()?,
    })
}

async fn read(request: Request, app: &App) -> Result<Bytes, Error> {
    is_json(request.headers())?;
    Bytes::from_request(request, app).await.map_err(|rejection| unread(&rejection))
}

fn is_json(headers: &HeaderMap) -> Result<(), Error> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = format!("the content type is {kind:?}; send application/json");
    Err(Error::request(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", None, detail))
}

fn unread(rejection: &BytesRejection) -> Error {
    let status = rejection.status();
    let (code, detail) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ("BodyTooLarge", BODY_TOO_LARGE.to_owned()),
        _ => ("InvalidBody", rejection.body_text()),
    };
    Error::request(status, code, None, detail)
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let input = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let text = error.inner().to_string();
        unfit(&path, &text)
    })?;
    deserializer.end().map_err(|error| unfit("", &error.to_string()))?;
    Ok(input)
}

fn query<T: DeserializeOwned>(parts: &Parts) -> Result<T, Error> {
    if parts.uri.query().is_some_and(|query| query.contains("%00")) {
        return Err(unfit("", "a query holds no zero byte"));
    }
    let asked = Query::try_from_uri(&parts.uri).map_err(|rejection| {
        let text = rejection.body_text();
        let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        let (path, text) = text.split_once(": ").unwrap_or(("", text));
        unfit(path, text)
    })?;
    Ok(asked.0)
}

/// Input that does not fit its type; what is missing has a code of its own.
fn unfit(path: &str, text: &str) -> Error {
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let unknown = text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let prefix = if path == "." { "" } else { path };
    let field = match missing.or(unknown) {
        Some(name) if prefix.is_empty() || prefix.ends_with(name) => name.to_owned(),
        Some(name) => format!("{prefix}.{name}"),
        None => prefix.to_owned(),
    };
    let code = if missing.is_some() { "MissingParameter" } else { "InvalidParameter" };
    let field = Some(field).filter(|field| !field.is_empty());
    Error::request(StatusCode::BAD_REQUEST, code, field, text.to_owned())
}

fn invalid(field: &str, detail: String) -> Error {
    Error::request(StatusCode::BAD_REQUEST, "InvalidParameter", Some(field.to_owned()), detail)
}
