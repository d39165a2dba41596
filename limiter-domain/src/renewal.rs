//! Longer terms, by hand and by themselves.

use jiff::Timestamp;

use crate::guard::{Verb, admit, exists, payment};
use crate::price::{Amount, Money, Order, OrderKind, agreed};
use crate::{Business, Code, Duration, EventKind, Plan, Refusal, Revision, Settings, Step, order, term};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// How much longer.
    pub duration: Duration,
    /// Automatic renewal from now on, or as it was.
    pub auto_renew: Option<bool>,
    /// The amount that the customer saw.
    pub expected_amount: Option<Amount>,
}

/// Renews a subscription: from its end, or from now where that has passed (T15, T16).
///
/// Refused with `AutoRenewNotSupported`, the codes of [`admit`], `RenewalHorizonExceeded`, `QuoteChanged`
/// and `InsufficientBalance`.
pub fn renew(
    plan: &Plan,
    asked: Renewal,
    money: &Money<'_>,
    settings: &Settings,
    now: Timestamp,
    revision: Revision,
) -> Result<Step, Refusal> {
    exists(plan)?;
    // A payment type that is not renewed comes before the input, which then has no meaning.
    payment(plan, Verb::Renew)?;
    if asked.duration == Duration::Week && asked.auto_renew == Some(true) {
        return Err(Refusal::new(Code::AutoRenewNotSupported, order::weeks()).at("auto_renew"));
    }
    admit(plan, Verb::Renew, false)?;
    let mut next = longer(plan, asked.duration, settings, now)?;
    next.auto_renew = asked.auto_renew.unwrap_or(plan.auto_renew);
    let prices = money.period(plan.peak, asked.duration, now);
    let order = agreed(Order::new(OrderKind::Renew, now, prices, money), asked.expected_amount, money)?;
    Ok(renewed(plan, next, asked.duration, order, revision))
}

/// Renews a subscription by itself: T17. Refused as [`renew`] is.
pub(crate) fn renew_by_itself(
    plan: &Plan,
    money: &Money<'_>,
    settings: &Settings,
    now: Timestamp,
    revision: Revision,
) -> Result<Step, Refusal> {
    admit(plan, Verb::Renew, false)?;
    let duration = plan.duration.unwrap_or(Duration::Month);
    let next = longer(plan, duration, settings, now)?;
    let prices = money.period(plan.peak, duration, now);
    let order = agreed(Order::new(OrderKind::AutoRenew, now, prices, money), None, money)?;
    Ok(renewed(plan, next, duration, order, revision))
}

/// Switches automatic renewal on or off. The period is the plan's own [`Plan::duration`].
///
/// Refused with the codes of [`admit`] and `AutoRenewNotSupported`.
pub fn set_auto_renew(plan: &Plan, on: bool, now: Timestamp, revision: Revision) -> Result<Step, Refusal> {
    admit(plan, Verb::SetAutoRenew, false)?;
    if on && plan.duration == Some(Duration::Week) {
        let message = format!(
            "plan {} has weeks only, which are renewed by hand; renew it for a month or more first",
            plan.id
        );
        return Err(Refusal::new(Code::AutoRenewNotSupported, message).at("auto_renew"));
    }
    let mut next = plan.clone();
    next.auto_renew = on;
    next.ticked_at = plan.ticked_at.max(now);
    let step = Step::of(plan, next, now, revision);
    if on == plan.auto_renew {
        return Ok(step);
    }
    let detail = if on { "off -> on" } else { "on -> off" };
    Ok(step.with(now, EventKind::PlanAutoRenewSet, detail))
}

/// `plan` with a period of `duration` more.
fn longer(plan: &Plan, duration: Duration, settings: &Settings, now: Timestamp) -> Result<Plan, Refusal> {
    let term = match (plan.business, plan.expires_at, plan.anchor_day) {
        (Business::Normal, Some(end), Some(anchor_day)) => term::extend(end, anchor_day, duration, settings),
        _ => term::start(now, duration, settings),
    };
    let latest = term::horizon(now, settings);
    if term.expires_at > latest {
        let message = format!(
            "plan {} would end at {}, after {latest}; choose a shorter duration, or renew it later",
            plan.id, term.expires_at
        );
        return Err(Refusal::new(Code::RenewalHorizonExceeded, message).at("duration"));
    }
    let mut next = plan.clone();
    next.business = Business::Normal;
    next.release_at = None;
    next.expires_at = Some(term.expires_at);
    next.anchor_day = Some(term.anchor_day);
    next.slices.push(term.slice);
    next.ticked_at = plan.ticked_at.max(now);
    if plan.duration == Some(Duration::Week) {
        next.duration = Some(duration);
    }
    Ok(next)
}

fn renewed(plan: &Plan, next: Plan, duration: Duration, order: Order, revision: Revision) -> Step {
    let mut next = next;
    if let Some(slice) = next.slices.last_mut() {
        slice.value = order.amount;
    }
    let until = next.expires_at.map(|at| format!(", until {at}")).unwrap_or_default();
    let how = if order.kind == OrderKind::AutoRenew { "renewed by itself" } else { "renewed" };
    let detail = format!("{how} for {duration}{until}");
    let now = order.at;
    let step = Step::of(plan, next, now, revision).with(now, EventKind::PlanRenewed, detail).costing(order);
    match plan.business {
        Business::Normal => step,
        was => step.with(now, EventKind::PlanRestored, format!("{was} -> {}", Business::Normal)),
    }
}
