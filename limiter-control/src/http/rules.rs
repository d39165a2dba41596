//! Internet speed limits.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use limiter_api::params::{Bindings, DeleteRules, NewRule, RuleChange, RuleQuery};
use limiter_api::views::{Page, Rule};

use super::answer::{Created, Tagged};
use super::input::{Asked, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// List rules.
#[utoipa::path(get, path = "/rules", tag = "rules", params(RuleQuery), responses((status = 200, body = Page<Rule>)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<RuleQuery>,
) -> Answer<Json<Page<Rule>>> {
    Ok(Json(app.rules(&caller, &query).await?))
}

/// Show a rule.
#[utoipa::path(get, path = "/rules/{id}", tag = "rules", responses((status = 200, body = Rule)))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Tagged<Rule>> {
    Ok(Tagged(app.rule(&caller, &id).await?))
}

/// Create a rule and bind instances to it; all or nothing.
#[utoipa::path(post, path = "/rules", tag = "rules", request_body = NewRule, responses((status = 201, body = Rule)))]
pub(super) async fn create(
    State(app): State<App>,
    Changing(call, input): Changing<NewRule>,
) -> Answer<Created<Rule>> {
    Ok(Created(app.create_rule(&call, input).await?))
}

/// Change the name or the limits of a rule; open connections go on.
#[utoipa::path(patch, path = "/rules/{id}", tag = "rules", request_body = RuleChange, responses((status = 200, body = Rule)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<RuleChange>,
) -> Answer<Tagged<Rule>> {
    Ok(Tagged(app.change_rule(&call, &id, input).await?))
}

/// Bind and unbind instances; all or nothing.
#[utoipa::path(post, path = "/rules/{id}/bindings", tag = "rules", request_body = Bindings, responses((status = 200, body = Rule)))]
pub(super) async fn bindings(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<Bindings>,
) -> Answer<Tagged<Rule>> {
    Ok(Tagged(app.bind(&call, &id, input).await?))
}

/// Delete rules; all or nothing. Their instances are held by the network's budget alone.
#[utoipa::path(post, path = "/rules/delete", tag = "rules", request_body = DeleteRules, responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<App>,
    Changing(call, input): Changing<DeleteRules>,
) -> Answer<StatusCode> {
    app.delete_rules(&call, input).await?;
    Ok(StatusCode::NO_CONTENT)
}
