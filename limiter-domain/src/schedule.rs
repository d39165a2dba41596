//! What time does to plans: deadlines, reminders, automatic renewal, expiry and release.
//!
//! Deadlines, expiry and release show in the plan that they were worked; reminders and attempts at
//! renewal do not, so [`Plan::ticked_at`] says up to which instant they were. Before any other operation
//! the plan is to be brought up to now with [`catch_up`], so that nothing is decided by a state that is over.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};

use crate::price::Money;
use crate::segment::Turn;
use crate::{
    Business, Duration, EventKind, OperationKind, Pay, Plan, Revision, Settings, Status, Step, association,
    order, release, renewal, term,
};

/// Why an association was given up.
const TIMEOUT: &str = "DataPlaneTimeout";

/// Works done at one instant, in this order.
const WORKS: [Work; 6] =
    [Work::Deadline, Work::Alarm, Work::AutoRenew, Work::Expiry, Work::Remind, Work::Release];

/// What may be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// An association waited for nodes long enough: T05, T09.
    Deadline,
    /// A withdrawal, which nothing ends but nodes or an operator, takes long: operators are told once.
    Alarm,
    /// A subscription renews itself: T17.
    AutoRenew,
    /// A term is over, after a last attempt at renewal: T18.
    Expiry,
    /// The owner is told that the term is nearly over.
    Remind,
    /// The plan was kept long enough after its end: T21.
    Release,
}

/// The next instant at which something is due; it may have passed.
pub fn next_due(plan: &Plan, settings: &Settings) -> Option<Timestamp> {
    WORKS.iter().filter_map(|&work| when(work, plan, settings)).min()
}

/// Works what is due at the instant `due`, as of that instant. [`None`]: nothing is.
pub fn tick(
    plan: &Plan,
    money: &Money<'_>,
    settings: &Settings,
    due: Timestamp,
    revision: Revision,
) -> Option<Step> {
    let mut all: Option<Step> = None;
    for work in WORKS {
        let (plan, money) = after(all.as_ref(), plan, money);
        if when(work, plan, settings) == Some(due) {
            let step = run(work, plan, &money, settings, due, revision);
            all = Some(match all {
                Some(before) => before.then(step),
                None => step,
            });
        }
    }
    all.map(|mut step| {
        step.plan.ticked_at = step.plan.ticked_at.max(due);
        step
    })
}

/// Works all that is due up to `now`, in order of time. [`None`]: nothing is.
pub fn catch_up(
    plan: &Plan,
    money: &Money<'_>,
    settings: &Settings,
    now: Timestamp,
    revision: Revision,
) -> Option<Step> {
    let mut all: Option<Step> = None;
    loop {
        let (plan, money) = after(all.as_ref(), plan, money);
        let due = next_due(plan, settings).filter(|due| *due <= now);
        let Some(step) = due.and_then(|due| tick(plan, &money, settings, due, revision)) else { return all };
        all = Some(match all {
            Some(before) => before.then(step),
            None => step,
        });
    }
}

/// The plan and the money after what was worked.
fn after<'a, 'b>(all: Option<&'a Step>, plan: &'a Plan, money: &Money<'b>) -> (&'a Plan, Money<'b>) {
    all.map_or((plan, *money), |step| (&step.plan, money.after(&step.orders)))
}

/// When `work` is due next.
fn when(work: Work, plan: &Plan, settings: &Settings) -> Option<Timestamp> {
    if !plan.is_live() && work != Work::Alarm {
        return None;
    }
    match work {
        Work::Alarm => first_after(plan.ticked_at, alarm(plan, settings).into_iter()),
        Work::Deadline => deadline(plan, settings),
        Work::AutoRenew => {
            let day = ends_on(plan, settings).filter(|_| renews_itself(plan))?;
            let hour = settings.auto_renew_hour;
            let at = |before| Some(term::hour_of_day(days_before(day, before)?, hour, settings));
            first_after(plan.ticked_at, (1..=settings.auto_renew_lead_days).filter_map(at))
        }
        Work::Expiry => plan.expires_at.filter(|_| ends_on(plan, settings).is_some()),
        Work::Remind => {
            let day = ends_on(plan, settings)?;
            let at = |&before: &i32| Some(term::hour_of_day(days_before(day, before)?, 0, settings));
            first_after(plan.ticked_at, settings.reminder_days.iter().filter_map(at))
        }
        Work::Release => plan.release_at.filter(|_| plan.business != Business::Normal),
    }
}

