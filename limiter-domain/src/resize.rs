//! Another peak.

use jiff::Timestamp;
use limiter_state::Rate;

use crate::guard::{Verb, admit, exists};
use crate::price::{Amount, Money, Order, OrderKind, agreed};
use crate::segment::{Segment, highest_paid};
use crate::worth::Repricing;
use crate::{Code, EventKind, Pay, Plan, Refusal, Revision, Settings, Slice, Status, Step, order, term};

/// The peak that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize {
    /// The peak for each direction, bits per second.
    pub peak_bps: u64,
    /// The amount that the customer saw.
    pub expected_amount: Option<Amount>,
}

/// What a resize depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Prices, and what the account has.
    pub money: Money<'a>,
    /// The segments of the plan that were not over before the billing day began.
    pub history: &'a [Segment],
}

/// Gives `plan` another peak: T12 and T14. The status stays; [`Plan::applied_peak`] follows when nodes
/// acknowledged the change.
///
/// Refused with `InvalidBandwidth`, the codes of [`admit`], `ResizeNoChange`, `QuoteChanged`,
/// `InsufficientBalance` and `AccountOverdue`.
pub fn resize(
    plan: &Plan,
    to: Resize,
    facts: Facts<'_>,
    settings: &Settings,
    now: Timestamp,
    revision: Revision,
) -> Result<Step, Refusal> {
    exists(plan)?;
    let peak = order::peak(to.peak_bps, plan.charge, settings)?;
    admit(plan, Verb::Resize, false)?;
    if peak == plan.peak {
        let message = format!("plan {} has a peak of {peak} already; write another", plan.id);
        return Err(Refusal::new(Code::ResizeNoChange, message).at("peak_bps"));
    }
    let (order, slices) = pay(plan, peak, facts, settings, now);
    let order = agreed(order, to.expected_amount, &facts.money)?;
    if plan.pay == Pay::PostPaid && peak > plan.peak {
        facts.money.purse.is_normal()?;
    }
    let mut next = plan.clone();
    next.peak = peak;
    next.slices = slices;
    if plan.status == Status::NotAssociated {
        next.applied_peak = peak;
    }
    let detail = format!("peak {} -> {peak}", plan.peak);
    let step = Step::of(plan, next, now, revision).with(now, EventKind::PlanResized, detail);
    Ok(if plan.pay == Pay::PrePaid { step.costing(order) } else { step })
}

/// What another peak costs, and what the slices are worth with it. Pay-as-you-go pays by the hour.
fn pay(
    plan: &Plan,
    peak: Rate,
    facts: Facts<'_>,
    settings: &Settings,
    now: Timestamp,
) -> (Order, Vec<Slice>) {
    let today = term::billing_day(now, settings);
    let (begin, end) = (term::hour_of_day(today, 0, settings), term::end_of_day(today, settings));
    let repriced = Repricing {
        slices: &plan.slices,
        from: plan.peak,
        to: peak,
        highest: highest_paid(facts.history, begin, end).unwrap_or(plan.peak),
        today,
        book: facts.money.books.at(now),
        discount: facts.money.purse.discount,
    }
    .reprice();
    let kind = if plan.peak < peak { OrderKind::Upgrade } else { OrderKind::Downgrade };
    let prices = (repriced.original, repriced.amount);
    (Order::new(kind, now, prices, &facts.money), repriced.slices)
}
