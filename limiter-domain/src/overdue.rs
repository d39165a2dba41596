//! Pay-as-you-go plans of an account that owes too much, and what a top-up does for them.

use jiff::Timestamp;

use crate::{Business, EventKind, Pay, Plan, Revision, Settings, Step};

/// Takes the service of `plan`, whose account owed too much for too long: T19. It keeps its network, rules
/// and address, and is released when its retention is over. [`None`]: it is not concerned.
pub fn suspend(plan: &Plan, settings: &Settings, at: Timestamp, revision: Revision) -> Option<Step> {
    if !concerns(plan, Business::Normal) {
        return None;
    }
    let mut next = plan.clone();
    next.business = Business::Overdue;
    let release_at = at.saturating_add(settings.retention).unwrap_or(Timestamp::MAX);
    next.release_at = Some(release_at);
    let detail = format!("{} -> {}, released at {release_at}", plan.business, next.business);
    Some(Step::of(plan, next, at, revision).with(at, EventKind::PlanOverdue, detail))
}

/// Gives the service of `plan` back: T20. [`None`]: it is not overdue.
pub fn restore(plan: &Plan, at: Timestamp, revision: Revision) -> Option<Step> {
    if !concerns(plan, Business::Overdue) {
        return None;
    }
    let mut next = plan.clone();
    next.business = Business::Normal;
    next.release_at = None;
    let detail = format!("{} -> {}", plan.business, next.business);
    Some(Step::of(plan, next, at, revision).with(at, EventKind::PlanRestored, detail))
}

fn concerns(plan: &Plan, business: Business) -> bool {
    plan.pay == Pay::PostPaid && plan.is_live() && plan.business == business
}
