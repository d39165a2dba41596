//! Who calls: by a bearer token, or by being on the local socket.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::problem::Error;
use super::request::{RequestId, new_name};
use crate::app::{App, AppError, Caller};

/// Marks requests that came over the local socket, which only those may open who may do everything.
#[derive(Clone, Copy, Debug)]
pub struct Local;

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let id = parts.extensions.get::<RequestId>().map_or_else(new_name, |id| Arc::clone(&id.0));
        let secret = parts.headers.get(AUTHORIZATION);
        if secret.is_none() && parts.extensions.get::<Local>().is_some() {
            return Ok(Self::system("local", id));
        }
        let secret = secret.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer ")).ok_or(
            AppError::Unauthenticated("who calls is not known: send Authorization: Bearer and a token"),
        )?;
        Ok(app.caller(secret.trim(), id).await?)
    }
}
