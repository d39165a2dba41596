//! HTTP: routes, who calls, what was sent, and errors as problem details.

mod accounts;
mod addresses;
mod agent;
mod answer;
mod caller;
mod description;
mod events;
mod input;
mod instances;
mod money;
mod networks;
mod nodes;
mod plans;
mod problem;
mod request;
mod rules;
mod sessions;
mod setup;
mod tokens;
mod usage;
mod users;

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use caller::Local;
pub use problem::Error;

use crate::app::App;

/// Largest body of a call, in bytes.
const BODY_MAX_BYTES: usize = 1 << 20;

/// Largest body of a whole setup, in bytes.
const SETUP_MAX_BYTES: usize = 64 << 20;

/// Largest body of what an agent measured, in bytes, unpacked.
const USAGE_MAX_BYTES: usize = 16 << 20;

/// Most of those that are read at once, for the memory they take; others wait their turn.
const USAGES_MAX: usize = 4;

/// A call that takes longer is given up, before its client (30 s) gives up the answer; agents that wait for
/// news may take longer.
const PATIENCE: Duration = Duration::from_secs(25);

/// Whole setups may have ten thousands of instances and rules; their clients wait 5 minutes.
const SETUP_PATIENCE: Duration = Duration::from_secs(270);

/// Most setups that are read or applied at once, for the memory they take; others wait their turn.
const SETUPS_MAX: usize = 2;

/// Every route over `app`.
pub fn router(app: App) -> Router {
    let (routes, _) = routes().split_for_parts();
    let (waiting, _) = waiting().split_for_parts();
    let (setups, _) = setups().split_for_parts();
    let (usages, _) = usages().split_for_parts();
    let patience = |time| TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, time);
    let setups = setups.layer(GlobalConcurrencyLimitLayer::new(SETUPS_MAX));
    let usages = usages.layer(GlobalConcurrencyLimitLayer::new(USAGES_MAX));
    routes
        .merge(usages)
        .layer(patience(PATIENCE))
        .merge(setups.layer(patience(SETUP_PATIENCE)))
        .merge(waiting)
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .with_state(app)
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(CompressionLayer::new())
        .layer(from_fn(request::named))
}

/// The description of every route, as `openapi/limiter.json` holds it.
pub fn openapi() -> OpenApi {
    let (_, mut document) = routes().merge(setups()).merge(usages()).merge(waiting()).split_for_parts();
    description::complete(&mut document);
    document
}

/// Routes for whole setups, which are larger and take longer than other calls.
fn setups() -> OpenApiRouter<App> {
    let routes = OpenApiRouter::new().routes(routes!(setup::apply)).routes(routes!(setup::export));
    OpenApiRouter::new().nest("/v1", routes.layer(DefaultBodyLimit::max(SETUP_MAX_BYTES)))
}

/// Routes for what agents measured, which may come packed.
fn usages() -> OpenApiRouter<App> {
    let routes = OpenApiRouter::new().routes(routes!(usage::take));
    let routes = routes.layer(DefaultBodyLimit::max(USAGE_MAX_BYTES)).layer(RequestDecompressionLayer::new());
    OpenApiRouter::new().nest("/v1", routes)
}

/// Routes that may wait for news longer than others may take.
fn waiting() -> OpenApiRouter<App> {
    OpenApiRouter::new().nest("/v1", OpenApiRouter::new().routes(routes!(agent::state)))
}

fn routes() -> OpenApiRouter<App> {
    let v1 = OpenApiRouter::new()
        .routes(routes!(sessions::sign_in))
        .routes(routes!(sessions::sign_out))
        .routes(routes!(sessions::me))
        .routes(routes!(events::status))
        .routes(routes!(events::list))
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::show, accounts::change))
        .routes(routes!(money::balance, money::terms))
        .routes(routes!(money::note))
        .routes(routes!(money::ledger))
        .routes(routes!(money::lines))
        .routes(routes!(money::statements))
        .routes(routes!(money::statement))
        .routes(routes!(money::orders))
        .routes(routes!(money::order))
        .routes(routes!(money::price_books, money::create_price_book))
        .routes(routes!(money::price_book))
        .routes(routes!(money::quote_plan))
        .routes(routes!(money::quote_resize))
        .routes(routes!(money::quote_renewal))
        .routes(routes!(money::quote_end))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::remove))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::rotate))
        .routes(routes!(nodes::list, nodes::create))
        .routes(routes!(nodes::show, nodes::change, nodes::remove))
        .routes(routes!(networks::list, networks::create))
        .routes(routes!(networks::show, networks::change, networks::remove))
        .routes(routes!(networks::move_egress))
        .routes(routes!(addresses::list))
        .routes(routes!(addresses::show))
        .routes(routes!(addresses::uses))
        .routes(routes!(addresses::import))
        .routes(routes!(addresses::remove))
        .routes(routes!(instances::list, instances::create))
        .routes(routes!(instances::show, instances::change, instances::remove))
        .routes(routes!(instances::relocate))
        .routes(routes!(plans::list, plans::create))
        .routes(routes!(plans::show))
        .routes(routes!(plans::associate))
        .routes(routes!(plans::dissociate))
        .routes(routes!(plans::resize))
        .routes(routes!(plans::auto_renew))
        .routes(routes!(plans::renew))
        .routes(routes!(plans::unsubscribe))
        .routes(routes!(plans::delete))
        .routes(routes!(rules::list, rules::create))
        .routes(routes!(rules::show, rules::change))
        .routes(routes!(rules::bindings))
        .routes(routes!(rules::delete))
        .routes(routes!(agent::ack))
        .routes(routes!(usage::taken))
        .routes(routes!(usage::of_plan))
        .routes(routes!(usage::of_network))
        .routes(routes!(usage::top))
        .routes(routes!(usage::of_instance))
        .routes(routes!(events::openapi_document));
    OpenApiRouter::new().nest("/v1", v1)
}
