//! What passed.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use limiter_api::series::{
    TopInstance, TopInstances, TopQuery, UsagePoint, UsageQuery, UsageRate, UsageSeries, UsageTotal,
};

use super::{World, not_found};

pub(super) fn routes() -> Router<World> {
    Router::new()
        .route("/plans/{id}/usage", get(of_plan))
        .route("/networks/{id}/usage", get(series))
        .route("/instances/{id}/usage", get(series))
        .route("/networks/{id}/usage/top", get(top))
}

fn moment() -> Timestamp {
    "2026-03-31T12:00:00Z".parse().expect("a moment")
}

async fn of_plan(
    State(world): State<World>,
    Path(id): Path<String>,
    Query(query): Query<UsageQuery>,
) -> Response {
    // A plan that was released is not listed, and its usage is there.
    let is_there = world.lock().plans.contains_key(&id) || id.starts_with("np-");
    if is_there { series(Query(query)).await } else { not_found() }
}

/// A point for each minute of 2026-03-31T12:00 that is asked for, at most two.
async fn series(Query(query): Query<UsageQuery>) -> Response {
    let period_s = query.period_s.unwrap_or(60);
    let down = UsageRate {
        bytes: 150_000_000,
        average_bps: 20_000_000,
        max_bps: 20_150_000,
        refused_bytes: 3_000,
        limited_s: 60,
    };
    let up = UsageRate { bytes: 7, ..UsageRate::default() };
    let is_now = query.from.is_none_or(|from| from < moment());
    let points = [(0, false), (60, true)].map(|(second, estimated)| UsagePoint {
        start: moment() + jiff::SignedDuration::from_secs(second),
        up,
        down,
        estimated,
    });
    Json(UsageSeries {
        from: query.from.unwrap_or_else(moment),
        to: query.to.unwrap_or_else(moment),
        period_s,
        peak_bps: Some(20_000_000),
        points: points.into_iter().filter(|_| is_now).collect(),
        total: UsageTotal { up, down },
    })
    .into_response()
}

async fn top(Query(query): Query<TopQuery>) -> Response {
    let instance = |number: usize, name: Option<&str>| TopInstance {
        instance: format!("inst-{number}"),
        name: name.map(str::to_owned),
        up_bytes: 1536,
        down_bytes: 1 << 30,
    };
    let all = [instance(1, Some("web")), instance(2, None)];
    let instances = all.into_iter().take(query.limit.unwrap_or(10)).collect();
    Json(TopInstances { from: moment(), to: moment(), instances }).into_response()
}
