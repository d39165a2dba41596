//! What happened, for people and auditors: append-only.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{AccountId, Revision};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The transaction it is part of.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// The account it concerns.
    pub account: Option<AccountId>,
    /// Who did it: `user NAME`, `token NAME`, `scheduler`, `agent NODE`, `local`.
    pub actor: Arc<str>,
    /// The request or run it was part of.
    pub request_id: Arc<str>,
    /// What.
    pub kind: EventKind,
    /// Identity of what it happened to.
    pub subject: Arc<str>,
    /// What changed, for a reader: `peak 5Mbps -> 20Mbps`.
    pub detail: Arc<str>,
}

macro_rules! kinds {
    ($($name:ident = $code:literal),+ $(,)?) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is named by its code")]
        pub enum EventKind {
            $($name),+
        }

        impl EventKind {
            /// All.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As written everywhere, for example `plan.in_use`.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code),+
                }
            }
        }
    };
}

kinds! {
    AccountCreated = "account.created",
    AccountUpdated = "account.updated",
    AccountDisabled = "account.disabled",
    AccountEnabled = "account.enabled",
    AccountOverdue = "account.overdue",
    AccountSuspended = "account.suspended",
    AccountRestored = "account.restored",
    AccountTermsSet = "account.terms_set",
    AccountNoted = "account.noted",
    PriceBookCreated = "price_book.created",
    OrderPaid = "order.paid",
    OrderRefunded = "order.refunded",
    BillHeld = "bill.held",
    BillReleased = "bill.released",
    StatementIssued = "statement.issued",
    UserCreated = "user.created",
    UserUpdated = "user.updated",
    UserDeleted = "user.deleted",
    TokenCreated = "token.created",
    TokenRevoked = "token.revoked",
    NodeCreated = "node.created",
    NodeUpdated = "node.updated",
    NodeDeleted = "node.deleted",
    NodeFenced = "node.fenced",
    NodeUnfenced = "node.unfenced",
    NodeRefused = "node.refused",
    UsageRefused = "usage.refused",
    UsageMissing = "usage.missing",
    UsageAnomaly = "usage.anomaly",
    AddressesImported = "addresses.imported",
    AddressesRemoved = "addresses.removed",
    NetworkCreated = "network.created",
    NetworkUpdated = "network.updated",
    NetworkDeleted = "network.deleted",
    InstanceCreated = "instance.created",
    InstanceUpdated = "instance.updated",
    InstanceMoved = "instance.moved",
    InstanceDeleted = "instance.deleted",
    PlanCreated = "plan.created",
    PlanInUse = "plan.in_use",
    PlanNotAssociated = "plan.not_associated",
    PlanChanging = "plan.changing",
    PlanWaiting = "plan.waiting",
    PlanResized = "plan.resized",
    PlanAddressBound = "plan.address_bound",
    PlanAddressMoving = "plan.address_moving",
    PlanAddressMoved = "plan.address_moved",
    PlanRenewed = "plan.renewed",
    PlanAutoRenewSet = "plan.auto_renew_set",
    PlanAutoRenewFailed = "plan.auto_renew_failed",
    PlanExpiring = "plan.expiring",
    PlanExpired = "plan.expired",
    PlanOverdue = "plan.overdue",
    PlanRestored = "plan.restored",
    PlanReleasing = "plan.releasing",
    PlanReleased = "plan.released",
    PlanFailed = "plan.failed",
    RuleCreated = "rule.created",
    RuleUpdated = "rule.updated",
    RuleDeleted = "rule.deleted",
    RulePurged = "rule.purged",
    BindingAdded = "binding.added",
    BindingRemoved = "binding.removed",
}
