//! Premium bandwidth plans: what one is.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use limiter_state::Rate;

use crate::price::Amount;
use crate::{AccountId, Duration, Egress, NetworkId, PlanId, Revision};

/// The premium bandwidth plan of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Identity.
    pub id: PlanId,
    /// Its owner.
    pub account: AccountId,
    /// The owner's own identity for it, unique in the account.
    pub external_id: Option<Arc<str>>,
    /// Its region; never changes.
    pub region: Arc<str>,
    /// When it is paid; never changes.
    pub pay: Pay,
    /// What is charged; never changes.
    pub charge: Charge,
    /// The peak for each direction that was asked for last.
    pub peak: Rate,
    /// The peak that every node acknowledged last.
    pub applied_peak: Rate,
    /// Where it is in its life.
    pub status: Status,
    /// Whether service is due.
    pub business: Business,
    /// Why it failed or is blocked, as a code.
    pub reason: Option<Arc<str>>,
    /// The network it holds; taken when an association starts, given back when nodes acknowledged its end.
    pub network: Option<NetworkId>,
    /// Its own address, from the order to the release, where its region has some.
    pub egress: Option<Egress>,
    /// What nodes have yet to acknowledge.
    pub operation: Option<Operation>,
    /// The revision that every carrying node must have acknowledged before the operation is complete.
    pub generation: Revision,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// When its term and billing began.
    pub provisioned_at: Option<Timestamp>,
    /// End of the term of a subscription.
    pub expires_at: Option<Timestamp>,
    /// Day of the month that renewals by months come back to (1 to 31).
    pub anchor_day: Option<i8>,
    /// Duration of a subscription, and of its automatic renewals.
    pub duration: Option<Duration>,
    /// Whether it is renewed by itself.
    pub auto_renew: bool,
    /// When it is released, while it is expired or overdue.
    pub release_at: Option<Timestamp>,
    /// What was paid for a term that has not begun.
    pub prepaid: Amount,
    /// Periods that were bought, in order; holes only where a plan was renewed after its expiry.
    pub slices: Vec<Slice>,
    /// Scheduled instants up to this one were worked through.
    pub ticked_at: Timestamp,
    /// Raised by every write.
    pub version: u64,
}

/// When a plan is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pay {
    /// A subscription.
    PrePaid,
    /// Pay-as-you-go.
    PostPaid,
}

/// What is charged for a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Charge {
    /// The peak.
    ByBandwidth,
    /// Inbound bytes.
    ByTraffic,
}

/// Where a plan is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Ordered; its first association is under way.
    Creating,
    /// A network uses it.
    InUse,
    /// No network uses it.
    NotAssociated,
    /// An association or dissociation waits for nodes.
    Changing,
    /// It is over; nodes have yet to let go.
    Releasing,
    /// Gone for its owner, kept for bills.
    Released,
    /// It never came into being.
    Failed,
}

/// Whether service is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Business {
    /// It is.
    Normal,
    /// The term of a subscription is over.
    Expired,
    /// The account owes too much.
    Overdue,
}

/// What nodes have yet to acknowledge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it is.
    pub kind: OperationKind,
    /// When it began.
    pub started_at: Timestamp,
}

/// Work that ends when nodes acknowledge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// The first association, part of the order.
    Provision,
    /// An association.
    Associate,
    /// A dissociation.
    Dissociate,
    /// The end of the plan.
    Release,
}

/// A period that was bought: the billing days from `first_day` up to, not including, `last_day`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// First day.
    pub first_day: Date,
    /// The day after the last one.
    pub last_day: Date,
    /// The duration that was bought.
    pub duration: Duration,
    /// What is left of what was paid for it, for the days from `value_from` on.
    pub value: Amount,
    /// The first day that the value is for.
    pub value_from: Date,
}

impl Plan {
    pub(crate) fn start(&mut self, kind: OperationKind, now: Timestamp) {
        self.operation = Some(Operation { kind, started_at: now });
    }

    /// True while the plan has service to lose: it is in one of [`Status::LIVE`].
    pub fn is_live(&self) -> bool {
        Status::LIVE.contains(&self.status)
    }
}

impl Status {
    /// Statuses of plans that are there and whose end has not begun.
    pub const LIVE: [Self; 4] = [Self::Creating, Self::InUse, Self::NotAssociated, Self::Changing];
}

macro_rules! written_as_named {
    ($($type:ty),+) => {
        $(impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        })+
    };
}

written_as_named!(Pay, Charge, Status, Business, OperationKind);
