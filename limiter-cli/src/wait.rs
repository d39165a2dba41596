//! Waits until nodes have followed a plan.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use limiter_api::client::{Client, ClientError};
use limiter_api::views::{Network, Node, Plan};

use crate::args::WaitArgs;
use crate::failure::Failure;
use crate::output::text::{plain, rate, words};

/// First and last pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What was asked of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// That it is there.
    There,
    /// That it serves this network.
    Serves(String),
    /// That it serves none.
    Free,
    /// That it has this peak.
    Peak(u64),
}

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
pub(crate) async fn in_force(
    client: &Client,
    plan: &mut Plan,
    goal: &Goal,
    wait: &WaitArgs,
) -> Result<(), Failure> {
    if wait.no_wait {
        return Ok(());
    }
    let mut is_fresh = true;
    until(wait, "plan", async || {
        if !std::mem::take(&mut is_fresh) {
            *plan = client.plan(&plan.id).await?;
        }
        Ok(progress(plan, goal))
    })
    .await
}

/// Waits until the plan `id` is gone.
pub(crate) async fn gone(client: &Client, id: &str, wait: &WaitArgs) -> Result<(), Failure> {
    if wait.no_wait {
        return Ok(());
    }
    until(wait, "plan", async || match client.plan(id).await {
        Ok(plan) => Ok(ending(&plan)),
        Err(error) if error.is_not_found() => Ok(Progress::Over),
        Err(error) => Err(error),
    })
    .await
}

/// Waits until the node `to` uses the address of the plan of `network`, of which `from` has yet to let go;
/// afterwards the network is as it was seen last.
pub(crate) async fn moved(
    client: &Client,
    network: &mut Network,
    from: Option<&Node>,
    to: &mut Node,
    wait: &WaitArgs,
) -> Result<(), Failure> {
    if wait.no_wait {
        return Ok(());
    }
    let mut needed = None;
    until(wait, "network", async || {
        *network = client.network(&network.id).await?;
        if network.egress_leaving.is_none() {
            *to = client.node(&to.id).await?;
            // Later changes of a busy node are not waited for.
            needed.get_or_insert(to.wanted_revision);
        }
        Ok(moving(network, from, to, needed))
    })
    .await
}

async fn until(
    wait: &WaitArgs,
    kind: &str,
    mut look: impl AsyncFnMut() -> Result<Progress, ClientError>,
) -> Result<(), Failure> {
    let limit = wait.timeout.unsigned_abs();
    let begin = Instant::now();
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(100));
    let late = |what: &str| {
        Failure::TimedOut(format!(
            "{what}: not over after {limit:?}; it goes on by itself, look again with `limiter {kind} show`"
        ))
    };
    let mut problem = late("the control plane is slow");
    let mut pause = PAUSE.0;
    let result = loop {
        let left = limit.saturating_sub(begin.elapsed());
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(Progress::Over)) => break Ok(()),
            Ok(Ok(Progress::Failed(reason))) => break Err(Failure::NotDone(reason)),
            Ok(Ok(Progress::Pending(what))) => {
                spinner.set_message(plain(&what));
                problem = late(&what);
            }
            // A control plane that restarts or is busy comes back.
            Ok(Err(error)) if error.is_passing() => problem = Failure::Client(error),
            Ok(Err(error)) => break Err(Failure::Client(error)),
            Err(_) => break Err(problem),
        }
        tokio::time::sleep(pause.min(limit.saturating_sub(begin.elapsed()))).await;
        pause = (pause * 2).min(PAUSE.1);
    };
    spinner.finish_and_clear();
    result
}

fn progress(plan: &Plan, goal: &Goal) -> Progress {
    let id = &plan.id;
    let reason = plan.reason.as_deref();
    if plan.status == "failed" {
        return Progress::Failed(format!("plan {id} failed: {}", reason.unwrap_or("no reason given")));
    }
    let blocked = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let pending = |what: &str| Progress::Pending(format!("plan {id}: {}{blocked}", words(what)));
    if let Some(operation) = &plan.operation {
        return pending(operation);
    }
    if matches!(plan.status.as_str(), "creating" | "changing" | "releasing") {
        return pending(&plan.status);
    }
    match goal {
        Goal::Serves(network) if plan.network.as_ref() != Some(network) => {
            Progress::Failed(format!("plan {id} does not serve network {network}{blocked}"))
        }
        Goal::Free if plan.network.is_some() => {
            Progress::Failed(format!("plan {id} was given to a network again"))
        }
        Goal::Peak(peak) if plan.peak_bps != *peak => {
            Progress::Failed(format!("the peak of plan {id} was changed again, to {}", rate(plan.peak_bps)))
        }
        Goal::Peak(peak) if plan.network.is_some() && plan.applied_peak_bps != *peak => pending("resize"),
        Goal::There | Goal::Serves(_) | Goal::Free | Goal::Peak(_) => Progress::Over,
    }
}

