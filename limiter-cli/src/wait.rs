//! Waits until nodes have followed a plan.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use limiter_api::client::{Client, ClientError};
use limiter_api::views::Plan;

use crate::args::WaitArgs;
use crate::failure::Failure;
use crate::output::text::words;

/// First and last pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How far a plan is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// Every node has followed.
    Over,
    /// It will not come about.
    Failed(String),
    /// What nodes have yet to do.
    Pending(String),
}

/// Waits until what was asked of `plan` is in force; afterwards it is as it was seen last.
pub(crate) async fn in_force(client: &Client, plan: &mut Plan, wait: &WaitArgs) -> Result<(), Failure> {
    if wait.no_wait {
        return Ok(());
    }
    let mut is_fresh = true;
    until(wait, async || {
        if !std::mem::take(&mut is_fresh) {
            *plan = client.plan(&plan.id).await?;
        }
        Ok(progress(plan))
    })
    .await
}

/// Waits until the plan `id` is gone.
pub(crate) async fn gone(client: &Client, id: &str, wait: &WaitArgs) -> Result<(), Failure> {
    if wait.no_wait {
        return Ok(());
    }
    until(wait, async || match client.plan(id).await {
        Ok(plan) => Ok(ending(&plan)),
        Err(error) if error.is_not_found() => Ok(Progress::Over),
        Err(error) => Err(error),
    })
    .await
}

async fn until(
    wait: &WaitArgs,
    mut look: impl AsyncFnMut() -> Result<Progress, ClientError>,
) -> Result<(), Failure> {
    let limit = wait.timeout.unsigned_abs();
    let begin = Instant::now();
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(100));
    let mut pause = PAUSE.0;
    let result = loop {
        let problem = match look().await {
            Ok(Progress::Over) => break Ok(()),
            Ok(Progress::Failed(reason)) => break Err(Failure::NotDone(reason)),
            Ok(Progress::Pending(what)) => {
                spinner.set_message(what.clone());
                Failure::TimedOut(format!(
                    "{what}: not over after {limit:?}; it goes on by itself, look again with `limiter plan show`"
                ))
            }
            // A control plane that restarts comes back.
            Err(error @ ClientError::Unreachable { .. }) => Failure::Client(error),
            Err(error) => break Err(Failure::Client(error)),
        };
        let left = limit.saturating_sub(begin.elapsed());
        if left.is_zero() {
            break Err(problem);
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(PAUSE.1);
    };
    spinner.finish_and_clear();
    result
}

fn progress(plan: &Plan) -> Progress {
    if plan.status == "failed" {
        let reason = plan.reason.as_deref().unwrap_or("no reason given");
        return Progress::Failed(format!("plan {} failed: {reason}", plan.id));
    }
    if let Some(operation) = &plan.operation {
        return Progress::Pending(format!("plan {}: {}{}", plan.id, words(operation), blocked(plan)));
    }
    if matches!(plan.status.as_str(), "creating" | "changing" | "releasing") {
        return Progress::Pending(format!("plan {}: {}{}", plan.id, plan.status, blocked(plan)));
    }
    if plan.network.is_some() && plan.applied_peak_bps != plan.peak_bps && plan.business == "normal" {
        return Progress::Pending(format!("plan {}: resize{}", plan.id, blocked(plan)));
    }
    Progress::Over
}

/// A plan that ends is over when it is gone.
fn ending(plan: &Plan) -> Progress {
    match progress(plan) {
        Progress::Over => Progress::Pending(format!("plan {}: release", plan.id)),
        other => other,
    }
}

fn blocked(plan: &Plan) -> String {
    plan.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_plan_is_over_when_nothing_is_under_way() {
        assert_eq!(progress(&fixture::plan()), Progress::Over);
        let changing = Plan {
            status: "changing".into(),
            operation: Some("associate".into()),
            reason: Some("NodeSilent".into()),
            ..fixture::plan()
        };
        assert_eq!(progress(&changing), Progress::Pending("plan plan-1: associate (NodeSilent)".into()));
        let creating = Plan { status: "creating".into(), ..fixture::plan() };
        assert_eq!(progress(&creating), Progress::Pending("plan plan-1: creating".into()));
        let failed =
            Plan { status: "failed".into(), reason: Some("DataPlaneTimeout".into()), ..fixture::plan() };
        assert_eq!(progress(&failed), Progress::Failed("plan plan-1 failed: DataPlaneTimeout".into()));
    }

    #[test]
    fn a_resize_is_over_when_it_is_applied() {
        let resized = Plan { peak_bps: 50_000_000, ..fixture::plan() };
        assert_eq!(progress(&resized), Progress::Pending("plan plan-1: resize".into()));
        let free = Plan { network: None, network_name: None, ..resized };
        assert_eq!(progress(&free), Progress::Over);
    }

    #[test]
    fn an_ending_plan_is_over_when_it_is_gone() {
        assert_eq!(ending(&fixture::plan()), Progress::Pending("plan plan-1: release".into()));
    }
}