fn deadline(plan: &Plan, settings: &Settings) -> Option<Timestamp> {
    let operation = plan.operation.as_ref()?;
    let patience = match operation.kind {
        OperationKind::Provision => settings.provision_deadline,
        OperationKind::Associate => settings.associate_deadline,
        OperationKind::Dissociate | OperationKind::Release => return None,
    };
    operation.started_at.checked_add(patience).ok()
}

fn alarm(plan: &Plan, settings: &Settings) -> Option<Timestamp> {
    let operation = plan.operation.as_ref()?;
    let withdrawal = matches!(operation.kind, OperationKind::Dissociate | OperationKind::Release);
    operation.started_at.checked_add(settings.withdrawal_alarm).ok().filter(|_| withdrawal)
}

/// The billing day on which a term ends that is not over.
fn ends_on(plan: &Plan, settings: &Settings) -> Option<Date> {
    let term = (plan.pay, plan.business) == (Pay::PrePaid, Business::Normal);
    plan.expires_at.filter(|_| term).map(|at| term::billing_day(at, settings))
}

fn renews_itself(plan: &Plan) -> bool {
    plan.auto_renew && plan.duration != Some(Duration::Week)
}

fn days_before(day: Date, days: i32) -> Option<Date> {
    day.checked_sub(i64::from(days).checked_abs()?.min(10_000).days()).ok()
}

fn first_after(cursor: Timestamp, instants: impl Iterator<Item = Timestamp>) -> Option<Timestamp> {
    instants.filter(|at| *at > cursor).min()
}

fn run(
    work: Work,
    plan: &Plan,
    money: &Money<'_>,
    settings: &Settings,
    due: Timestamp,
    revision: Revision,
) -> Step {
    match work {
        Work::Deadline => give_up(plan, settings, due, revision),
        Work::Alarm => Step::of(plan, plan.clone(), due, revision).with(
            due,
            EventKind::PlanWaiting,
            "nodes have not acknowledged the withdrawal; a node that is dead for ever is to be fenced",
        ),
        Work::AutoRenew => auto_renew(plan, money, settings, due, revision),
        Work::Expiry if renews_itself(plan) => {
            let last = auto_renew(plan, money, settings, due, revision);
            if last.plan.expires_at > Some(due) {
                return last;
            }
            let expired = expire(&last.plan, settings, due, revision);
            last.then(expired)
        }
        Work::Expiry => expire(plan, settings, due, revision),
        Work::Remind => {
            let at = plan.expires_at.unwrap_or(due);
            Step::of(plan, plan.clone(), due, revision).with(
                due,
                EventKind::PlanExpiring,
                format!("expires at {at}"),
            )
        }
        Work::Release => release::end(plan, "retention is over", due, revision),
    }
}

fn give_up(plan: &Plan, settings: &Settings, due: Timestamp, revision: Revision) -> Step {
    let creating = plan.status == Status::Creating;
    let mut step = association::withdraw(plan, Some(TIMEOUT.into()), due, revision);
    if creating {
        order::provision(&mut step.plan, settings, due);
        step.turns.extend(Turn::between(plan, &step.plan, due));
    }
    step
}

/// One attempt; where it fails, only that is noted.
fn auto_renew(
    plan: &Plan,
    money: &Money<'_>,
    settings: &Settings,
    due: Timestamp,
    revision: Revision,
) -> Step {
    renewal::renew_by_itself(plan, money, settings, due, revision).unwrap_or_else(|refusal| {
        let step = Step::of(plan, plan.clone(), due, revision);
        step.with(due, EventKind::PlanAutoRenewFailed, refusal.to_string())
    })
}

fn expire(plan: &Plan, settings: &Settings, due: Timestamp, revision: Revision) -> Step {
    let mut next = plan.clone();
    next.business = Business::Expired;
    let release_at = due.saturating_add(settings.retention).unwrap_or(Timestamp::MAX);
    next.release_at = Some(release_at);
    let detail = format!("{} -> {}, released at {release_at}", plan.business, next.business);
    Step::of(plan, next, due, revision).with(due, EventKind::PlanExpired, detail)
}