/// A plan that ends is over when it is gone.
fn ending(plan: &Plan) -> Progress {
    match progress(plan, &Goal::There) {
        Progress::Over => Progress::Pending(format!("plan {}: release", plan.id)),
        other => other,
    }
}

/// A move is over when `to` has acknowledged the revision `needed`, which the one before it does not know.
fn moving(network: &Network, from: Option<&Node>, to: &Node, needed: Option<u64>) -> Progress {
    let name = &network.name;
    if network.egress != "exclusive" {
        let egress = &network.egress;
        return Progress::Failed(format!(
            "network {name} does not leave through the address of its plan: its egress is {egress}"
        ));
    }
    if network.egress_node.as_ref() != Some(&to.id) {
        return Progress::Failed(format!("the address of network {name} did not stay with node {}", to.name));
    }
    if let Some(leaving) = &network.egress_leaving {
        let leaving = from.map_or(leaving, |from| &from.name);
        return Progress::Pending(format!(
            "network {name}: node {leaving} has yet to let go of the address (is it off for good? then fence it)"
        ));
    }
    if needed.is_none_or(|needed| to.acked_revision < needed) {
        return Progress::Pending(format!("network {name}: node {} has yet to take the address", to.name));
    }
    Progress::Over
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn serves() -> Goal {
        Goal::Serves("net-1".into())
    }

    #[test]
    fn a_plan_is_over_when_nothing_is_under_way() {
        assert_eq!(progress(&fixture::plan(), &serves()), Progress::Over);
        let changing = Plan {
            status: "changing".into(),
            operation: Some("associate".into()),
            reason: Some("NodeSilent".into()),
            ..fixture::plan()
        };
        assert_eq!(
            progress(&changing, &serves()),
            Progress::Pending("plan plan-1: associate (NodeSilent)".into())
        );
        let creating = Plan { status: "creating".into(), ..fixture::plan() };
        assert_eq!(progress(&creating, &Goal::There), Progress::Pending("plan plan-1: creating".into()));
        let failed =
            Plan { status: "failed".into(), reason: Some("DataPlaneTimeout".into()), ..fixture::plan() };
        let failure = Progress::Failed("plan plan-1 failed: DataPlaneTimeout".into());
        assert_eq!(progress(&failed, &Goal::There), failure);
    }

    #[test]
    fn what_did_not_come_about_is_no_success() {
        let free = Plan {
            status: "not_associated".into(),
            network: None,
            network_name: None,
            reason: Some("DataPlaneTimeout".into()),
            ..fixture::plan()
        };
        let failure = Progress::Failed("plan plan-1 does not serve network net-1 (DataPlaneTimeout)".into());
        assert_eq!(progress(&free, &serves()), failure);
        assert_eq!(progress(&free, &Goal::Free), Progress::Over);
        assert!(matches!(progress(&fixture::plan(), &Goal::Free), Progress::Failed(_)));
    }

    #[test]
    fn a_resize_is_over_when_it_is_applied() {
        let goal = Goal::Peak(50_000_000);
        assert!(matches!(progress(&fixture::plan(), &goal), Progress::Failed(_)));
        let resized = Plan { peak_bps: 50_000_000, ..fixture::plan() };
        assert_eq!(progress(&resized, &goal), Progress::Pending("plan plan-1: resize".into()));
        let free = Plan { network: None, network_name: None, ..resized };
        assert_eq!(progress(&free, &goal), Progress::Over);
    }

    #[test]
    fn an_ending_plan_is_over_when_it_is_gone() {
        assert_eq!(ending(&fixture::plan()), Progress::Pending("plan plan-1: release".into()));
    }
    #[test]
    fn a_move_is_over_when_one_node_let_go_and_the_other_took_it() {
        let from = fixture::node();
        let mut to = Node { id: "node-2".into(), name: "n2".into(), ..fixture::node() };
        let mut network = Network {
            egress: "exclusive".into(),
            egress_node: Some("node-2".into()),
            egress_leaving: Some("node-1".into()),
            ..fixture::network()
        };
        let pending = |progress| match progress {
            Progress::Pending(what) => what,
            other => panic!("{other:?}"),
        };
        let what = pending(moving(&network, Some(&from), &to, None));
        assert!(
            what.starts_with("network office: node n1 has yet to let go") && what.contains("fence"),
            "{what}"
        );
        network.egress_leaving = None;
        let what = pending(moving(&network, Some(&from), &to, Some(8)));
        assert_eq!(what, "network office: node n2 has yet to take the address");
        to.acked_revision = 8;
        assert_eq!(moving(&network, Some(&from), &to, Some(8)), Progress::Over);
        network.egress_node = Some("node-3".into());
        assert!(matches!(moving(&network, Some(&from), &to, Some(8)), Progress::Failed(_)));
        network.egress = "shared".into();
        let Progress::Failed(why) = moving(&network, Some(&from), &to, Some(8)) else { panic!("a success") };
        assert!(why.ends_with("its egress is shared"), "{why}");
    }
}
