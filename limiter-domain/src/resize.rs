//! Another peak.

use jiff::Timestamp;

use crate::guard::{Verb, admit, exists};
use crate::price::{Amount, Item, agreed};
use crate::{Code, EventKind, Plan, Refusal, Revision, Settings, Status, Step, order};

/// The peak that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize {
    /// The peak for each direction, bits per second.
    pub peak_bps: u64,
    /// The amount that the customer saw.
    pub expected_amount: Option<Amount>,
}

/// Gives `plan` another peak: T12 and T14. The status stays; [`Plan::applied_peak`] follows when nodes
/// acknowledged the change.
///
/// Refused with `InvalidBandwidth`, the codes of [`admit`], `ResizeNoChange` and `QuoteChanged`.
pub fn resize(
    plan: &Plan,
    to: Resize,
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
    let amount = agreed(&Item::Resize { plan, peak }, to.expected_amount)?;
    let mut next = plan.clone();
    next.peak = peak;
    if plan.status == Status::NotAssociated {
        next.applied_peak = peak;
    }
    let detail = format!("peak {} -> {peak}", plan.peak);
    Ok(Step::of(plan, next, revision).costing(amount).with(now, EventKind::PlanResized, detail))
}
