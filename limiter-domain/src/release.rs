//! The end of a plan.

use jiff::Timestamp;

use crate::guard::{Verb, admit};
use crate::price::{Amount, Money, Order, OrderKind, agreed};
use crate::{EventKind, OperationKind, Plan, Refusal, Revision, Settings, Status, Step, term, worth};

/// How a plan is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Although a network uses it.
    pub force: bool,
    /// The amount that the customer saw; not above zero.
    pub expected_amount: Option<Amount>,
}

/// Ends a subscription: T22. The days after today are paid back. Refused with the codes of [`admit`] and
/// `QuoteChanged`.
pub fn unsubscribe(
    plan: &Plan,
    ending: Ending,
    money: &Money<'_>,
    settings: &Settings,
    now: Timestamp,
    revision: Revision,
) -> Result<Step, Refusal> {
    admit(plan, Verb::Unsubscribe, ending.force)?;
    let back = worth::left(&plan.slices, term::billing_day(now, settings)).negated();
    let order = Order::new(OrderKind::Unsubscribe, now, (back, back), money);
    let order = agreed(order, ending.expected_amount, money)?;
    Ok(end(plan, "unsubscribed", now, revision).costing(order))
}

/// Ends pay-as-you-go: T22. Billing stops now. Refused with the codes of [`admit`].
pub fn delete(plan: &Plan, force: bool, now: Timestamp, revision: Revision) -> Result<Step, Refusal> {
    admit(plan, Verb::Delete, force)?;
    Ok(end(plan, "deleted", now, revision))
}

/// Ends `plan`: at once where it holds no network, else when nodes acknowledged that.
pub(crate) fn end(plan: &Plan, why: &str, now: Timestamp, revision: Revision) -> Step {
    let mut next = plan.clone();
    next.auto_renew = false;
    next.release_at = None;
    next.status = Status::Releasing;
    let step = |next| Step::of(plan, next, now, revision).purging().with(now, EventKind::PlanReleasing, why);
    if next.network.is_some() {
        next.start(OperationKind::Release, now);
        return step(next);
    }
    next.status = Status::Released;
    next.operation = None;
    next.egress = None;
    step(next).with(now, EventKind::PlanReleased, "no network to take it from")
}
