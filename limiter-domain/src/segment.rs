//! Which peak a plan had when: append-only, and the source of what an hour costs.

use jiff::{SignedDuration, Timestamp};
use limiter_state::Rate;

use crate::{Business, Plan};

/// A time in which a plan had one peak and was billable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its first instant.
    pub from: Timestamp,
    /// The instant after its last; [`None`]: it goes on.
    pub to: Option<Timestamp>,
    /// The peak.
    pub peak: Rate,
}

/// The end of one segment and the beginning of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When.
    pub at: Timestamp,
    /// The peak from then on; [`None`]: the plan is not billable.
    pub peak: Option<Rate>,
}

impl Turn {
    /// The turn that a plan takes at `at`, where it takes one.
    pub(crate) fn between(before: &Plan, after: &Plan, at: Timestamp) -> Option<Self> {
        let peak = billable(after);
        (peak != billable(before)).then_some(Self { at, peak })
    }
}

impl Segment {
    /// True where the plan was billable in it at some instant from `from` up to, not including, `to`.
    pub fn meets(&self, from: Timestamp, to: Timestamp) -> bool {
        let begin = self.from.max(from);
        begin < self.to.unwrap_or(Timestamp::MAX).min(to)
    }

    /// How much of it lies between `from` and `to`.
    pub fn within(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        let end = self.to.unwrap_or(Timestamp::MAX).min(to);
        end.duration_since(self.from.max(from)).max(SignedDuration::ZERO)
    }
}

/// The highest peak between `from` and `to`, where the plan was billable then.
pub fn highest(history: &[Segment], from: Timestamp, to: Timestamp) -> Option<Rate> {
    history.iter().filter(|segment| segment.meets(from, to)).map(|segment| segment.peak).max()
}

/// The highest peak that was paid for the day from `from` to `to`: also one that ended as it began, since the
/// day of a change counts as used, and one that was there for no time at all.
pub fn highest_paid(history: &[Segment], from: Timestamp, to: Timestamp) -> Option<Rate> {
    let is_paid = |it: &&Segment| it.from < to && it.to.is_none_or(|end| from <= end);
    history.iter().filter(is_paid).map(|segment| segment.peak).max()
}

/// `history` after a turn. A turn that was due before the last segment began ends it where it began.
pub fn turned(history: &[Segment], turn: Turn) -> Vec<Segment> {
    let mut history = history.to_vec();
    let mut at = turn.at;
    if let Some(last) = history.last_mut() {
        at = at.max(last.to.unwrap_or(last.from));
        last.to = last.to.or(Some(at));
    }
    history.extend(turn.peak.map(|peak| Segment { from: at, to: None, peak }));
    history
}

/// The peak that is billed, while any is.
fn billable(plan: &Plan) -> Option<Rate> {
    let is_billable = plan.provisioned_at.is_some() && plan.is_live() && plan.business == Business::Normal;
    is_billable.then_some(plan.peak)
}
